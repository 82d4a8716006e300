//! HTTP/2 clients that mean harm: their connection ends or costs no more than its bounds, and the others
//! are served.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use breakerbox_proxy::config::Protocol;
use breakerbox_proxy::server::Running;
use breakerbox_proxy::server::limits::{
    Limits, MAX_CONCURRENT_STREAMS, MAX_ERROR_RESETS, MAX_HEAD_BYTES, MAX_PENDING_RESETS,
};
use http::Response;

use crate::support::http2::{
    CANCEL, CONTINUATION, DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, FLOW_CONTROL_ERROR,
    Frame, HEADERS, NO_FLAGS, PING, PRIORITY, PROTOCOL_ERROR, REFUSED_STREAM, RST_STREAM, RawHttp2,
    SETTINGS, WINDOW_UPDATE, get, headers, request,
};
use crate::support::protected::Protected;
use crate::support::upstream::Upstream;
use crate::support::{channel, client, config, full, piece, start_with, within};

async fn hello() -> (Upstream, Running, SocketAddr) {
    let upstream = Upstream::http1(|_| async { Response::new(full("hello")) }).await;
    let running = start_with(config(Protocol::Http1, &[upstream.address]), Limits::default());
    let address = running.addresses()[0];
    (upstream, running, address)
}

/// Somebody else is served, and soon.
async fn others_are_served(address: SocketAddr) {
    let began = Instant::now();
    let response = client::get(address, "/").await;
    assert_eq!(client::text(response).await, "hello");
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}

fn odd(number: usize) -> u32 {
    u32::try_from(2 * number + 1).unwrap()
}

#[tokio::test]
async fn streams_that_are_reset_at_once_end_the_connection() {
    let (upstream, _running, address) = hello().await;
    let mut client = RawHttp2::new(address).await;
    let reset: Vec<u8> = (0..10_000)
        .flat_map(|number| {
            let head = Frame::bytes(HEADERS, END_STREAM | END_HEADERS, odd(number), &get("/"));
            let reset = Frame::bytes(RST_STREAM, NO_FLAGS, odd(number), &CANCEL.to_be_bytes());
            [head, reset].concat()
        })
        .collect();
    client.write(&reset).await;
    let end = client.end().await;
    assert_eq!(end.goodbye(), Some(ENHANCE_YOUR_CALM));
    assert!(upstream.requests() <= MAX_PENDING_RESETS + 250, "{}", upstream.requests());
    others_are_served(address).await;
}

#[tokio::test]
async fn errors_that_make_the_gateway_reset_streams_end_the_connection() {
    let (_upstream, _running, address) = hello().await;
    let mut client = RawHttp2::new(address).await;
    let provoked: Vec<u8> = (0..10_000)
        .flat_map(|number| {
            let head = Frame::bytes(HEADERS, END_HEADERS, odd(number), &request("POST", "/", &[]));
            // A window that grows by nothing.
            let nothing = Frame::bytes(WINDOW_UPDATE, NO_FLAGS, odd(number), &[0; 4]);
            [head, nothing].concat()
        })
        .collect();
    client.write(&provoked).await;
    let end = client.end().await;
    assert!(matches!(end.goodbye(), Some(PROTOCOL_ERROR | ENHANCE_YOUR_CALM)), "{end:?}");
    let resets = end.frames.iter().filter(|it| it.kind == RST_STREAM).count();
    assert!(resets <= MAX_ERROR_RESETS + 1, "{resets}");
    others_are_served(address).await;
}

