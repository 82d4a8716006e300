//! Errors as what axum and tonic make of them.

use axum::response::IntoResponse;
use breakerbox::{Control, Error, Pipeline, breaker, rate_limit};
use std::io;
use tonic::{Code, Status};

async fn rejected() -> Error<io::Error> {
    let pipeline =
        Pipeline::builder("posts").breaker(breaker::Settings::default()).build().unwrap();
    pipeline.control(Control::ForceOpen);
    pipeline.call(async || Ok::<(), io::Error>(())).await.unwrap_err()
}

#[tokio::test]
async fn a_rejection_is_unavailable_with_its_reason() {
    let status = Status::from(rejected().await);
    assert_eq!(status.code(), Code::Unavailable);
    assert_eq!(status.metadata().get("breakerbox-reason").unwrap(), "breaker_open");
    assert!(status.metadata().contains_key("grpc-retry-pushback-ms"));
    let response = rejected().await.into_response();
    assert_eq!(response.status(), 503);
    assert!(response.headers().contains_key("retry-after"));
}

#[tokio::test]
async fn a_rate_limit_is_resource_exhausted_and_429() {
    let settings = rate_limit::Settings { burst: Some(1), ..rate_limit::Settings::new(1.0) };
    let pipeline = Pipeline::builder("posts").rate_limit(settings).build().unwrap();
    let call = || pipeline.call(async || Ok::<(), io::Error>(()));
    call().await.unwrap();
    assert_eq!(Status::from(call().await.unwrap_err()).code(), Code::ResourceExhausted);
    assert_eq!(call().await.unwrap_err().into_response().status(), 429);
}

#[tokio::test]
async fn an_error_of_its_own_stays_what_it_is() {
    let inner: Error<Status> = Error::Inner(Status::not_found("no such post"));
    let status = Status::from(inner);
    assert_eq!((status.code(), status.message()), (Code::NotFound, "no such post"));
    let inner: Error<io::Error> = Error::Inner(io::ErrorKind::ConnectionReset.into());
    assert_eq!(inner.into_response().status(), 502);
}
