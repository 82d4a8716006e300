//! Headers as the upstream and the client see them.

use breakerbox_proxy::config::{PathMatch, Protocol, Route};
use http::{HeaderMap, Request, Response};
use tokio::io::AsyncWriteExt as _;
use tokio::sync::mpsc;

use crate::support::protected::Protected;
use crate::support::upstream::Upstream;
use crate::support::{client, config, empty, full, gateway, raw, start, within};

/// An upstream that tells what it was asked.
async fn listening() -> (Upstream, mpsc::UnboundedReceiver<(String, HeaderMap)>) {
    let (told, heard) = mpsc::unbounded_channel();
    let upstream = Upstream::http1(move |request: Request<hyper::body::Incoming>| {
        let uri = request.uri().to_string();
        told.send((uri, request.headers().clone())).unwrap();
        async { Response::new(empty()) }
    })
    .await;
    (upstream, heard)
}

#[tokio::test]
async fn headers_of_one_hop_stay_there() {
    let (upstream, mut heard) = listening().await;
    let (_running, address) = gateway(upstream.address);
    let request = "GET /x HTTP/1.1\r\nhost: front.example:3000\r\nconnection: x-secret, close\r\n\
        x-secret: 1\r\nkeep-alive: 5\r\nproxy-authorization: x\r\nproxy-connection: x\r\n\
        te: gzip\r\nx-other: 2\r\nbreakerbox-deadline-ms: 1\r\nbreakerbox-attempt: 4\r\n\
        x-forwarded-for: 9.9.9.9\r\n\r\n";
    assert_eq!(raw::status(&raw::exchange(address, request).await), 200);
    let (uri, headers) = within(heard.recv()).await.unwrap();
    assert_eq!(uri, "/x");
    let mut names: Vec<_> = headers.keys().map(|name| name.as_str()).collect();
    names.sort_unstable();
    let expected =
        ["host", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-other"];
    assert_eq!(names, expected);
    assert_eq!(headers["host"], upstream.address.to_string());
    assert_eq!(headers["x-forwarded-host"], "front.example:3000");
    assert_eq!(headers["x-forwarded-for"], "9.9.9.9, 127.0.0.1");
}

#[tokio::test]
async fn headers_of_the_upstreams_hop_stay_there_too() {
    let upstream = Upstream::script(|mut stream, _| async move {
        raw::read_until(&mut stream, "\r\n\r\n").await;
        let response = "HTTP/1.1 200 OK\r\nconnection: x-secret\r\nx-secret: 1\r\n\
            keep-alive: 5\r\nproxy-authenticate: x\r\nx-other: 2\r\ncontent-length: 0\r\n\r\n";
        stream.write_all(response.as_bytes()).await.unwrap();
    })
    .await;
    let (_running, address) = gateway(upstream.address);
    let response = client::get(address, "/").await;
    let mut names: Vec<_> = response.headers().keys().map(|name| name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["content-length", "date", "via", "x-other"]);
    assert_eq!(response.headers()["via"], "1.1 breakerbox");
}

#[tokio::test]
async fn what_the_gateway_says_of_its_answers_no_upstream_can_say() {
    let upstream = Upstream::http1(|request| async move {
        let status = request.uri().path()[1..].parse::<u16>().unwrap();
        let response = Response::builder().status(status);
        let response = response.header("breakerbox-reason", "breaker_open");
        response.header("breakerbox-fallback", "static").body(full("mine")).unwrap()
    })
    .await;
    let retry = "retry = { attempts = 2, backoff = { initial = '1ms' } }";
    for policy in ["", retry, "fallback = { text = 'ours' }"] {
        let gateway = Protected::new(upstream.address, policy);
        for status in [200, 404, 429, 503] {
            let seen = gateway.seen(&format!("/{status}")).await;
            let ours = seen.body.as_deref() == Some("ours");
            let said = if ours { ("status", "static") } else { ("", "") };
            assert_eq!((seen.reason.as_str(), seen.fallback.as_str()), said, "{policy} {status}");
        }
    }
}

#[tokio::test]
async fn a_trusted_client_is_believed() {
    let (upstream, mut heard) = listening().await;
    let mut config = config(Protocol::Http1, &[upstream.address]);
    config.listeners[0].trust = true;
    let running = start(config);
    let request = "GET /x HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\
        breakerbox-deadline-ms: 60000\r\nx-forwarded-proto: https\r\n\r\n";
    raw::exchange(running.addresses()[0], request).await;
    let (_, headers) = within(heard.recv()).await.unwrap();
    // What is left of it.
    let left: u64 = headers["breakerbox-deadline-ms"].to_str().unwrap().parse().unwrap();
    assert!((40_000..=60_000).contains(&left), "{left}");
    assert_eq!(headers["x-forwarded-proto"], "https");
}

#[tokio::test]
async fn routes_rewrite_and_nothing_else_is_found() {
    let (upstream, mut heard) = listening().await;
    let mut config = config(Protocol::Http1, &[upstream.address]);
    config.listeners[0].routes = vec![Route {
        host: None,
        matcher: PathMatch::Exact("/data".to_owned()),
        rewrite: Some("/posts/1".to_owned()),
        upstream: "posts".to_owned(),
    }];
    let running = start(config);
    let response = client::get(running.addresses()[0], "/data?a=1").await;
    assert_eq!(response.status(), 200);
    assert_eq!(within(heard.recv()).await.unwrap().0, "/posts/1?a=1");

    let response = client::get(running.addresses()[0], "/other").await;
    assert_eq!(response.status(), 404);
    assert_eq!(response.headers()["breakerbox-reason"], "no_route");
    let expected = r#"{"error":"No route matches this host and path.","reason":"no_route"}"#;
    assert_eq!(client::text(response).await, expected);
}

#[tokio::test]
async fn upgrades_and_tunnels_are_a_501() {
    let (upstream, _heard) = listening().await;
    let (_running, address) = gateway(upstream.address);
    let upgrade = "GET /chat HTTP/1.1\r\nhost: a\r\nupgrade: websocket\r\n\
        connection: upgrade, close\r\n\r\n";
    for request in [upgrade, "CONNECT a:443 HTTP/1.1\r\nhost: a:443\r\nconnection: close\r\n\r\n"] {
        let response = raw::exchange(address, request).await;
        assert_eq!(raw::status(&response), 501, "{response}");
        assert!(response.contains("breakerbox-reason: not_implemented"), "{response}");
    }
    assert_eq!(upstream.requests(), 0);
}

#[tokio::test]
async fn an_offer_of_http2_is_left_unanswered() {
    let upstream = Upstream::http1(|request| async move {
        assert!(!request.headers().contains_key("upgrade"));
        assert!(!request.headers().contains_key("http2-settings"));
        Response::new(full("fine"))
    })
    .await;
    let (_running, address) = gateway(upstream.address);
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = "GET / HTTP/1.1\r\nhost: a\r\nconnection: Upgrade, HTTP2-Settings\r\n\
        upgrade: h2c\r\nhttp2-settings: AAMAAABk\r\n\r\n";
    for _ in 0..2 {
        stream.write_all(request.as_bytes()).await.unwrap();
        assert_eq!(raw::status(&raw::read_until(&mut stream, "fine").await), 200);
    }
}
