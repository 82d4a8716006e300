//! The circuit breaker in front of an upstream: what counts, who is rejected, and how it closes.

use std::time::Duration;

use http::{Request, Response};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};

use crate::support::moody::{HALF_ANSWERS, NO_ANSWERS, refusing};
use crate::support::protected::{Protected, assert_counts, with_policy};
use crate::support::upstream::Upstream;
use crate::support::{BodySender, channel, client, empty, full, raw, within};

/// Opens when two of the last four calls have failed, and stays open for the rest of the test.
const HALF_OF_FOUR: &str =
    "breaker = { failure_rate = 0.5, window = { calls = 4 }, min_calls = 4, open_for = '60s' }";

/// Opens at the first failure and soon lets a probe through.
const TOUCHY: &str = "breaker = { consecutive_failures = 1, open_for = '100ms' }\n\
                      attempt_timeout = '30s'";

fn open() -> (u16, String) {
    (503, "breaker_open".to_owned())
}

/// An upstream whose answers are given by hand.
async fn by_hand() -> (Upstream, mpsc::UnboundedReceiver<oneshot::Sender<u16>>) {
    let (told, asked) = mpsc::unbounded_channel();
    let upstream = Upstream::http1(move |_| {
        let (answer, answered) = oneshot::channel();
        told.send(answer).unwrap();
        async move {
            let status = answered.await.unwrap_or(500);
            Response::builder().status(status).body(full("answer")).unwrap()
        }
    })
    .await;
    (upstream, asked)
}

/// An upstream whose responses begin at once and are finished by hand.
async fn unfinished() -> (Upstream, mpsc::UnboundedReceiver<BodySender>) {
    let (told, asked) = mpsc::unbounded_channel();
    let upstream = Upstream::http1(move |_| {
        let (sender, body) = channel();
        told.send(sender).unwrap();
        async move { Response::new(body) }
    })
    .await;
    (upstream, asked)
}

/// Good and bad calls in turn: the second bad one is the fourth call, and opens.
async fn opens_at_the_fourth_call(bad: &str) {
    let upstream = Upstream::moody().await;
    let gateway = Protected::new(upstream.address, HALF_OF_FOUR);
    for path in ["/200", bad, "/200"] {
        assert_ne!(gateway.outcome(path).await, open(), "{bad}");
    }
    let breaker = gateway.at_rest().await;
    assert_eq!(breaker["state"], "closed", "{breaker}");
    assert_ne!(gateway.outcome(bad).await, open(), "{bad}");
    let breaker = gateway.at_rest().await;
    assert_eq!(breaker["state"], "open", "{breaker}");
    let before = (upstream.connections(), upstream.requests());
    for _ in 0..3 {
        assert_eq!(gateway.outcome("/200").await, open());
    }
    // Not even a connection was made.
    assert_eq!((upstream.connections(), upstream.requests()), before);
    let breaker = gateway.at_rest().await;
    let counts = [("started", 4), ("successes", 2), ("failures", 2), ("rejected", 3)];
    assert_counts(&breaker, &counts);
    assert_counts(&breaker, &[("opened", 1), ("ignored", 0), ("late", 0), ("slow", 0)]);
    assert_eq!(gateway.calls("breaker_open").await, 3.0);
}

#[tokio::test]
async fn statuses_from_500_open_the_circuit_at_the_exact_call() {
    for status in ["/500", "/503", "/599"] {
        opens_at_the_fourth_call(status).await;
    }
}

#[tokio::test]
async fn no_answer_opens_the_circuit_at_the_exact_call() {
    for (path, _) in NO_ANSWERS {
        opens_at_the_fourth_call(path).await;
    }
}

#[tokio::test]
async fn half_an_answer_opens_the_circuit_at_the_exact_call_though_its_status_was_200() {
    for path in HALF_ANSWERS {
        opens_at_the_fourth_call(path).await;
    }
}

