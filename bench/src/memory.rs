//! Bytes of an idle breaker, and of what is kept for a key.

use crate::allocations;
use crate::breaker::call;
use crate::case::{Failed, good, succeeds, waker};
use crate::floors::coarse;
use crate::rate_limit::{wide, wide_quota};
use crate::tower_service::{Ready, called};
use breakerbox::{BlockingBreaker, Pipeline, rate_limit};
use breakerbox_core::Outcome;
use breakerbox_core::breaker::{Breaker, Settings, Window};
use circuitbreaker_rs::{CircuitBreaker, DefaultPolicy};
use governor::{DefaultKeyedRateLimiter, RateLimiter};
use recloser::Recloser;
use std::sync::Arc;
use tower::Layer;
use tower_resilience::circuitbreaker::CircuitBreakerLayer;

pub const CORE: &str = "core: window by time";
pub const KEYED: &str = "breakerbox: a breaker for each key";

/// So many of each are made.
const BREAKERS: usize = 1_000;
const KEYS: usize = 100_000;

/// Bytes that something takes, itself and on the heap.
pub struct Row {
    pub name: &'static str,
    pub bytes: f64,
}

fn row<T>(name: &'static str, mut make: impl FnMut() -> T) -> Row {
    make();
    let mut all = Vec::with_capacity(BREAKERS);
    let before = allocations::so_far().live;
    all.extend((0..BREAKERS).map(|_| make()));
    let heap = (allocations::so_far().live - before) as f64 / BREAKERS as f64;
    Row { name, bytes: heap + size_of::<T>() as f64 }
}

/// Breakers after one call each.
pub fn breakers() -> Vec<Row> {
    let waker = waker();
    // The rules are shared by the breakers of all keys.
    let of_core = |settings: Settings| {
        let rules = Arc::new(settings.check().expect("the settings are valid"));
        move || {
            let breaker = Breaker::new(rules.clone(), coarse(), 0);
            call(&breaker, coarse(), Outcome::Success);
            breaker
        }
    };
    let resilience = || {
        let mut breaker =
            CircuitBreakerLayer::standard().build().expect("valid settings").layer(Ready);
        called(waker, &mut breaker);
        breaker
    };
    vec![
        row(CORE, of_core(Settings::default())),
        row(
            "core: window by calls (100)",
            of_core(Settings { window: Some(Window::Calls(100)), ..Settings::default() }),
        ),
        row("breakerbox: window by time", || {
            let breaker = BlockingBreaker::new("memory");
            let _ = breaker.call(|| good(1));
            breaker
        }),
        row("recloser: window by calls (100)", || {
            let breaker = Recloser::default();
            let _ = breaker.call(|| good(1));
            breaker
        }),
        row("failsafe: window by time", || {
            let breaker = failsafe::Config::new().build();
            let _ = failsafe::CircuitBreaker::call(&breaker, || good(1));
            breaker
        }),
        row("circuitbreaker-rs: counts without a window", || {
            let breaker = CircuitBreaker::<DefaultPolicy, Failed>::builder().build();
            let _ = breaker.call(|| good(1));
            breaker
        }),
        row("tower-resilience: window by calls (100)", resilience),
    ]
}

/// What is kept for each of many keys.
pub fn keys() -> Vec<Row> {
    let waker = waker();
    let limit = rate_limit::Settings { keys: KEYS, ..wide() };
    let limited = Pipeline::builder("keys").rate_limit(limit).build().expect("valid settings");
    let broken = Pipeline::builder("keys").breaker(Settings::default()).breaker_keys(KEYS);
    let broken = broken.build().expect("valid settings");
    let governor: DefaultKeyedRateLimiter<u64> = RateLimiter::keyed(wide_quota());
    let call = |pipeline: &Pipeline, key| {
        succeeds(waker, pipeline.protect().key(key).call(async || good(1)))
    };
    vec![
        per_key(KEYED, |key| call(&broken, key)),
        per_key("breakerbox: a rate limit for each key", |key| call(&limited, key)),
        per_key("governor: a rate limit for each key", |key| governor.check_key(&key).is_ok()),
    ]
}

fn per_key(name: &'static str, mut call: impl FnMut(u64) -> bool) -> Row {
    let before = allocations::so_far().live;
    let good = (0..KEYS as u64).filter(|key| call(*key)).count();
    assert_eq!(good, KEYS, "{name}: a call came out otherwise");
    Row { name, bytes: (allocations::so_far().live - before) as f64 / KEYS as f64 }
}
