//! Clients that take their time, or take nothing.

use std::time::{Duration, Instant};

use breakerbox_proxy::config::Protocol;
use breakerbox_proxy::server::limits::Limits;
use http::Response;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use crate::support::protected::{Protected, assert_counts};
use crate::support::upstream::Upstream;
use crate::support::{channel, client, config, empty, full, piece, raw, start_with, within};

fn limits() -> Limits {
    Limits {
        header_timeout: Duration::from_millis(500),
        keep_alive_timeout: Duration::from_millis(1500),
        write_timeout: Duration::from_millis(500),
        ..Limits::default()
    }
}

async fn hello() -> Upstream {
    Upstream::http1(|_| async { Response::new(full("hello")) }).await
}

#[tokio::test]
async fn a_head_that_does_not_end_is_closed() {
    let upstream = hello().await;
    let running = start_with(config(Protocol::Http1, &[upstream.address]), limits());
    for start in ["", "G", "GET / HTTP/1.1\r\nhost: a\r\n", "PRI * HTTP"] {
        let mut stream = TcpStream::connect(running.addresses()[0]).await.unwrap();
        stream.write_all(start.as_bytes()).await.unwrap();
        let began = Instant::now();
        assert_eq!(raw::read_to_close(&mut stream).await, "", "{start:?}");
        let took = began.elapsed();
        assert!(took > Duration::from_millis(200) && took < Duration::from_secs(3), "{took:?}");
    }
    assert_eq!(upstream.requests(), 0);
}

