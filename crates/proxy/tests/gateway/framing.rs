//! Requests that could mean two things: refused, or passed on in exactly one form.

use std::time::Duration;

use breakerbox_proxy::server::limits::{MAX_HEAD_BYTES, MAX_HEADERS};
use http::Response;
use http_body_util::BodyExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use crate::support::protected::Protected;
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
    // Behind empty lines, which are skipped.
    (
        "\r\nPOST / HTTP/1.1\r\nhost: a\r\ncontent-length: 6\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nG",
        400,
    ),
    (
        "\n\n\r\nPOST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ncontent-length: 6\r\n\r\n0\r\n\r\nG",
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
    ("GET https://a/ HTTP/1.1\r\nhost: a\r\n\r\n", 400),
    ("GET ftp://a/ HTTP/1.1\r\nhost: a\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nhost:\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nhost: :80\r\n\r\n", 400),
    ("OPTIONS * HTTP/1.1\r\nhost:\r\n\r\n", 400),
    ("GET / HTTP/1.0\r\nhost:\r\n\r\n", 400),
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
        let begin = request.len() - request.trim_ascii_start().len();
        let (empty_lines, request) = request.split_at(begin);
        let closing = request.replacen("\r\n\r\n", "\r\nconnection: close\r\n\r\n", 1);
        let closing = [empty_lines, &closing].concat();
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

/// Has two lengths, and would hide a request behind them.
const TWO: &str = "POST /two HTTP/1.1\r\nhost: a\r\ncontent-length: 99\r\n\
    transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n\
    GET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n";

/// Has a body in chunks, one of which looks like a request with two lengths.
const ONE: &str = "POST /one HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n\
    5f;a=b\r\n\r\nPOST /two HTTP/1.1\r\nhost: a\r\ncontent-length: 99\r\n\
    transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n\r\n\r\n\r\n0\r\nsum: 7\r\n\r\n";

const GET: &str = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";

const POST: &str = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhello";

#[tokio::test]
async fn two_lengths_in_a_pipeline_are_refused_and_end_the_connection() {
    let (upstream, _heard) = listening().await;
    let (_running, address) = gateway(upstream.address);
    let before: [&[&str]; 5] = [&[], &[GET], &[POST, "\r\n"], &[ONE], &[GET, ONE, GET, POST, ONE]];
    let mut good = 0;
    for before in before {
        let responses = raw::exchange(address, [&before.concat(), TWO].concat()).await;
        let answered = before.iter().filter(|request| request.contains("HTTP")).count();
        good += answered;
        assert_eq!(responses.matches("HTTP/1.1 200").count(), answered, "{responses}");
        assert_eq!(responses.matches("HTTP/1.1 400").count(), 1, "{responses}");
        assert!(responses.contains("connection: close"), "{responses}");
        assert_eq!(upstream.requests(), good);
    }
}

#[tokio::test]
async fn a_head_is_found_wherever_it_is_cut_in_two() {
    let (upstream, _heard) = listening().await;
    let (_running, address) = gateway(upstream.address);
    let all = [GET, ONE, TWO].concat();
    let mut connections = tokio::task::JoinSet::new();
    for cut in 1..all.len() - 1 {
        let (first, second) = all.split_at(cut);
        let (first, second) = (first.to_owned(), second.to_owned());
        connections.spawn(async move {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(first.as_bytes()).await.unwrap();
            tokio::time::sleep(Duration::from_millis(50)).await;
            // Where it is closed already the answer is there.
            let _ = stream.write_all(second.as_bytes()).await;
            let responses = raw::read_to_close(&mut stream).await;
            assert_eq!(responses.matches("HTTP/1.1 200").count(), 2, "{cut} {responses}");
            assert_eq!(responses.matches("HTTP/1.1 400").count(), 1, "{cut} {responses}");
        });
    }
    connections.join_all().await;
    assert_eq!(upstream.requests(), 2 * (all.len() - 2));
}

#[tokio::test]
async fn an_upload_that_is_answered_early_does_not_hide_the_next_head() {
    let upstream = Upstream::moody().await;
    let policy = "breaker = { consecutive_failures = 1, open_for = '60s' }";
    let gateway = Protected::new(upstream.address, policy);
    assert_eq!(gateway.outcome("/500").await.0, 500);
    let begin = "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhel";
    for (next, status) in [(ONE, 503), (TWO, 400)] {
        let mut stream = TcpStream::connect(gateway.address).await.unwrap();
        stream.write_all(begin.as_bytes()).await.unwrap();
        let early = raw::read_until(&mut stream, "\"reason\":\"breaker_open\"}").await;
        assert_eq!(raw::status(&early), 503);
        stream.write_all(b"lo\r\n8000\r\n").await.unwrap();
        stream.write_all(&[b'x'; 0x8000]).await.unwrap();
        stream.write_all(b"\r\n0\r\n\r\n").await.unwrap();
        stream.write_all(next.as_bytes()).await.unwrap();
        let then = raw::read_until(&mut stream, "\"}").await;
        assert_eq!(raw::status(&then), status, "{then}");
    }
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