#[tokio::test]
async fn refused_connections_open_the_circuit() {
    let (_socket, nobody) = refusing();
    let gateway = Protected::new(nobody, HALF_OF_FOUR);
    for _ in 0..4 {
        assert_eq!(gateway.outcome("/").await, (502, "connect".to_owned()));
    }
    assert_eq!(gateway.outcome("/").await, open());
    assert_counts(&gateway.at_rest().await, &[("failures", 4), ("opened", 1)]);
    assert_eq!(gateway.calls("no_response").await, 4.0);
}

#[tokio::test]
async fn attempt_timeouts_open_the_circuit() {
    let upstream = Upstream::moody().await;
    let policy = format!("{HALF_OF_FOUR}\nattempt_timeout = '50ms'");
    let gateway = Protected::new(upstream.address, &policy);
    for _ in 0..4 {
        assert_eq!(gateway.outcome("/hang").await, (504, "timeout".to_owned()));
    }
    assert_eq!(gateway.outcome("/200").await, open());
    assert_counts(&gateway.at_rest().await, &[("failures", 4), ("opened", 1)]);
    // The upstream learns that nobody waits any more.
    within(upstream.all_closed()).await;
}

#[tokio::test]
async fn a_rejection_says_when_to_come_back_and_why() {
    let upstream = Upstream::moody().await;
    let policy = "breaker = { consecutive_failures = 1, open_for = '60100ms' }";
    let gateway = Protected::new(upstream.address, policy);
    assert_eq!(gateway.outcome("/500").await.0, 500);
    let body = r#"{"error":"The circuit breaker of the upstream is open.","upstream":"posts","reason":"breaker_open"}"#;

    let response = gateway.get("/200").await;
    assert_eq!(response.status(), 503);
    assert_eq!(response.headers()["breakerbox-reason"], "breaker_open");
    assert_eq!(response.headers()["content-type"], "application/json");
    assert!(!response.headers().contains_key("breakerbox-fallback"));
    let wait: u64 = response.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((55..=61).contains(&wait), "{wait}");
    assert_eq!(client::text(response).await, body);

    let (mut http2, _) = client::http2(gateway.address).await;
    let request = Request::get("http://front.example/").body(empty()).unwrap();
    let response = within(http2.send_request(request)).await.unwrap();
    assert_eq!(response.status(), 503);
    assert!(response.headers().contains_key("retry-after"));
    assert_eq!(client::text(response).await, body);
}

#[tokio::test]
async fn the_wait_is_rounded_up_to_whole_seconds_and_never_0() {
    let upstream = Upstream::moody().await;
    let policy = "breaker = { consecutive_failures = 1, open_for = '300ms' }";
    let gateway = Protected::new(upstream.address, policy);
    assert_eq!(gateway.outcome("/500").await.0, 500);
    let (mut client, _) = client::http1(gateway.address).await;
    let mut rejections = 0;
    loop {
        let request = Request::get("/200").header("host", "a").body(empty()).unwrap();
        let response = within(client.send_request(request)).await.unwrap();
        if response.status() == 200 {
            break;
        }
        assert_eq!(response.headers()["retry-after"], "1");
        rejections += 1;
        client::text(response).await;
        within(client.ready()).await.unwrap();
    }
    assert!(rejections > 0);
}

#[tokio::test]
async fn a_rejected_upload_gets_its_answer() {
    let upstream = Upstream::moody().await;
    let gateway = Protected::new(
        upstream.address,
        "breaker = { consecutive_failures = 1, open_for = '60s' }",
    );
    assert_eq!(gateway.outcome("/500").await.0, 500);
    let (mut client, _) = client::http1(gateway.address).await;
    let body = full(vec![b'x'; 4 * 1024 * 1024]);
    let request = Request::post("/").header("host", "a").body(body).unwrap();
    let response = within(client.send_request(request)).await.unwrap();
    assert_eq!(response.status(), 503);
    assert_eq!(response.headers()["breakerbox-reason"], "breaker_open");
}