#[tokio::test]
async fn a_head_in_drops_is_closed_and_a_whole_one_resets_the_clock() {
    let upstream = hello().await;
    let running = start_with(config(Protocol::Http1, &[upstream.address]), limits());
    let mut stream = TcpStream::connect(running.addresses()[0]).await.unwrap();
    let request = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    raw::read_until(&mut stream, "hello").await;
    let dripping = async {
        loop {
            if stream.write_all(b"x").await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    within(dripping).await;
}

#[tokio::test]
async fn an_idle_connection_is_kept_for_the_next_request_and_closed_later() {
    let upstream = hello().await;
    let running = start_with(config(Protocol::Http1, &[upstream.address]), limits());
    let mut stream = TcpStream::connect(running.addresses()[0]).await.unwrap();
    let request = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    raw::read_until(&mut stream, "hello").await;
    // Longer than a head may take, shorter than a connection may be idle.
    tokio::time::sleep(Duration::from_millis(900)).await;
    stream.write_all(request.as_bytes()).await.unwrap();
    raw::read_until(&mut stream, "hello").await;
    assert_eq!(raw::read_to_close(&mut stream).await, "");
}

#[tokio::test]
async fn an_idle_http2_connection_is_closed_with_a_goodbye() {
    let upstream = hello().await;
    let running = start_with(config(Protocol::Http1, &[upstream.address]), limits());
    let (mut client, connection) = client::http2(running.addresses()[0]).await;
    let request =
        http::Request::get("http://front.example/").body(crate::support::empty()).unwrap();
    let response = within(client.send_request(request)).await.unwrap();
    assert_eq!(client::text(response).await, "hello");
    within(connection).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_cut_off() {
    let upstream = Upstream::http1(|_| async {
        let (sender, body) = channel();
        tokio::spawn(async move {
            let block = piece(1, 64 * 1024);
            while sender.data(block.clone()).await {}
        });
        Response::new(body)
    })
    .await;
    let running = start_with(config(Protocol::Http1, &[upstream.address]), limits());
    let mut stream = TcpStream::connect(running.addresses()[0]).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    within(stream.read_exact(&mut [0; 1024])).await.unwrap();
    // Reads nothing more.
    within(upstream.all_closed()).await;
}

#[tokio::test]
async fn more_connections_than_allowed_wait_for_their_turn() {
    let upstream = hello().await;
    let limits = Limits { connections: 2, ..Limits::default() };
    let running = start_with(config(Protocol::Http1, &[upstream.address]), limits);
    let address = running.addresses()[0];
    let (first, task) = client::http1(address).await;
    let (mut second, _) = client::http1(address).await;
    let request =
        || http::Request::get("/").header("host", "a").body(crate::support::empty()).unwrap();
    let response = within(second.send_request(request())).await.unwrap();
    assert_eq!(client::text(response).await, "hello");
    let (mut third, _) = client::http1(address).await;
    let waiting = third.send_request(request());
    tokio::pin!(waiting);
    let early = tokio::time::timeout(Duration::from_millis(100), waiting.as_mut()).await;
    assert!(early.is_err(), "served although there is no room");
    task.abort();
    drop(first);
    let response = within(waiting).await.unwrap();
    assert_eq!(client::text(response).await, "hello");
}

/// A gateway with a deadline of a second in front of an endless download.
async fn endless(protocol: Protocol) -> (Upstream, Protected) {
    let answer = |_| async {
        let (sender, body) = channel();
        tokio::spawn(async move {
            let block = piece(1, 64 * 1024);
            while sender.data(block.clone()).await {}
        });
        Response::new(body)
    };
    let policy = "deadline = '1s'\nbreaker = { failure_rate = 1.0 }";
    match protocol {
        Protocol::Http1 => {
            let upstream = Upstream::http1(answer).await;
            let gateway = Protected::new(upstream.address, policy);
            (upstream, gateway)
        }
        Protocol::Http2 => {
            let upstream = Upstream::http2(answer).await;
            let gateway = Protected::over_http2(upstream.address, policy);
            (upstream, gateway)
        }
    }
}

/// Waits for the end of the one call, which ran into its deadline.
async fn ran_into_its_deadline(gateway: &Protected, began: Instant) {
    assert_counts(&gateway.at_rest().await, &[("started", 1), ("failures", 1)]);
    let took = began.elapsed();
    assert!(took > Duration::from_secs(1) && took < Duration::from_millis(2500), "{took:?}");
    let timeouts = r#"breakerbox_timeouts_total{upstream="posts",kind="deadline"}"#;
    assert_eq!(gateway.metric(timeouts).await, 1.0);
}

#[tokio::test]
async fn the_deadline_ends_an_answer_that_is_not_read() {
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let (upstream, gateway) = endless(protocol).await;
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let mut stream = socket.connect(gateway.address).await.unwrap();
        let began = Instant::now();
        stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        ran_into_its_deadline(&gateway, began).await;
        if matches!(protocol, Protocol::Http1) {
            within(upstream.all_closed()).await;
        }
        // What the system still had for it, and then the end.
        let answer = raw::read_to_close(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 200") && !answer.ends_with("0\r\n\r\n"));
    }
}

#[tokio::test]
async fn the_deadline_ends_an_answer_that_is_read_slowly() {
    let (_upstream, gateway) = endless(Protocol::Http1).await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut stream = socket.connect(gateway.address).await.unwrap();
    let began = Instant::now();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    let reading = async {
        while stream.read(&mut [0; 64]).await.is_ok_and(|count| count > 0) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        () = reading => panic!("the socket's buffer is longer than that"),
        () = ran_into_its_deadline(&gateway, began) => {}
    }
}

#[tokio::test]
async fn the_deadline_ends_a_stream_that_is_not_read_and_not_its_connection() {
    let (_upstream, gateway) = endless(Protocol::Http1).await;
    let (mut client, _) = client::http2(gateway.address).await;
    let get = || http::Request::get("http://front.example/").body(empty()).unwrap();
    let began = Instant::now();
    let unread = within(client.send_request(get())).await.unwrap();
    ran_into_its_deadline(&gateway, began).await;
    // On the same connection.
    let other = within(client.send_request(get())).await.unwrap();
    assert_eq!(other.status(), 200);
    let error = client::body(unread).await.unwrap_err();
    let reset = std::error::Error::source(&error).unwrap().downcast_ref::<h2::Error>().unwrap();
    assert!(reset.is_remote() && reset.is_reset(), "{reset}");
}
