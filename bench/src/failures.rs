//! Calls through a closed breaker of which some fail. No window ever reaches its threshold.

use crate::breaker::{call, core};
use crate::case::{Case, Failed, Group, bad, good, sometimes_bad, waker};
use crate::tower_service::{Ready, called, called_with};
use breakerbox::Breaker;
use breakerbox_core::breaker::{Settings, Window};
use breakerbox_core::{Outcome, Timestamp};
use circuitbreaker_rs::{CircuitBreaker, DefaultPolicy};
use recloser::Recloser;
use std::time::Duration;
use tower::Layer;
use tower_resilience::circuitbreaker::{CircuitBreakerError, CircuitBreakerLayer};

/// The name of core's row.
pub fn core_with(percent: u64) -> String {
    format!("core: by time, {percent} % failures")
}

/// The name of core's row with so many calls in the window.
pub fn core_holding(calls: u64) -> String {
    format!("core: by time, {calls} calls")
}

/// One call in a hundred fails, then one in ten.
pub fn group() -> Group {
    let mut cases = Vec::new();
    for percent in [1, 10] {
        let breaker = core(Settings::default());
        let mut number = 0_u64;
        cases.push(Case::each(core_with(percent), move || {
            number += 1;
            let failed = number.is_multiple_of(100 / percent);
            let outcome = if failed { Outcome::Failure } else { Outcome::Success };
            call(&breaker, Timestamp::ZERO, outcome)
        }));
        cases.extend(with_failures(percent));
    }
    Group { title: "closed breaker, some calls fail", cases }
}

fn with_failures(percent: u64) -> Vec<Case> {
    let every = 100 / percent;
    let name = |peer: &str| format!("{peer}, {percent} % failures");
    let ours = Breaker::builder("failures").build_blocking().expect("valid settings");
    let recloser = Recloser::default();
    let failsafe = failsafe::Config::new().build();
    let rs = CircuitBreaker::<DefaultPolicy, Failed>::builder().build();
    let resilience = CircuitBreakerLayer::standard().build().expect("valid settings");
    let mut resilience = resilience.layer(Ready);
    let operations = [(); 5].map(|()| sometimes_bad(every));
    let [mut first, mut second, mut third, mut fourth, mut fifth] = operations;
    let waker = waker();
    vec![
        Case::each(name("breakerbox: blocking"), move || {
            let (answer, good) = first();
            ours.call(|| answer).is_ok() == good
        }),
        Case::each(name("recloser: blocking"), move || {
            let (answer, good) = second();
            recloser.call(|| answer).is_ok() == good
        }),
        Case::each(name("failsafe: blocking"), move || {
            let (answer, good) = third();
            failsafe::CircuitBreaker::call(&failsafe, || answer).is_ok() == good
        }),
        Case::each(name("circuitbreaker-rs: blocking"), move || {
            let (answer, good) = fourth();
            rs.call(|| answer).is_ok() == good
        }),
        Case::each(name("tower-resilience: async"), move || {
            let (_, good) = fifth();
            called_with(waker, &mut resilience, good.into(), |end| end.is_ok() == good)
        }),
    ]
}

/// Failing calls, but one in fifty, with few and with many calls in the window.
pub fn large_windows() -> Group {
    let mut cases = Vec::new();
    for held in [100, 100_000] {
        let settings = Settings {
            failure_rate: Some(1.0),
            window: Some(Window::Time(Duration::from_secs(3600))),
            ..Settings::default()
        };
        let breaker = core(settings);
        for _ in 0..held {
            call(&breaker, Timestamp::ZERO, Outcome::Success);
        }
        let mut number = 0_u64;
        cases.push(Case::each(core_holding(held), move || {
            number += 1;
            let outcome =
                if number.is_multiple_of(50) { Outcome::Success } else { Outcome::Failure };
            call(&breaker, Timestamp::ZERO, outcome)
        }));
    }
    for held in [100, 65_536] {
        let settings = Settings {
            failure_rate: Some(1.0),
            window: Some(Window::Calls(held)),
            ..Settings::default()
        };
        let breaker = core(settings);
        for _ in 0..held {
            call(&breaker, Timestamp::ZERO, Outcome::Success);
        }
        let mut number = 0_u64;
        cases.push(Case::each(format!("core: by calls ({held})"), move || {
            number += 1;
            let outcome =
                if number.is_multiple_of(50) { Outcome::Success } else { Outcome::Failure };
            call(&breaker, Timestamp::ZERO, outcome)
        }));
    }
    for held in [100, 100_000] {
        cases.extend(peers_holding(held));
    }
    Group { title: "closed breaker, a failing call, many calls in the window", cases }
}

fn peers_holding(held: usize) -> Vec<Case> {
    let recloser = Recloser::custom().closed_len(held).error_rate(1.0).build();
    for _ in 0..held {
        let _ = recloser.call(|| good(1));
    }
    let resilience = CircuitBreakerLayer::builder()
        .sliding_window_size(held)
        .failure_rate_threshold(1.0)
        .build()
        .expect("valid settings");
    let mut resilience = resilience.layer(Ready);
    let waker = waker();
    for _ in 0..held {
        called(waker, &mut resilience);
    }
    let (mut number, mut request) = (0_u64, 0_u64);
    vec![
        Case::each(format!("recloser: by calls ({held})"), move || {
            number += 1;
            let call = || if number.is_multiple_of(50) { good(1) } else { bad(1) };
            !matches!(recloser.call(call), Err(recloser::Error::Rejected))
        }),
        Case::each(format!("tower-resilience: by calls ({held})"), move || {
            request += 1;
            let number = u64::from(request.is_multiple_of(50));
            called_with(waker, &mut resilience, number, |end| {
                !matches!(end, Err(CircuitBreakerError::OpenCircuit))
            })
        }),
    ]
}