#[tokio::test]
async fn half_open_admits_one_probe_and_its_success_closes_the_circuit() {
    let (upstream, mut asked) = by_hand().await;
    let gateway = Protected::new(upstream.address, TOUCHY);
    let ((status, _), ()) = tokio::join!(gateway.outcome("/"), async {
        within(asked.recv()).await.unwrap().send(500).unwrap();
    });
    assert_eq!(status, 500);
    gateway.half_open().await;

    let (probe, ()) = tokio::join!(gateway.outcome("/"), async {
        let probe = within(asked.recv()).await.unwrap();
        for _ in 0..3 {
            let response = gateway.get("/").await;
            assert_eq!(response.headers()["breakerbox-reason"], "breaker_open");
            // The lease of the probe is as long as the attempt timeout.
            let wait: u64 = response.headers()["retry-after"].to_str().unwrap().parse().unwrap();
            assert!((15..=30).contains(&wait), "{wait}");
        }
        assert_counts(&gateway.breaker().await, &[("in_flight", 1), ("rejected", 3)]);
        assert_eq!(gateway.state().await, "half_open");
        probe.send(200).unwrap();
    });
    assert_eq!(probe, (200, String::new()));
    let breaker = gateway.at_rest().await;
    assert_eq!(breaker["state"], "closed");
    assert_counts(&breaker, &[("successes", 1), ("failures", 1), ("opened", 1)]);
    assert_eq!(upstream.requests(), 2);
}

#[tokio::test]
async fn a_failed_probe_opens_the_circuit_again() {
    let upstream = Upstream::moody().await;
    let gateway = Protected::new(upstream.address, TOUCHY);
    for (opened, path) in (1..).zip(["/500", "/503", "/reset", "/half-body"]) {
        assert_ne!(gateway.outcome(path).await, open());
        if path == "/half-body" {
            // Its headers had closed the circuit; the rest of it has opened it again.
            gateway.breaker_when(|breaker| breaker["failures"] == 4).await;
        }
        assert_counts(&gateway.at_rest().await, &[("opened", opened), ("failures", opened)]);
        gateway.half_open().await;
    }
    assert_eq!(gateway.outcome("/200").await.0, 200);
    assert_eq!(gateway.state().await, "closed");
}

#[tokio::test]
async fn a_probe_that_hangs_runs_into_its_lease() {
    let (upstream, mut asked) = by_hand().await;
    // Without an attempt timeout nothing else ends it.
    let policy = "breaker = { consecutive_failures = 1, open_for = '100ms' }";
    let gateway = Protected::new(upstream.address, policy);
    let ((status, _), ()) = tokio::join!(gateway.outcome("/"), async {
        within(asked.recv()).await.unwrap().send(500).unwrap();
    });
    assert_eq!(status, 500);
    gateway.half_open().await;
    let (hung, ()) = tokio::join!(gateway.outcome("/"), async {
        let probe = within(asked.recv()).await.unwrap();
        gateway.breaker_when(|breaker| breaker["leases_expired"] == 1).await;
        gateway.half_open().await;
        let ((status, _), ()) = tokio::join!(gateway.outcome("/"), async {
            within(asked.recv()).await.unwrap().send(200).unwrap();
        });
        assert_eq!(status, 200);
        assert_eq!(gateway.state().await, "closed");
        // Whose client gets it all the same, but it changes nothing.
        probe.send(500).unwrap();
    });
    assert_eq!(hung.0, 500);
    let breaker = gateway.at_rest().await;
    assert_eq!(breaker["state"], "closed");
    let counts = [("late", 1), ("leases_expired", 1), ("opened", 2), ("failures", 1)];
    assert_counts(&breaker, &counts);
}

