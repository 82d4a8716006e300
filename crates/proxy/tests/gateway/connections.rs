//! Upstream connections: reused, replaced, counted, and what a client sees when there is none.

use std::net::SocketAddr;

use breakerbox_proxy::config::{Endpoint, Protocol};
use http::{Request, Response};
use http_body_util::BodyExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::support::upstream::Upstream;
use crate::support::{client, config, empty, full, gateway, raw, start, within};

/// An address where nobody listens.
async fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

fn get(path: &str) -> Request<crate::support::AnyBody> {
    Request::get(path).header("host", "front.example").body(empty()).unwrap()
}

#[tokio::test]
async fn an_upstream_connection_is_reused() {
    let upstream = Upstream::http1(|_| async { Response::new(full("hello")) }).await;
    let (_running, address) = gateway(upstream.address);
    let (mut client, _) = client::http1(address).await;
    for _ in 0..50 {
        let response = within(client.send_request(get("/"))).await.unwrap();
        assert_eq!(client::text(response).await, "hello");
        within(client.ready()).await.unwrap();
    }
    assert_eq!((upstream.connections(), upstream.requests()), (1, 50));
}

#[tokio::test]
async fn responses_without_a_body_leave_the_connection_usable() {
    let upstream = Upstream::http1(|request| async move {
        let status = request.uri().path()[1..].parse::<u16>().unwrap();
        Response::builder().status(status).body(empty()).unwrap()
    })
    .await;
    let (_running, address) = gateway(upstream.address);
    let (mut client, _) = client::http1(address).await;
    for path in ["/204", "/304", "/200", "/500"] {
        let response = within(client.send_request(get(path))).await.unwrap();
        assert_eq!(response.status().as_str(), &path[1..]);
        assert_eq!(client::text(response).await, "");
        within(client.ready()).await.unwrap();
    }
    assert_eq!(upstream.connections(), 1);
}

#[tokio::test]
async fn a_head_request_has_the_length_and_no_body() {
    let upstream = Upstream::http1(|_| async { Response::new(full("12345")) }).await;
    let (_running, address) = gateway(upstream.address);
    let request = "HEAD / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    let response = raw::exchange(address, request).await;
    assert_eq!(raw::status(&response), 200);
    assert!(response.contains("content-length: 5\r\n"), "{response}");
    assert!(response.ends_with("\r\n\r\n"), "{response}");
}

#[tokio::test]
async fn a_connection_that_the_upstream_closed_is_replaced() {
    // One response per connection, without saying so.
    let upstream = Upstream::script(|mut stream, count| async move {
        raw::read_until(&mut stream, "\r\n\r\n").await;
        count();
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
    })
    .await;
    let (_running, address) = gateway(upstream.address);
    let (mut client, _) = client::http1(address).await;
    for number in 1..=10 {
        let response = within(client.send_request(get("/"))).await.unwrap();
        assert_eq!(response.status(), 200, "{number}");
        assert_eq!(client::text(response).await, "ok");
        within(upstream.all_closed()).await;
        within(client.ready()).await.unwrap();
    }
    assert_eq!((upstream.connections(), upstream.requests()), (10, 10));
}

#[tokio::test]
async fn an_upstream_that_says_close_is_taken_at_its_word() {
    let upstream = Upstream::http1(|_| async {
        Response::builder().header("connection", "close").body(full("bye")).unwrap()
    })
    .await;
    let (_running, address) = gateway(upstream.address);
    let (mut client, _) = client::http1(address).await;
    for _ in 0..3 {
        let response = within(client.send_request(get("/"))).await.unwrap();
        assert!(!response.headers().contains_key("connection"));
        assert_eq!(client::text(response).await, "bye");
        within(client.ready()).await.unwrap();
    }
    assert_eq!(upstream.connections(), 3);
}

#[tokio::test]
async fn an_upstream_that_is_not_there_is_a_502() {
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let gone = nobody().await;
        let running = start(config(protocol, &[gone]));
        let response = client::get(running.addresses()[0], "/").await;
        assert_eq!(response.status(), 502);
        assert_eq!(response.headers()["breakerbox-reason"], "connect");
        assert_eq!(response.headers()["content-type"], "application/json");
        // Where the endpoint is, is not for strangers.
        let expected = r#"{"error":"The upstream cannot be connected to.","upstream":"posts","reason":"connect"}"#;
        assert_eq!(client::text(response).await, expected);
    }
}

