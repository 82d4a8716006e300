//! What every layer must keep to, checked for every layer.

use crate::support::{Scripted, Task, poll_ready};
use breakerbox::tower::{
    AdaptiveLimitLayer, AttemptTimeoutLayer, BreakerLayer, BulkheadLayer, ChaosLayer,
    DeadlineLayer, HedgeLayer, PipelineLayer, RateLimitLayer, RetryLayer, SharedLayer, ShedLayer,
    ThrottleLayer,
};
use breakerbox::{
    Answer, Error, Pipeline, adaptive_limit, breaker, bulkhead, chaos, hedge, rate_limit, retry,
    shed, throttle,
};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Poll;
use std::time::Duration;
use tower::{Layer, Service};

const LONG: Duration = Duration::from_secs(3600);

/// All of them, in settings that leave single calls alone.
macro_rules! for_every_layer {
    ($check:ident) => {{
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        let runtime = runtime.expect("a runtime");
        let _entered = runtime.enter();
        let queue = bulkhead::Settings { queue: 8, ..bulkhead::Settings::new(1) };
        let chaos = chaos::Settings { error: Some(503), fraction: 1e-9, ..Default::default() };
        let hedge = hedge::Settings::new(hedge::Delay::Fixed(LONG));
        let few = adaptive_limit::Settings { initial: 1, ..Default::default() };
        let rate = rate_limit::Settings::new(1000.0);
        $check("breaker", &BreakerLayer::new("it", breaker::Settings::default()).expect("good"));
        $check("retry", &RetryLayer::new("it", retry::Settings::default()).expect("good"));
        $check("hedge", &HedgeLayer::new("it", hedge).expect("good"));
        $check("attempt_timeout", &AttemptTimeoutLayer::new("it", LONG).expect("good"));
        $check("deadline", &DeadlineLayer::new("it", LONG).expect("good"));
        $check("bulkhead", &BulkheadLayer::new("it", queue).expect("good"));
        $check("adaptive_limit", &AdaptiveLimitLayer::new("it", few).expect("good"));
        $check("rate_limit", &RateLimitLayer::new("it", rate).expect("good"));
        $check("shed", &ShedLayer::new("it", shed::Settings::default(), queue).expect("good"));
        $check("throttle", &ThrottleLayer::new("it", throttle::Settings::default()).expect("good"));
        $check("chaos", &ChaosLayer::new("it", chaos.clone()).expect("good"));
        let all = Pipeline::builder("it")
            .deadline(LONG)
            .shed(shed::Settings::default())
            .throttle(throttle::Settings::default())
            .rate_limit(rate)
            .retry(retry::Settings::default())
            .breaker(breaker::Settings::default())
            .bulkhead(queue)
            .chaos(chaos)
            .attempt_timeout(LONG)
            .build();
        let all = all.expect("good");
        $check("pipeline", &PipelineLayer::new(all.clone()));
        let unmarked = |result: Result<u32, Error<u32>>| result.unwrap_or(0);
        $check("fallback", &Unmarked(PipelineLayer::new(all.clone()).once().fallback(unmarked)));
        let alone = |_: &u32| None::<u32>;
        let shared = Pipeline::builder("it").coalesce(Default::default()).build();
        $check("shared", &Unmarked(SharedLayer::new(shared.expect("good").shared(), alone)));
        #[cfg(feature = "http")]
        {
            use crate::over_http::OverHttp;
            use breakerbox::http::{ClientLayer, ServerLayer};
            $check("client", &OverHttp::<_>::new(ClientLayer::new(all.clone())));
            $check("server", &OverHttp::<_>::new(ServerLayer::new(all.clone())));
        }
        #[cfg(feature = "tonic")]
        {
            use crate::over_http::OverHttp;
            use breakerbox::http::GrpcLayer;
            $check("grpc", &OverHttp::<_, tonic::body::Body>::new(GrpcLayer::new(all.clone())));
        }
        #[cfg(feature = "reqwest")]
        {
            use crate::over_http::OverReqwest;
            use breakerbox::http::ClientLayer;
            $check("reqwest", &OverReqwest(ClientLayer::new(all.clone())));
        }
        let _ = all;
    }};
}

/// A layer whose answers are marked, without the marks.
struct Unmarked<L>(L);

impl<L: Layer<Scripted>> Layer<Scripted> for Unmarked<L> {
    type Service = tower::util::MapResponse<L::Service, fn(Answer<u32>) -> u32>;

    fn layer(&self, service: Scripted) -> Self::Service {
        tower::util::MapResponse::new(self.0.layer(service), Answer::into_inner)
    }
}