#[tokio::test]
async fn a_probe_that_runs_into_the_attempt_timeout_has_failed() {
    let upstream = Upstream::moody().await;
    let policy = "breaker = { consecutive_failures = 1, open_for = '100ms' }\n\
                  attempt_timeout = '150ms'";
    let gateway = Protected::new(upstream.address, policy);
    assert_eq!(gateway.outcome("/500").await.0, 500);
    gateway.half_open().await;
    assert_eq!(gateway.outcome("/hang").await, (504, "timeout".to_owned()));
    let breaker = gateway.at_rest().await;
    let counts = [("failures", 2), ("late", 0), ("leases_expired", 0), ("opened", 2)];
    assert_counts(&breaker, &counts);
}

#[tokio::test]
async fn statuses_from_400_are_successes_and_429_counts_nowhere() {
    let upstream = Upstream::moody().await;
    let gateway = Protected::new(upstream.address, HALF_OF_FOUR);
    for status in ["/400", "/404", "/499", "/301", "/429", "/429", "/429"] {
        assert_eq!(gateway.seen(status).await.status.to_string(), status[1..]);
    }
    let breaker = gateway.at_rest().await;
    assert_counts(&breaker, &[("successes", 4), ("failures", 0), ("ignored", 3)]);
    assert_eq!(breaker["window"]["calls"], 4);
    assert_eq!(gateway.calls("delivered").await, 7.0);
}

#[tokio::test]
async fn a_throttled_probe_leaves_its_place_to_the_next() {
    let upstream = Upstream::moody().await;
    let gateway = Protected::new(upstream.address, TOUCHY);
    assert_eq!(gateway.outcome("/500").await.0, 500);
    gateway.half_open().await;
    for _ in 0..3 {
        assert_eq!(gateway.outcome("/429").await.0, 429);
        assert_eq!(gateway.state().await, "half_open");
    }
    assert_eq!(gateway.outcome("/200").await.0, 200);
    assert_eq!(gateway.state().await, "closed");
    assert_counts(&gateway.at_rest().await, &[("ignored", 3), ("opened", 1)]);
}

#[tokio::test]
async fn a_client_that_goes_away_before_the_headers_is_ignored() {
    let (upstream, mut asked) = by_hand().await;
    let gateway = Protected::new(upstream.address, HALF_OF_FOUR);
    for number in 1..=5 {
        let mut stream = TcpStream::connect(gateway.address).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        let answer = within(asked.recv()).await.unwrap();
        assert_counts(&gateway.breaker().await, &[("in_flight", 1)]);
        drop(stream);
        assert_counts(&gateway.at_rest().await, &[("ignored", number), ("failures", 0)]);
        drop(answer);
    }
    // HTTP/2: the stream is reset, the connection stays.
    let (mut http2, _) = client::http2(gateway.address).await;
    for number in 6..=10 {
        let request = Request::get("http://front.example/").body(empty()).unwrap();
        let response = tokio::spawn(http2.send_request(request));
        let _answer = within(asked.recv()).await.unwrap();
        response.abort();
        assert_counts(&gateway.at_rest().await, &[("ignored", number), ("failures", 0)]);
    }
    assert_eq!(gateway.state().await, "closed");
    assert_eq!(gateway.calls("cancelled").await, 10.0);
    within(upstream.all_closed()).await;
}

#[tokio::test]
async fn a_client_that_goes_away_mid_body_is_ignored() {
    let (upstream, mut asked) = unfinished().await;
    let gateway = Protected::new(upstream.address, HALF_OF_FOUR);
    for number in 1..=5 {
        let mut stream = TcpStream::connect(gateway.address).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        let sender = within(asked.recv()).await.unwrap();
        assert!(sender.data("half").await);
        raw::read_until(&mut stream, "half").await;
        assert_counts(&gateway.breaker().await, &[("in_flight", 1)]);
        drop(stream);
        assert_counts(&gateway.at_rest().await, &[("ignored", number), ("failures", 0)]);
        within(sender.gone()).await;
    }
    assert_eq!(gateway.state().await, "closed");
    // They did get headers.
    assert_eq!(gateway.calls("delivered").await, 5.0);
    assert_eq!(gateway.calls("cancelled").await, 0.0);
}

