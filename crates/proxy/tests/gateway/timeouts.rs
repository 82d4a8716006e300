//! Attempt timeout, idle timeout and deadline, and how much time is left for the upstream.

use std::time::{Duration, Instant};

use http::{Request, Response};
use tokio::sync::mpsc;

use crate::support::moody::refusing;
use crate::support::protected::{Protected, assert_counts, with_policy};
use crate::support::upstream::Upstream;
use crate::support::{client, empty, full, raw, within};

const BREAKER: &str = "breaker = { min_calls = 1000 }";

/// An upstream that passes on what time it was told to have.
async fn told() -> (Upstream, mpsc::UnboundedReceiver<Option<String>>) {
    let (told, asked) = mpsc::unbounded_channel();
    let upstream = Upstream::http1(move |request| {
        let left = request.headers().get("breakerbox-deadline-ms");
        assert!(request.headers().get_all("breakerbox-deadline-ms").iter().count() <= 1);
        told.send(left.map(|left| left.to_str().unwrap().to_owned())).unwrap();
        async { Response::new(full("answer")) }
    })
    .await;
    (upstream, asked)
}

async fn get_with(gateway: &Protected, path: &str, left: &str) -> Response<hyper::body::Incoming> {
    let (mut client, _) = client::http1(gateway.address).await;
    let request = Request::get(path)
        .header("host", "front.example")
        .header("breakerbox-deadline-ms", left)
        .body(empty())
        .unwrap();
    within(client.send_request(request)).await.unwrap()
}

fn trusting(upstream: std::net::SocketAddr, policy: &str) -> Protected {
    let mut config = with_policy(&[upstream], policy);
    config.listeners[0].trust = true;
    Protected::start(config)
}

#[tokio::test]
async fn an_attempt_that_takes_too_long_is_a_504() {
    let upstream = Upstream::moody().await;
    let gateway =
        Protected::new(upstream.address, &format!("{BREAKER}\nattempt_timeout = '150ms'"));
    let begun = Instant::now();
    let response = gateway.get("/hang").await;
    assert!(begun.elapsed() >= Duration::from_millis(150));
    assert_eq!(response.status(), 504);
    assert_eq!(response.headers()["breakerbox-reason"], "timeout");
    assert_eq!(response.headers()["content-type"], "application/json");
    let expected =
        r#"{"error":"The upstream did not answer in time.","upstream":"posts","reason":"timeout"}"#;
    assert_eq!(client::text(response).await, expected);
    within(upstream.all_closed()).await;
    assert_counts(&gateway.at_rest().await, &[("failures", 1), ("in_flight", 0)]);
    assert_eq!(gateway.calls("timeout").await, 1.0);
}

#[tokio::test]
async fn the_attempt_timeout_ends_at_the_headers() {
    let upstream = Upstream::moody().await;
    let gateway =
        Protected::new(upstream.address, &format!("{BREAKER}\nattempt_timeout = '400ms'"));
    let begun = Instant::now();
    let seen = gateway.seen("/slow-body/600").await;
    assert!(begun.elapsed() >= Duration::from_millis(600));
    assert_eq!((seen.status, seen.body.as_deref()), (200, Some("1234567890")));
    assert_counts(&gateway.at_rest().await, &[("successes", 1), ("failures", 0)]);
}

#[tokio::test]
async fn a_body_that_stops_coming_runs_into_the_idle_timeout() {
    let upstream = Upstream::moody().await;
    let mut config = with_policy(&[upstream.address], BREAKER);
    config.upstreams.get_mut("posts").unwrap().idle_timeout = Duration::from_millis(200);
    let gateway = Protected::start(config);
    let seen = gateway.seen("/slow-body/10000").await;
    assert_eq!((seen.status, seen.body), (200, None));
    assert_counts(&gateway.at_rest().await, &[("failures", 1), ("successes", 0)]);
    assert_eq!(gateway.calls("delivered").await, 1.0);
}

