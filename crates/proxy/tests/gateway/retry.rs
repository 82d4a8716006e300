//! What is repeated, where it goes, and what it carries.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use http::{Method, Request, Response};
use http_body_util::BodyExt as _;

use crate::support::moody::refusing;
use crate::support::protected::{Protected, with_policy};
use crate::support::upstream::Upstream;
use crate::support::{client, full, within};

const RETRY: &str = "retry = { backoff = { initial = '20ms', jitter = 'none' } }";

/// Fails the first so many requests with this status; then says the number of the attempt, as the
/// gateway told it, and the length of the body.
async fn failing_first(failures: usize, status: u16) -> Upstream {
    let left = Arc::new(AtomicUsize::new(failures));
    Upstream::http1(move |request| {
        let left = Arc::clone(&left);
        async move {
            let attempt = request.headers()["breakerbox-attempt"].to_str().unwrap().to_owned();
            let body = request.into_body().collect().await.unwrap().to_bytes();
            let fails =
                left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |it| it.checked_sub(1));
            if fails.is_ok() {
                let mut response = Response::new(full("not now"));
                *response.status_mut() = status.try_into().unwrap();
                return response;
            }
            Response::new(full(format!("attempt {attempt}, {} bytes", body.len())))
        }
    })
    .await
}

async fn send(gateway: &Protected, method: Method, length: usize) -> (u16, String) {
    let request = Request::builder().method(method).uri("/").header("host", "a");
    let (mut sender, _) = client::http1(gateway.address).await;
    let sent = sender.send_request(request.body(full(vec![b'x'; length])).unwrap());
    let response = within(sent).await.unwrap();
    (response.status().as_u16(), client::text(response).await)
}

#[tokio::test]
async fn a_failure_is_repeated_with_its_body_and_the_failed_response_keeps_its_connection() {
    let upstream = failing_first(2, 503).await;
    let gateway = Protected::new(upstream.address, RETRY);
    let (status, text) = send(&gateway, Method::PUT, 60_000).await;
    assert_eq!((status, text.as_str()), (200, "attempt 3, 60000 bytes"));
    assert_eq!((upstream.requests(), upstream.connections()), (3, 1));
    let retries = r#"breakerbox_retry_attempts_total{upstream="posts"}"#;
    assert_eq!(gateway.metric(retries).await, 2.0);
    assert_eq!(gateway.calls("delivered").await, 1.0);
}

#[tokio::test]
async fn what_does_harm_twice_is_not_repeated_unless_asked_for() {
    for (methods, status) in [("", 503), ("methods = ['POST'], ", 200)] {
        let upstream = failing_first(1, 503).await;
        let retry = RETRY.replace("{ backoff", &format!("{{ {methods}backoff"));
        let gateway = Protected::new(upstream.address, &retry);
        assert_eq!(send(&gateway, Method::POST, 3).await.0, status, "{retry}");
    }
}

#[tokio::test]
async fn a_body_that_is_too_long_to_be_kept_is_sent_once_and_whole() {
    let upstream = failing_first(0, 503).await;
    let gateway = Protected::new(upstream.address, RETRY);
    let (status, text) = send(&gateway, Method::PUT, 5_000_000).await;
    assert_eq!((status, text.as_str()), (200, "attempt 1, 5000000 bytes"));
    let upstream = failing_first(1, 503).await;
    let gateway = Protected::new(upstream.address, RETRY);
    assert_eq!(send(&gateway, Method::PUT, 65_537).await.0, 503);
    assert_eq!(upstream.requests(), 1);
    assert_eq!(send(&gateway, Method::PUT, 65_536).await.0, 200);
}

#[tokio::test]
async fn only_what_is_named_is_repeated_and_a_success_never_is() {
    for (status, requests) in [(500, 1), (502, 2), (504, 2), (429, 2), (404, 1)] {
        let upstream = failing_first(1, status).await;
        let gateway = Protected::new(upstream.address, RETRY);
        gateway.get("/").await;
        assert_eq!(upstream.requests(), requests, "{status}");
    }
}

#[tokio::test]
async fn the_next_endpoint_is_asked_and_a_request_that_never_left_is_repeated_whatever_it_is() {
    let (_socket, dead) = refusing();
    let upstream = failing_first(0, 503).await;
    let gateway = Protected::start(with_policy(&[dead, upstream.address], RETRY));
    for _ in 0..4 {
        let (status, text) = send(&gateway, Method::POST, 10).await;
        assert_eq!(status, 200, "{text}");
        assert!(text.ends_with("10 bytes"), "{text}");
    }
    assert_eq!(upstream.requests(), 4);
}

