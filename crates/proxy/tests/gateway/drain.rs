//! Starting, being ready, and shutting down.

use std::net::SocketAddr;
use std::time::Duration;

use breakerbox_proxy::config::Protocol;
use breakerbox_proxy::server::{Running, Server, StartError};
use http::{Request, Response};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use crate::support::upstream::Upstream;
use crate::support::{
    BodySender, PATIENCE, channel, client, config, empty, full, raw, start, within,
};

/// An upstream whose responses are finished by hand.
async fn unfinished() -> (Upstream, mpsc::UnboundedReceiver<BodySender>) {
    let (told, asked) = mpsc::unbounded_channel();
    let upstream = Upstream::http1(move |_| {
        let told = told.clone();
        async move {
            let (sender, body) = channel();
            told.send(sender).unwrap();
            Response::new(body)
        }
    })
    .await;
    (upstream, asked)
}

async fn stopped(running: Running) {
    within(tokio::task::spawn_blocking(move || running.wait())).await.unwrap().unwrap();
}

async fn refused(address: SocketAddr) {
    TcpStream::connect(address).await.unwrap_err();
}

#[tokio::test]
async fn what_is_in_flight_is_finished_and_nothing_new_is_taken() {
    let (upstream, mut asked) = unfinished().await;
    let running = start(config(Protocol::Http1, &[upstream.address]));
    let address = running.addresses()[0];
    let admin = running.admin_address().unwrap();
    assert_eq!(client::get(admin, "/ready").await.status(), 200);

    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    let http1 = within(asked.recv()).await.unwrap();
    let (mut client, connection) = client::http2(address).await;
    let request = Request::get("http://front.example/").body(empty()).unwrap();
    let response = within(client.send_request(request)).await.unwrap();
    let http2 = within(asked.recv()).await.unwrap();
    // Connections between two requests.
    let mut idle = TcpStream::connect(address).await.unwrap();
    idle.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    drop(within(asked.recv()).await.unwrap());
    raw::read_until(&mut idle, "0\r\n\r\n").await;

    running.shutdown(PATIENCE);
    // Closed as soon as draining has begun.
    assert_eq!(within(idle.read(&mut [0; 1])).await.unwrap(), 0);
    refused(address).await;
    let ready = client::get(admin, "/ready").await;
    assert_eq!(ready.status(), 503);
    assert_eq!(client::text(ready).await, r#"{"ready":false,"state":"draining"}"#);

    for sender in [http1, http2] {
        assert!(sender.data("finished").await);
    }
    assert_eq!(client::text(response).await, "finished");
    assert!(raw::read_to_close(&mut stream).await.ends_with("8\r\nfinished\r\n0\r\n\r\n"));
    within(connection).await.unwrap().unwrap();
    stopped(running).await;
    refused(admin).await;
}

#[tokio::test]
async fn the_last_response_says_close() {
    let (told, mut asked) = mpsc::unbounded_channel();
    let upstream = Upstream::http1(move |_| {
        let (answer, answered) = tokio::sync::oneshot::channel::<()>();
        told.send(answer).unwrap();
        async move {
            let _ = answered.await;
            Response::new(full("ok"))
        }
    })
    .await;
    let running = start(config(Protocol::Http1, &[upstream.address]));
    let address = running.addresses()[0];
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    let answer = within(asked.recv()).await.unwrap();
    running.shutdown(PATIENCE);
    let admin = running.admin_address().unwrap();
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    // The listener is closed just before connections are told.
    client::get(admin, "/ready").await;
    answer.send(()).unwrap();
    let response = raw::read_to_close(&mut stream).await;
    assert!(response.contains("connection: close\r\n"), "{response}");
    stopped(running).await;
}

#[tokio::test]
async fn what_is_not_finished_in_time_is_cut() {
    let (upstream, mut asked) = unfinished().await;
    let running = start(config(Protocol::Http1, &[upstream.address]));
    let (mut client, _) = client::http1(running.addresses()[0]).await;
    let request = Request::get("/").header("host", "a").body(empty()).unwrap();
    let response = within(client.send_request(request)).await.unwrap();
    let sender = within(asked.recv()).await.unwrap();
    assert!(sender.data("half").await);

    running.shutdown(PATIENCE * 10);
    // The second call shortens what the first allowed.
    running.shutdown(Duration::from_millis(50));
    client::body(response).await.unwrap_err();
    stopped(running).await;
    within(sender.gone()).await;
}

#[tokio::test]
async fn a_server_that_is_dropped_stops() {
    let upstream = Upstream::http1(|_| async { Response::new(full("ok")) }).await;
    let running = start(config(Protocol::Http1, &[upstream.address]));
    let address = running.addresses()[0];
    assert_eq!(client::get(address, "/").await.status(), 200);
    drop(running);
    within(upstream.all_closed()).await;
}

#[tokio::test]
async fn a_taken_port_is_told_before_anything_is_served() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap();
    let mut config = config(Protocol::Http1, &[address]);
    let mut second = config.listeners[0].clone();
    second.listen = address;
    config.listeners.push(second);
    let error = Server::start(config.clone()).unwrap_err();
    let expected = format!("cannot listen on {address}: another program listens there already");
    assert_eq!(error.to_string(), expected);

    // All that are taken are told at once, the admin API's own too.
    let also_taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let also = also_taken.local_addr().unwrap();
    let mut third = config.listeners[0].clone();
    third.listen = "127.0.0.1:0".parse().unwrap();
    config.listeners.push(third);
    config.admin.as_mut().unwrap().listen = also;
    let StartError::Bind(errors) = Server::start(config.clone()).unwrap_err() else { panic!() };
    let told: Vec<_> = errors.iter().map(|error| error.address).collect();
    assert_eq!(told, [address, also]);
    config.admin.as_mut().unwrap().listen = "127.0.0.1:0".parse().unwrap();
    config.listeners.pop();

    // The same for another gateway, which shares its ports between its cores.
    config.listeners.pop();
    let first = Server::start(config.clone()).unwrap();
    config.listeners[0].listen = first.addresses()[0];
    let error = Server::start(config).unwrap_err();
    assert!(error.to_string().ends_with("another program listens there already"), "{error}");
}

#[tokio::test]
async fn all_cores_answer() {
    let upstream = Upstream::http1(|_| async { Response::new(full("ok")) }).await;
    let running = Server::start(config(Protocol::Http1, &[upstream.address])).unwrap();
    for _ in 0..64 {
        let response = client::get(running.addresses()[0], "/").await;
        assert_eq!(client::text(response).await, "ok");
    }
    running.shutdown(Server::DEFAULT_GRACE);
    stopped(running).await;
}

#[tokio::test]
async fn the_admin_api_answers_what_it_has() {
    let running = start(config(Protocol::Http1, &[]));
    let admin = running.admin_address().unwrap();
    let ready = client::get(admin, "/ready").await;
    assert_eq!(client::text(ready).await, r#"{"ready":true,"state":"ready"}"#);
    assert_eq!(client::get(admin, "/nothing").await.status(), 404);
    let post = "POST /ready HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    let response = raw::exchange(admin, post).await;
    assert_eq!(raw::status(&response), 405);
    assert!(response.contains("allow: GET, HEAD\r\n"), "{response}");
}
