//! A response counts at the end of its body, and holds its place until then.

use crate::support::{
    Answers, MS, Part, Parts, attempts, breaker_after, builder, counted, with_body,
};
use breakerbox::core::retry::Failure;
use breakerbox::http::{BodyError, ClientLayer, Replay, ReplayError, ServerLayer, hint_of_error};
use breakerbox::{Error, State, TimeoutKind, bulkhead};
use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty};
use std::error::Error as StdError;
use std::io;
use std::pin::pin;
use tokio::time::{Duration, Instant, sleep};
use tower::{BoxError, Layer, ServiceExt, service_fn};

fn get() -> Request<Empty<Bytes>> {
    Request::get("http://posts/1").body(Empty::new()).unwrap()
}

fn answers(body: &'static [Part]) -> Answers {
    Answers::new(move |_| Ok(with_body(200, &[], body)))
}

#[tokio::test(start_paused = true)]
async fn the_outcome_is_known_at_the_end() {
    let pipeline = builder().breaker(breaker_after(2)).build().unwrap();
    let client = ClientLayer::new(pipeline.clone());
    let good = client.layer(answers(&[Part::Data("a"), Part::Data("post")]));
    let response = good.clone().oneshot(get()).await.unwrap();
    assert_eq!(counted(&pipeline), [0, 0, 0, 1]);
    assert_eq!(response.collect().await.unwrap().to_bytes(), "apost");
    assert_eq!(counted(&pipeline), [1, 0, 0, 0]);

    // One that breaks off is a failure, though its head was good.
    let broken = client.layer(answers(&[Part::Data("a"), Part::Fails]));
    for _ in 0..2 {
        let body = broken.clone().oneshot(get()).await.unwrap().into_body();
        assert!(matches!(body.collect().await, Err(Error::Inner(_))));
    }
    assert_eq!((counted(&pipeline), pipeline.breaker_state()), ([1, 2, 0, 0], Some(State::Open)));
}