#[tokio::test]
async fn a_call_that_runs_into_its_deadline_is_a_504() {
    let upstream = Upstream::moody().await;
    let gateway = Protected::new(upstream.address, &format!("{BREAKER}\ndeadline = '150ms'"));
    let begun = Instant::now();
    let response = gateway.get("/hang").await;
    assert!(begun.elapsed() >= Duration::from_millis(150));
    assert_eq!(response.status(), 504);
    assert_eq!(response.headers()["breakerbox-reason"], "deadline");
    let expected =
        r#"{"error":"The request ran into its deadline.","upstream":"posts","reason":"deadline"}"#;
    assert_eq!(client::text(response).await, expected);
    within(upstream.all_closed()).await;
    // The time was the pipeline's own.
    assert_counts(&gateway.at_rest().await, &[("failures", 1), ("ignored", 0)]);
    assert_eq!(gateway.calls("deadline").await, 1.0);
}

#[tokio::test]
async fn the_deadline_ends_a_body_whether_it_is_silent_or_not() {
    let upstream = Upstream::moody().await;
    let gateway = Protected::new(upstream.address, &format!("{BREAKER}\ndeadline = '400ms'"));
    for (failures, path) in (1..).zip(["/slow-body/10000", "/drip/200"]) {
        let begun = Instant::now();
        let seen = gateway.seen(path).await;
        assert!(begun.elapsed() >= Duration::from_millis(400), "{path}");
        assert_eq!((seen.status, seen.body), (200, None), "{path}");
        assert_counts(&gateway.at_rest().await, &[("failures", failures), ("successes", 0)]);
        within(upstream.all_closed()).await;
    }
    assert_eq!(gateway.calls("delivered").await, 2.0);
    assert_eq!(gateway.calls("deadline").await, 0.0);
    let timeouts = r#"breakerbox_timeouts_total{upstream="posts",kind="deadline"}"#;
    assert_eq!(gateway.metric(timeouts).await, 2.0);
}

#[tokio::test]
async fn the_deadline_ends_the_body_of_a_failure_too() {
    let upstream = Upstream::moody().await;
    let gateway = Protected::new(upstream.address, &format!("{BREAKER}\ndeadline = '400ms'"));
    for path in ["/drip/503", "/drip/429", "/drip/404"] {
        let seen = within(gateway.seen(path)).await;
        assert_eq!((seen.status.to_string(), seen.body), (path[6..].to_owned(), None));
        within(upstream.all_closed()).await;
    }
    // Outcomes known at the headers are counted once.
    let counts = [("started", 3), ("failures", 2), ("ignored", 1), ("successes", 0)];
    assert_counts(&gateway.at_rest().await, &counts);
}

#[tokio::test]
async fn a_trusted_client_shortens_the_deadline_and_running_out_of_it_is_ignored() {
    let upstream = Upstream::moody().await;
    for policy in [BREAKER.to_owned(), format!("{BREAKER}\ndeadline = '60s'")] {
        let gateway = trusting(upstream.address, &policy);
        let begun = Instant::now();
        let response = get_with(&gateway, "/hang", "150").await;
        assert!(begun.elapsed() >= Duration::from_millis(150));
        assert_eq!(response.status(), 504);
        assert_eq!(response.headers()["breakerbox-reason"], "deadline");
        client::text(response).await;
        assert_counts(&gateway.at_rest().await, &[("ignored", 1), ("failures", 0)]);

        let response = get_with(&gateway, "/slow-body/10000", "400").await;
        assert_eq!(response.status(), 200);
        client::body(response).await.unwrap_err();
        assert_counts(
            &gateway.at_rest().await,
            &[("ignored", 2), ("failures", 0), ("successes", 0)],
        );
    }
}

#[tokio::test]
async fn a_trusted_client_cannot_lengthen_the_deadline() {
    let upstream = Upstream::moody().await;
    let gateway = trusting(upstream.address, &format!("{BREAKER}\ndeadline = '150ms'"));
    for (failures, left) in (1..).zip(["60000", "18446744073709551615"]) {
        let response = get_with(&gateway, "/hang", left).await;
        assert_eq!(response.headers()["breakerbox-reason"], "deadline");
        assert_counts(&gateway.at_rest().await, &[("failures", failures), ("ignored", 0)]);
    }
}

#[tokio::test]
async fn a_client_without_any_time_left_gets_its_answer_at_once() {
    let (_socket, nobody) = refusing();
    let gateway = trusting(nobody, BREAKER);
    let response = get_with(&gateway, "/", "0").await;
    assert_eq!(response.status(), 504);
    assert_eq!(response.headers()["breakerbox-reason"], "deadline");
    assert_counts(&gateway.at_rest().await, &[("started", 0), ("rejected", 0)]);
}