#[tokio::test]
async fn headers_that_go_on_for_ever_end_the_connection() {
    let (upstream, _running, address) = hello().await;
    let mut client = RawHttp2::new(address).await;
    assert!(client.send(HEADERS, END_STREAM, 1, &get("/")).await);
    let more = headers(&[("x", &[b'y'; 1000])]);
    let mut sent = 0;
    while client.send(CONTINUATION, NO_FLAGS, 1, &more).await {
        sent += more.len();
        assert!(sent < 64 * 1024 * 1024, "it takes all of it");
        tokio::task::yield_now().await;
    }
    assert_eq!(client.end().await.goodbye(), Some(ENHANCE_YOUR_CALM));
    // Small ones too.
    let mut client = RawHttp2::new(address).await;
    assert!(client.send(HEADERS, END_STREAM, 1, &get("/")).await);
    let empty = Frame::bytes(CONTINUATION, NO_FLAGS, 1, &[]).repeat(1000);
    let mut sent = 0;
    while client.write(&empty).await {
        sent += 1000;
        assert!(sent < 10_000_000, "it takes all of it");
        tokio::task::yield_now().await;
    }
    assert_eq!(client.end().await.goodbye(), Some(ENHANCE_YOUR_CALM));
    assert_eq!(upstream.requests(), 0);
    others_are_served(address).await;
}

#[tokio::test]
async fn a_head_that_is_too_large_is_a_431() {
    let (upstream, _running, address) = hello().await;
    let mut client = RawHttp2::new(address).await;
    let large = request("GET", "/", &[("x", &vec![b'y'; MAX_HEAD_BYTES])]);
    let mut parts = large.chunks(16 * 1024);
    client.send(HEADERS, END_STREAM, 1, parts.next().unwrap()).await;
    let mut parts = parts.peekable();
    while let Some(part) = parts.next() {
        let last = if parts.peek().is_none() { END_HEADERS } else { NO_FLAGS };
        client.send(CONTINUATION, last, 1, part).await;
    }
    client.get(3, "/").await;
    client.await_frame(DATA, 3).await;
    assert_eq!(client.so_far().status(1), Some(431));
    assert_eq!(client.so_far().status(3), Some(200));
    assert_eq!(upstream.requests(), 1);
}

#[tokio::test]
async fn a_small_block_that_unfolds_to_a_large_head_goes_nowhere() {
    let (upstream, _running, address) = hello().await;
    let mut client = RawHttp2::new(address).await;
    // One large header that is remembered, and then named two thousand times.
    let mut block = request("GET", "/", &[]);
    let name_and_value = headers(&[("x-large", &vec![b'y'; 3000])]);
    block.push(0x40);
    block.extend_from_slice(&name_and_value[1..]);
    block.extend([0x80 | 62; 2000]);
    client.send(HEADERS, END_STREAM | END_HEADERS, 1, &block).await;
    assert_eq!(client.end().await.goodbye(), Some(ENHANCE_YOUR_CALM));
    assert_eq!(upstream.requests(), 0);
    others_are_served(address).await;
}

/// Floods a connection without reading, up to `most` bytes; how much it took before it would take no
/// more for half a second, or ended.
async fn flood(client: &mut RawHttp2, frames: &[u8], most: usize) -> usize {
    let mut sent = 0;
    while sent < most {
        let write = client.write(frames);
        match tokio::time::timeout(Duration::from_millis(500), write).await {
            Ok(true) => sent += frames.len(),
            Ok(false) | Err(_) => break,
        }
    }
    sent
}

#[tokio::test]
async fn pings_and_settings_that_are_never_read_are_not_collected() {
    let (_upstream, _running, address) = hello().await;
    for frame in [
        Frame::bytes(PING, NO_FLAGS, 0, &[7; 8]),
        Frame::bytes(SETTINGS, NO_FLAGS, 0, &[0, 3, 0, 0, 0, 100]),
    ] {
        let mut client = RawHttp2::with_small_buffer(address).await;
        let sent = flood(&mut client, &frame.repeat(1000), 256 * 1024 * 1024).await;
        assert!(sent < 64 * 1024 * 1024, "it took {sent} bytes without sending the answers");
        others_are_served(address).await;
    }
}

