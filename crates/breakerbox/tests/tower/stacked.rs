//! Single layers one around the other: what docs/order-and-why.md says of them.

use crate::support::{Scripted, Task, poll_ready};
use breakerbox::clock::TokioClock;
use breakerbox::tower::{BreakerLayer, BulkheadLayer, PipelineLayer};
use breakerbox::{Error, Outcome, Pipeline, State, breaker, bulkhead, retry};
use std::task::Poll;
use tower::{Layer, Service, ServiceBuilder, ServiceExt};

fn six() -> breaker::Settings {
    breaker::Settings { consecutive_failures: Some(6), ..Default::default() }
}

fn call<S: Service<u32>>(service: &mut S) -> Task<S::Future> {
    assert!(matches!(poll_ready(service), Poll::Ready(Ok(()))));
    Task::new(service.call(1))
}

/// One call holds the only slot, and six more come.
fn six_find_no_slot<S: Service<u32> + Clone>(service: &S) -> Task<S::Future> {
    let mut first = call(&mut service.clone());
    first.run();
    for _ in 0..6 {
        assert!(call(&mut service.clone()).output().is_err());
    }
    first
}

#[tokio::test(start_paused = true)]
async fn two_calls_of_three_attempts_are_six_failures_inside_and_two_outside() {
    let retries = || {
        let pipeline = Pipeline::builder("retry").retry(retry::Settings::default());
        PipelineLayer::new(pipeline.clock(TokioClock::new()).build().unwrap())
    };
    let breaker = || {
        let pipeline = Pipeline::builder("breaker").breaker(six()).clock(TokioClock::new());
        PipelineLayer::new(pipeline.build().unwrap()).once()
    };
    let failures = |layer: &Pipeline<TokioClock>| layer.stats().breaker.unwrap().failures;

    let (service, told) = Scripted::new(&[Some(Err(1))]);
    let (outer, inner) = (retries(), breaker());
    let stacked = ServiceBuilder::new().layer(outer.clone()).layer(inner.clone()).service(service);
    for _ in 0..2 {
        assert!(stacked.clone().oneshot(1).await.is_err());
    }
    assert_eq!((told.calls.get(), failures(inner.pipeline())), (6, 6));
    assert_eq!(inner.pipeline().breaker_state(), Some(State::Open));
    // An error of another layer is an error like any other, and repeated.
    assert!(stacked.oneshot(1).await.is_err());
    assert_eq!((told.calls.get(), outer.pipeline().stats().retries), (6, 6));
    assert_eq!(inner.pipeline().stats().breaker.unwrap().rejected, 3);

    let (service, told) = Scripted::new(&[Some(Err(1))]);
    let (outer, inner) = (breaker(), retries());
    let stacked = ServiceBuilder::new().layer(outer.clone()).layer(inner).service(service);
    for _ in 0..2 {
        assert!(stacked.clone().oneshot(1).await.is_err());
    }
    assert_eq!((told.calls.get(), failures(outer.pipeline())), (6, 2));
}

#[test]
fn a_layer_takes_the_rejection_of_another_for_a_failure_unless_it_is_told() {
    let full = || BulkheadLayer::new("bulkhead", bulkhead::Settings::new(1)).unwrap();
    let (service, _) = Scripted::new(&[None]);
    let breaker = BreakerLayer::new("breaker", six()).unwrap();
    let stacked = ServiceBuilder::new().layer(breaker.clone()).layer(full()).service(service);
    let _first = six_find_no_slot(&stacked);
    assert_eq!(breaker.pipeline().breaker_state(), Some(State::Open));

    let (service, _) = Scripted::new(&[None]);
    let breaker = BreakerLayer::new("breaker", six()).unwrap().into_layer().classify(
        |result: &Result<u32, Error<u32>>| match result {
            Ok(_) => Outcome::Success,
            Err(error) if error.is_rejected() => Outcome::Ignored,
            Err(_) => Outcome::Failure,
        },
    );
    let seen = breaker.pipeline().clone();
    let stacked = ServiceBuilder::new().layer(breaker).layer(full()).service(service);
    let _first = six_find_no_slot(&stacked);
    assert_eq!(seen.breaker_state(), Some(State::Closed));
    assert_eq!(seen.stats().breaker.unwrap().ignored, 6);
}

#[test]
fn one_pipeline_does_not() {
    let (service, _) = Scripted::new(&[None]);
    let both = Pipeline::builder("both").breaker(six()).bulkhead(bulkhead::Settings::new(1));
    let both = both.build().unwrap();
    let service = PipelineLayer::new(both.clone()).layer(service);
    let _first = six_find_no_slot(&service);
    assert_eq!(both.breaker_state(), Some(State::Closed));
    assert_eq!(both.stats().breaker.unwrap().failures, 0);
}
