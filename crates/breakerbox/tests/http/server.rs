//! What clients of a server are told, and believed.

use crate::support::{MS, Never, builder};
use breakerbox::http::{Deadline, ServerLayer};
use breakerbox::{State, adaptive_limit, breaker, bulkhead, rate_limit};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use std::time::Duration;
use tokio::time::sleep;
use tower::{Layer, Service, ServiceExt, service_fn};

type Answered = Response<Full<Bytes>>;

/// Answers after as many milliseconds as the path says.
fn slow() -> impl Service<Request<()>, Response = Answered, Error = Never, Future: Send> + Clone {
    service_fn(async |request: Request<()>| {
        let takes: u32 = request.uri().path()[1..].parse().unwrap();
        sleep(takes * MS).await;
        let left = request.extensions().get::<Deadline>().map(|it| it.left().as_millis());
        let response = Response::builder().status(if takes == 13 { 500 } else { 200 });
        Ok(response.body(Full::from(format!("{left:?}"))).unwrap())
    })
}

fn get(path: &str) -> http::request::Builder {
    Request::get(path)
}

async fn text<B: http_body::Body<Data = Bytes, Error: std::fmt::Debug>>(
    response: Response<B>,
) -> String {
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn what_is_rejected_gets_an_answer() {
    let pipeline = builder().bulkhead(bulkhead::Settings::new(1)).build().unwrap();
    let server = ServerLayer::new(pipeline).layer(slow());
    let first = server.clone().oneshot(get("/50").body(()).unwrap());
    let second = server.clone().oneshot(get("/0").body(()).unwrap());
    let (first, second) = tokio::join!(first, second);
    assert_eq!(first.unwrap().status(), 200);
    let second = second.unwrap();
    assert_eq!(
        (second.status().as_u16(), &second.headers()["breakerbox-reason"]),
        (503, &"bulkhead_full".parse().unwrap())
    );
    let body = r#"{"error":"As many requests as may run at once are under way.","reason":"bulkhead_full"}"#;
    assert_eq!(text(second).await, body);
}

#[tokio::test(start_paused = true)]
async fn a_grpc_client_is_told_in_its_own_words() {
    let limit = rate_limit::Settings { burst: Some(1), ..rate_limit::Settings::new(1.0) };
    let server = ServerLayer::new(builder().rate_limit(limit).build().unwrap()).layer(slow());
    let grpc = || get("/0").header("content-type", "application/grpc+proto").body(()).unwrap();
    server.clone().oneshot(grpc()).await.unwrap();
    let response = server.oneshot(grpc()).await.unwrap();
    assert_eq!(
        (response.status().as_u16(), &response.headers()["grpc-status"]),
        (200, &"8".parse().unwrap())
    );
    assert!(response.headers().contains_key("grpc-retry-pushback-ms"));
}

#[tokio::test(start_paused = true)]
async fn the_deadline_of_a_client_counts_where_it_is_trusted() {
    let pipeline = builder().deadline(Duration::from_secs(1)).build().unwrap();
    let layer = ServerLayer::new(pipeline);
    let request = |path| get(path).header("breakerbox-deadline-ms", "100").body(()).unwrap();
    for (trust, path, status, left) in [
        (false, "/40", 200, "Some(960)"),
        (true, "/40", 200, "Some(60)"),
        (false, "/200", 200, "Some(800)"),
        (
            true,
            "/200",
            504,
            r#"{"error":"The request ran into its deadline.","reason":"deadline"}"#,
        ),
        (
            false,
            "/2000",
            504,
            r#"{"error":"The request ran into its deadline.","reason":"deadline"}"#,
        ),
    ] {
        let server = layer.clone().trust(trust).layer(slow());
        let response = server.oneshot(request(path)).await.unwrap();
        assert_eq!(
            (response.status().as_u16(), text(response).await),
            (status, left.to_owned()),
            "{path}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn each_client_has_a_rate_of_its_own() {
    let limit = rate_limit::Settings { burst: Some(1), ..rate_limit::Settings::new(1.0) };
    let layer = ServerLayer::new(builder().rate_limit(limit).build().unwrap());
    let layer =
        layer.about(|request: &Request<()>, about| about.key(request.headers().get("user")));
    let server = layer.layer(slow());
    let of = |user: &str| get("/0").header("user", user).body(()).unwrap();
    for (user, status) in [("a", 200), ("b", 200), ("a", 429)] {
        let response = server.clone().oneshot(of(user)).await.unwrap();
        assert_eq!(response.status().as_u16(), status, "{user}");
        assert_eq!(response.headers().contains_key("retry-after"), status == 429);
    }
}

#[tokio::test(start_paused = true)]
async fn the_more_important_goes_first_where_priorities_are_trusted() {
    let settings = bulkhead::Settings { queue: 1, ..bulkhead::Settings::new(1) };
    let layer = ServerLayer::new(builder().bulkhead(settings).build().unwrap());
    for trust in [false, true] {
        let server = layer.clone().trust(trust).layer(slow());
        let of = async |urgency: &str| {
            let request = get("/50").header("priority", format!("u={urgency}"));
            let response = server.clone().oneshot(request.body(()).unwrap()).await.unwrap();
            let status = response.status().as_u16();
            text(response).await;
            status
        };
        let (_, waiting, important) = tokio::join!(of("3"), of("5"), of("1"));
        // Where it is believed the important one takes the place of the other in the queue.
        assert_eq!((waiting, important), if trust { (503, 200) } else { (200, 503) });
    }
}

#[tokio::test(start_paused = true)]
async fn its_own_errors_open_its_breaker() {
    let settings = breaker::Settings { consecutive_failures: Some(1), ..Default::default() };
    let pipeline = builder().breaker(settings).build().unwrap();
    let server = ServerLayer::new(pipeline.clone()).layer(slow());
    assert_eq!(server.clone().oneshot(get("/13").body(()).unwrap()).await.unwrap().status(), 500);
    assert_eq!(pipeline.breaker_state(), Some(State::Open));
    let rejected = server.oneshot(get("/0").body(()).unwrap()).await.unwrap();
    assert_eq!(rejected.headers()["breakerbox-reason"], "breaker_open");
}

#[tokio::test(start_paused = true)]
async fn an_adaptive_limit_counts_requests_until_their_head() {
    let settings = adaptive_limit::Settings { initial: 1, ..adaptive_limit::Settings::default() };
    let pipeline = builder().adaptive_limit(settings).build().unwrap();
    let server = ServerLayer::new(pipeline).layer(slow());
    let of = || server.clone().oneshot(get("/50").body(()).unwrap());
    let (first, second) = tokio::join!(of(), of());
    assert_eq!(first.unwrap().status(), 200);
    assert_eq!(second.unwrap().headers()["breakerbox-reason"], "limit_reached");
    // How long its body takes is as much the reader's doing.
    let _reading = of().await.unwrap();
    assert_eq!(of().await.unwrap().status(), 200);
}

#[tokio::test(start_paused = true)]
async fn requests_may_be_described_by_a_type() {
    let limit = rate_limit::Settings { burst: Some(1), ..rate_limit::Settings::new(1.0) };
    let layer = ServerLayer::new(builder().rate_limit(limit).build().unwrap());
    let server = layer.describe(breakerbox::http::ByHost).layer(slow());
    for (host, status) in [("a", 200), ("b", 200), ("a", 429)] {
        let request = get("/0").header("host", host).body(()).unwrap();
        assert_eq!(server.clone().oneshot(request).await.unwrap().status().as_u16(), status);
    }
}
