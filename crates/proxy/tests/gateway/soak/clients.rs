//! Clients over both protocols that ask for anything, and do not always wait for it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use http::{Method, Request, Response};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use tokio::task::JoinHandle;

use crate::support::{AnyBody, client, empty, full, within};

/// An answer that breaks off while it is read for others as well is 502, and counts by its headers.
const BROKE_OFF: &[u8] = b"The upstream's response ended early.";

/// What the clients saw, by kind as the gateway counts them.
#[derive(Default)]
pub(super) struct Tally(Mutex<BTreeMap<(&'static str, &'static str), u64>>);

impl Tally {
    fn add(&self, upstream: &'static str, kind: &'static str) {
        *self.0.lock().unwrap().entry((upstream, kind)).or_default() += 1;
    }

    pub(super) fn count(&self, upstream: &'static str, kind: &'static str) -> u64 {
        self.0.lock().unwrap().get(&(upstream, kind)).copied().unwrap_or(0)
    }

    pub(super) fn all(&self) -> BTreeMap<(&'static str, &'static str), u64> {
        self.0.lock().unwrap().clone()
    }
}

/// A connection that can be used again.
enum Connection {
    Http1(http1::SendRequest<AnyBody>, JoinHandle<hyper::Result<()>>),
    Http2(http2::SendRequest<AnyBody>),
}

impl Connection {
    async fn new(address: SocketAddr, over_http2: bool) -> Self {
        if over_http2 {
            let (sender, _) = within(client::http2(address)).await;
            return Self::Http2(sender);
        }
        let (sender, connection) = within(client::http1(address)).await;
        Self::Http1(sender, connection)
    }

    async fn send(&mut self, request: Request<AnyBody>) -> hyper::Result<Response<Incoming>> {
        match self {
            Self::Http1(sender, _) => sender.send_request(request).await,
            Self::Http2(sender) => sender.send_request(request).await,
        }
    }

    async fn is_good(&mut self) -> bool {
        match self {
            Self::Http1(sender, _) => within(sender.ready()).await.is_ok(),
            Self::Http2(sender) => within(sender.ready()).await.is_ok(),
        }
    }

    /// Gives up the request under way: with its connection, where it has that for itself.
    fn give_up(self) -> Option<Self> {
        match self {
            Self::Http1(_, connection) => {
                connection.abort();
                None
            }
            http2 @ Self::Http2(_) => Some(http2),
        }
    }
}

/// One client, until `end`.
pub(super) async fn one(address: SocketAddr, number: u64, end: Instant, tally: Arc<Tally>) {
    let mut random = fastrand::Rng::with_seed(number);
    let over_http2 = number.is_multiple_of(2);
    let mut kept = None;
    for round in 1_u64.. {
        if Instant::now() >= end {
            return;
        }
        let mut connection = match kept.take() {
            Some(connection) => connection,
            None => Connection::new(address, over_http2).await,
        };
        let upstream = if random.bool() { "posts" } else { "greeter" };
        let (request, what) = a_request(upstream, number, round, &mut random);
        let patience = match random.u8(0..16) {
            0 => Duration::from_micros(random.u64(500..40_000)),
            _ => Duration::from_secs(20),
        };
        let sent = tokio::time::timeout(patience, connection.send(request)).await;
        let response = match sent {
            Err(_) => {
                tally.add(upstream, "gave_up");
                kept = connection.give_up();
                continue;
            }
            Ok(Err(error)) => {
                eprintln!("{what:?}: {error:?}");
                tally.add(upstream, "lost");
                continue;
            }
            Ok(Ok(response)) => response,
        };
        let mut kind = kind_of(&response);
        if random.u8(0..32) == 0 && kind != "no_response" {
            // Gives up in the middle of the body, where there is one left.
            tally.add(upstream, kind);
            drop(response);
            kept = connection.give_up();
            continue;
        }
        let status = response.status();
        let body = within(response.into_body().collect()).await;
        let body = body.map(|body| body.to_bytes());
        if body.as_ref().is_ok_and(|body| body.windows(BROKE_OFF.len()).any(|it| it == BROKE_OFF)) {
            kind = "delivered";
        }
        tally.add(upstream, kind);
        match body {
            Ok(body) if kind == "delivered" && status == 200 => {
                assert!(what.is_right(&body), "{what:?}: {body:?}");
            }
            Ok(_) => {}
            // Its endpoint was killed, or the deadline came.
            Err(_) => tally.add(upstream, "broke_off"),
        }
        if connection.is_good().await {
            kept = Some(connection);
        }
    }
}

/// What an answer has to be.
#[derive(Debug)]
enum Expected {
    Text(String),
    Length(usize),
}

impl Expected {
    fn is_right(&self, body: &[u8]) -> bool {
        match self {
            Self::Text(text) => text.as_bytes() == body,
            Self::Length(length) => *length == body.len(),
        }
    }
}

fn a_request(
    upstream: &str,
    client: u64,
    round: u64,
    random: &mut fastrand::Rng,
) -> (Request<AnyBody>, Expected) {
    let builder = Request::builder().header("x-name", format!("{client}-{round}"));
    let builder = builder.header("priority", format!("u={}", random.u8(0..8)));
    let number = random.u64(0..1000);
    let mood = match number {
        0..2 => "hang/1".to_owned(),
        2..20 => format!("slow/{}", random.u64(1..30)),
        20..60 => "drip/1".to_owned(),
        60..70 => "large/1".to_owned(),
        70..100 => format!("status/{}", [500, 503, 404, 429][random.usize(0..4)]),
        // Shared with others, and kept for a moment.
        100..300 => format!("ok/{}", random.u64(0..20)),
        // More than are kept, and all of them soon.
        _ => format!("ok/{client}-{}", round % 64),
    };
    let path = format!("/{upstream}/{mood}");
    let uri = format!("http://front.example{path}");
    if number >= 800 {
        let body = "body ".repeat(random.usize(0..200));
        let request = builder.method(Method::POST).uri(uri).body(full(body.clone())).unwrap();
        return (request, Expected::Text(body));
    }
    let expected = match number {
        20..60 => Expected::Text("answer".repeat(4)),
        60..70 => Expected::Length(100_000),
        _ => Expected::Text(path.clone()),
    };
    (builder.uri(uri).body(empty()).unwrap(), expected)
}

fn kind_of(response: &Response<Incoming>) -> &'static str {
    let headers = response.headers();
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap());
    if text("breakerbox-fallback").is_some() {
        return "fallback";
    }
    match text("breakerbox-reason") {
        // Whether it was made for this request cannot be seen.
        None => "delivered",
        Some("timeout") => "timeout",
        Some("deadline") => "deadline",
        Some("connect" | "reset" | "refused_stream" | "protocol") => "no_response",
        Some("breaker_open") => "breaker_open",
        Some("bulkhead_full") => "bulkhead_full",
        Some("queue_timeout") => "queue_timeout",
        Some("rate_limited") => "rate_limited",
        Some("shed") => "shed",
        Some("throttled") => "throttled",
        Some("limit_reached") => "limit_reached",
        Some(other) => panic!("{other}: {}", response.status()),
    }
}
