//! Layers at work: what is shared, what is repeated, who is first.

use crate::support::{Scripted, Task, poll_ready};
use breakerbox::clock::ManualClock;
use breakerbox::core::retry::Failure;
use breakerbox::retry::{Backoff, Growth, Jitter};
use breakerbox::tower::{BulkheadLayer, PipelineLayer, RateLimitLayer, Repeat, SharedLayer};
use breakerbox::{Error, Outcome, Pipeline, breaker, bulkhead, coalesce, rate_limit, retry};
use std::task::Poll;
use std::time::Duration;
use tower::{Layer, Service, ServiceBuilder};

fn attempts(attempts: u32) -> retry::Settings {
    let apart = Duration::from_millis(10);
    let backoff = Backoff {
        growth: Growth::Fixed,
        initial: apart,
        max: apart,
        jitter: Jitter::None,
        ..Backoff::default()
    };
    retry::Settings { attempts, backoff, ..retry::Settings::default() }
}

/// What a service comes to that is ready.
fn call<S: Service<u32>>(service: &mut S, request: u32) -> Task<S::Future> {
    assert!(matches!(poll_ready(service), Poll::Ready(Ok(()))));
    Task::new(service.call(request))
}

#[test]
fn clones_and_services_of_one_layer_share_its_state() {
    let settings = breaker::Settings { consecutive_failures: Some(2), ..Default::default() };
    let pipeline = Pipeline::builder("it").breaker(settings).build().unwrap();
    let layer = PipelineLayer::new(pipeline.clone());
    let (one, _) = Scripted::new(&[Some(Err(1))]);
    let (other, told) = Scripted::new(&[Some(Ok(1))]);
    let (mut one, mut other) = (layer.layer(one), layer.layer(other));
    assert_eq!(call(&mut one.clone(), 1).output(), Err(Error::Inner(1)));
    assert_eq!(call(&mut one, 1).output(), Err(Error::Inner(1)));
    // Two failures of one service, and the other is rejected as well.
    assert!(call(&mut other, 1).output().unwrap_err().is_rejected());
    assert_eq!((told.calls.get(), pipeline.stats().rejected("breaker_open")), (0, 1));
}

#[test]
fn a_call_waits_for_its_turn_in_its_future_and_is_polled_once_for_it() {
    let settings = bulkhead::Settings {
        queue: 2,
        queue_timeout: Duration::from_secs(3600),
        ..bulkhead::Settings::new(1)
    };
    let clock = ManualClock::new();
    let pipeline = Pipeline::builder("it").bulkhead(settings).clock(clock).build().unwrap();
    let (service, told) = Scripted::new(&[None]);
    let mut service = PipelineLayer::new(pipeline.clone()).layer(service);
    let mut first = call(&mut service, 1);
    let mut second = call(&mut service, 2);
    let mut third = call(&mut service, 3);
    assert_eq!((told.calls.get(), pipeline.stats().bulkhead.unwrap().queued), (1, 2));
    told.ended.set(Some(Ok(0)));
    told.waker.borrow_mut().take().unwrap().wake();
    assert_eq!(first.output(), Ok(0));
    third.run();
    assert_eq!((second.output(), third.output()), (Ok(0), Ok(0)));
    assert_eq!((second.polls, third.polls), (2, 2));
}

#[test]
fn a_repeated_call_waits_until_a_clone_is_ready() {
    let clock = ManualClock::new();
    let builder = Pipeline::builder("it").clock(clock.clone());
    let pipeline = builder.retry(attempts(3)).build().unwrap();
    let (service, told) = Scripted::new(&[Some(Err(1)), Some(Ok(2))]);
    let mut service = PipelineLayer::new(pipeline.clone()).layer(service);
    let mut task = call(&mut service, 1);
    told.ready.set(false);
    clock.advance(Duration::from_millis(10));
    task.run();
    // It is not ready, and so not called.
    assert_eq!((told.calls.get(), task.output.is_some()), (1, false));
    drop(task);
    told.ready.set(true);
    assert_eq!(call(&mut service, 1).output(), Ok(2));
    assert_eq!(pipeline.stats().cancelled, 1);
}

#[test]
fn only_what_may_be_sent_again_is() {
    #[derive(Clone)]
    struct Even;
    impl Repeat<u32> for Even {
        fn repeat(&self, request: &u32) -> Option<u32> {
            request.is_multiple_of(2).then_some(*request)
        }
    }
    let clock = ManualClock::new();
    let pipeline = Pipeline::builder("it").clock(clock.clone()).retry(attempts(3)).build().unwrap();
    let layer = PipelineLayer::new(pipeline);
    let run = |layer: &dyn Fn(Scripted) -> Task<_>| {
        let (service, told) = Scripted::new(&[Some(Err(1))]);
        let mut task = layer(service);
        for _ in 0..5 {
            clock.advance(Duration::from_millis(10));
            task.run();
        }
        assert_eq!(task.output(), Err(Error::Inner(1)));
        told.calls.get()
    };
    let even = layer.clone().repeat(Even);
    assert_eq!(run(&|service| call(&mut even.layer(service), 2)), 3);
    assert_eq!(run(&|service| call(&mut even.layer(service), 3)), 1);
    let once = layer.once();
    let (service, told) = Scripted::new(&[Some(Err(1))]);
    assert_eq!(call(&mut once.layer(service), 2).output(), Err(Error::Inner(1)));
    assert_eq!(told.calls.get(), 1);
}