/// A layer of this test's services.
trait Tested:
    Layer<Scripted, Service: Service<u32, Response = u32, Error = Error<u32>> + Clone>
{
}

impl<L> Tested for L where
    L: Layer<Scripted, Service: Service<u32, Response = u32, Error = Error<u32>> + Clone>
{
}

#[test]
fn readiness_is_the_inner_service_s() {
    fn check(name: &str, layer: &impl Tested) {
        let (service, told) = Scripted::new(&[Some(Ok(1))]);
        let mut service = layer.layer(service);
        told.ready.set(false);
        assert!(poll_ready(&mut service).is_pending(), "{name}");
        told.ready.set(true);
        assert_eq!(poll_ready(&mut service), Poll::Ready(Ok(())), "{name}");
        told.broken.set(true);
        assert_eq!(poll_ready(&mut service), Poll::Ready(Err(Error::Inner(13))), "{name}");
        // It was asked once each time, and nothing else happened.
        assert_eq!((told.asked.get(), told.calls.get()), (3, 0), "{name}");
    }
    for_every_layer!(check);
}

#[test]
fn a_service_that_is_ready_and_idle_holds_nothing() {
    fn check(name: &str, layer: &impl Tested) {
        let (service, _) = Scripted::new(&[Some(Ok(1))]);
        let service = layer.layer(service);
        // Any number of clones that are ready, and one call through another.
        let mut idle: Vec<_> = (0..100).map(|_| service.clone()).collect();
        for clone in &mut idle {
            assert_eq!(poll_ready(clone), Poll::Ready(Ok(())), "{name}");
        }
        let mut busy = service.clone();
        assert_eq!(poll_ready(&mut busy), Poll::Ready(Ok(())), "{name}");
        assert_eq!(Task::new(busy.call(1)).output(), Ok(1), "{name}");
        // Nor does a future that was never polled.
        assert_eq!(poll_ready(&mut idle[0]), Poll::Ready(Ok(())), "{name}");
        let never_polled = idle[0].call(1);
        assert_eq!(poll_ready(&mut busy), Poll::Ready(Ok(())), "{name}");
        assert_eq!(Task::new(busy.call(1)).output(), Ok(1), "{name}");
        drop(never_polled);
    }
    for_every_layer!(check);
}

#[test]
fn the_one_that_was_ready_makes_the_call() {
    fn check(name: &str, layer: &impl Tested) {
        let (service, told) = Scripted::new(&[Some(Ok(7))]);
        let mut service = layer.layer(service);
        // `Scripted` panics if a clone is called that was not asked.
        for _ in 0..3 {
            assert_eq!(poll_ready(&mut service), Poll::Ready(Ok(())), "{name}");
            assert_eq!(Task::new(service.call(1)).output(), Ok(7), "{name}");
        }
        assert_eq!((told.asked.get(), told.calls.get()), (3, 3), "{name}");
    }
    for_every_layer!(check);
}

#[test]
fn calls_are_dropped_at_any_time_and_nothing_stays_behind() {
    fn check(name: &str, layer: &impl Tested) {
        for polls in 0..3 {
            let (service, told) = Scripted::new(&[None]);
            let mut service = layer.layer(service);
            assert_eq!(poll_ready(&mut service), Poll::Ready(Ok(())), "{name}");
            let mut call = Box::pin(service.call(1));
            for _ in 0..polls {
                let mut context = std::task::Context::from_waker(std::task::Waker::noop());
                assert!(call.as_mut().poll(&mut context).is_pending(), "{name}");
            }
            drop(call);
            assert_eq!(told.dropped.get(), told.calls.get(), "{name}");
            // Another call gets the place that the first one may have had: there is one only.
            told.ended.set(Some(Ok(2)));
            assert_eq!(poll_ready(&mut service), Poll::Ready(Ok(())), "{name}");
            assert_eq!(Task::new(service.call(1)).output(), Ok(2), "{name}");
        }
    }
    for_every_layer!(check);
}

#[test]
fn a_panic_goes_on_to_the_caller_and_nothing_stays_behind() {
    fn check(name: &str, layer: &impl Tested) {
        let (service, told) = Scripted::new(&[Some(Ok(1))]);
        let mut service = layer.layer(service);
        assert_eq!(poll_ready(&mut service), Poll::Ready(Ok(())), "{name}");
        let call = service.call(666);
        let panicked = catch_unwind(AssertUnwindSafe(|| Task::new(call).output()));
        assert!(panicked.is_err(), "{name}");
        assert_eq!(told.dropped.get(), 1, "{name}");
        assert_eq!(poll_ready(&mut service), Poll::Ready(Ok(())), "{name}");
        assert_eq!(Task::new(service.call(1)).output(), Ok(1), "{name}");
    }
    for_every_layer!(check);
}