#[tokio::test(start_paused = true)]
async fn the_last_frame_is_the_end_where_the_body_says_so() {
    let pipeline = builder().breaker(breaker_after(2)).build().unwrap();
    let client = ClientLayer::new(pipeline.clone());
    let service = client.layer(answers(&[Part::Data("a post")]));
    let mut body = pin!(service.oneshot(get()).await.unwrap().into_body());
    body.frame().await.unwrap().unwrap();
    assert!(body.is_end_stream());
    assert_eq!(counted(&pipeline), [1, 0, 0, 0]);
    // An empty one has ended with its head.
    client.layer(answers(&[])).oneshot(get()).await.unwrap();
    assert_eq!(counted(&pipeline), [2, 0, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_nobody_wants_is_given_up() {
    let pipeline = builder().breaker(breaker_after(2)).build().unwrap();
    let client = ClientLayer::new(pipeline.clone()).layer(answers(&[Part::Data("a"), Part::Hangs]));
    let mut body = client.oneshot(get()).await.unwrap().into_body();
    body.frame().await.unwrap().unwrap();
    drop(body);
    assert_eq!((counted(&pipeline), pipeline.stats().cancelled), ([0, 0, 1, 0], 1));
}

#[tokio::test(start_paused = true)]
async fn the_place_in_the_bulkhead_is_held_to_the_end() {
    let pipeline = builder().bulkhead(bulkhead::Settings::new(1)).build().unwrap();
    let client = ClientLayer::new(pipeline).layer(answers(&[Part::Data("a post")]));
    let first = client.clone().oneshot(get()).await.unwrap();
    assert!(client.clone().oneshot(get()).await.unwrap_err().is_rejected());
    first.collect().await.unwrap();
    client.oneshot(get()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_attempt_timeout_ends_at_the_head_and_the_deadline_at_the_end() {
    let deadline = builder().attempt_timeout(10 * MS).deadline(100 * MS).breaker(breaker_after(9));
    let pipeline = deadline.build().unwrap();
    let client = ClientLayer::new(pipeline.clone()).layer(answers(&[Part::Data("a"), Part::Hangs]));
    let began = Instant::now();
    let mut body = client.oneshot(get()).await.unwrap().into_body();
    body.frame().await.unwrap().unwrap();
    let Some(Err(Error::Timeout(timeout))) = body.frame().await else { panic!() };
    assert_eq!((timeout.kind(), began.elapsed()), (TimeoutKind::Deadline, 100 * MS));
    // It is over, and has no end that could be taken for a good one.
    assert!(body.frame().await.is_none() && !body.is_end_stream());
    assert_eq!((counted(&pipeline), pipeline.stats().deadlines), ([0, 1, 0, 0], 1));
}

#[tokio::test(start_paused = true)]
async fn a_body_that_never_stops_ends_at_the_deadline_too() {
    let pipeline = builder().deadline(100 * MS).build().unwrap();
    let many = Answers::new(|_| Ok(with_body(200, &[], &[Part::Data("a"), Part::Data("b")])));
    let client = ClientLayer::new(pipeline).layer(many);
    let mut body = client.oneshot(get()).await.unwrap().into_body();
    body.frame().await.unwrap().unwrap();
    sleep(100 * MS).await;
    assert!(matches!(body.frame().await, Some(Err(Error::Timeout(_)))));
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_silent_is_given_up() {
    let pipeline = builder().breaker(breaker_after(9)).build().unwrap();
    let second = Duration::from_secs(1);
    let client = ClientLayer::new(pipeline.clone()).idle_timeout(second);
    let client = client.layer(answers(&[Part::Data("a"), Part::Hangs]));
    let mut body = client.oneshot(get()).await.unwrap().into_body();
    sleep(second * 2 / 3).await;
    body.frame().await.unwrap().unwrap();
    // It is silent from here on.
    let began = Instant::now();
    let Some(Err(Error::Timeout(timeout))) = body.frame().await else { panic!() };
    assert_eq!((timeout.kind(), timeout.after()), (TimeoutKind::Idle, second));
    assert_eq!((began.elapsed(), counted(&pipeline)), (second, [0, 1, 0, 0]));
    assert_eq!(pipeline.stats().idle_timeouts, 1);
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_is_not_the_other_side_s_silence() {
    let second = Duration::from_secs(1);
    let client = ClientLayer::new(builder().build().unwrap()).idle_timeout(second);
    // The second part comes 10 ms after it is asked for.
    let client = client.layer(answers(&[Part::Data("a"), Part::Later(10), Part::Data("post")]));
    let mut body = client.oneshot(get()).await.unwrap().into_body();
    sleep(second * 5).await;
    body.frame().await.unwrap().unwrap();
    sleep(second * 5).await;
    assert!(body.frame().await.unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_response_that_failed_at_its_head_counts_once() {
    let pipeline = builder().retry(attempts(1)).breaker(breaker_after(9)).build().unwrap();
    let failed = Answers::new(|_| Ok(with_body(500, &[], &[Part::Data("oops"), Part::Fails])));
    let client = ClientLayer::new(pipeline.clone()).layer(failed);
    let response = client.oneshot(get()).await.unwrap();
    assert_eq!(counted(&pipeline), [0, 1, 0, 0]);
    assert!(response.collect().await.is_err());
    assert_eq!(counted(&pipeline), [0, 1, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_hedge_that_answers_first_goes_on_and_the_other_is_dropped() {
    use breakerbox::hedge::{Delay, Settings};
    let hedge = Settings { budget: None, ..Settings::new(Delay::Fixed(50 * MS)) };
    let pipeline = builder().hedge(hedge).breaker(breaker_after(9)).build().unwrap();
    let mut slow = answers(&[Part::Data("a post")]);
    slow.takes = 80 * MS;
    let client = ClientLayer::new(pipeline.clone()).layer(slow);
    let response = client.oneshot(get()).await.unwrap();
    let [successes, failures, ignored, in_flight] = counted(&pipeline);
    assert_eq!((successes, failures, ignored, in_flight), (0, 0, 1, 1));
    response.collect().await.unwrap();
    assert_eq!(counted(&pipeline), [1, 0, 1, 0]);
}

/// A body with boxed errors, as those of many layers are; this one breaks off.
fn boxed() -> UnsyncBoxBody<Bytes, BoxError> {
    Parts::of(&[Part::Data("a"), Part::Fails]).map_err(BoxError::from).boxed_unsync()
}

/// How often a body's own error is among what an error stems from, as those see it who look for it.
fn found(error: &(dyn StdError + 'static)) -> usize {
    let chain = std::iter::successors(Some(error), |error| (*error).source());
    chain.filter(|error| error.is::<io::Error>()).count()
}

#[tokio::test(start_paused = true)]
async fn bodies_with_boxed_errors_pass_both_layers() {
    let pipeline = builder().breaker(breaker_after(9)).build().unwrap();
    let service = service_fn(async |_: Request<_>| Ok::<_, io::Error>(Response::new(boxed())));
    let client = ClientLayer::new(pipeline.clone()).layer(service);
    let server = ServerLayer::new(pipeline.clone()).layer(client.map_err(|_| io::Error::other("")));
    // Its errors are errors, which boxed ones are not.
    let response: Response<UnsyncBoxBody<Bytes, BoxError>> = server
        .clone()
        .oneshot(get())
        .await
        .unwrap()
        .map(|it| it.map_err(Into::into).boxed_unsync());
    assert_eq!(found(&*response.collect().await.unwrap_err()), 1);

    let error = server.oneshot(get()).await.unwrap().collect().await.unwrap_err();
    assert_eq!((found(&error), error.to_string()), (1, "connection reset".to_owned()));
    assert_eq!(hint_of_error(&error).failure, Failure::Reset);
    assert_eq!(counted(&pipeline), [0, 4, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn the_own_error_of_a_body_can_be_had_back() {
    let client = ClientLayer::new(builder().build().unwrap());
    let service = client.layer(answers(&[Part::Fails]));
    let error = service.oneshot(get()).await.unwrap().collect().await.unwrap_err();
    let own = error.into_inner().unwrap().downcast::<io::Error>().unwrap();
    assert_eq!(own.kind(), io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn uploads_with_boxed_errors_can_be_kept() {
    let error = Replay::new(boxed(), 1024).body().collect().await.unwrap_err();
    assert_eq!((found(&error), error.to_string()), (1, "connection reset".to_owned()));
    let ReplayError::Body(error) = error else { panic!() };
    assert!(error.downcast_ref::<io::Error>().is_some());
    // Made into a body's error once more it is the same one.
    let again = BodyError::new(BoxError::from(error));
    assert!(again.downcast::<io::Error>().is_ok());
}
