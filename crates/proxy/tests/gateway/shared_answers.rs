//! Answers that others may have: what is not shared, and how answers of unknown length go on.

use std::time::{Duration, Instant};

use http::{Request, Response, StatusCode};
use http_body_util::BodyExt as _;

use crate::support::protected::{Protected, with_policy};
use crate::support::upstream::Upstream;
use crate::support::{client, empty, full, moody::refusing, slowly, within};

async fn send(gateway: &Protected, request: Request<crate::support::AnyBody>) -> (u16, String) {
    let (mut sender, _) = client::http1(gateway.address).await;
    let response = within(sender.send_request(request)).await.unwrap();
    (response.status().as_u16(), client::text(response).await)
}

#[tokio::test]
async fn who_has_an_answer_already_shares_none() {
    let upstream = Upstream::http1(|request| async move {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let mut response = Response::new(full("whole"));
        if request.headers().contains_key("if-none-match") {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            *response.body_mut() = empty();
        }
        response
    })
    .await;
    let gateway = Protected::new(upstream.address, "coalesce = true\ncache.ttl = '1h'");
    let conditional = Request::get("/a").header("host", "a").header("if-none-match", "\"v1\"");
    let first = send(&gateway, conditional.body(empty()).unwrap());
    let second = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        send(&gateway, Request::get("/a").header("host", "a").body(empty()).unwrap()).await
    };
    let (first, second) = tokio::join!(first, second);
    assert_eq!((first.0, second), (304, (200, "whole".to_owned())));
    assert_eq!(upstream.requests(), 2);
}

#[tokio::test]
async fn an_answer_that_comes_slowly_is_not_held_back_and_kept_all_the_same() {
    let upstream = Upstream::http1(|_| async {
        Response::new(slowly(["one ", "two ", "three"], Duration::from_millis(400)))
    })
    .await;
    let gateway = Protected::new(upstream.address, "cache.ttl = '1h'\ncoalesce = true");
    let began = Instant::now();
    let mut response = gateway.get("/a").await;
    let first = within(response.frame()).await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(first, "one ");
    assert!(began.elapsed() < Duration::from_millis(350), "{:?}", began.elapsed());
    assert_eq!(client::text(response).await, "two three");
    let kept = gateway.get("/a").await;
    assert!(kept.headers().contains_key("age"));
    assert_eq!(client::text(kept).await, "one two three");
    assert_eq!(upstream.requests(), 1);
}

#[tokio::test]
async fn a_stream_of_events_is_never_held_back_nor_kept() {
    let upstream = Upstream::http1(|_| async {
        let mut response = Response::new(slowly(["one", "two"], Duration::from_millis(50)));
        response.headers_mut().insert("content-type", "text/event-stream".parse().unwrap());
        response
    })
    .await;
    let gateway = Protected::new(upstream.address, "cache.ttl = '1h'");
    for _ in 0..2 {
        assert_eq!(client::text(gateway.get("/a").await).await, "onetwo");
    }
    assert_eq!(upstream.requests(), 2);
}

#[tokio::test]
async fn an_answer_that_turns_out_too_long_goes_on_whole_and_is_not_kept() {
    let long = "x".repeat(40_000);
    let parts = [long.clone(), long.clone()];
    let upstream = Upstream::http1(move |_| {
        let parts = parts.clone();
        async move { Response::new(slowly(parts, Duration::from_millis(200))) }
    })
    .await;
    let gateway = Protected::new(upstream.address, "cache.ttl = '1h'");
    for requests in 1..3 {
        assert_eq!(client::text(gateway.get("/a").await).await.len(), 80_000);
        assert_eq!(upstream.requests(), requests);
    }
}

#[tokio::test]
async fn another_upstream_has_only_the_time_that_is_left_and_does_nothing_twice() {
    let hangs = || Upstream::http1(|_| std::future::pending::<Response<crate::support::AnyBody>>());
    let (first, other) = (hangs().await, hangs().await);
    let policy = "attempt_timeout = '200ms'\nfallback.upstream = 'other'";
    let mut config = with_policy(&[first.address], policy);
    let mut second = config.upstreams["posts"].clone();
    second.endpoints =
        with_policy(&[other.address], "").upstreams.remove("posts").unwrap().endpoints;
    let (_socket, dead) = refusing();
    second.policy = with_policy(&[dead], "deadline = '5s'").upstreams["posts"].policy.clone();
    config.upstreams.insert("other".to_owned(), second);
    config.listeners[0].trust = true;
    let gateway = Protected::start(config);
    let began = Instant::now();
    let request = Request::get("/").header("host", "a").header("breakerbox-deadline-ms", "500");
    let (status, _) = send(&gateway, request.body(empty()).unwrap()).await;
    let took = began.elapsed();
    assert_eq!((status, other.requests()), (504, 1));
    assert!(took >= Duration::from_millis(450) && took < Duration::from_millis(900), "{took:?}");
    // The first may have worked on it.
    let request = Request::post("/").header("host", "a").body(full("pay")).unwrap();
    assert_eq!(send(&gateway, request).await.0, 504);
    assert_eq!((first.requests(), other.requests()), (2, 1));
}

#[tokio::test]
async fn what_is_said_by_hand_holds_for_all_keys() {
    let upstream = Upstream::http1(|_| async { Response::new(full("good")) }).await;
    let policy = "breaker = { open_for = '1h', key = 'header:x-tenant' }";
    let gateway = Protected::new(upstream.address, policy);
    let get = async |tenant: &str| {
        let request = Request::get("/").header("host", "a").header("x-tenant", tenant);
        send(&gateway, request.body(empty()).unwrap()).await.0
    };
    let tell = async |what: &str| {
        let (mut sender, _) = client::http1(gateway.admin).await;
        let request = Request::post(format!("/breakers/posts/{what}")).header("host", "a");
        let request = request.body(empty()).unwrap();
        within(sender.send_request(request)).await.unwrap().status().as_u16()
    };
    assert_eq!(get("seven").await, 200);
    assert_eq!(tell("isolate").await, 200);
    // A key that comes later, too.
    assert_eq!((get("seven").await, get("eight").await), (503, 503));
    assert_eq!(tell("close").await, 200);
    assert_eq!((get("seven").await, get("eight").await, get("nine").await), (200, 200, 200));
}
