//! Several endpoints, each behind a breaker of its own.

use std::net::SocketAddr;

use http::Response;
use tokio::net::TcpListener;

use crate::support::moody::refusing;
use crate::support::protected::{Protected, with_policy};
use crate::support::upstream::Upstream;
use crate::support::{full, within};

async fn named(name: &'static str) -> Upstream {
    Upstream::http1(move |_| async move { Response::new(full(name)) }).await
}

fn gateway(endpoints: &[SocketAddr], open_for: &str) -> Protected {
    let policy = format!("breaker = {{ consecutive_failures = 2, open_for = '{open_for}' }}");
    Protected::start(with_policy(endpoints, &policy))
}

#[tokio::test]
async fn the_breaker_of_a_dead_endpoint_opens_and_the_others_serve_everything() {
    let (_socket, dead) = refusing();
    let (a, b) = (named("a").await, named("b").await);
    let gateway = gateway(&[a.address, dead, b.address], "60s");
    let mut seen = String::new();
    for _ in 0..30 {
        seen.push_str(match gateway.outcome("/").await.0 {
            200 => ".",
            502 => "x",
            other => panic!("{other}"),
        });
    }
    // Two failures, one in each of the first two rounds, and none ever after.
    assert_eq!(seen, format!(".x..x.{}", ".".repeat(24)));
    let breakers = gateway.breakers().await;
    let states: Vec<_> = breakers.iter().map(|breaker| breaker["state"].clone()).collect();
    assert_eq!(states, ["closed", "open", "closed"]);
    assert_eq!(breakers[1]["name"], format!("posts@{dead}"));
    assert_eq!(breakers[1]["failures"], 2);
    assert_eq!(a.requests() + b.requests(), 28);
    assert!(a.requests() >= 8 && b.requests() >= 8);
    assert_eq!(gateway.calls("breaker_open").await, 0.0);
}

#[tokio::test]
async fn where_none_admits_the_rejection_says_when_the_first_may() {
    let (_one, first) = refusing();
    let (_two, second) = refusing();
    let gateway = gateway(&[first, second], "30s");
    for _ in 0..4 {
        assert_eq!(gateway.outcome("/").await.0, 502);
    }
    let wait = async || -> Option<u64> {
        let response = gateway.get("/").await;
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()["breakerbox-reason"], "breaker_open");
        Some(response.headers().get("retry-after")?.to_str().unwrap().parse().unwrap())
    };
    assert!((20..=30).contains(&wait().await.unwrap()));
    // One that only a person can release does not hide when the other may.
    assert!(
        gateway
            .running
            .policies()
            .find("posts")
            .unwrap()
            .control(&format!("posts@{first}"), breakerbox::Control::Isolate,)
    );
    assert!((20..=30).contains(&wait().await.unwrap()));
    assert!(
        gateway
            .running
            .policies()
            .find("posts")
            .unwrap()
            .control("posts", breakerbox::Control::Isolate,)
    );
    assert_eq!(wait().await, None);
}

#[tokio::test]
async fn the_sooner_of_two_waits_is_told() {
    let (_one, first) = refusing();
    let (_two, second) = refusing();
    let config = with_policy(
        &[first, second],
        "breaker = { consecutive_failures = 1, \
         open_for = { initial = '100ms', factor = 100, max = '10s', jitter = false } }",
    );
    let gateway = Protected::start(config);
    for _ in 0..2 {
        assert_eq!(gateway.outcome("/").await.0, 502);
    }
    // The second opening of one of them is a hundred times as long; isolating is for ever.
    gateway.half_open().await;
    while gateway.outcome("/").await.0 != 502 {}
    let breakers = gateway.breakers().await;
    let waits: Vec<_> =
        breakers.iter().map(|breaker| breaker["retry_after_seconds"].as_f64().unwrap()).collect();
    let soonest = waits.iter().copied().fold(f64::MAX, f64::min);
    assert!(soonest <= 0.1, "{waits:?}");
    assert!(waits.iter().any(|wait| *wait > 5.0), "{waits:?}");
}

#[tokio::test]
async fn an_endpoint_that_is_back_is_found_by_a_probe() {
    let (socket, dead) = refusing();
    let alive = named("alive").await;
    let gateway = gateway(&[dead, alive.address], "100ms");
    while gateway.breaker().await["opened"] == 0 {
        gateway.outcome("/").await;
    }
    // Each probe of it fails; the other serves the rest.
    gateway.half_open().await;
    let mut failed = 0;
    for _ in 0..2 {
        failed += usize::from(gateway.outcome("/").await.0 == 502);
    }
    assert!(failed <= 1, "{failed}");

    socket.listen(16).unwrap();
    socket.set_nonblocking(true).unwrap();
    let listener = TcpListener::from_std(socket.into()).unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                crate::support::raw::read_until(&mut stream, "\r\n\r\n").await;
                let answer =
                    b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\nconnection: close\r\n\r\nback";
                let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, answer).await;
            });
        }
    });
    within(async { while gateway.seen("/").await.body.as_deref() != Some("back") {} }).await;
    assert_eq!(gateway.state().await, "closed");
    let mut back = 0;
    for _ in 0..10 {
        back += usize::from(gateway.seen("/").await.body.as_deref() == Some("back"));
    }
    assert_eq!(back, 5);
}
