//! Requests that could mean two things: refused, or passed on in exactly one form.

use breakerbox_proxy::server::limits::{MAX_HEAD_BYTES, MAX_HEADERS};
use http::Response;
use http_body_util::BodyExt as _;
use tokio::sync::mpsc;

use crate::support::upstream::Upstream;
use crate::support::{empty, gateway, raw, within};

/// An upstream that answers with 200 and tells the bodies it got whole.
async fn listening() -> (Upstream, mpsc::UnboundedReceiver<String>) {
    let (told, heard) = mpsc::unbounded_channel();
    let upstream = Upstream::http1(move |request| {
        let told = told.clone();
        async move {
            if let Ok(body) = request.into_body().collect().await {
                told.send(String::from_utf8(body.to_bytes().to_vec()).unwrap()).unwrap();
            }
            Response::new(empty())
        }
    })
    .await;
    (upstream, heard)
}

/// Each with the status that it is answered with and never seen by the upstream.
const REFUSED: &[(&str, u16)] = &[
    // Two lengths, in both orders.
    (
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 6\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nG",
        400,
    ),
    (
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ncontent-length: 6\r\n\r\n0\r\n\r\nG",
        400,
    ),
    (
        "POST / HTTP/1.1\r\nhost: a\r\nCONTENT-LENGTH:3\r\nTransfer-Encoding:chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    ("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello!", 400),
    ("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5, 6\r\n\r\nhello!", 400),
    ("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: +5\r\n\r\nhello", 400),
    ("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0x5\r\n\r\nhello", 400),
    ("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 99999999999999999999\r\n\r\nhello", 400),
    // Transfer codings.
    ("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip\r\n\r\n", 400),
    ("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n", 400),
    ("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: xchunked\r\n\r\n0\r\n\r\n", 400),
    ("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding : chunked\r\n\r\n0\r\n\r\n", 400),
    ("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
    ("POST / HTTP/1.0\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    // Whose request is it?
    ("GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nhost: a\r\nhost: a\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\naccept: x\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nhost: a/b\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nhost: a b\r\n\r\n", 400),
    ("GET http://b/ HTTP/1.1\r\nhost: a\r\n\r\n", 400),
    ("GET http://me@a/ HTTP/1.1\r\nhost: a\r\n\r\n", 400),
    // Lines.
    ("GET / HTTP/1.1\r\nhost: a\r\nx: 1\r\n folded\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\n host: a\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nhost: a\r\nx: 1\rhost: b\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nhost: a\r\nx: 1\0\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nhost: a\r\nno colon\r\n\r\n", 400),
    ("GET /\r\n\r\n", 400),
    ("GET / HTTP/1.2\r\nhost: a\r\n\r\n", 400),
];

#[tokio::test]
async fn ambiguous_requests_are_refused() {
    let (upstream, _heard) = listening().await;
    let (_running, address) = gateway(upstream.address);
    for (request, status) in REFUSED {
        // hyper would wait for the next request where only the headers are refused.
        let closing = request.replacen("\r\n\r\n", "\r\nconnection: close\r\n\r\n", 1);
        let response = raw::exchange(address, &closing).await;
        assert_eq!(raw::status(&response), *status, "{closing:?}\n{response}");
    }
    assert_eq!(upstream.requests(), 0);
}

#[tokio::test]
async fn a_refusal_is_a_sentence() {
    let (upstream, _heard) = listening().await;
    let (_running, address) = gateway(upstream.address);
    let two = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 6\r\n\
        transfer-encoding: chunked\r\n\r\n0\r\n\r\n";
    let response = raw::exchange(address, two).await;
    assert!(response.contains("breakerbox-reason: bad_request\r\n"), "{response}");
    let sentence = r#"{"error":"The request has both Content-Length and Transfer-Encoding.","#;
    assert!(response.contains(sentence), "{response}");
}

#[tokio::test]
async fn two_lengths_in_a_pipeline_are_passed_on_in_one_form_and_end_the_connection() {
    let (upstream, mut heard) = listening().await;
    let (_running, address) = gateway(upstream.address);
    let requests = "GET / HTTP/1.1\r\nhost: a\r\n\r\n\
        POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 99\r\ntransfer-encoding: chunked\r\n\r\n\
        5\r\nhello\r\n0\r\n\r\n\
        GET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n";
    let responses = raw::exchange(address, requests).await;
    assert_eq!(responses.matches("HTTP/1.1 200").count(), 2, "{responses}");
    assert!(responses.contains("connection: close"), "{responses}");
    assert_eq!(heard.recv().await.unwrap(), "");
    assert_eq!(heard.recv().await.unwrap(), "hello");
    assert_eq!(upstream.requests(), 2);
}

#[tokio::test]
async fn bad_chunks_never_reach_the_upstream_as_a_whole_body() {
    let bodies = [
        "5\r\nhello\r\n0x2\r\nab\r\n0\r\n\r\n",
        "5\r\nhello\r\nFFFFFFFFFFFFFFFFF\r\n",
        "5\r\nhello\r\n-1\r\n\r\n",
        "5\r\nhelloX\r\n0\r\n\r\n",
        "5 hello\r\n0\r\n\r\n",
        "\r\n0\r\n\r\n",
    ];
    for body in bodies {
        let (upstream, mut heard) = listening().await;
        let (_running, address) = gateway(upstream.address);
        let head = "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";
        let response = raw::exchange(address, [head, body].concat()).await;
        assert_eq!(raw::status(&response), 400, "{body:?}\n{response}");
        assert!(response.contains("breakerbox-reason: client_body"), "{response}");
        // The connection on which half a request was sent is gone.
        within(upstream.all_closed()).await;
        assert!(heard.try_recv().is_err(), "{body:?}");
    }
}

#[tokio::test]
async fn unusual_but_clear_requests_pass() {
    let (upstream, mut heard) = listening().await;
    let (_running, address) = gateway(upstream.address);
    let requests = [
        ("GET / HTTP/1.1\nhost: a\nconnection: close\n\n", ""),
        ("GET / HTTP/1.0\r\n\r\n", ""),
        ("GET http://a/ HTTP/1.1\r\nhost: A:80\r\nconnection: close\r\n\r\n", ""),
        (
            "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 5\r\n\r\nhello",
            "hello",
        ),
        (
            "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n\
                5\r\nhello\r\n0\r\n\r\n",
            "hello",
        ),
        (
            "POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 5\r\n\
                content-length: 5\r\n\r\nhello",
            "hello",
        ),
    ];
    for (request, body) in requests {
        let response = raw::exchange(address, request).await;
        assert_eq!(raw::status(&response), 200, "{request:?}\n{response}");
        assert_eq!(within(heard.recv()).await.unwrap(), body, "{request:?}");
    }
}

#[tokio::test]
async fn heads_that_are_too_large_are_a_431() {
    let (upstream, _heard) = listening().await;
    let (_running, address) = gateway(upstream.address);
    let many = "x: 1\r\n".repeat(MAX_HEADERS);
    let long = format!("x: {}\r\n", "y".repeat(MAX_HEAD_BYTES));
    for headers in [many, long] {
        let response =
            raw::exchange(address, format!("GET / HTTP/1.1\r\nhost: a\r\n{headers}\r\n")).await;
        assert_eq!(raw::status(&response), 431, "{response}");
    }
    assert_eq!(upstream.requests(), 0);
}
