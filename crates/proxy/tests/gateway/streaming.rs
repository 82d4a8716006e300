//! Bodies go through piece by piece, whole, and break when they are broken.

use std::time::Duration;

use breakerbox_proxy::config::Protocol;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::BodyExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use crate::support::upstream::Upstream;
use crate::support::{
    AnyBody, Checksum, channel, client, config, empty, full, gateway, piece, raw, start, within,
};

const PIECES: u32 = 1024;
const PIECE: usize = 64 * 1024;

fn post(body: AnyBody) -> Request<AnyBody> {
    Request::post("/x").header("host", "front.example").body(body).unwrap()
}

async fn sum(mut body: hyper::body::Incoming) -> Checksum {
    let mut sum = Checksum::new();
    while let Some(frame) = within(body.frame()).await {
        if let Some(data) = frame.unwrap().data_ref() {
            sum.add(data);
        }
    }
    sum
}

fn sum_of_all() -> Checksum {
    let mut sum = Checksum::new();
    for number in 0..PIECES {
        sum.add(&piece(number, PIECE));
    }
    sum
}

#[tokio::test]
async fn the_first_byte_of_a_response_comes_before_the_last_is_sent() {
    let (told, mut asked) = mpsc::unbounded_channel();
    let upstream = Upstream::http1(move |_| {
        let told = told.clone();
        async move {
            let (sender, body) = channel();
            told.send(sender).unwrap();
            Response::new(body)
        }
    })
    .await;
    let (_running, address) = gateway(upstream.address);
    let (mut client, _) = client::http1(address).await;
    let response = within(client.send_request(post(empty()))).await.unwrap();
    let sender = within(asked.recv()).await.unwrap();
    let mut body = response.into_body();
    for part in ["one", "two", "three"] {
        assert!(sender.data(part).await);
        let frame = within(body.frame()).await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), part);
    }
    drop(sender);
    assert!(within(body.frame()).await.is_none());
}

#[tokio::test]
async fn the_first_byte_of_a_request_arrives_before_the_last_is_sent() {
    let upstream = Upstream::http1(|request| async move {
        // Every piece comes back at once.
        let (sender, body) = channel();
        tokio::spawn(async move {
            let mut incoming = request.into_body();
            while let Some(Ok(frame)) = incoming.frame().await {
                if let Ok(data) = frame.into_data() {
                    sender.data(data).await;
                }
            }
        });
        Response::new(body)
    })
    .await;
    let (_running, address) = gateway(upstream.address);
    let (mut client, _) = client::http1(address).await;
    let (sender, body) = channel();
    let response = within(client.send_request(post(body))).await.unwrap();
    let mut echo = response.into_body();
    for part in ["one", "two", "three"] {
        assert!(sender.data(part).await);
        let frame = within(echo.frame()).await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), part);
    }
    drop(sender);
    assert!(within(echo.frame()).await.is_none());
}

/// Uploads 64 MB and downloads 64 MB over one kind of client and one kind of upstream.
async fn large_bodies(front: Protocol, back: Protocol) {
    let answer = |request: Request<hyper::body::Incoming>| async move {
        let received = sum(request.into_body()).await;
        assert_eq!(received, sum_of_all());
        let (sender, body) = channel();
        tokio::spawn(async move {
            for number in 0..PIECES {
                assert!(sender.data(piece(number, PIECE)).await);
            }
        });
        Response::new(body)
    };
    let upstream = match back {
        Protocol::Http1 => Upstream::http1(answer).await,
        Protocol::Http2 => Upstream::http2(answer).await,
    };
    let running = start(config(back, &[upstream.address]));
    let (sender, body) = channel();
    tokio::spawn(async move {
        for number in 0..PIECES {
            assert!(sender.data(piece(number, PIECE)).await);
        }
    });
    let response = match front {
        Protocol::Http1 => {
            let (mut client, _) = client::http1(running.addresses()[0]).await;
            within(client.send_request(post(body))).await.unwrap()
        }
        Protocol::Http2 => {
            let (mut client, _) = client::http2(running.addresses()[0]).await;
            let request = Request::post("http://front.example/x").body(body).unwrap();
            within(client.send_request(request)).await.unwrap()
        }
    };
    assert_eq!(response.status(), 200);
    assert_eq!(sum(response.into_body()).await, sum_of_all());
}

