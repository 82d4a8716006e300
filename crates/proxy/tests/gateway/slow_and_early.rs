//! Upstreams that take their time or answer too soon, and clients that drip.

use std::time::{Duration, Instant};

use breakerbox_proxy::config::Protocol;
use breakerbox_proxy::server::limits::Limits;
use http::Response;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::support::protected::Protected;
use crate::support::upstream::Upstream;
use crate::support::{client, config, full, gateway, raw, start_with, within};

/// An upstream that reads one head and then says this, byte for byte, so slowly.
async fn dripping(answer: &'static str, pause: Duration) -> Upstream {
    Upstream::script(move |mut stream, count| async move {
        raw::read_until(&mut stream, "\r\n\r\n").await;
        count();
        for byte in answer.bytes() {
            if stream.write_all(&[byte]).await.is_err() {
                return;
            }
            tokio::time::sleep(pause).await;
        }
        let _ = stream.read(&mut [0]).await;
    })
    .await
}

#[tokio::test]
async fn an_upstream_that_drips_its_head_runs_into_the_attempt_timeout() {
    let answer = "HTTP/1.1 200 OK\r\nx: a very long header indeed\r\ncontent-length: 0\r\n\r\n";
    let upstream = dripping(answer, Duration::from_millis(50)).await;
    let gateway = Protected::new(upstream.address, "attempt_timeout = '500ms'\nbreaker = {}");
    let began = Instant::now();
    assert_eq!(gateway.outcome("/").await, (504, "timeout".to_owned()));
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    within(upstream.all_closed()).await;
}

#[tokio::test]
async fn an_upstream_whose_head_never_ends_is_no_http() {
    for line in ["x: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n", "HTTP/1.1 100 Continue\r\n\r\n"] {
        let upstream = Upstream::script(move |mut stream, _| async move {
            raw::read_until(&mut stream, "\r\n\r\n").await;
            if line.starts_with('x') {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n").await;
            }
            let lines = line.repeat(100);
            while stream.write_all(lines.as_bytes()).await.is_ok() {}
        })
        .await;
        let gateway = Protected::new(upstream.address, "attempt_timeout = '1s'\nbreaker = {}");
        let (status, reason) = gateway.outcome("/").await;
        let wanted = if line.starts_with('x') { (502, "protocol") } else { (504, "timeout") };
        assert_eq!((status, reason.as_str()), wanted);
        within(upstream.all_closed()).await;
    }
}

#[tokio::test]
async fn an_upstream_that_does_not_read_runs_into_the_attempt_timeout() {
    let upstream = Upstream::script(|mut stream, count| async move {
        raw::read_until(&mut stream, "\r\n\r\n").await;
        count();
        tokio::time::sleep(Duration::from_secs(20)).await;
    })
    .await;
    let gateway = Protected::new(upstream.address, "attempt_timeout = '1s'\nbreaker = {}");
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    let began = Instant::now();
    let length = 64 * 1024 * 1024;
    let head = format!("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let (mut read, mut write) = stream.split();
    let uploading = async {
        let block = vec![b'x'; 64 * 1024];
        while write.write_all(&block).await.is_ok() {}
        std::future::pending::<()>().await;
    };
    let answer = async {
        let mut all = vec![0; 12];
        within(read.read_exact(&mut all)).await.unwrap();
        String::from_utf8(all).unwrap()
    };
    tokio::select! {
        () = uploading => {}
        answer = answer => assert_eq!(answer, "HTTP/1.1 504"),
    }
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_client_that_drips_its_body_runs_into_the_deadline() {
    let upstream = Upstream::http1(|request| async {
        let _ = http_body_util::BodyExt::collect(request.into_body()).await;
        Response::new(full("read"))
    })
    .await;
    let gateway = Protected::new(upstream.address, "deadline = '1s'\nbreaker = {}");
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    let began = Instant::now();
    let head = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let (mut read, mut write) = stream.split();
    let dripping = async {
        while write.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        std::future::pending::<()>().await;
    };
    let answer = async {
        let mut all = vec![0; 12];
        within(read.read_exact(&mut all)).await.unwrap();
        String::from_utf8(all).unwrap()
    };
    tokio::select! {
        () = dripping => {}
        answer = answer => assert_eq!(answer, "HTTP/1.1 504"),
    }
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
}

#[tokio::test]
async fn an_upstream_that_refuses_an_upload_before_its_end_is_heard() {
    const REFUSAL: &[u8] =
        b"HTTP/1.1 413 Content Too Large\r\nconnection: close\r\ncontent-length: 5\r\n\r\nlarge";
    let upstream = Upstream::script(|mut stream, count| async move {
        raw::read_until(&mut stream, "\r\n\r\n").await;
        count();
        stream.write_all(REFUSAL).await.unwrap();
        stream.shutdown().await.unwrap();
        // As servers do that want to be heard.
        let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
    })
    .await;
    let (_running, address) = gateway(upstream.address);
    for _ in 0..20 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 4194304\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        let block = vec![b'x'; 64 * 1024];
        for _ in 0..16 {
            if stream.write_all(&block).await.is_err() {
                break;
            }
        }
        let answer = raw::read_until(&mut stream, "large").await;
        assert_eq!(raw::status(&answer), 413, "{answer}");
    }
    assert_eq!(upstream.requests(), 20);
}

#[tokio::test]
async fn hundreds_of_heads_that_do_not_end_are_closed_in_time_and_keep_nobody_waiting() {
    const SLOW: usize = 400;
    let upstream = Upstream::http1(|_| async { Response::new(full("hello")) }).await;
    let limits = Limits { header_timeout: Duration::from_secs(2), ..Limits::default() };
    let running = start_with(config(Protocol::Http1, &[upstream.address]), limits);
    let address = running.addresses()[0];
    let mut slow = JoinSet::new();
    for number in 0..SLOW {
        slow.spawn(async move {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let began = Instant::now();
            let head = b"GET / HTTP/1.1\r\nhost: a\r\nx: ";
            let begin = &head[..1 + number % (head.len() - 1)];
            stream.write_all(begin).await.unwrap();
            assert_eq!(raw::read_to_close(&mut stream).await, "");
            began.elapsed()
        });
    }
    let mut longest = Duration::ZERO;
    for _ in 0..50 {
        let began = Instant::now();
        assert_eq!(client::text(client::get(address, "/").await).await, "hello");
        longest = longest.max(began.elapsed());
    }
    assert!(longest < Duration::from_secs(1), "{longest:?}");
    for took in within(slow.join_all()).await {
        let off = took.abs_diff(Duration::from_secs(2));
        assert!(off < Duration::from_secs(1), "{took:?}");
    }
    assert_eq!(upstream.requests(), 50);
}
