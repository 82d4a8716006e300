//! Models of the state word: every interleaving of a few threads, with at most two preemptions.

use crate::breaker::{
    Breaker, Control, OpenFor, Permit, Rejected, Settings, State, Transition, Window,
};
use crate::{Outcome, Timestamp, slot};
use loom::thread;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Runs a model to its end and says how many interleavings there were.
pub(super) fn model(name: &str, run: impl Fn() + Send + Sync + 'static) {
    let count = Arc::new(AtomicU64::new(0));
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound.get_or_insert(2);
    builder.max_branches = 100_000;
    let counting = count.clone();
    builder.check(move || {
        counting.fetch_add(1, Ordering::Relaxed);
        slot::assume(1);
        run();
    });
    println!("{name}: {} interleavings", count.load(Ordering::Relaxed));
}

/// Starts a thread of the model that owns this slot.
pub(super) fn spawn<R: 'static>(
    slot: u32,
    run: impl FnOnce() -> R + 'static,
) -> thread::JoinHandle<R> {
    thread::spawn(move || {
        slot::assume(slot);
        run()
    })
}

pub(super) fn at(millis: u64) -> Timestamp {
    Timestamp::ZERO + Duration::from_millis(millis)
}

/// One failure opens it, for one second.
pub(super) fn touchy() -> Settings {
    Settings {
        consecutive_failures: Some(1),
        window: Some(Window::Calls(1)),
        open_for: Some(OpenFor::fixed(Duration::from_secs(1))),
        ..Settings::default()
    }
}

pub(super) fn breaker(settings: Settings) -> Arc<Breaker> {
    Arc::new(Breaker::new(settings.check().unwrap().into(), at(0), 0))
}

/// Open since the origin of the clock: half-open at one second.
fn open(settings: Settings) -> Arc<Breaker> {
    let breaker = breaker(settings);
    breaker.control(Control::ForceOpen, at(0), &mut |_| {});
    breaker
}

fn admit(breaker: &Breaker, millis: u64, log: &mut Vec<Transition>) -> Result<Permit, Rejected> {
    breaker.admit(at(millis), &mut |change| log.push(change))
}

fn rejected(state: State, retry_after: Option<u64>) -> Rejected {
    Rejected { state, retry_after: retry_after.map(Duration::from_millis) }
}

/// Every change was reported once, and each leads from where the one before led.
fn check_changes(breaker: &Breaker, mut log: Vec<Transition>, from: State, now: Timestamp) {
    log.sort_by_key(|change| change.generation);
    let mut state = from;
    let first = log.first().map_or(0, |change| change.generation);
    for (change, generation) in log.iter().zip(first..) {
        assert_eq!((change.from, change.generation), (state, generation), "{log:?}");
        state = change.to;
    }
    assert_eq!(breaker.state(now), state, "{log:?}");
}

/// Nothing is in flight any more, and all calls are accounted for.
fn check_accounts(breaker: &Breaker, now: Timestamp, offered: u64) {
    let seen = breaker.snapshot(now);
    let ended = seen.successes + seen.failures + seen.ignored + seen.late;
    assert_eq!((seen.started, seen.in_flight), (ended, 0));
    assert_eq!(seen.started + seen.rejected + seen.unrecorded, offered);
}

/// Planted: `answer_quickly` compared the word before and after reading the deadline, but not the
/// sequence around both. Found: `open` with 584 years to wait.
#[test]
fn a_rejection_names_a_state_and_the_time_that_belongs_to_it() {
    model("isolated while rejecting", || {
        let breaker = open(touchy());
        let by_hand = {
            let breaker = breaker.clone();
            spawn(2, move || breaker.control(Control::Isolate, at(400), &mut |_| {}))
        };
        let answer = admit(&breaker, 400, &mut Vec::new()).unwrap_err();
        let expected =
            [rejected(State::Open, Some(600)), rejected(State::Isolated, None)];
        assert!(expected.contains(&answer), "{answer:?}");
        by_hand.join().unwrap();
    });
}
