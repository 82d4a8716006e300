//! The readiness of a service that has only so much of it, as a limit or a pool of connections has: it is
//! given back by whoever has to wait, and waiting for it is nobody's slowness.

use breakerbox::tower::{BreakerLayer, BulkheadLayer, PipelineLayer, RateLimitLayer, RetryLayer};
use breakerbox::{Error, Pipeline, State, breaker, bulkhead, clock::TokioClock, rate_limit, retry};
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tower::limit::ConcurrencyLimit;
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};

const MS: Duration = Duration::from_millis(1);

fn attempts(attempts: u32) -> retry::Settings {
    let mut settings = retry::Settings { attempts, budget: None, ..Default::default() };
    (settings.backoff.initial, settings.backoff.max) = (10 * MS, 10 * MS);
    settings.backoff.jitter = retry::Jitter::None;
    settings
}

fn places(concurrent: u32) -> bulkhead::Settings {
    let queue_timeout = Duration::from_secs(60);
    bulkhead::Settings { queue: 200, queue_timeout, ..bulkhead::Settings::new(concurrent) }
}

/// Two of three answers are errors, after 20 ms.
fn flaky() -> impl Service<u32, Response = u32, Error = u32, Future: Send> + Clone + Send {
    let calls = Arc::new(AtomicU32::new(0));
    service_fn(move |request| {
        let calls = Arc::clone(&calls);
        async move {
            sleep(20 * MS).await;
            let good = calls.fetch_add(1, Ordering::Relaxed) % 3 == 2;
            if good { Ok(request) } else { Err(request) }
        }
    })
}

