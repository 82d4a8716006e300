//! The answer that stands in for a failure.

use breakerbox_proxy::config::Protocol;
use http::{Request, Response};
use tokio::sync::mpsc;

use crate::support::moody::{HALF_ANSWERS, NO_ANSWERS, refusing};
use crate::support::protected::{Protected, Seen, assert_counts, with_policy};
use crate::support::upstream::Upstream;
use crate::support::{channel, client, empty, full, raw, within};

const BREAKER: &str = "breaker = { min_calls = 1000 }";
const TEXT: &str = "fallback = { status = 203, text = 'instead' }";

fn instead(reason: &str) -> Seen {
    Seen {
        status: 203,
        reason: reason.to_owned(),
        fallback: "static".to_owned(),
        body: Some("instead".to_owned()),
    }
}

#[tokio::test]
async fn it_has_the_status_body_and_headers_of_the_file() {
    let upstream = Upstream::moody().await;
    let bodies = [
        ("", 200, None, ""),
        ("status = 404, text = 'later'", 404, Some("text/plain; charset=utf-8"), "later"),
        ("json = { a = [1, 'b'] }", 200, Some("application/json"), r#"{"a":[1,"b"]}"#),
        ("status = 204", 204, None, ""),
        (
            "json = [], headers = { Content-Type = 'application/x', x-a = '1' }",
            200,
            Some("application/x"),
            "[]",
        ),
    ];
    for (fallback, status, content_type, body) in bodies {
        let gateway = Protected::new(upstream.address, &format!("fallback = {{ {fallback} }}"));
        let response = gateway.get("/500").await;
        assert_eq!(response.status(), status, "{fallback}");
        let headers = response.headers();
        assert_eq!(headers.get("content-type").map(|it| it.to_str().unwrap()), content_type);
        assert_eq!(headers["breakerbox-fallback"], "static");
        assert_eq!(headers["breakerbox-reason"], "status");
        assert_eq!(headers.contains_key("x-a"), fallback.contains("x-a"));
        assert_eq!(client::text(response).await, body);
    }
}

#[tokio::test]
async fn it_cannot_take_its_marks_off() {
    let upstream = Upstream::moody().await;
    let policy =
        "fallback = { headers = { breakerbox-fallback = 'no', breakerbox-reason = 'no' } }";
    let gateway = Protected::new(upstream.address, policy);
    let response = gateway.get("/500").await;
    let marks = |name| response.headers().get_all(name).iter().collect::<Vec<_>>();
    assert_eq!(marks("breakerbox-fallback"), ["static"]);
    assert_eq!(marks("breakerbox-reason"), ["status"]);
}

#[tokio::test]
async fn it_is_marked_with_its_cause() {
    let upstream = Upstream::moody().await;
    let policy = format!("{BREAKER}\n{TEXT}\nattempt_timeout = '5s'");
    let gateway = Protected::new(upstream.address, &policy);
    for status in ["/500", "/503"] {
        assert_eq!(gateway.seen(status).await, instead("status"));
    }
    for (path, reason) in NO_ANSWERS {
        assert_eq!(gateway.seen(path).await, instead(reason), "{path}");
    }
    assert_eq!(gateway.calls("fallback").await, 6.0);
    assert_eq!(gateway.calls("delivered").await, 0.0);
    assert_counts(&gateway.at_rest().await, &[("failures", 6)]);

    let (_socket, nobody) = refusing();
    let gateway = Protected::new(nobody, TEXT);
    assert_eq!(gateway.seen("/").await, instead("connect"));

    let gateway = Protected::new(upstream.address, &format!("{TEXT}\nattempt_timeout = '50ms'"));
    assert_eq!(gateway.seen("/hang").await, instead("timeout"));

    let gateway = Protected::new(upstream.address, &format!("{TEXT}\ndeadline = '50ms'"));
    assert_eq!(gateway.seen("/hang").await, instead("deadline"));

    let open = "breaker = { consecutive_failures = 1, open_for = '60s' }";
    let gateway = Protected::new(upstream.address, &format!("{open}\n{TEXT}"));
    assert_eq!(gateway.seen("/500").await, instead("status"));
    let before = upstream.requests();
    assert_eq!(gateway.seen("/200").await, instead("breaker_open"));
    assert_eq!(upstream.requests(), before);
    // Every call counts once; why it got the fallback is told apart.
    assert_eq!(gateway.calls("breaker_open").await, 0.0);
    assert_eq!(gateway.calls("fallback").await, 2.0);
    let labels = r#"{upstream="posts",policy="breaker",reason="breaker_open"}"#;
    assert_eq!(gateway.metric(&format!("breakerbox_rejections_total{labels}")).await, 1.0);
}

#[tokio::test]
async fn it_stands_in_where_a_trusted_client_has_no_time_left() {
    let upstream = Upstream::moody().await;
    let mut config = with_policy(&[upstream.address], TEXT);
    config.listeners[0].trust = true;
    let gateway = Protected::start(config);
    let request =
        "GET /200 HTTP/1.1\r\nhost: a\r\nbreakerbox-deadline-ms: 0\r\nconnection: close\r\n\r\n";
    let response = raw::exchange(gateway.address, request).await;
    assert_eq!(raw::status(&response), 203, "{response}");
    assert!(response.contains("breakerbox-reason: deadline\r\n"), "{response}");
    assert_eq!(upstream.requests(), 0);
}

#[tokio::test]
async fn it_does_not_replace_what_is_no_failure() {
    let upstream = Upstream::moody().await;
    let gateway = Protected::new(upstream.address, &format!("{BREAKER}\n{TEXT}"));
    for status in ["/200", "/301", "/400", "/404", "/429", "/499"] {
        let seen = gateway.seen(status).await;
        let expected = Seen {
            status: status[1..].parse().unwrap(),
            reason: String::new(),
            fallback: String::new(),
            body: Some("answer".to_owned()),
        };
        assert_eq!(seen, expected);
    }
    assert_eq!(gateway.calls("fallback").await, 0.0);
}

#[tokio::test]
async fn it_does_not_replace_a_response_whose_headers_were_sent_on() {
    let upstream = Upstream::moody().await;
    let policy = format!("{BREAKER}\n{TEXT}\ndeadline = '300ms'");
    let gateway = Protected::new(upstream.address, &policy);
    for path in HALF_ANSWERS.into_iter().chain(["/slow-body/10000"]) {
        let seen = gateway.seen(path).await;
        let expected =
            Seen { status: 200, reason: String::new(), fallback: String::new(), body: None };
        assert_eq!(seen, expected, "{path}");
    }
    assert_eq!(gateway.calls("fallback").await, 0.0);
    assert_counts(&gateway.at_rest().await, &[("failures", 4)]);
}

#[tokio::test]
async fn it_is_no_answer_to_a_client_whose_own_upload_failed() {
    let upstream = Upstream::moody().await;
    let mut config = with_policy(&[upstream.address], TEXT);
    config.upstreams.get_mut("posts").unwrap().idle_timeout = std::time::Duration::from_millis(100);
    let gateway = Protected::start(config);
    let half = "POST /hang HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\n12345";
    let response = raw::exchange(gateway.address, half).await;
    assert_eq!(raw::status(&response), 408, "{response}");
    assert!(!response.contains("breakerbox-fallback"), "{response}");
}

#[tokio::test]
async fn a_head_request_gets_the_head_of_it() {
    let upstream = Upstream::moody().await;
    let gateway = Protected::new(upstream.address, TEXT);
    let head = "HEAD /503 HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    let response = raw::exchange(gateway.address, head).await;
    assert_eq!(raw::status(&response), 203);
    assert!(response.contains("breakerbox-fallback: static\r\n"), "{response}");
    assert!(response.ends_with("\r\n\r\n"), "{response}");
}

#[tokio::test]
async fn the_short_body_of_the_failure_is_read_so_that_the_connection_is_reused() {
    let upstream = Upstream::http1(|_| async {
        Response::builder().status(503).body(full(vec![b'x'; 20_000])).unwrap()
    })
    .await;
    let gateway = Protected::new(upstream.address, TEXT);
    let (mut client, _) = client::http1(gateway.address).await;
    for _ in 0..20 {
        let request = Request::get("/").header("host", "a").body(empty()).unwrap();
        let response = within(client.send_request(request)).await.unwrap();
        assert_eq!(response.status(), 203);
        client::text(response).await;
        within(client.ready()).await.unwrap();
        // The rest of the body may still be on its way.
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert_eq!(upstream.requests(), 20);
    assert!(upstream.connections() <= 3, "{}", upstream.connections());
}

#[tokio::test]
async fn the_long_body_of_the_failure_is_given_up_with_its_connection() {
    let (told, mut asked) = mpsc::unbounded_channel();
    let upstream = Upstream::http1(move |_| {
        let (sender, body) = channel();
        told.send(sender).unwrap();
        async move { Response::builder().status(503).body(body).unwrap() }
    })
    .await;
    let gateway = Protected::new(upstream.address, TEXT);
    // Neither one that never ends nor one that is too long keeps the client waiting.
    assert_eq!(gateway.seen("/").await, instead("status"));
    let silent = within(asked.recv()).await.unwrap();
    assert_eq!(gateway.seen("/").await, instead("status"));
    let long = within(asked.recv()).await.unwrap();
    let mut sent = 0;
    while long.data(vec![b'x'; 64 * 1024]).await {
        sent += 1;
        assert!(sent < 1000);
    }
    within(silent.gone()).await;
    within(upstream.all_closed()).await;
}

#[tokio::test]
async fn it_stands_in_over_http2_at_both_ends() {
    let upstream =
        Upstream::http2(|_| async { Response::builder().status(503).body(full("busy")).unwrap() })
            .await;
    let mut config = with_policy(&[upstream.address], TEXT);
    config.upstreams.get_mut("posts").unwrap().protocol = Protocol::Http2;
    let gateway = Protected::start(config);
    let (mut client, _) = client::http2(gateway.address).await;
    for _ in 0..20 {
        let request = Request::get("http://front.example/").body(empty()).unwrap();
        let response = within(client.send_request(request)).await.unwrap();
        assert_eq!(response.status(), 203);
        assert_eq!(response.headers()["breakerbox-fallback"], "static");
        assert_eq!(client::text(response).await, "instead");
    }
    assert_eq!((upstream.connections(), upstream.requests()), (1, 20));
}