#[test]
fn results_are_judged_as_the_layer_was_told() {
    let clock = ManualClock::new();
    let settings = breaker::Settings { consecutive_failures: Some(1), ..Default::default() };
    let pipeline = Pipeline::builder("it")
        .clock(clock.clone())
        .breaker(settings)
        .retry(retry::Settings { on: retry::When::http(), ..attempts(2) })
        .build()
        .unwrap();
    struct Status;
    impl breakerbox::Hints<u32, u32> for Status {
        fn hint(&self, result: &Result<u32, u32>) -> breakerbox::core::pipeline::Hint {
            let failure = result.map_or(Failure::Reset, |status| Failure::Status(status as u16));
            breakerbox::core::pipeline::Hint { failure, ..breakerbox::core::pipeline::Hint::NONE }
        }
    }
    impl Clone for Status {
        fn clone(&self) -> Self {
            Self
        }
    }
    let layer =
        PipelineLayer::new(pipeline.clone()).hints(Status).classify(|result: &Result<u32, u32>| {
            match result {
                Ok(500..) | Err(_) => Outcome::Failure,
                Ok(_) => Outcome::Success,
            }
        });
    let (service, told) = Scripted::new(&[Some(Ok(500)), Some(Ok(200))]);
    // A 500 is not among what is repeated; it opens the circuit, and is given as it is.
    assert_eq!(call(&mut layer.layer(service), 1).output(), Ok(500));
    assert_eq!((told.calls.get(), pipeline.breaker_state()), (1, Some(breakerbox::State::Open)));
}

#[test]
fn requests_say_what_they_belong_to() {
    let settings = rate_limit::Settings { burst: Some(1), ..rate_limit::Settings::new(1.0) };
    let layer = RateLimitLayer::new("it", settings).unwrap().into_layer();
    let layer = layer.about(|tenant: &u32, about| about.key(tenant));
    let (service, told) = Scripted::new(&[Some(Ok(1))]);
    let mut service = layer.layer(service);
    assert_eq!(call(&mut service, 1).output(), Ok(1));
    assert!(call(&mut service, 1).output().unwrap_err().is_rejected());
    assert_eq!(call(&mut service, 2).output(), Ok(1));
    assert_eq!(told.calls.get(), 2);
}

#[test]
fn the_outer_layer_is_asked_first() {
    let limit = rate_limit::Settings { burst: Some(1), ..rate_limit::Settings::new(1.0) };
    let (service, told) = Scripted::new(&[None]);
    let bulkhead = BulkheadLayer::new("inner", bulkhead::Settings::new(1)).unwrap();
    let rate = RateLimitLayer::new("outer", limit).unwrap();
    let mut service = ServiceBuilder::new().layer(rate).layer(bulkhead.clone()).service(service);
    let first = call(&mut service, 1);
    // Rejected outside: the inner layer has not seen it.
    let Err(Error::Rejected(why)) = call(&mut service, 1).output() else {
        panic!("it is rejected")
    };
    assert_eq!((why.name(), why.reason()), ("outer", "rate_limited"));
    assert_eq!(bulkhead.pipeline().stats().rejected("bulkhead_full"), 0);
    drop(first);
    assert_eq!(told.dropped.get(), 1);
}

#[test]
fn equal_requests_share_an_answer_and_others_do_not() {
    let pipeline = Pipeline::builder("it").coalesce(coalesce::Settings::default()).build().unwrap();
    let (service, told) = Scripted::new(&[None]);
    // Even numbers are equal, odd ones have no key.
    let key = |number: &u32| number.is_multiple_of(2).then_some(0);
    let mut service = SharedLayer::new(pipeline.shared(), key).layer(service);
    let mut calls: Vec<_> = [2, 4, 6, 1, 3].map(|number| call(&mut service, number)).into();
    assert_eq!(told.calls.get(), 3);
    // The one that leads gives up: the next takes over.
    drop(calls.remove(0));
    calls[0].run();
    assert_eq!(told.calls.get(), 4);
    told.ended.set(Some(Ok(7)));
    calls[0].wake();
    let answers: Vec<_> = calls
        .iter_mut()
        .map(|call| {
            call.wake();
            call.output().map(|it| *it)
        })
        .collect();
    assert_eq!(answers, [Ok(7), Ok(7), Ok(7), Ok(7)]);
}

#[test]
fn a_fallback_stands_in_and_is_marked() {
    let settings = breaker::Settings { consecutive_failures: Some(1), ..Default::default() };
    let pipeline = Pipeline::builder("it").breaker(settings).build().unwrap();
    let (service, told) = Scripted::new(&[Some(Err(13))]);
    let layer = PipelineLayer::new(pipeline.clone()).once();
    let layer = layer.fallback(|came_to: Result<u32, Error<u32>>| match came_to {
        Err(Error::Inner(error)) => error,
        _ => 0,
    });
    let mut service = layer.layer(service);
    for instead in [13, 0] {
        let answer = call(&mut service, 1).output().unwrap();
        assert_eq!((*answer, answer.is_fallback()), (instead, true));
    }
    assert_eq!((told.calls.get(), pipeline.stats().fallbacks), (1, 2));
}
