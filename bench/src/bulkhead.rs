//! Bulkheads with room, and full ones.

use crate::case::{Case, Failed, Group, fails, good, succeeds, waker};
use crate::floors::coarse;
use crate::tower_service::{Ready, called, called_with, face};
use breakerbox::{Pipeline, bulkhead};
use breakerbox_core::Timestamp;
use breakerbox_core::bulkhead::{Bulkhead, DEFAULT_PRIORITY, Entered};
use std::future::pending;
use std::task::Context;
use tower::limit::ConcurrencyLimit;
use tower::load_shed::LoadShed;
use tower::{Layer, ServiceExt};
use tower_resilience::bulkhead::BulkheadLayer;

/// Enters and leaves.
#[inline(always)]
pub fn pass(bulkhead: &Bulkhead) -> bool {
    let entered = bulkhead.enter(Timestamp::ZERO, DEFAULT_PRIORITY, Timestamp::NEVER);
    bulkhead.leave(Timestamp::ZERO);
    matches!(entered, Entered::Admitted)
}

pub fn group() -> Group {
    let waker = waker();
    let settings = |concurrent| bulkhead::Settings::new(concurrent);
    let (room, full) = (Bulkhead::new(settings(64)), Bulkhead::new(settings(1)));
    let _ = full.enter(coarse(), DEFAULT_PRIORITY, Timestamp::NEVER);
    let builder = |concurrent| Pipeline::builder("bulkhead").bulkhead(settings(concurrent));
    let asynchronous = builder(64).build().expect("valid settings");
    let blocking = builder(64).build_blocking().expect("valid settings");
    let crowded: &'static Pipeline = Box::leak(Box::new(builder(1).build().expect("valid")));
    let mut inside = Box::pin(crowded.call(pending::<Result<u64, Failed>>));
    let _ = inside.as_mut().poll(&mut Context::from_waker(waker));
    Box::leak(Box::new(inside));

    let mut tower = ConcurrencyLimit::new(Ready, 64);
    let layer = BulkheadLayer::builder().max_concurrent_calls(64).build();
    let mut resilience = layer.expect("valid settings").layer(Ready);
    // (tower-resilience rejects by a timeout of zero, which takes a turn of the runtime's timer: that is no
    // matter of nanoseconds.)
    let mut shedding = LoadShed::new(ConcurrencyLimit::new(Ready, 1));
    let mut held = shedding.clone();
    assert!(succeeds(waker, held.ready()), "the slot is free");
    Box::leak(Box::new(held));
    let cases = vec![
        Case::each("core: entered and left", move || pass(&room)),
        Case::each("breakerbox: blocking", move || blocking.call(|| good(1)).is_ok()),
        Case::each("breakerbox: async", move || {
            succeeds(waker, asynchronous.call(async || good(1)))
        }),
        face("breakerbox: Tower", builder(64).build(), Ready),
        Case::each("tower: async", move || called(waker, &mut tower)),
        Case::each("tower-resilience: async", move || called(waker, &mut resilience)),
        Case::each("core: full, rejected", move || {
            let entered = full.enter(Timestamp::ZERO, DEFAULT_PRIORITY, Timestamp::NEVER);
            matches!(entered, Entered::Full)
        }),
        Case::each("breakerbox: async, full, rejected", move || {
            fails(waker, crowded.call(async || good(1)))
        }),
        Case::each("tower: load shed, full, rejected", move || {
            called_with(waker, &mut shedding, 1, Result::is_err)
        }),
    ];
    Group { title: "bulkhead of 64", cases }
}