#[tokio::test]
async fn large_bodies_arrive_whole_over_http1() {
    large_bodies(Protocol::Http1, Protocol::Http1).await;
}

#[tokio::test]
async fn large_bodies_arrive_whole_over_http2() {
    large_bodies(Protocol::Http2, Protocol::Http2).await;
}

#[tokio::test]
async fn large_bodies_arrive_whole_from_http2_to_http1() {
    large_bodies(Protocol::Http2, Protocol::Http1).await;
}

#[tokio::test]
async fn a_client_that_waits_for_100_continue_gets_it() {
    let upstream = Upstream::http1(|request| async move {
        assert!(!request.headers().contains_key("expect"));
        let body = request.into_body().collect().await.unwrap().to_bytes();
        Response::new(full(body))
    })
    .await;
    let (_running, address) = gateway(upstream.address);
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = "POST /x HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    raw::read_until(&mut stream, "HTTP/1.1 100 Continue\r\n\r\n").await;
    stream.write_all(b"hello").await.unwrap();
    let response = raw::read_until(&mut stream, "hello").await;
    assert_eq!(raw::status(&response), 200);
}

#[tokio::test]
async fn trailers_pass_both_ways() {
    let upstream = Upstream::http1(|request| async move {
        let collected = request.into_body().collect().await.unwrap();
        let came = collected.trailers().unwrap()["x-sum"].clone();
        let (sender, body) = channel();
        tokio::spawn(async move {
            sender.data("body").await;
            sender.trailers(HeaderMap::from_iter([("x-back".parse().unwrap(), came)])).await;
        });
        Response::builder().header("trailer", "x-back").body(body).unwrap()
    })
    .await;
    let (_running, address) = gateway(upstream.address);
    let (mut client, _) = client::http1(address).await;
    let (sender, body) = channel();
    tokio::spawn(async move {
        sender.data("body").await;
        let sum = HeaderValue::from_static("77");
        sender.trailers(HeaderMap::from_iter([("x-sum".parse().unwrap(), sum)])).await;
    });
    let mut request = post(body);
    request.headers_mut().insert("trailer", HeaderValue::from_static("x-sum"));
    request.headers_mut().insert("te", HeaderValue::from_static("trailers"));
    let response = within(client.send_request(request)).await.unwrap();
    let collected = within(response.into_body().collect()).await.unwrap();
    assert_eq!(collected.trailers().unwrap()["x-back"], "77");
}

#[tokio::test]
async fn half_a_response_is_an_error_and_not_an_end() {
    // Half of what Content-Length says, and chunks without the last one.
    let halves = [
        "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf!",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhalf!\r\n",
    ];
    for half in halves {
        let upstream = Upstream::script(move |mut stream, _| async move {
            raw::read_until(&mut stream, "\r\n\r\n").await;
            stream.write_all(half.as_bytes()).await.unwrap();
        })
        .await;
        let running = start(config(Protocol::Http1, &[upstream.address]));

        let (mut client, _) = client::http1(running.addresses()[0]).await;
        let response = within(client.send_request(post(empty()))).await.unwrap();
        assert_eq!(response.status(), 200);
        client::body(response).await.unwrap_err();

        let request = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
        let seen = raw::exchange(running.addresses()[0], request).await;
        assert!(seen.contains("half!"), "{seen}");
        assert!(!seen.contains("\r\n0\r\n"), "{seen}");

        let (mut client, _) = client::http2(running.addresses()[0]).await;
        let request = Request::get("http://front.example/").body(empty()).unwrap();
        let response = within(client.send_request(request)).await.unwrap();
        client::body(response).await.unwrap_err();
    }
}

