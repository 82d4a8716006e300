//! Clients that take their time, or take nothing.

use std::time::{Duration, Instant};

use breakerbox_proxy::config::Protocol;
use breakerbox_proxy::server::limits::Limits;
use http::Response;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::upstream::Upstream;
use crate::support::{channel, client, config, full, piece, raw, start_with, within};

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