#[tokio::test]
async fn a_name_that_cannot_be_resolved_is_a_502() {
    let mut config = config(Protocol::Http1, &[]);
    config.upstreams.get_mut("posts").unwrap().endpoints =
        vec![Endpoint { host: "no-such-host.invalid".to_owned(), port: 80 }];
    let running = start(config);
    let response = client::get(running.addresses()[0], "/").await;
    assert_eq!(response.status(), 502);
    let text = client::text(response).await;
    assert!(text.contains("cannot be connected to"), "{text}");
}

#[tokio::test]
async fn a_reset_before_the_headers_is_a_502() {
    let upstream = Upstream::script(|mut stream, _| async move {
        raw::read_until(&mut stream, "\r\n\r\n").await;
    })
    .await;
    let (_running, address) = gateway(upstream.address);
    let response = client::get(address, "/").await;
    assert_eq!(response.status(), 502);
    assert_eq!(response.headers()["breakerbox-reason"], "reset");
    let text = client::text(response).await;
    assert!(text.contains("closed the connection before its response"), "{text}");
    // A request that may have been worked on is not sent again.
    assert_eq!(upstream.connections(), 1);
}

#[tokio::test]
async fn responses_that_are_no_http_or_two_things_at_once_are_a_502() {
    let answers = [
        "nonsense\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nok!",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
    ];
    for answer in answers {
        let upstream = Upstream::script(move |mut stream, _| async move {
            raw::read_until(&mut stream, "\r\n\r\n").await;
            stream.write_all(answer.as_bytes()).await.unwrap();
            raw::read_to_close(&mut stream).await;
        })
        .await;
        let (_running, address) = gateway(upstream.address);
        let response = client::get(address, "/").await;
        assert_eq!(response.status(), 502, "{answer}");
        assert_eq!(response.headers()["breakerbox-reason"], "protocol", "{answer}");
        within(upstream.all_closed()).await;
    }
}

#[tokio::test]
async fn endpoints_take_turns() {
    let mut upstreams = Vec::new();
    for name in ["a", "b", "c"] {
        upstreams.push(Upstream::http1(move |_| async move { Response::new(full(name)) }).await);
    }
    let addresses: Vec<_> = upstreams.iter().map(|upstream| upstream.address).collect();
    let running = start(config(Protocol::Http1, &addresses));
    let (mut client, _) = client::http1(running.addresses()[0]).await;
    let mut seen = String::new();
    for _ in 0..6 {
        let response = within(client.send_request(get("/"))).await.unwrap();
        seen.push_str(&client::text(response).await);
        within(client.ready()).await.unwrap();
    }
    assert_eq!(seen, "abcabc");
}

#[tokio::test]
async fn an_early_answer_goes_out_while_the_upload_goes_on() {
    let (told, mut uploads) = mpsc::unbounded_channel();
    let upstream = Upstream::http1(move |request| {
        let told = told.clone();
        async move {
            // Answers at once and reads on.
            tokio::spawn(async move {
                told.send(request.into_body().collect().await.unwrap().to_bytes()).unwrap();
            });
            Response::new(full("early"))
        }
    })
    .await;
    let (_running, address) = gateway(upstream.address);
    let (mut client, _) = client::http1(address).await;
    let (sender, body) = crate::support::channel();
    let request = Request::post("/").header("host", "a").body(body).unwrap();
    let response = within(client.send_request(request)).await.unwrap();
    assert_eq!(client::text(response).await, "early");
    for _ in 0..3 {
        assert!(sender.data("piece").await);
    }
    drop(sender);
    assert_eq!(within(uploads.recv()).await.unwrap(), "piecepiecepiece");
    within(client.ready()).await.unwrap();
    // The next request finds the same connection free again, or being freed.
    let response = within(client.send_request(get("/"))).await.unwrap();
    assert_eq!(client::text(response).await, "early");
}
