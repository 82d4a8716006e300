//! The metrics beside those of the breakers: what clients got, how many attempts that took, what reached
//! no upstream, and the process.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::support::moody::refusing;
use crate::support::protected::{Protected, with_policy};
use crate::support::upstream::Upstream;
use crate::support::{client, raw};

fn counts(of: &[(&str, u64)]) -> Vec<(String, u64)> {
    of.iter().map(|(class, count)| ((*class).to_owned(), *count)).collect()
}

#[tokio::test]
async fn every_response_is_counted_by_its_class_whoever_made_it() {
    let upstream = Upstream::moody().await;
    let policy = "breaker = { consecutive_failures = 3, open_for = '60s' }\n\
                  attempt_timeout = '200ms'\ncache = { ttl = '60s' }";
    let gateway = Protected::new(upstream.address, policy);
    assert_eq!(gateway.responses("posts").await, []);
    for path in ["/200", "/200", "/204", "/302", "/404", "/500", "/hang", "/reset", "/200/x"] {
        gateway.seen(path).await;
    }
    // The second is from the cache; 500, 504 and 502 have opened the circuit, and so there is a 503.
    let seen = counts(&[("2xx", 3), ("3xx", 1), ("4xx", 1), ("5xx", 4)]);
    assert_eq!(gateway.responses("posts").await, seen);
    let zero = gateway.metric(r#"breakerbox_calls_total{upstream="posts",kind="shared"}"#).await;
    assert_eq!(zero, 1.0);
    assert!(!gateway.metrics().await.contains("class=\"grpc"), "it speaks HTTP/1");
    // A 5xx without a breaker was in no metric.
    let gateway = Protected::new(upstream.address, "");
    gateway.seen("/503").await;
    assert_eq!(gateway.responses("posts").await, counts(&[("5xx", 1)]));
    // A client that goes away gets none.
    let hangs = gateway.get("/hang");
    assert!(tokio::time::timeout(std::time::Duration::from_millis(100), hangs).await.is_err());
    assert_eq!(gateway.responses("posts").await, counts(&[("5xx", 1)]));
}

#[tokio::test]
async fn a_fallback_counts_for_the_upstream_that_was_asked() {
    let upstream = Upstream::moody().await;
    let gateway = Protected::new(upstream.address, "fallback = { status = 203, text = 'instead' }");
    gateway.seen("/500").await;
    assert_eq!(gateway.responses("posts").await, counts(&[("2xx", 1)]));

    let (_socket, dead) = refusing();
    let mut config = with_policy(&[dead], "fallback = { upstream = 'other' }");
    let other = with_policy(&[upstream.address], "").upstreams.remove("posts").unwrap();
    config.upstreams.insert("other".to_owned(), other);
    let gateway = Protected::start(config);
    assert_eq!(gateway.seen("/404").await.status, 404);
    assert_eq!(gateway.responses("posts").await, counts(&[("4xx", 1)]));
    assert_eq!(gateway.responses("other").await, []);
}

#[tokio::test]
async fn the_changes_of_a_circuit_are_there_before_the_first() {
    let upstream = Upstream::moody().await;
    let gateway = Protected::new(upstream.address, "breaker = { open_for = '60s' }");
    let text = gateway.metrics().await;
    let changes: Vec<_> =
        text.lines().filter(|line| line.starts_with("breakerbox_breaker_transitions_t")).collect();
    assert_eq!(changes.len(), 4, "{changes:?}");
    let usual = [("closed", "open"), ("open", "half_open")];
    for (from, to) in usual.into_iter().chain([("half_open", "open"), ("half_open", "closed")]) {
        let pair = format!("from=\"{from}\",to=\"{to}\"}} 0");
        assert!(changes.iter().any(|line| line.ends_with(&pair)), "{pair} in {changes:?}");
    }
}

#[tokio::test]
async fn attempts_per_call_are_counted_where_there_may_be_several() {
    let upstream = Upstream::moody().await;
    let policy = "retry = { attempts = 3, budget = false, backoff = { initial = '1ms' } }\n\
                  rate_limit = { rate = 1, per = '1h', burst = 3 }";
    let gateway = Protected::new(upstream.address, policy);
    for path in ["/200", "/200", "/503", "/limited"] {
        gateway.seen(path).await;
    }
    let of = |what: &str| format!("breakerbox_attempts_per_call_{what}");
    for (bound, calls) in [("1.0", 2.0), ("2.0", 2.0), ("3.0", 3.0), ("10.0", 3.0), ("+Inf", 3.0)] {
        let series = of(&format!("bucket{{le=\"{bound}\",upstream=\"posts\"}}"));
        let text = gateway.metrics().await;
        let found = gateway.metric(&series).await;
        assert_eq!(found, calls, "{series}: {text}");
    }
    assert_eq!(gateway.metric(&of("sum{upstream=\"posts\"}")).await, 5.0);
    assert_eq!(gateway.metric(&of("count{upstream=\"posts\"}")).await, 3.0);
    let gateway = Protected::new(upstream.address, "");
    assert!(!gateway.metrics().await.contains("breakerbox_attempts_per_call_"));
}

#[tokio::test]
async fn requests_that_reach_no_upstream_are_counted_by_what_was_wrong() {
    let upstream = Upstream::moody().await;
    let mut config = with_policy(&[upstream.address], "");
    config.listeners[0].routes[0].host = Some("front.example".to_owned());
    let gateway = Protected::start(config);
    let large = format!("GET / HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n", "x".repeat(80 * 1024));
    for (request, status) in [
        ("GET / HTTP/1.1\r\nhost: elsewhere\r\nconnection: close\r\n\r\n", 404),
        ("GET / HTTP/1.1\r\nhost: a b\r\nconnection: close\r\n\r\n", 400),
        (
            "CONNECT front.example:80 HTTP/1.1\r\nhost: front.example:80\r\nconnection: close\r\n\r\n",
            501,
        ),
        ("nonsense\r\n\r\n", 400),
        (&large, 431),
        ("GET /200 HTTP/1.1\r\nhost: front.example\r\nconnection: close\r\n\r\n", 200),
    ] {
        let response = raw::exchange(gateway.address, request).await;
        assert_eq!(raw::status(&response), status, "{response}");
    }
    for why in ["no_route", "bad_request", "not_implemented", "malformed", "head_too_large"] {
        let series = format!("breakerbox_requests_refused_total{{reason=\"{why}\"}}");
        assert_eq!(gateway.metric(&series).await, 1.0, "{why}");
    }
    // The admin API's are nobody's.
    raw::exchange(gateway.admin, "nonsense\r\n\r\n").await;
    let series = "breakerbox_requests_refused_total{reason=\"malformed\"}";
    assert_eq!(gateway.metric(series).await, 1.0);
}

#[tokio::test]
async fn it_says_what_it_is_and_since_when() {
    let upstream = Upstream::moody().await;
    let gateway = Protected::new(upstream.address, "");
    let version = env!("CARGO_PKG_VERSION");
    let build = format!("breakerbox_build_info{{version=\"{version}\"}}");
    assert_eq!(gateway.metric(&build).await, 1.0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
    let started = gateway.metric("process_start_time_seconds").await;
    assert!((now - 60.0..=now).contains(&started), "{started} of {now}");
    let response = client::get(gateway.admin, "/metrics").await;
    assert_eq!(response.status(), 200);
}

#[tokio::test]
async fn nothing_is_said_of_what_cannot_be() {
    let upstream = Upstream::moody().await;
    let gateway = Protected::new(upstream.address, "chaos = { error = 503 }");
    gateway.seen("/200").await;
    let text = gateway.metrics().await;
    assert!(text.contains("breakerbox_chaos_hit_total"));
    assert!(!text.contains("\"chaos\""), "{text}");
}