#[tokio::test]
async fn a_strangers_deadline_is_removed() {
    let (upstream, mut asked) = told().await;
    let gateway = Protected::new(upstream.address, BREAKER);
    for left in ["0", "1", "5000"] {
        assert_eq!(get_with(&gateway, "/", left).await.status(), 200);
        assert_eq!(within(asked.recv()).await.unwrap(), None);
    }
    assert_counts(&gateway.at_rest().await, &[("successes", 3)]);
}

#[tokio::test]
async fn the_upstream_is_told_what_is_left() {
    let (upstream, mut asked) = told().await;
    let mut left = async |gateway: &Protected, said: Option<&str>| -> Option<u64> {
        let response = match said {
            Some(said) => get_with(gateway, "/", said).await,
            None => gateway.get("/").await,
        };
        assert_eq!(response.status(), 200);
        client::text(response).await;
        within(asked.recv()).await.unwrap().map(|left| left.parse().unwrap())
    };
    let none = Protected::new(upstream.address, BREAKER);
    assert_eq!(left(&none, None).await, None);

    let own = Protected::new(upstream.address, &format!("{BREAKER}\ndeadline = '30s'"));
    for said in [None, Some("7")] {
        let left = left(&own, said).await.unwrap();
        assert!((20_000..=30_000).contains(&left), "{left}");
    }
    let trusting_own = trusting(upstream.address, &format!("{BREAKER}\ndeadline = '30s'"));
    for (said, most) in [("20000", 20_000), ("90000", 30_000), ("18446744073709551615", 30_000)] {
        let left = left(&trusting_own, Some(said)).await.unwrap();
        assert!((10_000..=most).contains(&left), "{said}: {left}");
    }
    let trusting = trusting(upstream.address, BREAKER);
    let left = left(&trusting, Some("20000")).await.unwrap();
    assert!((10_000..=20_000).contains(&left), "{left}");
}

#[tokio::test]
async fn a_deadline_that_is_no_number_is_none() {
    let (upstream, mut asked) = told().await;
    let gateway = trusting(upstream.address, BREAKER);
    for left in ["soon", "-1", "1.5", "", "99999999999999999999999"] {
        assert_eq!(get_with(&gateway, "/", left).await.status(), 200, "{left}");
        within(asked.recv()).await.unwrap();
    }
    // The largest number there is, which no clock can be moved on by.
    assert_eq!(get_with(&gateway, "/", "18446744073709551615").await.status(), 200);
    assert_counts(&gateway.at_rest().await, &[("successes", 6)]);
}

#[tokio::test]
async fn a_connection_that_cannot_be_made_in_time_is_a_504() {
    // A full backlog takes no further connection: the first packet is not even answered.
    let (socket, address) = refusing();
    socket.listen(0).unwrap();
    let mut held = Vec::new();
    while let Ok(Ok(stream)) =
        tokio::time::timeout(Duration::from_millis(50), tokio::net::TcpStream::connect(address))
            .await
    {
        held.push(stream);
        assert!(held.len() < 100);
    }
    let mut config = with_policy(&[address], BREAKER);
    config.upstreams.get_mut("posts").unwrap().connect_timeout = Duration::from_millis(150);
    let gateway = Protected::start(config);
    assert_eq!(gateway.outcome("/").await, (504, "connect".to_owned()));
    let gateway = Protected::new(address, &format!("{BREAKER}\nattempt_timeout = '150ms'"));
    assert_eq!(gateway.outcome("/").await, (504, "timeout".to_owned()));
    assert_counts(&gateway.at_rest().await, &[("failures", 1)]);
}

#[tokio::test]
async fn an_upload_that_stops_is_the_clients_doing() {
    let upstream = Upstream::moody().await;
    let mut config = with_policy(&[upstream.address], BREAKER);
    config.upstreams.get_mut("posts").unwrap().idle_timeout = Duration::from_millis(150);
    let gateway = Protected::start(config);
    let half = "POST /hang HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\n12345";
    let response = raw::exchange(gateway.address, half).await;
    assert_eq!(raw::status(&response), 408, "{response}");
    assert!(response.contains("breakerbox-reason: client_body\r\n"), "{response}");
    assert_counts(&gateway.at_rest().await, &[("ignored", 1), ("failures", 0)]);
}