#[tokio::test(start_paused = true)]
async fn a_repetition_and_a_first_attempt_do_not_wait_for_each_other() {
    for limit in [1_u32, 2, 5] {
        let pipeline = Pipeline::builder("it").retry(attempts(4)).bulkhead(places(limit));
        let pipeline = pipeline.clock(TokioClock::new()).build().unwrap();
        let inner = ConcurrencyLimit::new(flaky(), limit as usize);
        let service = PipelineLayer::new(pipeline).layer(inner);
        let (began, mut calls) = (Instant::now(), JoinSet::new());
        for number in 0..60 {
            calls.spawn(service.clone().oneshot(number));
        }
        while let Some(result) = calls.join_next().await {
            assert!(!matches!(result.unwrap(), Err(Error::Rejected(_))), "limit {limit}");
        }
        // At most 4 attempts of 20 ms for each of 60 calls, and the pauses of those that are alone.
        let work = 60 * 4 * 20 * MS / limit;
        assert!(began.elapsed() < work + Duration::from_secs(1), "{:?}", began.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_waits_for_its_turn_holds_no_readiness() {
    let limit = rate_limit::Settings {
        burst: Some(1),
        wait: Some(Duration::from_secs(10)),
        ..rate_limit::Settings::new(1.0)
    };
    let pipeline = Pipeline::builder("it").rate_limit(limit).clock(TokioClock::new());
    let answers = service_fn(async |request: u32| Ok::<_, Infallible>(request));
    let inner = ConcurrencyLimit::new(answers, 1);
    let service = PipelineLayer::new(pipeline.build().unwrap()).layer(inner.clone());
    service.clone().oneshot(1).await.unwrap();
    let second = tokio::spawn(service.clone().oneshot(2));
    tokio::task::yield_now().await;
    // The second waits for a second, and others need not.
    let began = Instant::now();
    assert_eq!(inner.oneshot(3).await, Ok(3));
    assert_eq!(began.elapsed(), Duration::ZERO);
    assert_eq!(second.await.unwrap().unwrap(), 2);
}

#[tokio::test(start_paused = true)]
async fn waiting_for_the_service_to_be_ready_is_not_an_attempts_time() {
    let pipeline = Pipeline::builder("it").retry(attempts(2)).attempt_timeout(50 * MS);
    let pipeline = pipeline.clock(TokioClock::new()).build().unwrap();
    let calls = Arc::new(AtomicU32::new(0));
    let once_wrong = service_fn(move |request: u32| {
        let first = calls.fetch_add(1, Ordering::Relaxed) == 0;
        async move {
            sleep(40 * MS).await;
            if first { Err(request) } else { Ok(request) }
        }
    });
    let inner = ConcurrencyLimit::new(once_wrong, 1);
    let mut other = inner.clone();
    let call = tokio::spawn(PipelineLayer::new(pipeline.clone()).layer(inner).oneshot(1));
    sleep(45 * MS).await;
    // Its first attempt has failed, and before the second somebody else takes the only place.
    other.ready().await.unwrap();
    sleep(500 * MS).await;
    drop(other);
    assert_eq!(call.await.unwrap(), Ok(1));
    assert_eq!(pipeline.stats().attempt_timeouts, 0);
}

#[tokio::test(start_paused = true)]
async fn rejections_of_a_layer_below_are_no_failures_of_the_service() {
    let settings = breaker::Settings { consecutive_failures: Some(1), ..Default::default() };
    let pipeline = Pipeline::builder("it").retry(attempts(3)).breaker(settings);
    let pipeline = pipeline.clock(TokioClock::new()).build().unwrap();
    let service = ServiceBuilder::new()
        .layer(PipelineLayer::new(pipeline.clone()).over_layers())
        .layer(BulkheadLayer::new("connections", bulkhead::Settings::new(1)).unwrap())
        .service(service_fn(async |request: u32| {
            sleep(20 * MS).await;
            Ok::<_, u32>(request)
        }));
    let (first, second) = tokio::join!(service.clone().oneshot(1), service.clone().oneshot(2));
    assert_eq!(first, Ok(1));
    let Err(Error::Inner(Error::Rejected(why))) = second else { panic!("{second:?}") };
    assert_eq!(why.reason(), "bulkhead_full");
    let stats = pipeline.stats();
    assert_eq!((stats.retries, stats.breaker.unwrap().ignored), (0, 1));
    assert_eq!(pipeline.breaker_state(), Some(State::Closed));
}

#[tokio::test(start_paused = true)]
async fn an_open_breaker_of_a_layer_below_ends_the_retries() {
    let settings = breaker::Settings { consecutive_failures: Some(1), ..Default::default() };
    let retry = RetryLayer::new("it", attempts(5)).unwrap().over_layers();
    let breaker = BreakerLayer::new("it", settings).unwrap();
    let service = ServiceBuilder::new()
        .layer(&retry)
        .layer(&breaker)
        .service(service_fn(async |request: u32| Err::<u32, _>(request)));
    let Err(Error::Inner(Error::Rejected(why))) = service.oneshot(1).await else { panic!() };
    assert_eq!(why.reason(), "breaker_open");
    // The failure was repeated, and the rejection was not.
    assert_eq!(retry.pipeline().stats().retries, 1);
}

#[tokio::test(start_paused = true)]
async fn what_retries_name_is_repeated_across_layers() {
    let limit = rate_limit::Settings { burst: Some(1), ..rate_limit::Settings::new(10.0) };
    let on = retry::When::nothing().and(breakerbox::core::retry::Failure::RateLimited);
    let retry = RetryLayer::new("it", retry::Settings { on, ..attempts(3) }).unwrap().over_layers();
    let service = ServiceBuilder::new()
        .layer(&retry)
        .layer(RateLimitLayer::new("it", limit).unwrap())
        .service(service_fn(async |request: u32| Ok::<_, Infallible>(request)));
    assert_eq!(service.clone().oneshot(1).await, Ok(1));
    // These layers go by the real clock; the delay is within a tenth of a second of it.
    assert!(service.oneshot(2).await.is_err());
    assert!(retry.pipeline().stats().retries > 0);
}
