//! Rate limits: calls that are allowed and calls that are not, for all and for each key.

use crate::case::{Case, Group, fails, good, succeeds, waker};
use crate::floors::coarse;
use crate::tower_service::{Ready, called, called_with, face, layered, rejecting_face};
use breakerbox::{Pipeline, PipelineBuilder};
use breakerbox_core::rate_limit::{Asked, RateLimit, Settings};
use breakerbox_core::{SplitMix64, Timestamp};
use governor::{DefaultDirectRateLimiter, DefaultKeyedRateLimiter, Quota, RateLimiter};
use std::num::NonZeroU32;
use std::time::Duration;
use tower::Layer;
use tower_resilience::ratelimiter::{RateLimiterLayer, WindowType};

pub const CORE: &str = "core: allowed";
pub const ASYNC: &str = "breakerbox: async, allowed";
pub const GOVERNOR: &str = "governor: allowed";

const HOUR: Duration = Duration::from_secs(3600);
/// So many keys come in turn.
const KEYS: u64 = 1_000;

/// A billion a second, a million at once: nothing is ever refused.
pub fn wide() -> Settings {
    Settings { burst: Some(1_000_000), ..Settings::new(1e9) }
}

/// One an hour: everything but the first is refused.
fn narrow() -> Settings {
    Settings { per: HOUR, ..Settings::new(1.0) }
}

/// [`wide`] for governor.
pub fn wide_quota() -> Quota {
    let number = |number| NonZeroU32::new(number).expect("it is not zero");
    Quota::per_second(number(1_000_000_000)).allow_burst(number(1_000_000))
}

fn narrow_quota() -> Quota {
    Quota::with_period(HOUR).expect("it is not zero")
}

/// A limit of core, and one call of it.
pub fn core(settings: Settings) -> RateLimit {
    RateLimit::new(settings.check().expect("valid settings"), coarse())
}

/// Asks for one call.
#[inline(always)]
pub fn allows(limit: &RateLimit, key: Option<u64>) -> bool {
    matches!(limit.ask(coarse(), key, 1, Timestamp::NEVER), Asked::Allowed)
}

fn pipeline(settings: Settings) -> PipelineBuilder {
    Pipeline::builder("rate").rate_limit(settings)
}

pub fn group() -> Group {
    let mut cases = ours();
    cases.extend(peers());
    Group { title: "rate limit", cases }
}

fn ours() -> Vec<Case> {
    let waker = waker();
    let (wide_core, narrow_core, keyed_core) = (core(wide()), core(narrow()), core(wide()));
    allows(&narrow_core, None);
    let allowed = pipeline(wide()).build().expect("valid settings");
    let blocking = pipeline(wide()).build_blocking().expect("valid settings");
    let rejected = pipeline(narrow()).build().expect("valid settings");
    succeeds(waker, rejected.call(async || good(1)));
    let mut refusing = layered(pipeline(narrow()).build(), Ready);
    called(waker, &mut refusing);
    let keyed = pipeline(wide()).build().expect("valid settings");
    let (mut next, mut following) = (0, 0);
    // Keys come to core as hashes.
    let hashed: Vec<u64> = {
        let mut random = SplitMix64::new(1);
        (0..KEYS).map(|_| random.next_u64()).collect()
    };
    vec![
        Case::each(CORE, move || allows(&wide_core, None)),
        Case::each("breakerbox: blocking, allowed", move || blocking.call(|| good(1)).is_ok()),
        Case::each(ASYNC, move || succeeds(waker, allowed.call(async || good(1)))),
        face("breakerbox: Tower, allowed", pipeline(wide()).build(), Ready),
        Case::each("core: rejected", move || !allows(&narrow_core, None)),
        Case::each("breakerbox: async, rejected", move || {
            fails(waker, rejected.call(async || good(1)))
        }),
        rejecting_face("breakerbox: Tower, rejected", refusing),
        Case::each("core: keyed, allowed", move || {
            next = (next + 1) % hashed.len();
            allows(&keyed_core, Some(hashed[next]))
        }),
        Case::each("breakerbox: async, keyed, allowed", move || {
            following = (following + 1) % KEYS;
            succeeds(waker, keyed.protect().key(following).call(async || good(1)))
        }),
    ]
}

fn peers() -> Vec<Case> {
    let waker = waker();
    let allowed: DefaultDirectRateLimiter = RateLimiter::direct(wide_quota());
    let rejected: DefaultDirectRateLimiter = RateLimiter::direct(narrow_quota());
    let _ = rejected.check();
    let keyed: DefaultKeyedRateLimiter<u64> = RateLimiter::keyed(wide_quota());
    let mut next = 0;
    let mut tower = tower::limit::RateLimit::new(
        Ready,
        tower::limit::rate::Rate::new(1_000_000_000, Duration::from_secs(1)),
    );
    let resilience = |limit, window| {
        let builder = RateLimiterLayer::builder()
            .limit_for_period(limit)
            .refresh_period(Duration::from_secs(if limit == 1 { 3600 } else { 1 }))
            .timeout_duration(Duration::ZERO)
            .window_type(window);
        builder.build().expect("valid settings").layer(Ready)
    };
    let mut fixed = resilience(1_000_000_000, WindowType::Fixed);
    let mut counter = resilience(1_000_000_000, WindowType::SlidingCounter);
    let mut refusing = resilience(1, WindowType::Fixed);
    called(waker, &mut refusing);
    vec![
        Case::each(GOVERNOR, move || allowed.check().is_ok()),
        Case::each("governor: rejected", move || rejected.check().is_err()),
        Case::each("governor: keyed, allowed", move || {
            next = (next + 1) % KEYS;
            keyed.check_key(&next).is_ok()
        }),
        Case::each("tower: async, allowed", move || called(waker, &mut tower)),
        Case::each("tower-resilience: async, fixed window, allowed", move || {
            called(waker, &mut fixed)
        }),
        Case::each("tower-resilience: async, sliding counter, allowed", move || {
            called(waker, &mut counter)
        }),
        Case::each("tower-resilience: async, rejected", move || {
            called_with(waker, &mut refusing, 1, Result::is_err)
        }),
    ]
}
