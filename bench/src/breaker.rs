//! Good calls through a closed breaker.

use crate::case::{Case, Failed, Group, good, succeeds, waker};
use crate::floors::coarse;
use crate::tower_service::{Ready, called, face};
use breakerbox::{Breaker, Builder, Event, Interest, Pipeline};
use breakerbox_core::breaker::{self, Settings, Window};
use breakerbox_core::{Outcome, Timestamp};
use circuitbreaker_rs::{CircuitBreaker, DefaultPolicy};
use recloser::{AsyncRecloser, Recloser};
use std::time::Duration;
use tower::Layer;
use tower_resilience::circuitbreaker::{CircuitBreakerLayer, SlidingWindowType};

pub const CORE: &str = "core: window by time";
pub const BLOCKING: &str = "breakerbox: blocking, by time";
pub const ASYNC: &str = "breakerbox: async, by time";
pub const CORE_LATENCIES: &str = "core: by time, with a histogram of latencies";
pub const LATENCIES: &str = "breakerbox: blocking, with a histogram of latencies";

/// A breaker of core with these settings.
pub fn core(settings: Settings) -> breaker::Breaker {
    let rules = settings.check().expect("the settings are valid");
    breaker::Breaker::new(rules.into(), coarse(), 0)
}

/// Settings with a slow call of a second.
fn slow() -> Settings {
    Settings {
        slow_call: Some(Duration::from_secs(1)),
        slow_call_rate: Some(0.5),
        failure_rate: Some(0.5),
        ..Settings::default()
    }
}

/// What a listener costs that does nothing.
pub fn nothing(event: &Event) {
    std::hint::black_box(event);
}

/// One good call. Only who measures how long calls take reads the clock at the beginning.
#[inline(always)]
pub fn call(breaker: &breaker::Breaker, begun: Timestamp, outcome: Outcome) -> bool {
    let Some(permit) = breaker.admit_closed(begun) else { return false };
    breaker.finish(permit, coarse(), outcome, &mut |_| {});
    true
}

pub fn group() -> Group {
    let mut cases = cores();
    cases.extend(ours());
    cases.extend(peers());
    Group { title: "closed breaker, a good call", cases }
}

fn cores() -> Vec<Case> {
    let by_time = core(Settings::default());
    let by_calls = core(Settings { window: Some(Window::Calls(100)), ..Settings::default() });
    let slow = core(slow());
    let latencies = core(Settings::default());
    let histogram = breakerbox_core::Histogram::new();
    vec![
        Case::each(CORE, move || call(&by_time, Timestamp::ZERO, Outcome::Success)),
        Case::each("core: window by calls (100)", move || {
            call(&by_calls, Timestamp::ZERO, Outcome::Success)
        }),
        Case::each("core: by time, slow calls watched", move || {
            call(&slow, coarse(), Outcome::Success)
        }),
        Case::each(CORE_LATENCIES, move || {
            let begun = coarse();
            let Some(permit) = latencies.admit_closed(begun) else { return false };
            let now = coarse();
            histogram.record(now.since(begun));
            latencies.finish(permit, now, Outcome::Success, &mut |_| {});
            true
        }),
    ]
}

fn ours() -> Vec<Case> {
    let build = |name: &str, change: fn(Builder) -> Builder| change(Breaker::builder(name));
    let blocking = |name, change| build(name, change).build_blocking().expect("valid settings");
    let asynchronous = |name, change| build(name, change).build().expect("valid settings");
    let by_calls = |builder: Builder| builder.window_calls(100);
    let slow_calls = |builder: Builder| builder.settings(slow());

    let mut cases = Vec::new();
    let variants = [
        (BLOCKING, blocking("by-time", |builder| builder)),
        ("breakerbox: blocking, by calls (100)", blocking("by-calls", by_calls)),
        ("breakerbox: blocking, slow calls watched", blocking("slow", slow_calls)),
        (LATENCIES, blocking("latencies", |builder| builder.latencies(true))),
    ];
    for (name, breaker) in variants {
        cases.push(Case::each(name, move || breaker.call(|| good(1)).is_ok()));
    }
    let told = asynchronous("told", |builder| builder);
    told.on_event_of(Interest::RARE, nothing);
    let all_told = asynchronous("all-told", |builder| builder);
    all_told.on_event(nothing);
    let timed = Breaker::builder("timed").attempt_timeout(Duration::from_secs(3)).build();
    let variants = [
        (ASYNC, asynchronous("by-time", |builder| builder)),
        ("breakerbox: async, by calls (100)", asynchronous("by-calls", by_calls)),
        ("breakerbox: async, slow calls watched", asynchronous("slow", slow_calls)),
        ("breakerbox: async, with an attempt timeout", timed.expect("valid settings")),
        ("breakerbox: async, what is rare told", told),
        ("breakerbox: async, all events told", all_told),
    ];
    let waker = waker();
    for (name, breaker) in variants {
        cases.push(Case::each(name, move || succeeds(waker, breaker.call(async || good(1)))));
    }
    cases.push(face(
        "breakerbox: Tower, by time",
        Pipeline::builder("layer").breaker(Settings::default()).build(),
        Ready,
    ));
    cases
}

fn peers() -> Vec<Case> {
    let waker = waker();
    let blocking = Recloser::default();
    let asynchronous = AsyncRecloser::from(Recloser::default());
    let failsafe = failsafe::Config::new().build();
    let failsafe_async = failsafe.clone();
    let rs = CircuitBreaker::<DefaultPolicy, Failed>::builder().build();
    let rs_async = rs.clone();
    let resilience = |layer: Result<CircuitBreakerLayer, _>| layer.expect("valid").layer(Ready);
    let mut by_calls = resilience(CircuitBreakerLayer::standard().build());
    let by_time = CircuitBreakerLayer::builder()
        .sliding_window_type(SlidingWindowType::TimeBased)
        .sliding_window_duration(Duration::from_secs(10));
    let mut by_time = resilience(by_time.build());
    let slow = CircuitBreakerLayer::standard()
        .slow_call_duration_threshold(Duration::from_secs(1))
        .slow_call_rate_threshold(0.5);
    let mut slow = resilience(slow.build());
    vec![
        Case::each("recloser: blocking, by calls (100)", move || blocking.call(|| good(1)).is_ok()),
        Case::each("recloser: async, by calls (100)", move || {
            succeeds(waker, asynchronous.call(async { good(1) }))
        }),
        Case::each("failsafe: blocking, by time", move || {
            failsafe::CircuitBreaker::call(&failsafe, || good(1)).is_ok()
        }),
        Case::each("failsafe: async, by time", move || {
            succeeds(
                waker,
                failsafe::futures::CircuitBreaker::call(&failsafe_async, async { good(1) }),
            )
        }),
        Case::each("circuitbreaker-rs: blocking", move || rs.call(|| good(1)).is_ok()),
        Case::each("circuitbreaker-rs: async", move || {
            succeeds(waker, rs_async.call_async(|| async { good(1) }))
        }),
        Case::each("tower-resilience: async, by calls (100)", move || called(waker, &mut by_calls)),
        Case::each("tower-resilience: async, by time", move || called(waker, &mut by_time)),
        Case::each("tower-resilience: async, by calls, slow watched", move || {
            called(waker, &mut slow)
        }),
    ]
}