#[tokio::test]
async fn a_silent_response_body_is_given_up() {
    let upstream = Upstream::script(|mut stream, _| async move {
        raw::read_until(&mut stream, "\r\n\r\n").await;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf!").await.unwrap();
        // Returns when the gateway closes the connection.
        let _ = stream.read(&mut [0; 1]).await;
    })
    .await;
    let mut config = config(Protocol::Http1, &[upstream.address]);
    config.upstreams.get_mut("posts").unwrap().idle_timeout = Duration::from_millis(100);
    let running = start(config);
    let (mut client, _) = client::http1(running.addresses()[0]).await;
    let response = within(client.send_request(post(empty()))).await.unwrap();
    client::body(response).await.unwrap_err();
    within(upstream.all_closed()).await;
}

#[tokio::test]
async fn a_silent_request_body_is_given_up() {
    let upstream = Upstream::http1(|request| async move {
        let _ = request.into_body().collect().await;
        Response::new(empty())
    })
    .await;
    let mut config = config(Protocol::Http1, &[upstream.address]);
    config.upstreams.get_mut("posts").unwrap().idle_timeout = Duration::from_millis(100);
    let running = start(config);
    let request = "POST /x HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nhalf!";
    let response = raw::exchange(running.addresses()[0], request).await;
    assert_eq!(raw::status(&response), 408, "{response}");
    assert!(response.contains("breakerbox-reason: client_body"), "{response}");
    within(upstream.all_closed()).await;
}

#[tokio::test]
async fn the_upstream_learns_of_a_client_that_went_away() {
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let (told, mut asked) = mpsc::unbounded_channel();
        let answer = move |_| {
            let told = told.clone();
            async move {
                let (sender, body) = channel();
                told.send(sender).unwrap();
                Response::new(body)
            }
        };
        let upstream = match protocol {
            Protocol::Http1 => Upstream::http1(answer).await,
            Protocol::Http2 => Upstream::http2(answer).await,
        };
        let running = start(config(protocol, &[upstream.address]));
        let (mut client, connection) = client::http1(running.addresses()[0]).await;
        let response = within(client.send_request(post(empty()))).await.unwrap();
        let sender = within(asked.recv()).await.unwrap();
        assert!(sender.data("first").await);
        let mut body = response.into_body();
        within(body.frame()).await.unwrap().unwrap();
        connection.abort();
        drop((body, client));
        within(sender.gone()).await;
    }
}

#[tokio::test]
async fn the_upstream_learns_of_a_client_that_did_not_wait_for_the_headers() {
    let (told, mut asked) = mpsc::unbounded_channel();
    let upstream = Upstream::script(move |mut stream, _| {
        let told = told.clone();
        async move {
            raw::read_until(&mut stream, "\r\n\r\n").await;
            told.send(()).unwrap();
            // Ends with the connection.
            let _ = stream.read(&mut [0; 1]).await;
        }
    })
    .await;
    let (_running, address) = gateway(upstream.address);
    let (mut client, connection) = client::http1(address).await;
    let waiting = tokio::spawn(client.send_request(post(empty())));
    within(asked.recv()).await.unwrap();
    connection.abort();
    waiting.abort();
    within(upstream.all_closed()).await;
}

#[tokio::test]
async fn a_broken_request_body_never_looks_whole() {
    let (told, mut ended) = mpsc::unbounded_channel();
    let upstream = Upstream::http1(move |request| {
        let told = told.clone();
        async move {
            told.send(request.into_body().collect().await.is_err()).unwrap();
            Response::new(empty())
        }
    })
    .await;
    let (_running, address) = gateway(upstream.address);
    // Both without a reply: the client closes half way.
    for half in [
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nhalf!",
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhalf!\r\n",
    ] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(half.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        assert!(within(ended.recv()).await.unwrap(), "{half}");
    }
}
