//! The common stack: timeout + retry + breaker + bulkhead.

use crate::breaker::nothing;
use crate::case::{Case, Failed, Group, PendingOnce, good, succeeds, waker};
use crate::floors::coarse;
use crate::retry::{TowerPolicy, resilience};
use crate::tower_service::{Pending, Ready, called, face};
use backon::{ExponentialBuilder, Retryable};
use breakerbox::{Interest, Pipeline, bulkhead, retry};
use breakerbox_core::breaker::Settings;
use breakerbox_core::pipeline::{self, Action, Call, Ending, Event, Start};
use recloser::{AsyncRecloser, Recloser};
use std::time::Duration;
use tokio::sync::Semaphore;
use tower::limit::ConcurrencyLimit;
use tower::timeout::Timeout;
use tower::{Service, ServiceBuilder, ServiceExt};
use tower_resilience::bulkhead::BulkheadLayer;
use tower_resilience::circuitbreaker::CircuitBreakerLayer;
use tower_resilience::timelimiter::TimeLimiterLayer;

pub const CORE: &str = "core: the machine";
pub const READY: &str = "breakerbox: async, ready at once";
pub const PENDING: &str = "breakerbox: async, pending once";

const TIMEOUT: Duration = Duration::from_secs(3);

pub fn group() -> Group {
    let mut cases = ours();
    cases.extend(peers());
    Group { title: "timeout + retry + breaker + bulkhead", cases }
}

fn ours() -> Vec<Case> {
    let waker = waker();
    let stack = || {
        Pipeline::builder("stack")
            .retry(retry::Settings::default())
            .breaker(Settings::default())
            .bulkhead(bulkhead::Settings::new(64))
    };
    let timed = stack().attempt_timeout(TIMEOUT).build().expect("valid settings");
    let pending = timed.clone();
    let told = stack().attempt_timeout(TIMEOUT).build().expect("valid settings");
    told.on_event_of(Interest::RARE, nothing);
    let blocking = stack().build_blocking().expect("valid settings");
    let machine = pipeline::Pipeline::new(
        pipeline::Settings {
            retry: Some(retry::Settings::default()),
            breaker: Some(Settings::default().check().expect("valid settings").into()),
            bulkhead: Some(bulkhead::Settings::new(64)),
            attempt_timeout: Some(TIMEOUT),
            ..pipeline::Settings::default()
        },
        coarse(),
        0,
    );
    vec![
        Case::each(CORE, move || {
            let mut call = Call::NEW;
            machine.begin_in(&mut call, coarse(), &Start::default(), &mut |_, _| {});
            let ended = Event::ended(1, Ending::Success);
            let done = call.step(&machine, coarse(), ended, &mut |_, _| {});
            matches!(done, Action::Done { .. })
        }),
        Case::each(READY, move || succeeds(waker, timed.call(async || good(1)))),
        Case::each("breakerbox: async, ready at once, what is rare told", move || {
            succeeds(waker, told.call(async || good(1)))
        }),
        Case::each(PENDING, move || succeeds(waker, pending.call(PendingOnce::default))),
        Case::each("breakerbox: blocking, without timeout", move || {
            blocking.call(|| good(1)).is_ok()
        }),
        face("breakerbox: Tower, ready at once", stack().attempt_timeout(TIMEOUT).build(), Ready),
        face("breakerbox: Tower, pending once", stack().attempt_timeout(TIMEOUT).build(), Pending),
    ]
}

fn peers() -> Vec<Case> {
    let waker = waker();
    let (mut ready, mut pending) = (of_resilience(Ready), of_resilience(Pending));
    let (mut tower, mut tower_pending) = (of_tower(Ready), of_tower(Pending));
    let (by_hand, by_hand_pending) = (ByHand::new(), ByHand::new());
    vec![
        Case::each("by hand: backon, recloser, tokio; ready at once", move || {
            succeeds(waker, by_hand.call(|| async { good(1) }))
        }),
        Case::each("by hand: backon, recloser, tokio; pending once", move || {
            succeeds(waker, by_hand_pending.call(PendingOnce::default))
        }),
        Case::each("tower: no breaker there, ready at once", move || called(waker, &mut tower)),
        Case::each("tower: no breaker there, pending once", move || {
            called(waker, &mut tower_pending)
        }),
        Case::each("tower-resilience: ready at once", move || called(waker, &mut ready)),
        Case::each("tower-resilience: pending once", move || called(waker, &mut pending)),
    ]
}

/// What one writes without a library that has all four.
struct ByHand {
    breaker: AsyncRecloser,
    slots: Semaphore,
}

impl ByHand {
    fn new() -> Self {
        Self { breaker: Recloser::default().into(), slots: Semaphore::new(64) }
    }

    #[inline(always)]
    async fn call<F>(&self, operation: impl Fn() -> F) -> Result<u64, Failed>
    where
        F: Future<Output = Result<u64, Failed>>,
    {
        let attempt = || async {
            let guarded = self.breaker.call(async {
                let _slot = self.slots.acquire().await.map_err(|_| Failed)?;
                tokio::time::timeout(TIMEOUT, operation()).await.map_err(|_| Failed)?
            });
            guarded.await.map_err(|_| Failed)
        };
        attempt.retry(ExponentialBuilder::default()).sleep(tokio::time::sleep).await
    }
}

fn of_tower<S>(service: S) -> impl Service<u64, Response = u64>
where
    S: Service<u64, Response = u64> + Clone,
    S::Error: Into<tower::BoxError>,
{
    let limited = ConcurrencyLimit::new(Timeout::new(service, TIMEOUT), 64);
    tower::retry::Retry::new(TowerPolicy::Budget(Default::default()), limited)
}

fn of_resilience<S>(service: S) -> impl Service<u64, Response = u64>
where
    S: Service<u64, Response = u64, Error = Failed> + Clone + Send + 'static,
    S::Future: Send,
{
    ServiceBuilder::new()
        .layer(resilience())
        .map_err(|_| Failed)
        .layer(CircuitBreakerLayer::standard().build().expect("valid settings"))
        .map_err(|_| Failed)
        .layer(BulkheadLayer::builder().max_concurrent_calls(64).build().expect("valid settings"))
        .layer(TimeLimiterLayer::builder().timeout_duration(TIMEOUT).build())
        .service(service)
        .map_response(|answer| answer)
}
