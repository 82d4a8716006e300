//! Timeouts and hedges around an operation that is ready at once, and one that is pending once: only
//! the second needs a timer.

use crate::case::{Case, Group, PendingOnce, ends, good, succeeds, waker};
use crate::tower_service::{Pending, Ready, called, face};
use breakerbox::{Pipeline, hedge};
use std::time::Duration;
use tower::Layer;
use tower::timeout::Timeout;
use tower_resilience::hedge::HedgeLayer;
use tower_resilience::timelimiter::TimeLimiterLayer;

const LONG: Duration = Duration::from_secs(3);

pub fn timeouts() -> Group {
    let waker = waker();
    let timeout = || Pipeline::builder("timeout").attempt_timeout(LONG);
    let attempt = timeout().build().expect("valid");
    let deadline = Pipeline::builder("deadline").deadline(LONG).build().expect("valid");
    let pending = [attempt.clone(), deadline.clone()];
    let [pending_attempt, pending_deadline] = pending;
    let (mut tower, mut tower_pending) = (Timeout::new(Ready, LONG), Timeout::new(Pending, LONG));
    let layer = TimeLimiterLayer::builder().timeout_duration(LONG).build();
    let (mut resilience, mut resilience_pending) = (layer.layer(Ready), layer.layer(Pending));
    let cases = vec![
        Case::each("breakerbox: attempt timeout, ready at once", move || {
            succeeds(waker, attempt.call(async || good(1)))
        }),
        Case::each("breakerbox: deadline, ready at once", move || {
            succeeds(waker, deadline.call(async || good(1)))
        }),
        face("breakerbox: Tower, ready at once", timeout().build(), Ready),
        Case::each("tokio::time::timeout, ready at once", move || {
            ends(waker, tokio::time::timeout(LONG, async { good(1) }), |end| {
                matches!(end, Ok(Ok(_)))
            })
        }),
        Case::each("tower: ready at once", move || called(waker, &mut tower)),
        Case::each("tower-resilience: ready at once", move || called(waker, &mut resilience)),
        Case::each("breakerbox: attempt timeout, pending once", move || {
            succeeds(waker, pending_attempt.call(PendingOnce::default))
        }),
        Case::each("breakerbox: deadline, pending once", move || {
            succeeds(waker, pending_deadline.call(PendingOnce::default))
        }),
        face("breakerbox: Tower, pending once", timeout().build(), Pending),
        Case::each("tokio::time::timeout, pending once", move || {
            let timeout = tokio::time::timeout(LONG, PendingOnce::default());
            ends(waker, timeout, |end| matches!(end, Ok(Ok(_))))
        }),
        Case::each("tower: pending once", move || called(waker, &mut tower_pending)),
        Case::each("tower-resilience: pending once", move || {
            called(waker, &mut resilience_pending)
        }),
    ];
    Group { title: "timeout", cases }
}

/// Every request may be sent twice.
#[derive(Clone)]
struct Always;

impl tower::hedge::Policy<u64> for Always {
    fn clone_request(&self, request: &u64) -> Option<u64> {
        Some(*request)
    }

    fn can_retry(&self, _: &u64) -> bool {
        true
    }
}

/// Hedges that never begin.
pub fn hedges() -> Group {
    let waker = waker();
    let hedging = |delay| {
        let settings = hedge::Settings::new(delay);
        Pipeline::builder("hedge").hedge(settings)
    };
    let ours = || hedging(hedge::Delay::Fixed(LONG));
    let fixed = ours().build().expect("valid settings");
    let percentile = hedging(hedge::Delay::Percentile(0.95)).build().expect("valid settings");
    let pending = fixed.clone();
    let (rotation, samples) = (Duration::from_secs(10), [3_000; 100]);
    let mut tower =
        tower::hedge::Hedge::new_with_mock_latencies(Ready, Always, 10, 0.95, rotation, &samples);
    let mut tower_pending =
        tower::hedge::Hedge::new_with_mock_latencies(Pending, Always, 10, 0.95, rotation, &samples);
    let layer = HedgeLayer::builder().delay(LONG).max_hedged_attempts(2).build();
    let (mut resilience, mut resilience_pending) = (layer.layer(Ready), layer.layer(Pending));
    let cases = vec![
        Case::each("breakerbox: fixed delay, ready at once", move || {
            succeeds(waker, fixed.call(async || good(1)))
        }),
        Case::each("breakerbox: percentile, ready at once", move || {
            succeeds(waker, percentile.call(async || good(1)))
        }),
        face("breakerbox: Tower, fixed delay, ready at once", ours().build(), Ready),
        Case::each("tower: percentile, ready at once", move || called(waker, &mut tower)),
        Case::each("tower-resilience: fixed delay, ready at once", move || {
            called(waker, &mut resilience)
        }),
        Case::each("breakerbox: fixed delay, pending once", move || {
            succeeds(waker, pending.call(PendingOnce::default))
        }),
        face("breakerbox: Tower, fixed delay, pending once", ours().build(), Pending),
        Case::each("tower: percentile, pending once", move || called(waker, &mut tower_pending)),
        Case::each("tower-resilience: fixed delay, pending once", move || {
            called(waker, &mut resilience_pending)
        }),
    ];
    Group { title: "hedge that does not begin", cases }
}
