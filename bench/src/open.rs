//! Open and half-open breakers.

use crate::breaker::core;
use crate::case::{Case, Failed, Group, bad, ends, fails, good, waker};
use crate::floors::coarse;
use crate::tower_service::{Ready, called_with, rejecting_face};
use breakerbox::clock::ManualClock;
use breakerbox::tower::PipelineLayer;
use breakerbox::{Breaker, Control, Pipeline};
use breakerbox_core::Outcome;
use breakerbox_core::breaker::{OpenFor, Settings};
use circuitbreaker_rs::{CircuitBreaker, DefaultPolicy};
use failsafe::{backoff, failure_policy};
use recloser::{AsyncRecloser, Recloser};
use std::time::Duration;
use tower::Layer;
use tower_resilience::circuitbreaker::{CircuitBreakerError, CircuitBreakerLayer};

pub const CORE: &str = "core: open, rejected";
pub const BLOCKING: &str = "breakerbox: blocking, rejected";

const HOUR: Duration = Duration::from_secs(3600);

/// Rejections by an open breaker.
pub fn rejections() -> Group {
    let open = core(Settings { open_for: Some(OpenFor::fixed(HOUR)), ..Settings::default() });
    open.control(Control::ForceOpen, coarse(), &mut |_| {});
    let blocking = Breaker::builder("open").open_for(OpenFor::fixed(HOUR)).build_blocking();
    let blocking = blocking.expect("valid settings");
    blocking.control(Control::ForceOpen);
    let asynchronous = blocking.to_async();

    let settings = Settings { open_for: Some(OpenFor::fixed(HOUR)), ..Settings::default() };
    let layered = Pipeline::builder("open").breaker(settings).build().expect("valid settings");
    layered.control(Control::ForceOpen);

    let opened = || Recloser::custom().closed_len(1).open_wait(HOUR).build();
    let (recloser, recloser_async) = (opened(), AsyncRecloser::from(opened()));
    let waker = waker();
    for _ in 0..10 {
        let _ = recloser.call(|| bad(1));
        fails(waker, recloser_async.call(async { bad(1) }));
    }
    let policy = failure_policy::consecutive_failures(1, backoff::constant(HOUR));
    let failsafe = failsafe::Config::new().failure_policy(policy).build();
    let _ = failsafe::CircuitBreaker::call(&failsafe, || bad(1));
    let rs = CircuitBreaker::<DefaultPolicy, Failed>::builder().cooldown(HOUR).build();
    rs.force_open();
    let layer = CircuitBreakerLayer::builder().wait_duration_in_open(HOUR).build();
    let mut resilience = layer.expect("valid settings").layer(Ready);
    ends(waker, resilience.force_open(), |()| true);
    let cases = vec![
        Case::each(CORE, move || open.admit(coarse(), &mut |_| {}).is_err()),
        Case::each(BLOCKING, move || blocking.call(|| good(1)).is_err()),
        Case::each("breakerbox: async, rejected", move || {
            fails(waker, asynchronous.call(async || good(1)))
        }),
        rejecting_face("breakerbox: Tower, rejected", PipelineLayer::new(layered).layer(Ready)),
        Case::each("recloser: blocking, rejected", move || recloser.call(|| good(1)).is_err()),
        Case::each("recloser: async, rejected", move || {
            fails(waker, recloser_async.call(async { good(1) }))
        }),
        Case::each("failsafe: blocking, rejected", move || {
            failsafe::CircuitBreaker::call(&failsafe, || good(1)).is_err()
        }),
        Case::each("circuitbreaker-rs: blocking, rejected", move || rs.call(|| good(1)).is_err()),
        Case::each("tower-resilience: async, rejected", move || {
            called_with(waker, &mut resilience, 1, Result::is_err)
        }),
    ];
    Group { title: "open breaker, a rejected call", cases }
}

/// Probes that fail, so that the circuit opens again and the next call is a probe as well.
pub fn probes() -> Group {
    let open_for = OpenFor::fixed(Duration::from_secs(1));
    let one_failure =
        Settings { consecutive_failures: Some(1), open_for: Some(open_for), ..Settings::default() };
    let probed = core(one_failure.clone());
    let mut now = coarse();
    let full = core(one_failure.clone());
    full.control(Control::ForceOpen, coarse(), &mut |_| {});
    let mut later = coarse() + Duration::from_secs(1);
    // Its permit is never given back.
    assert!(full.admit(later, &mut |_| {}).is_ok(), "the probe is admitted");
    later = later + Duration::from_millis(1);

    let clock = ManualClock::new();
    let ours = Breaker::builder("probed").settings(one_failure).clock(clock.clone());
    let ours = ours.build_blocking().expect("valid settings");

    let nothing = Duration::from_nanos(1);
    let recloser = Recloser::custom().closed_len(1).half_open_len(1).open_wait(nothing).build();
    let policy = failure_policy::consecutive_failures(1, backoff::constant(nothing));
    let failsafe = failsafe::Config::new().failure_policy(policy).build();
    let rs = CircuitBreaker::<DefaultPolicy, Failed>::builder()
        .consecutive_failures(1)
        .cooldown(Duration::ZERO)
        .build();
    let layer = CircuitBreakerLayer::builder()
        .consecutive_failures(1)
        .permitted_calls_in_half_open(1)
        .wait_duration_in_open(nothing)
        .build();
    let mut resilience = layer.expect("valid settings").layer(Ready);
    let waker = waker();
    let cases = vec![
        Case::each("core: a probe fails", move || {
            now = now + Duration::from_secs(2);
            let Ok(permit) = probed.admit(now, &mut |_| {}) else { return false };
            probed.finish(permit, now, Outcome::Failure, &mut |_| {});
            true
        }),
        Case::each("core: rejected, a probe is out", move || {
            full.admit(later, &mut |_| {}).is_err()
        }),
        Case::each("breakerbox: blocking, a probe fails", move || {
            clock.advance(Duration::from_secs(2));
            matches!(ours.call(|| bad(1)), Err(breakerbox::Error::Inner(Failed)))
        }),
        Case::each("recloser: blocking, a probe fails", move || {
            matches!(recloser.call(|| bad(1)), Err(recloser::Error::Inner(Failed)))
        }),
        Case::each("failsafe: blocking, a probe fails", move || {
            let called = failsafe::CircuitBreaker::call(&failsafe, || bad(1));
            matches!(called, Err(failsafe::Error::Inner(Failed)))
        }),
        Case::each("circuitbreaker-rs: blocking, a probe fails", move || {
            matches!(rs.call(|| bad(1)), Err(circuitbreaker_rs::BreakerError::Operation(Failed)))
        }),
        Case::each("tower-resilience: async, a probe fails", move || {
            called_with(waker, &mut resilience, 0, |end| {
                matches!(end, Err(CircuitBreakerError::Inner(Failed)))
            })
        }),
    ];
    Group { title: "half-open breaker", cases }
}