#[tokio::test]
async fn frames_that_mean_nothing_keep_nobody_from_being_served() {
    let (_upstream, _running, address) = hello().await;
    for frame in [
        Frame::bytes(PRIORITY, NO_FLAGS, 1, &[0, 0, 0, 0, 16]),
        Frame::bytes(0xf0, NO_FLAGS, 0, &[1; 64]),
        Frame::bytes(WINDOW_UPDATE, NO_FLAGS, 0, &[0, 0, 0, 1]),
        Frame::bytes(SETTINGS, NO_FLAGS, 0, &[]),
        Frame::bytes(PING, NO_FLAGS, 0, &[7; 8]),
    ] {
        let mut client = RawHttp2::new(address).await;
        let frames = frame.repeat(100);
        let end = Instant::now() + Duration::from_millis(300);
        let flooding = async {
            while Instant::now() < end && client.write(&frames).await {
                let reading = client.behave(Duration::ZERO);
                reading.await;
            }
        };
        let served = async {
            for _ in 0..5 {
                others_are_served(address).await;
            }
        };
        tokio::join!(flooding, served);
    }
}

#[tokio::test]
async fn more_streams_than_allowed_are_refused() {
    let upstream = Upstream::http1(|_| async {
        std::future::pending::<()>().await;
        Response::new(full("never"))
    })
    .await;
    let running = start_with(config(Protocol::Http1, &[upstream.address]), Limits::default());
    let mut client = RawHttp2::new(running.addresses()[0]).await;
    let allowed = MAX_CONCURRENT_STREAMS as usize;
    for number in 0..=allowed {
        assert!(client.get(odd(number), "/").await);
    }
    client.await_frame(RST_STREAM, odd(allowed)).await.unwrap();
    let end = client.so_far();
    assert_eq!(end.reset(odd(allowed)), Some(REFUSED_STREAM));
    assert_eq!(end.goodbye(), None);
    assert_eq!(end.frames.iter().filter(|it| it.kind == RST_STREAM).count(), 1);
}

#[tokio::test]
async fn a_window_that_grows_too_large_ends_the_connection() {
    let (_upstream, _running, address) = hello().await;
    let mut client = RawHttp2::new(address).await;
    client.send(WINDOW_UPDATE, NO_FLAGS, 0, &0x7fff_ffff_u32.to_be_bytes()).await;
    assert_eq!(client.end().await.goodbye(), Some(FLOW_CONTROL_ERROR));
    let mut client = RawHttp2::new(address).await;
    client.send(DATA, END_STREAM, 0, b"x").await;
    assert_eq!(client.end().await.goodbye(), Some(PROTOCOL_ERROR));
    others_are_served(address).await;
}

#[tokio::test]
async fn an_http2_client_that_takes_nothing_is_cut_off_though_it_answers_pings() {
    let upstream = Upstream::http1(|_| async {
        let (sender, body) = channel();
        tokio::spawn(async move {
            let block = piece(1, 64 * 1024);
            while sender.data(block.clone()).await {}
        });
        Response::new(body)
    })
    .await;
    let limits = Limits { write_timeout: Duration::from_millis(500), ..Limits::default() };
    let running = start_with(config(Protocol::Http1, &[upstream.address]), limits);
    let address = running.addresses()[0];
    // The first setting is that of a stream's window: not a single byte.
    let mut client = RawHttp2::with_settings(address, &[(4, 0)]).await;
    assert!(client.get(1, "/").await);
    assert!(client.await_frame(HEADERS, 1).await.is_some());
    let behaving = client.behave(Duration::from_secs(5));
    tokio::select! {
        () = behaving => panic!("its request is still under way"),
        () = upstream.all_closed() => {}
    }
}

/// A connection on which nothing is asked for may stay open for half a second.
fn impatient() -> Limits {
    Limits {
        header_timeout: Duration::from_millis(500),
        keep_alive_timeout: Duration::from_millis(500),
        ..Limits::default()
    }
}

#[tokio::test]
async fn a_head_that_does_not_end_is_closed_over_http2_too() {
    let (upstream, _, _) = hello().await;
    let running = start_with(config(Protocol::Http1, &[upstream.address]), impatient());
    for head in [&get("/")[..], &[]] {
        let began = Instant::now();
        let mut client = RawHttp2::new(running.addresses()[0]).await;
        assert!(client.send(HEADERS, END_STREAM, 1, head).await);
        client.end().await;
        assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    }
    assert_eq!(upstream.requests(), 0);
}

