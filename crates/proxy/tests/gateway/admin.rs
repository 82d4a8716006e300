//! The admin API: health, breakers, metrics, commands, and the log.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Mutex, OnceLock};

use http::{Request, Response};
use serde_json::{Value, json};

use crate::support::moody::refusing;
use crate::support::protected::{Protected, assert_counts, with_policy};
use crate::support::upstream::Upstream;
use crate::support::{client, empty, raw, within};

const TOUCHY: &str = "breaker = { consecutive_failures = 1, open_for = '60s' }";

const COMMANDS: [(&str, &str); 7] = [
    ("force_open", "open"),
    ("isolate", "isolated"),
    ("close", "closed"),
    ("disable", "disabled"),
    ("metrics_only", "metrics_only"),
    ("enable", "closed"),
    ("reset", "closed"),
];

async fn command(gateway: &Protected, path: &str) -> Response<hyper::body::Incoming> {
    let (mut client, _) = client::http1(gateway.admin).await;
    let request = Request::post(path).header("host", "a").body(empty()).unwrap();
    within(client.send_request(request)).await.unwrap()
}

async fn json_of(response: Response<hyper::body::Incoming>) -> Value {
    assert_eq!(response.headers()["content-type"], "application/json");
    serde_json::from_str(&client::text(response).await).unwrap()
}

async fn health(gateway: &Protected) -> (u16, Value) {
    let response = client::get(gateway.admin, "/health").await;
    (response.status().as_u16(), json_of(response).await)
}

#[tokio::test]
async fn health_is_200_while_every_upstream_has_an_endpoint_that_admits() {
    let upstream = Upstream::moody().await;
    let (_socket, dead) = refusing();
    let mut config = with_policy(&[upstream.address, dead], TOUCHY);
    let mut plain = config.upstreams["posts"].clone();
    plain.policy = Default::default();
    config.upstreams.insert("plain".to_owned(), plain);
    let gateway = Protected::start(config);
    let (alive, dead) = (format!("posts@{}", upstream.address), format!("posts@{dead}"));
    let expected = |status: &str, admits: bool, one: &str, two: &str| {
        json!({ "status": status, "upstreams": {
            "plain": { "admits": true, "breakers": {} },
            "posts": { "admits": admits, "breakers": { &alive: one, &dead: two } },
        }})
    };
    assert_eq!(health(&gateway).await, (200, expected("ok", true, "closed", "closed")));
    while gateway.outcome("/200").await.0 != 502 {}
    assert_eq!(health(&gateway).await, (200, expected("ok", true, "closed", "open")));
    assert_eq!(gateway.outcome("/500").await.0, 500);
    assert_eq!(health(&gateway).await, (503, expected("unavailable", false, "open", "open")));
    let ready = client::get(gateway.admin, "/ready").await;
    assert_eq!(ready.status(), 200);
    assert_eq!(json_of(ready).await, json!({ "ready": true, "state": "ready" }));
    command(&gateway, &format!("/breakers/{dead}/isolate")).await;
    command(&gateway, &format!("/breakers/{alive}/disable")).await;
    assert_eq!(health(&gateway).await, (200, expected("ok", true, "disabled", "isolated")));
    let head = raw::exchange(
        gateway.admin,
        "HEAD /health HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
    );
    let head = head.await;
    assert_eq!(raw::status(&head), 200);
    assert!(head.ends_with("\r\n\r\n"));
}

#[tokio::test]
async fn health_is_503_while_the_only_probe_is_under_way() {
    let upstream = Upstream::moody().await;
    let policy =
        "breaker = { consecutive_failures = 1, open_for = '100ms' }\nattempt_timeout = '400ms'";
    let gateway = Protected::new(upstream.address, policy);
    assert_eq!(gateway.outcome("/500").await.0, 500);
    assert_eq!(health(&gateway).await.0, 503);
    gateway.half_open().await;
    assert_eq!(health(&gateway).await.0, 200);
    let requests = upstream.requests();
    let ((status, _), ()) = tokio::join!(gateway.outcome("/hang"), async {
        while upstream.requests() == requests {
            tokio::task::yield_now().await;
        }
        assert_eq!(health(&gateway).await.0, 503);
    });
    assert_eq!(status, 504);
}

