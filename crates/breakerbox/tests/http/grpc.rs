//! gRPC: its status counts, in the headers or in the trailers.

use crate::support::{
    Answers, MS, Part, attempts, breaker_after, builder, counted, trailers, with_body,
};
use breakerbox::http::ClientLayer;
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use tokio::time::Instant;
use tower::{Layer, ServiceExt};

const GRPC: (&str, &str) = ("content-type", "application/grpc");

fn request() -> Request<Full<Bytes>> {
    let request = Request::post("http://posts/Greeter/Hello").header(GRPC.0, GRPC.1);
    request.header("grpc-timeout", "1S").body(Full::from("hello")).unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_status_in_the_trailers_counts() {
    let pipeline = builder().breaker(breaker_after(9)).build().unwrap();
    let client = ClientLayer::new(pipeline.clone());
    for (parts, counts) in [
        (vec![Part::Data("hello"), trailers("0")], [1, 0, 0, 0]),
        (vec![Part::Data("hello"), trailers("14")], [1, 1, 0, 0]),
        // NOT_FOUND is an answer.
        (vec![trailers("5")], [2, 1, 0, 0]),
        (vec![trailers("8")], [2, 1, 1, 0]),
        // Without a status it was cut off.
        (vec![Part::Data("hello")], [2, 2, 1, 0]),
        (vec![], [2, 3, 1, 0]),
    ] {
        let service = client.layer(Answers::new(move |_| Ok(with_body(200, &[GRPC], &parts))));
        let _ = service.oneshot(request()).await.unwrap().collect().await.unwrap();
        assert_eq!(counted(&pipeline), counts);
    }
}

#[tokio::test(start_paused = true)]
async fn a_status_in_the_headers_is_repeated_with_its_pushback_or_not_at_all() {
    for (pushback, calls, waited) in [(None, 2, 10), (Some("250"), 2, 250), (Some("-1"), 1, 0)] {
        let pipeline = builder().retry(attempts(2)).build().unwrap();
        let client = ClientLayer::new(pipeline).repeat_methods([http::Method::POST]);
        let answers = Answers::new(move |number| {
            let status = if number == 0 { "14" } else { "0" };
            let pushback = pushback.map(|value| ("grpc-retry-pushback-ms", value));
            let headers: Vec<_> =
                [GRPC, ("grpc-status", status)].into_iter().chain(pushback).collect();
            Ok(with_body(200, &headers, &[]))
        });
        let began = Instant::now();
        client.layer(answers.clone()).oneshot(request()).await.unwrap();
        assert_eq!((answers.calls(), began.elapsed()), (calls, waited * MS), "{pushback:?}");
        assert_eq!(answers.bodies(), vec!["hello"; calls]);
    }
}

#[tokio::test(start_paused = true)]
async fn the_timeout_is_what_is_left() {
    let client = ClientLayer::new(builder().deadline(400 * MS).build().unwrap());
    let answers = Answers::new(|_| Ok(with_body(200, &[GRPC, ("grpc-status", "0")], &[])));
    client.layer(answers.clone()).oneshot(request()).await.unwrap();
    assert_eq!(answers.header("grpc-timeout"), [Some("400m".to_owned())]);
}
