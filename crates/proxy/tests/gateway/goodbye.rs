//! Endpoints that end an HTTP/2 connection in peace, as servers do after some number of requests.

use std::collections::BTreeSet;

use http::{Method, Request};

use crate::support::frames::{Manners, polite};
use crate::support::protected::{Protected, assert_counts};
use crate::support::upstream::Upstream;
use crate::support::{client, full, within};

const BREAKER: &str = "breaker = { failure_rate = 1.0 }";

const MANNERS: Manners = Manners { after: 200, reads: 0, at_once: 250, one_by_one: false };

/// How many of these requests, a hundred at once, were answered with what they have sent.
async fn echoed(gateway: &Protected, method: &Method, requests: usize) -> usize {
    client::crowd(gateway.address, method, requests, |sent, got| sent == got).await
}

#[tokio::test]
async fn nothing_is_lost_and_nothing_is_done_twice() {
    for method in [Method::GET, Method::POST] {
        for one_by_one in [false, true] {
            let (upstream, worked) = polite(Manners { one_by_one, ..MANNERS }).await;
            let gateway = Protected::over_http2(upstream.address, BREAKER);
            let good = echoed(&gateway, &method, 4000).await;
            assert_eq!((good, upstream.requests()), (4000, 4000), "{method} {one_by_one}");
            assert!(upstream.connections() >= 20);
            let breaker = gateway.at_rest().await;
            assert_counts(&breaker, &[("successes", 4000), ("failures", 0), ("ignored", 0)]);
            if method == Method::POST {
                let worked: BTreeSet<String> = worked.lock().unwrap().drain(..).collect();
                assert_eq!(worked.len(), 4000);
            }
        }
    }
}

#[tokio::test]
async fn requests_that_wait_for_their_turn_are_not_lost_either() {
    for method in [Method::GET, Method::POST] {
        let (upstream, _) = polite(Manners { at_once: 10, ..MANNERS }).await;
        let gateway = Protected::over_http2(upstream.address, BREAKER);
        let good = echoed(&gateway, &method, 2000).await;
        assert_eq!((good, upstream.requests()), (2000, 2000), "{method}");
        let breaker = gateway.at_rest().await;
        assert_counts(&breaker, &[("successes", 2000), ("failures", 0), ("ignored", 0)]);
    }
}

#[tokio::test]
async fn an_endpoint_that_takes_nothing_on_is_not_asked_for_ever() {
    let (upstream, _) = polite(Manners { after: 0, ..MANNERS }).await;
    let gateway = Protected::over_http2(upstream.address, BREAKER);
    assert_eq!(gateway.outcome("/").await, (502, "refused_stream".to_owned()));
    assert_eq!(upstream.connections(), 11);
    assert_counts(&gateway.at_rest().await, &[("ignored", 1), ("failures", 0)]);
}

#[tokio::test]
async fn a_body_that_is_too_long_to_be_kept_is_not_sent_again_and_nobodys_fault() {
    let reads = 100 * 1024;
    let (upstream, _) = polite(Manners { after: 0, reads, ..MANNERS }).await;
    let gateway = Protected::over_http2(upstream.address, BREAKER);
    let (mut client, _) = client::http1(gateway.address).await;
    let post = |length: usize| {
        Request::post("/").header("host", "a").body(full(vec![b'x'; length])).unwrap()
    };
    let response = within(client.send_request(post(2 * reads))).await.unwrap();
    assert_eq!(response.status(), 502);
    assert_eq!(response.headers()["breakerbox-reason"], "refused_stream");
    assert_eq!(upstream.connections(), 1);
    assert_counts(&gateway.at_rest().await, &[("ignored", 1), ("failures", 0)]);
}

#[tokio::test]
async fn a_stream_that_is_refused_without_a_goodbye_is_a_failure() {
    let upstream = Upstream::script(|stream, _| async move {
        let mut connection = h2::server::handshake(stream).await.unwrap();
        while let Some(Ok((_, mut respond))) = connection.accept().await {
            respond.send_reset(h2::Reason::REFUSED_STREAM);
        }
    })
    .await;
    let gateway = Protected::over_http2(upstream.address, BREAKER);
    for _ in 0..2 {
        assert_eq!(gateway.outcome("/").await, (502, "refused_stream".to_owned()));
    }
    assert_counts(&gateway.at_rest().await, &[("ignored", 0), ("failures", 2)]);
    assert_eq!(upstream.connections(), 1);
}

#[tokio::test]
async fn a_goodbye_in_anger_is_a_failure() {
    let upstream = Upstream::script(|stream, _| async move {
        let mut connection = h2::server::handshake(stream).await.unwrap();
        let _ = connection.accept().await;
        connection.abrupt_shutdown(h2::Reason::ENHANCE_YOUR_CALM);
        while connection.accept().await.is_some() {}
    })
    .await;
    let gateway = Protected::over_http2(upstream.address, BREAKER);
    assert_eq!(gateway.outcome("/").await.0, 502);
    assert_counts(&gateway.at_rest().await, &[("ignored", 0), ("failures", 1)]);
    assert_eq!(upstream.connections(), 1);
}