#[tokio::test]
async fn a_client_that_breaks_its_upload_off_is_ignored() {
    let (told, mut asked) = mpsc::unbounded_channel();
    let upstream = Upstream::script(move |mut stream, _| {
        let told = told.clone();
        async move {
            raw::read_until(&mut stream, "\r\n\r\n").await;
            told.send(()).unwrap();
            raw::read_to_close(&mut stream).await;
        }
    })
    .await;
    let gateway = Protected::new(upstream.address, HALF_OF_FOUR);
    for number in 1..=5 {
        let mut stream = TcpStream::connect(gateway.address).await.unwrap();
        let half = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\nhalf";
        stream.write_all(half).await.unwrap();
        within(asked.recv()).await.unwrap();
        drop(stream);
        let counts = [("started", number), ("ignored", number), ("failures", 0)];
        assert_counts(&gateway.at_rest().await, &counts);
    }
    assert_eq!(gateway.state().await, "closed");
}

#[tokio::test]
async fn a_probe_whose_client_goes_away_leaves_its_place_to_the_next() {
    let (upstream, mut asked) = by_hand().await;
    let gateway = Protected::new(upstream.address, TOUCHY);
    let ((status, _), ()) = tokio::join!(gateway.outcome("/"), async {
        within(asked.recv()).await.unwrap().send(500).unwrap();
    });
    assert_eq!(status, 500);
    gateway.half_open().await;
    for _ in 0..3 {
        let mut stream = TcpStream::connect(gateway.address).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        let _answer = within(asked.recv()).await.unwrap();
        assert_eq!(gateway.outcome("/").await, open());
        drop(stream);
        gateway.at_rest().await;
    }
    let ((status, _), ()) = tokio::join!(gateway.outcome("/"), async {
        within(asked.recv()).await.unwrap().send(200).unwrap();
    });
    assert_eq!(status, 200);
    let breaker = gateway.at_rest().await;
    assert_eq!(breaker["state"], "closed");
    assert_counts(&breaker, &[("ignored", 3), ("opened", 1), ("leases_expired", 0)]);
}

#[tokio::test]
async fn a_streaming_probe_closes_the_circuit_at_its_headers() {
    let (told, mut asked) = mpsc::unbounded_channel();
    let upstream = Upstream::http1(move |request| {
        let told = told.clone();
        async move {
            if request.uri().path() == "/500" {
                return Response::builder().status(500).body(empty()).unwrap();
            }
            let (sender, body) = channel();
            told.send(sender).unwrap();
            Response::new(body)
        }
    })
    .await;
    let gateway = Protected::new(upstream.address, TOUCHY);
    assert_eq!(gateway.outcome("/500").await.0, 500);
    gateway.half_open().await;
    let probe = gateway.get("/").await;
    let sender = within(asked.recv()).await.unwrap();
    let breaker = gateway.breaker().await;
    assert_eq!(breaker["state"], "closed");
    assert_counts(&breaker, &[("in_flight", 1)]);
    assert!(sender.data("half").await);
    // What comes of the rest is recorded like any other call.
    sender.fail().await;
    client::body(probe).await.unwrap_err();
    assert_counts(&gateway.at_rest().await, &[("failures", 2), ("successes", 0), ("opened", 2)]);

    gateway.half_open().await;
    let probe = gateway.get("/").await;
    drop(within(asked.recv()).await.unwrap());
    assert_eq!(client::text(probe).await, "");
    let breaker = gateway.at_rest().await;
    assert_eq!(breaker["state"], "closed");
    assert_counts(&breaker, &[("successes", 1)]);
}