#[tokio::test]
async fn breakers_are_commanded_by_their_name_and_by_that_of_their_upstream() {
    let upstream = Upstream::moody().await;
    let (_socket, other) = refusing();
    let gateway = Protected::start(with_policy(&[upstream.address, other], TOUCHY));
    let name = format!("posts@{}", upstream.address);
    let encoded = name.replace('@', "%40").replace(':', "%3a");
    for name in [&name, &encoded] {
        for (what, state) in COMMANDS {
            let response = command(&gateway, &format!("/breakers/{name}/{what}")).await;
            assert_eq!(response.status(), 200);
            let view = json_of(response).await;
            assert_eq!(view["breakers"][0]["state"], state, "{what}");
            // The other one is left alone.
            assert_eq!(view["breakers"][1]["state"], "closed", "{what}");
        }
    }
    for (what, state) in COMMANDS {
        assert_eq!(command(&gateway, &format!("/breakers/posts/{what}")).await.status(), 200);
        for breaker in gateway.breakers().await {
            assert_eq!(breaker["state"], state, "{what}");
        }
    }
}

#[tokio::test]
async fn what_is_commanded_is_done() {
    let upstream = Upstream::moody().await;
    let gateway = Protected::new(upstream.address, TOUCHY);
    let tell = async |what: &str| {
        assert_eq!(command(&gateway, &format!("/breakers/posts/{what}")).await.status(), 200);
    };
    tell("isolate").await;
    let response = gateway.get("/200").await;
    assert_eq!(response.status(), 503);
    // Only a person can tell.
    assert!(!response.headers().contains_key("retry-after"));
    assert_eq!(gateway.breaker().await["retry_after_seconds"], Value::Null);
    tell("force_open").await;
    let response = gateway.get("/200").await;
    let wait: u64 = response.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((50..=60).contains(&wait), "{wait}");
    tell("disable").await;
    for path in ["/500", "/500", "/200"] {
        assert_eq!(gateway.outcome(path).await.0.to_string(), path[1..]);
    }
    let counts = [("unrecorded", 3), ("started", 0), ("rejected", 2), ("failures", 0)];
    assert_counts(&gateway.at_rest().await, &counts);
    tell("metrics_only").await;
    for _ in 0..3 {
        assert_eq!(gateway.outcome("/500").await.0, 500);
    }
    assert_counts(&gateway.at_rest().await, &[("started", 3), ("failures", 3), ("unrecorded", 3)]);
    tell("enable").await;
    assert_eq!(gateway.outcome("/500").await.0, 500);
    assert_eq!(gateway.outcome("/200").await.0, 503);
    tell("reset").await;
    assert_eq!(gateway.outcome("/200").await.0, 200);
}

#[tokio::test]
async fn a_call_that_is_under_way_when_its_breaker_is_told_something_is_accounted_for() {
    let upstream = Upstream::moody().await;
    let gateway = Protected::new(upstream.address, TOUCHY);
    for (number, what) in (1..).zip(["isolate", "enable", "force_open", "reset", "disable"]) {
        let requests = upstream.requests();
        let (seen, ()) = tokio::join!(gateway.seen("/slow-body/200"), async {
            while upstream.requests() == requests {
                tokio::task::yield_now().await;
            }
            command(&gateway, &format!("/breakers/posts/{what}")).await;
        });
        assert_eq!(seen.body.as_deref(), Some("1234567890"));
        assert_counts(&gateway.at_rest().await, &[("late", number), ("in_flight", 0)]);
        command(&gateway, "/breakers/posts/enable").await;
    }
}

#[tokio::test]
async fn commands_that_make_no_sense_are_refused() {
    let upstream = Upstream::moody().await;
    let mut config = with_policy(&[upstream.address], TOUCHY);
    let mut plain = config.upstreams["posts"].clone();
    plain.policy = Default::default();
    config.upstreams.insert("plain".to_owned(), plain);
    let gateway = Protected::start(config);
    for path in [
        "/breakers/nobody/isolate",
        "/breakers/posts/explode",
        "/breakers/posts/ISOLATE",
        "/breakers/posts",
        "/breakers/",
        "/breakers//isolate",
        "/breakers/posts/isolate/",
        "/breakers/%ff/isolate",
        // It has no breaker.
        "/breakers/plain/isolate",
    ] {
        let response = command(&gateway, path).await;
        assert_eq!(response.status(), 404, "{path}");
        assert_eq!(json_of(response).await["reason"], "not_found");
    }
    let response = client::get(gateway.admin, "/breakers/posts/isolate").await;
    assert_eq!(
        (response.status().as_u16(), &response.headers()["allow"]),
        (405, &"POST".parse().unwrap())
    );
    for path in ["/breakers", "/metrics", "/health"] {
        let response = command(&gateway, path).await;
        assert_eq!(response.status(), 405, "{path}");
        assert_eq!(response.headers()["allow"], "GET, HEAD");
    }
    for origin in ["http://evil.example", "null", ""] {
        let asked =
            ["GET /ready", "GET /health", "GET /metrics", "GET /breakers", "HEAD /breakers"];
        for what in asked.into_iter().chain(["POST /breakers/posts/isolate"]) {
            let request = format!(
                "{what} HTTP/1.1\r\nhost: a\r\norigin: {origin}\r\nconnection: close\r\n\r\n"
            );
            let response = raw::exchange(gateway.admin, request).await;
            assert_eq!(raw::status(&response), 403, "{response}");
            assert!(response.contains("breakerbox-reason: origin\r\n"));
        }
    }
    assert_eq!(gateway.state().await, "closed");
}