#[test]
fn a_pending_call_is_polled_when_it_was_woken_and_only_then() {
    fn check(name: &str, layer: &impl Tested) {
        let (service, told) = Scripted::new(&[None]);
        let mut service = layer.layer(service);
        assert_eq!(poll_ready(&mut service), Poll::Ready(Ok(())), "{name}");
        let mut call = Task::new(service.call(1));
        for _ in 0..10 {
            call.run();
        }
        assert_eq!(call.polls, 1, "{name}");
        told.ended.set(Some(Err(5)));
        let waker = told.waker.borrow_mut().take().expect("it waits");
        waker.wake();
        // Where it is retried, the time until then passes without a poll.
        call.run();
        assert_eq!(call.polls, 2, "{name}");
        let repeats = matches!(name, "retry" | "pipeline" | "client" | "reqwest");
        assert_eq!(call.output.is_some(), !repeats, "{name}");
    }
    for_every_layer!(check);
}

#[test]
fn the_inner_error_comes_through_as_it_is() {
    fn check(name: &str, layer: &impl Tested) {
        // The rest repeat it, or answer instead.
        let through = !matches!(name, "retry" | "pipeline" | "client" | "reqwest" | "fallback");
        if !through {
            return;
        }
        let (service, _) = Scripted::new(&[Some(Err(9))]);
        let mut service = layer.layer(service);
        assert_eq!(poll_ready(&mut service), Poll::Ready(Ok(())), "{name}");
        assert_eq!(Task::new(service.call(1)).output(), Err(Error::Inner(9)), "{name}");
    }
    for_every_layer!(check);
}

/// What a pipeline has counted of its calls.
fn counted(pipeline: &Pipeline) -> [u64; 5] {
    let (stats, breaker) = (pipeline.stats(), pipeline.stats().breaker.expect("it has one"));
    [breaker.successes, breaker.failures, breaker.ignored, breaker.in_flight, stats.cancelled]
}

#[test]
fn what_was_dropped_was_given_up_and_what_panicked_has_failed() {
    fn check(name: &str, pipeline: &Pipeline, layer: &impl Tested) {
        let (service, _) = Scripted::new(&[None]);
        let mut service = layer.layer(service);
        let before = counted(pipeline);
        assert_eq!(poll_ready(&mut service), Poll::Ready(Ok(())), "{name}");
        let mut call = Box::pin(service.call(1));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(call.as_mut().poll(&mut context).is_pending(), "{name}");
        assert_eq!(counted(pipeline)[3], 1, "{name}");
        drop(call);
        let change = |now: [u64; 5]| [0, 1, 2, 3, 4].map(|number| now[number] - before[number]);
        assert_eq!(change(counted(pipeline)), [0, 0, 1, 0, 1], "{name}");
        assert_eq!(poll_ready(&mut service), Poll::Ready(Ok(())), "{name}");
        let call = service.call(666);
        assert!(catch_unwind(AssertUnwindSafe(|| Task::new(call).output())).is_err(), "{name}");
        assert_eq!(change(counted(pipeline)), [0, 1, 1, 0, 1], "{name}");
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let _entered = runtime.enter();
    let all = Pipeline::builder("it").retry(retry::Settings::default()).attempt_timeout(LONG);
    let all = all.breaker(breaker::Settings::default()).build().unwrap();
    check("pipeline", &all, &PipelineLayer::new(all.clone()));
    #[cfg(feature = "http")]
    {
        use crate::over_http::OverHttp;
        use breakerbox::http::{ClientLayer, ServerLayer};
        check("client", &all, &OverHttp::<_>::new(ClientLayer::new(all.clone())));
        check("server", &all, &OverHttp::<_>::new(ServerLayer::new(all.clone())));
    }
    #[cfg(feature = "tonic")]
    {
        use crate::over_http::OverHttp;
        let layer = breakerbox::http::GrpcLayer::new(all.clone());
        check("grpc", &all, &OverHttp::<_, tonic::body::Body>::new(layer));
    }
    #[cfg(feature = "reqwest")]
    {
        let layer = breakerbox::http::ClientLayer::new(all.clone());
        check("reqwest", &all, &crate::over_http::OverReqwest(layer));
    }
}