#[tokio::test]
async fn pings_are_no_reason_to_keep_a_connection() {
    let (upstream, _, _) = hello().await;
    let running = start_with(config(Protocol::Http1, &[upstream.address]), impatient());
    let mut client = RawHttp2::new(running.addresses()[0]).await;
    let pinging = async {
        while client.send(PING, NO_FLAGS, 0, &[0; 8]).await {
            client.behave(Duration::from_millis(50)).await;
        }
    };
    let closed = tokio::time::timeout(Duration::from_secs(5), pinging).await;
    assert!(closed.is_ok(), "its answers to pings keep it open");
}

/// An answer of a few bytes to a client that takes none of them.
#[tokio::test]
async fn a_stream_that_is_not_taken_is_reset_and_not_its_connection() {
    let (upstream, _, _) = hello().await;
    let limits = Limits { write_timeout: Duration::from_millis(500), ..Limits::default() };
    let running = start_with(config(Protocol::Http1, &[upstream.address]), limits);
    let mut client = RawHttp2::with_settings(running.addresses()[0], &[(4, 0)]).await;
    assert!(client.get(1, "/").await);
    assert!(client.await_frame(RST_STREAM, 1).await.is_some());
    assert_eq!(client.so_far().goodbye(), None);
    // The next one is, by and by.
    assert!(client.get(3, "/").await);
    assert!(client.await_frame(HEADERS, 3).await.is_some());
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_millis(300)).await;
        client.send(WINDOW_UPDATE, NO_FLAGS, 3, &1_u32.to_be_bytes()).await;
    }
    let got = within(async {
        let mut got = Vec::new();
        while got.len() < 5 {
            got.extend(client.await_frame(DATA, 3).await.unwrap().payload);
        }
        got
    });
    assert_eq!(got.await, b"hello");
}

/// Uploads that are answered before they are there are no abuse: a connection may make any number of them.
/// (`None`: the test's client cannot always read the status.)
async fn uploads_come_late(address: SocketAddr, status: Option<u16>) {
    let mut client = RawHttp2::new(address).await;
    let mut number = 0;
    while number < 2 * MAX_ERROR_RESETS {
        // As many at once as would be forgotten if they were just reset.
        let streams: Vec<_> = (number..number + 100).map(odd).collect();
        number += streams.len();
        for stream in &streams {
            let head = request("POST", "/", &[("content-length", b"5")]);
            assert!(client.send(HEADERS, END_HEADERS, *stream, &head).await);
        }
        for stream in &streams {
            let answered = |it: &Frame| it.kind == HEADERS && it.stream == *stream;
            if !client.so_far().frames.iter().any(answered) {
                client.await_frame(HEADERS, *stream).await.expect("it is answered");
            }
            if status.is_some() {
                assert_eq!(client.so_far().status(*stream), status);
            }
        }
        for stream in &streams {
            assert!(client.send(DATA, END_STREAM, *stream, b"hello").await);
        }
    }
    let last = odd(number);
    assert!(client.get(last, "/").await);
    client.await_frame(HEADERS, last).await.expect("the connection is still there");
    assert_eq!(client.so_far().goodbye(), None);
}

#[tokio::test]
async fn an_upstream_may_answer_uploads_early() {
    let (_upstream, _running, address) = hello().await;
    uploads_come_late(address, Some(200)).await;
}

#[tokio::test]
async fn policies_may_reject_uploads_early() {
    let upstream = Upstream::http1(|_| async { Response::new(full("hello")) }).await;
    let gateway = Protected::new(upstream.address, "rate_limit = { rate = 0.001, burst = 1 }");
    assert_eq!(client::get(gateway.address, "/").await.status(), 200);
    uploads_come_late(gateway.address, None).await;
}