/// A sample of the metrics: its name, its labels, its value.
type Samples = Vec<(String, BTreeMap<String, String>, f64)>;

/// Reads a page of metrics, strictly: every sample belongs to the family announced last.
fn parse(text: &str) -> (BTreeMap<String, String>, Samples) {
    let (mut types, mut samples) = (BTreeMap::new(), Vec::new());
    let mut family = String::new();
    let body = text.strip_suffix("# EOF\n").expect("it ends with # EOF");
    for line in body.lines() {
        if line.starts_with("# HELP ") {
            continue;
        }
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            let known = name.starts_with("breakerbox_") || name == "process_start_time_seconds";
            assert!(known, "{line}");
            assert!(types.insert(name.to_owned(), kind.to_owned()).is_none(), "{name} comes twice");
            family = name.to_owned();
        } else {
            let (series, value) = line.rsplit_once(' ').unwrap();
            let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
            let suffix = name.strip_prefix(&family).expect("a sample of another family");
            let allowed: &[&str] = match types[&family].as_str() {
                "counter" => &["_total"],
                "gauge" => &[""],
                "histogram" => &["_bucket", "_sum", "_count"],
                other => panic!("{other}"),
            };
            assert!(allowed.contains(&suffix), "{line}");
            let labels = labels.strip_suffix('}').unwrap().split(',');
            let labels = labels.filter(|label| !label.is_empty()).map(|label| {
                let (name, value) = label.split_once('=').unwrap();
                (name.to_owned(), value.trim_matches('"').to_owned())
            });
            samples.push((name.to_owned(), labels.collect(), value.parse().unwrap()));
        }
    }
    (types, samples)
}

#[tokio::test]
async fn the_metrics_add_up_with_the_breakers() {
    let upstream = Upstream::moody().await;
    let (_socket, other) = refusing();
    let policy = "breaker = { window = { calls = 8 }, failure_rate = 1.0, open_for = '60s' }\n\
                  attempt_timeout = '200ms'";
    let gateway = Protected::start(with_policy(&[upstream.address, other], policy));
    for path in ["/200", "/500", "/429", "/hang", "/half-body", "/reset"].repeat(4) {
        gateway.outcome(path).await;
        gateway.outcome(path).await;
    }
    gateway.at_rest().await;
    let response = client::get(gateway.admin, "/metrics").await;
    assert_eq!(
        response.headers()["content-type"],
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
    );
    let (types, samples) = parse(&client::text(response).await);
    assert_eq!(types["breakerbox_breaker_state"], "gauge");
    assert_eq!(types["breakerbox_breaker_calls"], "counter");
    assert_eq!(types["breakerbox_breaker_state_seconds"], "counter");
    assert_eq!(types["breakerbox_request_duration_seconds"], "histogram");
    assert_eq!(types["process_start_time_seconds"], "gauge");
    let value = |name: &str, labels: &[(&str, &str)]| -> f64 {
        let found: Vec<_> = samples
            .iter()
            .filter(|(its, all, _)| {
                its == name && labels.iter().all(|(name, value)| all[*name] == *value)
            })
            .collect();
        assert_eq!(found.len(), 1, "{name} {labels:?}: {found:?}");
        found[0].2
    };
    for breaker in gateway.breakers().await {
        let name = ("name", breaker["name"].as_str().unwrap());
        let count = |key: &str| breaker[key].as_f64().unwrap();
        for (kind, key) in [
            ("success", "successes"),
            ("failure", "failures"),
            ("ignored", "ignored"),
            ("late", "late"),
        ] {
            assert_eq!(
                value("breakerbox_breaker_calls_total", &[name, ("kind", kind)]),
                count(key)
            );
        }
        for key in ["rejected", "slow", "opened", "unrecorded", "leases_expired"] {
            assert_eq!(value(&format!("breakerbox_breaker_{key}_total"), &[name]), count(key));
        }
        assert_eq!(value("breakerbox_breaker_in_flight", &[name]), 0.0);
        let states = ["closed", "open", "half_open", "isolated", "disabled", "metrics_only"];
        let mut seconds = 0.0;
        for state in states {
            let expected = if breaker["state"] == state { 1.0 } else { 0.0 };
            assert_eq!(value("breakerbox_breaker_state", &[name, ("state", state)]), expected);
            seconds += value("breakerbox_breaker_state_seconds_total", &[name, ("state", state)]);
        }
        assert!(seconds > 0.0);
        if breaker["opened"] == 1 {
            let labels = [name, ("from", "closed"), ("to", "open")];
            assert_eq!(value("breakerbox_breaker_transitions_total", &labels), 1.0);
        }
    }
    let calls = |kind| value("breakerbox_calls_total", &[("kind", kind), ("upstream", "posts")]);
    let all = ["delivered", "timeout", "deadline", "no_response", "cancelled", "breaker_open"];
    assert_eq!(all.map(calls).iter().sum::<f64>(), 48.0);
    let rejections = [("upstream", "posts"), ("policy", "breaker"), ("reason", "breaker_open")];
    assert_eq!(value("breakerbox_rejections_total", &rejections), calls("breaker_open"));

    let buckets: Vec<_> = samples
        .iter()
        .filter(|(name, ..)| name == "breakerbox_request_duration_seconds_bucket")
        .map(|(_, labels, count)| (labels["le"].clone(), *count))
        .collect();
    assert!(buckets.is_sorted_by(|one, two| one.1 <= two.1), "{buckets:?}");
    assert!(buckets.is_sorted_by_key(|(le, _)| le.parse::<f64>().unwrap_or(f64::INFINITY)));
    let (last, count) = buckets.last().unwrap();
    assert_eq!(last, "+Inf");
    assert_eq!(*count, value("breakerbox_request_duration_seconds_count", &[]));
    // Rejections take no time worth measuring.
    assert_eq!(*count, 48.0 - calls("breaker_open"));
    assert!(value("breakerbox_request_duration_seconds_sum", &[]) >= calls("timeout") * 0.2);
}