#[tokio::test]
async fn a_slow_body_is_no_slow_call_but_slow_headers_are() {
    let (told, mut asked) = mpsc::unbounded_channel();
    let upstream = Upstream::http1(move |request| {
        let told = told.clone();
        async move {
            if request.uri().path() == "/slow-headers" {
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
            let (sender, body) = channel();
            told.send(sender).unwrap();
            Response::new(body)
        }
    })
    .await;
    let policy = "breaker = { slow_call = '400ms', slow_call_rate = 1.0, min_calls = 1 }";
    let gateway = Protected::new(upstream.address, policy);
    let response = gateway.get("/slow-body").await;
    let sender = within(asked.recv()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(sender.data("late").await);
    drop(sender);
    assert_eq!(client::text(response).await, "late");
    assert_counts(&gateway.at_rest().await, &[("successes", 1), ("slow", 0), ("opened", 0)]);

    let response = gateway.get("/slow-headers").await;
    drop(within(asked.recv()).await.unwrap());
    assert_eq!(client::text(response).await, "");
    let counts = [("successes", 2), ("slow", 1), ("failures", 0), ("opened", 0)];
    assert_counts(&gateway.at_rest().await, &counts);
}

#[tokio::test]
async fn what_was_under_way_when_the_circuit_opened_is_late() {
    let (upstream, mut asked) = unfinished().await;
    let gateway = Protected::new(upstream.address, HALF_OF_FOUR);
    let open = gateway.get("/").await;
    let sender = within(asked.recv()).await.unwrap();
    for _ in 0..4 {
        let response = gateway.get("/").await;
        within(asked.recv()).await.unwrap().fail().await;
        client::body(response).await.unwrap_err();
    }
    assert_counts(&gateway.breaker().await, &[("opened", 1), ("in_flight", 1)]);
    drop(sender);
    assert_eq!(client::text(open).await, "");
    assert_counts(&gateway.at_rest().await, &[("late", 1), ("failures", 4), ("successes", 0)]);
}

#[tokio::test]
async fn a_head_request_and_answers_without_a_body_are_over_at_their_headers() {
    let upstream = Upstream::http1(|request| async move {
        let status = if request.uri().path() == "/204" { 204 } else { 200 };
        let body = if status == 204 { empty() } else { full("answer") };
        Response::builder().status(status).body(body).unwrap()
    })
    .await;
    let gateway = Protected::new(upstream.address, HALF_OF_FOUR);
    let head = "HEAD / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    assert_eq!(raw::status(&raw::exchange(gateway.address, head).await), 200);
    assert_eq!(gateway.outcome("/204").await.0, 204);
    assert_counts(&gateway.at_rest().await, &[("successes", 2), ("ignored", 0)]);
}

#[tokio::test]
async fn two_cores_share_one_breaker() {
    let upstream = Upstream::moody().await;
    let options = breakerbox_proxy::server::Options {
        cores: std::num::NonZeroUsize::new(2).unwrap(),
        ..Default::default()
    };
    let policy = "breaker = { window = { calls = 32 }, failure_rate = 1.0, open_for = '60s' }";
    let config = with_policy(&[upstream.address], policy);
    let running = breakerbox_proxy::Server::start_with(config, options).unwrap();
    let (address, admin) = (running.addresses()[0], running.admin_address().unwrap());
    let gateway = Protected { running, address, admin };
    let mut rejected = 0;
    for _ in 0..64 {
        if gateway.outcome("/500").await == open() {
            rejected += 1;
        }
    }
    let breaker = gateway.at_rest().await;
    assert_eq!(breaker["rejected"], rejected);
    assert_eq!(breaker["failures"], 64 - rejected);
    // 20 is the volume from which the rate is judged; across cores a trip may come one call late.
    assert!((20..=21).contains(&breaker["failures"].as_u64().unwrap()), "{breaker}");
    assert_eq!(breaker["opened"], 1);
}
