//! What is repeated, how, and what the other side is told.

use crate::support::{Answers, MS, NEITHER, answer, attempts, breaker_after, builder, counted};
use breakerbox::hedge::{Delay, Settings};
use breakerbox::http::{ByProtocol, ClientLayer};
use breakerbox::{Error, Outcome, Pipeline, breaker};
use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Empty, Full};
use std::io;
use tokio::time::{Duration, Instant};
use tower::{Layer, Service, ServiceExt};

fn get(uri: &str) -> Request<Empty<Bytes>> {
    Request::get(uri).body(Empty::new()).unwrap()
}

fn post(body: &'static str) -> Request<Full<Bytes>> {
    Request::post("http://posts/").body(Full::from(body)).unwrap()
}

#[tokio::test(start_paused = true)]
async fn statuses_count_as_the_design_says_and_what_may_pass_is_repeated() {
    let pipeline = builder().retry(attempts(3)).breaker(breaker_after(9)).build().unwrap();
    let client = ClientLayer::new(pipeline.clone());
    for (statuses, got, calls, counts) in [
        (&[200][..], 200, 1, [1, 0, 0]),
        (&[404], 404, 1, [1, 0, 0]),
        // An error that asking again does not mend.
        (&[500, 200], 500, 1, [0, 1, 0]),
        (&[503, 502, 200], 200, 3, [1, 2, 0]),
        (&[503], 503, 3, [0, 3, 0]),
        (&[429, 200], 200, 2, [1, 0, 1]),
    ] {
        let answers = Answers::statuses(statuses);
        let before = counted(&pipeline);
        let response = client.layer(answers.clone()).oneshot(get("http://posts/1")).await.unwrap();
        assert_eq!((response.status().as_u16(), answers.calls()), (got, calls), "{statuses:?}");
        response.collect().await.unwrap();
        let after = counted(&pipeline);
        assert_eq!([0, 1, 2].map(|it| after[it] - before[it]), counts, "{statuses:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_wish_to_be_left_alone_is_honoured() {
    let client = ClientLayer::new(builder().retry(attempts(2)).build().unwrap());
    let answers = Answers::new(|number| match number {
        0 => Ok(answer(503, &[("retry-after", "1")])),
        _ => Ok(answer(200, &[])),
    });
    let began = Instant::now();
    let response = client.layer(answers).oneshot(get("http://posts/1")).await.unwrap();
    assert_eq!((response.status().as_u16(), began.elapsed()), (200, Duration::from_secs(1)));
}

#[tokio::test(start_paused = true)]
async fn a_post_is_repeated_only_if_it_cannot_have_been_received() {
    let client = ClientLayer::new(builder().retry(attempts(3)).build().unwrap());
    let received = Answers::statuses(&[503, 200]);
    let response = client.layer(received.clone()).oneshot(post("new")).await.unwrap();
    assert_eq!((response.status().as_u16(), received.calls()), (503, 1));

    for (kind, calls) in
        [(io::ErrorKind::ConnectionRefused, 2), (io::ErrorKind::ConnectionReset, 1)]
    {
        let answers = Answers::new(move |number| match number {
            0 => Err(kind.into()),
            _ => Ok(answer(200, &[])),
        });
        let result = client.layer(answers.clone()).oneshot(post("new")).await;
        assert_eq!((result.is_ok(), answers.calls()), (calls == 2, calls), "{kind:?}");
        assert_eq!(answers.bodies(), vec!["new"; calls]);
    }

    let told = client.repeat_methods([Method::POST]);
    let received = Answers::statuses(&[503, 200]);
    let response = told.layer(received.clone()).oneshot(post("new")).await.unwrap();
    assert_eq!((response.status().as_u16(), received.bodies().len()), (200, 2));
}

#[tokio::test(start_paused = true)]
async fn a_body_is_sent_again_up_to_the_limit() {
    let put = || Request::put("http://posts/1").body(Full::<Bytes>::from("four")).unwrap();
    for (limit, calls) in [(4, 2), (3, 1), (0, 1)] {
        let client = ClientLayer::new(builder().retry(attempts(2)).build().unwrap());
        let answers = Answers::statuses(&[503, 200]);
        let client = client.max_body(limit).layer(answers.clone());
        let response = client.oneshot(put()).await.unwrap();
        assert_eq!(response.status().as_u16(), if calls == 2 { 200 } else { 503 });
        assert_eq!(answers.bodies(), vec!["four"; calls], "{limit}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_other_side_is_told_how_much_time_is_left_and_which_attempt_it_is() {
    let deadline = builder().retry(attempts(2)).deadline(500 * MS);
    let client = ClientLayer::new(deadline.build().unwrap());
    let mut answers = Answers::statuses(&[503, 200]);
    answers.takes = 90 * MS;
    client.layer(answers.clone()).oneshot(get("http://posts/1")).await.unwrap();
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(answers.header("breakerbox-deadline-ms"), [some("500"), some("400")]);
    assert_eq!(answers.header("breakerbox-attempt"), [None, some("2")]);
    assert_eq!(answers.header("grpc-timeout"), [None, None]);

    let silent = Answers::statuses(&[200]);
    let client = client.propagate(false).layer(silent.clone());
    client.oneshot(get("http://posts/1")).await.unwrap();
    assert_eq!(silent.header("breakerbox-deadline-ms"), [None]);
}

#[tokio::test(start_paused = true)]
async fn each_host_has_a_breaker_of_its_own() {
    let pipeline = builder().breaker(breaker_after(1)).breaker_keys(10).build().unwrap();
    let answers = Answers::statuses(&[500, 200]);
    let client = ClientLayer::new(pipeline).layer(answers.clone());
    assert_eq!(client.clone().oneshot(get("http://a:1/")).await.unwrap().status(), 500);
    assert!(client.clone().oneshot(get("http://A:1/other")).await.unwrap_err().is_rejected());
    assert_eq!(client.clone().oneshot(get("http://a:2/")).await.unwrap().status(), 200);
    // Where the URI has no host the header has.
    let by_header = Request::get("/").header("host", "a:1").body(Empty::new()).unwrap();
    assert!(client.oneshot(by_header).await.unwrap_err().is_rejected());
    assert_eq!(answers.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_host_is_the_same_however_it_is_written() {
    let pipeline = builder().breaker(breaker_after(1)).breaker_keys(10).build().unwrap();
    let answers = Answers::statuses(&[500]);
    let client = ClientLayer::new(pipeline).layer(answers.clone());
    for (uri, calls) in [
        ("http://[::1]/", 1),
        ("http://[0:0::1]:80/", 1),
        ("https://[::1]/", 2),
        ("http://a/", 3),
        ("http://user@A.:80/", 3),
    ] {
        let _ = client.clone().oneshot(get(uri)).await;
        assert_eq!(answers.calls(), calls, "{uri}");
    }
}

#[tokio::test(start_paused = true)]
async fn only_safe_requests_without_a_body_are_hedged() {
    let hedge = Settings { budget: None, ..Settings::new(Delay::Fixed(50 * MS)) };
    let client = ClientLayer::new(builder().hedge(hedge).build().unwrap());
    for (request, calls) in [
        (Request::get("http://posts/").body(Full::default()), 2),
        (Request::get("http://posts/").body(Full::from("a search")), 1),
        (Request::delete("http://posts/").body(Full::default()), 1),
    ] {
        let mut answers = Answers::statuses(&[200]);
        answers.takes = 80 * MS;
        client.layer(answers.clone()).oneshot(request.unwrap()).await.unwrap();
        assert_eq!(answers.calls(), calls);
    }
}

#[tokio::test(start_paused = true)]
async fn an_upload_that_was_answered_early_is_sent_again_whole() {
    let client = ClientLayer::new(builder().retry(attempts(2)).build().unwrap());
    let mut answers = Answers::statuses(&[503, 200]);
    answers.early = true;
    let request = Request::put("http://posts/1").body(Full::<Bytes>::from("all of it")).unwrap();
    client.layer(answers.clone()).oneshot(request).await.unwrap();
    // Nobody read it; both were offered it.
    assert_eq!(answers.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn others_may_judge() {
    let pipeline = builder().breaker(breaker_after(1)).build().unwrap();
    let judge = |result: &Result<Response<_>, io::Error>| match result {
        Ok(response) if response.status() == 404 => Outcome::Failure,
        _ => NEITHER,
    };
    let client = ClientLayer::new(pipeline.clone()).classify(judge).hints(ByProtocol);
    let client = client.layer(Answers::statuses(&[404]));
    assert_eq!(client.clone().oneshot(get("http://posts/")).await.unwrap().status(), 404);
    assert!(client.oneshot(get("http://posts/")).await.unwrap_err().is_rejected());
}

#[tokio::test(start_paused = true)]
async fn the_standard_stack_says_what_it_is() {
    let layer = ClientLayer::standard("posts");
    let sentence = layer.pipeline().to_string();
    for part in ["a deadline of 10s", "3 attempts", "an attempt timeout of 3s"] {
        assert!(sentence.contains(part), "{part}: {sentence}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_without_a_response_is_the_callers() {
    let client = ClientLayer::new(builder().breaker(breaker::Settings::default()).build().unwrap());
    let refused = Answers::new(|_| Err(io::ErrorKind::ConnectionRefused.into()));
    let Err(Error::Inner(error)) = client.layer(refused).oneshot(get("http://posts/")).await else {
        panic!()
    };
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
}

#[test]
fn services_and_futures_are_as_send_as_what_is_inside() {
    fn send<T: Send + 'static>(_: &T) {}
    fn send_and_sync<T: Send + Sync + Clone + 'static>(_: &T) {}
    let pipeline = Pipeline::builder("posts").retry(attempts(2)).build().unwrap();
    let mut client = ClientLayer::new(pipeline).layer(Answers::statuses(&[200]));
    send_and_sync(&client);
    send(&client.call(get("http://posts/")));
    let boxed = tower::util::BoxCloneSyncService::new(client);
    send_and_sync(&boxed.map_request(|request: Request<Empty<Bytes>>| request));
}