#[tokio::test]
async fn names_with_quotes_stay_one_label() {
    let (_socket, dead) = refusing();
    let mut config = with_policy(&[dead], TOUCHY);
    let odd = config.upstreams["posts"].clone();
    config.upstreams.insert("a\"b\\c\nd".to_owned(), odd);
    let gateway = Protected::start(config);
    let text = client::text(client::get(gateway.admin, "/metrics").await).await;
    assert!(text.contains(r#"{upstream="a\"b\\c\nd",kind="delivered"} 0"#), "{text}");
}

/// All lines of the log of this process.
fn log() -> &'static Mutex<Vec<u8>> {
    static LOG: OnceLock<&'static Mutex<Vec<u8>>> = OnceLock::new();
    LOG.get_or_init(|| {
        let log: &'static Mutex<Vec<u8>> = Box::leak(Box::default());
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_max_level(tracing_subscriber::filter::LevelFilter::INFO)
            .with_writer(move || Lines(log))
            .finish();
        tracing::subscriber::set_global_default(subscriber).unwrap();
        log
    })
}

struct Lines(&'static Mutex<Vec<u8>>);

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(line)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn every_change_of_a_breaker_is_a_line_in_the_log() {
    let log = log();
    let upstream = Upstream::moody().await;
    let policy = "breaker = { consecutive_failures = 1, open_for = '100ms' }";
    let gateway = Protected::new(upstream.address, policy);
    gateway.outcome("/500").await;
    gateway.half_open().await;
    gateway.outcome("/500").await;
    gateway.half_open().await;
    gateway.outcome("/200").await;
    command(&gateway, "/breakers/posts/isolate").await;
    let all = String::from_utf8(log.lock().unwrap().clone()).unwrap();
    let breaker = format!("breaker=posts@{} ", upstream.address);
    let lines: Vec<_> = all
        .lines()
        .filter(|line| line.contains(&breaker))
        .map(|line| line.split_once("Z ").unwrap().1.trim_start())
        .map(|line| line.replace(&breaker, "").replace("breakerbox_proxy::policies: ", ""))
        .collect();
    assert_eq!(
        lines,
        [
            "WARN circuit breaker opened from=closed to=open cause=consecutive failures",
            "INFO circuit breaker changed from=open to=half_open cause=open duration elapsed",
            "WARN circuit breaker opened from=half_open to=open cause=probe failed",
            "INFO circuit breaker changed from=open to=half_open cause=open duration elapsed",
            "INFO circuit breaker changed from=half_open to=closed cause=probes succeeded",
            "INFO circuit breaker changed from=closed to=isolated cause=isolate by hand",
        ]
    );
}