#[tokio::test]
async fn a_timed_out_attempt_is_repeated_and_its_connection_closed() {
    let first = Arc::new(AtomicUsize::new(0));
    let upstream = Upstream::http1(move |_| {
        let number = first.fetch_add(1, Ordering::SeqCst);
        async move {
            if number == 0 {
                std::future::pending::<()>().await;
            }
            Response::new(full("at last"))
        }
    })
    .await;
    let gateway = Protected::new(upstream.address, &format!("{RETRY}\nattempt_timeout = '100ms'"));
    assert_eq!(gateway.outcome("/").await.0, 200);
    assert_eq!(upstream.connections(), 2);
}

#[tokio::test]
async fn the_last_real_answer_is_given_where_time_does_not_suffice() {
    // Two attempts and a hang: the deadline comes during the third.
    let number = Arc::new(AtomicUsize::new(0));
    let upstream = Upstream::http1(move |_| {
        let number = number.fetch_add(1, Ordering::SeqCst);
        async move {
            if number == 2 {
                std::future::pending::<()>().await;
            }
            let mut response = Response::new(full(format!("failure {number}")));
            *response.status_mut() = http::StatusCode::BAD_GATEWAY;
            response
        }
    })
    .await;
    let gateway = Protected::new(upstream.address, &format!("{RETRY}\ndeadline = '300ms'"));
    let begun = Instant::now();
    let seen = gateway.seen("/").await;
    assert!(begun.elapsed() >= Duration::from_millis(300));
    assert_eq!((seen.status, seen.body.as_deref()), (502, Some("failure 1")));
}

#[tokio::test]
async fn retry_after_is_waited_for_up_to_the_longest_delay() {
    let first = Arc::new(AtomicUsize::new(0));
    let upstream = Upstream::http1(move |_| {
        let number = first.fetch_add(1, Ordering::SeqCst);
        async move {
            let mut response = Response::new(full("later"));
            if number == 0 {
                *response.status_mut() = http::StatusCode::TOO_MANY_REQUESTS;
                response.headers_mut().insert("retry-after", "60".parse().unwrap());
            }
            response
        }
    })
    .await;
    let retry = RETRY.replace("initial = '20ms'", "initial = '20ms', max = '250ms'");
    let gateway = Protected::new(upstream.address, &retry);
    let begun = Instant::now();
    assert_eq!(gateway.outcome("/").await.0, 200);
    let took = begun.elapsed();
    assert!(took >= Duration::from_millis(250) && took < Duration::from_secs(5), "{took:?}");
}

#[tokio::test]
async fn a_spent_budget_ends_the_repetitions() {
    let upstream = failing_first(usize::MAX, 503).await;
    let retry = "retry = { attempts = 2, backoff = { initial = '1ms' }, budget = { start = 3 } }";
    let gateway = Protected::new(upstream.address, retry);
    for _ in 0..8 {
        assert_eq!(gateway.outcome("/").await.0, 503);
    }
    assert_eq!(upstream.requests(), 8 + 3);
    let refused = r#"breakerbox_retry_refused_by_budget_total{upstream="posts"}"#;
    assert_eq!(gateway.metric(refused).await, 5.0);
}

#[tokio::test]
async fn a_slow_upload_is_neither_a_timeout_nor_a_failure() {
    let upstream = Upstream::http1(|request| async move {
        let body = request.into_body().collect().await.unwrap().to_bytes();
        Response::new(full(body.len().to_string()))
    })
    .await;
    for retry in ["", RETRY] {
        let policy = format!("breaker = {{}}\nattempt_timeout = '150ms'\n{retry}");
        let gateway = Protected::new(upstream.address, &policy);
        let mut stream = tokio::net::TcpStream::connect(gateway.address).await.unwrap();
        let head = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 8\r\nconnection: close\r\n\r\n";
        tokio::io::AsyncWriteExt::write_all(&mut stream, head.as_bytes()).await.unwrap();
        for _ in 0..8 {
            tokio::time::sleep(Duration::from_millis(60)).await;
            tokio::io::AsyncWriteExt::write_all(&mut stream, b"x").await.unwrap();
        }
        let mut answer = String::new();
        tokio::io::AsyncReadExt::read_to_string(&mut stream, &mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with('8'), "{answer}");
        let breaker = gateway.at_rest().await;
        assert_eq!((&breaker["successes"], &breaker["failures"]), (&1.into(), &0.into()));
    }
}
