//! Models of the state word: every interleaving of a few threads, with at most two preemptions.

use crate::breaker::{
    Breaker, Control, OpenFor, Permit, Rejected, Settings, State, Transition, Window,
};
use crate::{Outcome, Timestamp, interleavings, slot};
use loom::thread;
use std::sync::Arc;
use std::time::Duration;

/// A model whose first thread owns the slot 1.
pub(super) fn model(name: &str, run: impl Fn() + Send + Sync + 'static) {
    model_within(2, name, run);
}

/// The same where two preemptions are too many for its size, or too few.
pub(super) fn model_within(preemptions: usize, name: &str, run: impl Fn() + Send + Sync + 'static) {
    interleavings::model_within(preemptions, name, move || {
        slot::assume(1);
        run();
    });
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

/// Closed, and as if it had been through so many changes of state.
fn aged(settings: Settings, generation: u64) -> Arc<Breaker> {
    let breaker = breaker(settings);
    let mut machine = crate::sync::lock(&breaker.machine);
    machine.age(generation);
    breaker.publish(&machine);
    drop(machine);
    breaker
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
    breaker.settle(now, &mut |change| log.push(change));
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

/// Every state in which calls are rejected, and the next one, entered while a call asks.
///
/// This model found that `answer_quickly` took its time from the state after the one it named: it
/// said `open` and 584 years to wait.
#[test]
fn a_rejection_names_a_state_and_the_time_that_belongs_to_it() {
    model("isolated while rejecting", || {
        let breaker = open(touchy());
        let other = breaker.clone();
        let by_hand = spawn(2, move || {
            other.control(Control::Isolate, at(400), &mut |_| {});
            other.control(Control::ForceOpen, at(450), &mut |_| {});
        });
        let answer = admit(&breaker, 400, &mut Vec::new()).unwrap_err();
        let expected = [
            rejected(State::Open, Some(600)),
            rejected(State::Isolated, None),
            rejected(State::Open, Some(1050)),
        ];
        assert!(expected.contains(&answer), "{answer:?}");
        by_hand.join().unwrap();
    });
    model("probes admitted while rejecting", || {
        let breaker = open(touchy());
        let other = breaker.clone();
        let probing = spawn(2, move || {
            let probe = admit(&other, 1000, &mut Vec::new()).unwrap();
            // Its place is given back, and taken again: the same word, another lease.
            other.finish(probe, at(1100), Outcome::Ignored, &mut |_| {});
            drop(admit(&other, 1200, &mut Vec::new()));
        });
        match admit(&breaker, 900, &mut Vec::new()) {
            Err(rejection) => {
                let expected = [
                    rejected(State::Open, Some(100)),
                    rejected(State::HalfOpen, Some(1100)),
                    rejected(State::HalfOpen, Some(1300)),
                ];
                assert!(expected.contains(&rejection), "{rejection:?}");
            }
            // Its clock is behind, but it came between the two.
            Ok(permit) => assert_eq!(permit.state(), State::HalfOpen),
        }
        probing.join().unwrap();
    });
}

/// Planted: `admit_probe` without its look at `taken`. Found: two probes of one.
#[test]
fn one_of_two_callers_is_the_probe() {
    model("two callers, one probe", || {
        let breaker = open(touchy());
        let other = breaker.clone();
        let second = spawn(2, move || {
            let mut log = Vec::new();
            (admit(&other, 1000, &mut log), log)
        });
        let mut log = Vec::new();
        let mine = admit(&breaker, 1000, &mut log);
        let (theirs, other_log) = second.join().unwrap();
        log.extend(other_log);
        assert_eq!(u32::from(mine.is_ok()) + u32::from(theirs.is_ok()), 1);
        let full = rejected(State::HalfOpen, Some(1000));
        assert!(mine.as_ref().err().or(theirs.as_ref().err()) == Some(&full));
        let probe = mine.or(theirs).unwrap();
        breaker.finish(probe, at(1500), Outcome::Success, &mut |change| log.push(change));
        check_changes(&breaker, log, State::Open, at(1500));
        check_accounts(&breaker, at(1500), 2);
    });
}

/// Planted: `probe_ended` without its comparison of words. Found: a probe of the episode before
/// closed the circuit.
#[test]
fn the_end_of_a_probe_its_lease_and_a_command_come_in_some_order() {
    model("probe, next caller, command", || {
        let breaker = open(touchy());
        let mut log = Vec::new();
        let probe = admit(&breaker, 1000, &mut log).unwrap();
        let other = breaker.clone();
        // The lease ends at 2 s, the opening after it at 3 s.
        let ends = spawn(2, move || {
            let mut log = Vec::new();
            other.finish(probe, at(1999), Outcome::Success, &mut |change| log.push(change));
            log
        });
        let other = breaker.clone();
        let commands = spawn(3, move || {
            let mut log = Vec::new();
            other.control(Control::ForceOpen, at(2500), &mut |change| log.push(change));
            log
        });
        let next = admit(&breaker, 3500, &mut log);
        let ended = ends.join().unwrap();
        // If it closed the circuit, then the episode that it was a probe of: generation 2.
        assert!(ended.iter().all(|change| change.to != State::Closed || change.generation == 3));
        log.extend(ended);
        log.extend(commands.join().unwrap());
        let offered = 2;
        if let Ok(permit) = next {
            breaker.finish(permit, at(3500), Outcome::Success, &mut |change| log.push(change));
        }
        check_changes(&breaker, log, State::Open, at(3500));
        check_accounts(&breaker, at(3500), offered);
    });
}

/// Planted: `trip` without its comparison of generations. Found: a breaker that had been closed by
/// hand was opened by a failure from before.
#[test]
fn a_failure_and_a_reset_come_in_some_order() {
    model("failure, reset", || {
        let breaker = breaker(touchy());
        let permit = admit(&breaker, 0, &mut Vec::new()).unwrap();
        let other = breaker.clone();
        let fails = spawn(2, move || {
            let mut log = Vec::new();
            other.finish(permit, at(10), Outcome::Failure, &mut |change| log.push(change));
            log
        });
        let mut log = Vec::new();
        breaker.control(Control::Reset, at(10), &mut |change| log.push(change));
        log.extend(fails.join().unwrap());
        // Whichever came first, the reset has closed it.
        assert_eq!(breaker.state(at(10)), State::Closed);
        let seen = breaker.snapshot(at(10));
        assert_eq!((seen.window.calls, seen.failures + seen.late), (0, 1));
        check_changes(&breaker, log, State::Closed, at(10));
        check_accounts(&breaker, at(10), 1);
    });
}

/// Planted: `publish` wrote the word before it began the window. Found: a failure of the new state
/// went into no window.
#[test]
fn an_outcome_after_the_close_is_in_the_new_window() {
    model("close, call", || {
        let settings = Settings { consecutive_failures: Some(2), ..touchy() };
        let breaker = open(settings);
        let other = breaker.clone();
        let calls = spawn(2, move || match admit(&other, 500, &mut Vec::new()) {
            Ok(permit) => {
                assert_eq!(permit.state(), State::Closed);
                other.finish(permit, at(500), Outcome::Failure, &mut |_| {});
                1
            }
            Err(_) => 0,
        });
        breaker.control(Control::Close, at(500), &mut |_| {});
        let failed = calls.join().unwrap();
        let window = breaker.snapshot(at(500)).window;
        assert_eq!((window.calls, window.failures), (failed, failed));
        // One more makes two in a row.
        let permit = admit(&breaker, 500, &mut Vec::new()).unwrap();
        breaker.finish(permit, at(500), Outcome::Failure, &mut |_| {});
        let expected = if failed == 1 { State::Open } else { State::Closed };
        assert_eq!(breaker.state(at(500)), expected);
    });
}

/// Planted: `longer_run_of_failures` with a load and a store. Found: two failures in a row that
/// counted as one. Planted: `is_run_of` that took any run for its own. Found: a failure of the old
/// window in the run of the new.
#[test]
fn failures_in_a_row_are_counted_together_by_two_threads() {
    let two_in_row = || {
        breaker(Settings {
            consecutive_failures: Some(2),
            window: Some(Window::Calls(1)),
            ..touchy()
        })
    };
    model("two failures", move || {
        let breaker = two_in_row();
        let (mine, theirs) = two_permits(&breaker);
        let other = breaker.clone();
        let second = spawn(2, move || {
            other.finish(theirs, at(0), Outcome::Failure, &mut |_| {});
        });
        breaker.finish(mine, at(0), Outcome::Failure, &mut |_| {});
        second.join().unwrap();
        assert_eq!(breaker.state(at(0)), State::Open);
        assert_eq!(breaker.snapshot(at(0)).opened, 1);
    });
    model("a failure of the old window, a reset, a failure of the new", move || {
        let breaker = two_in_row();
        let old = admit(&breaker, 0, &mut Vec::new()).unwrap();
        let other = breaker.clone();
        let late = spawn(2, move || other.finish(old, at(0), Outcome::Failure, &mut |_| {}));
        breaker.control(Control::Reset, at(0), &mut |_| {});
        let new = admit(&breaker, 0, &mut Vec::new()).unwrap();
        breaker.finish(new, at(0), Outcome::Failure, &mut |_| {});
        late.join().unwrap();
        assert_eq!(breaker.state(at(0)), State::Closed, "one in a row");
    });
    model("a failure, a success", move || {
        let breaker = two_in_row();
        let (mine, theirs) = two_permits(&breaker);
        let other = breaker.clone();
        let second = spawn(2, move || {
            other.finish(theirs, at(0), Outcome::Success, &mut |_| {});
        });
        breaker.finish(mine, at(0), Outcome::Failure, &mut |_| {});
        second.join().unwrap();
        let (one, two) = two_permits(&breaker);
        // Whichever came last: the run is none or one long, so two more make two or three.
        breaker.finish(one, at(0), Outcome::Failure, &mut |_| {});
        breaker.finish(two, at(0), Outcome::Failure, &mut |_| {});
        assert_eq!(breaker.state(at(0)), State::Open);
    });
}

/// Planted: `end_run_of_failures` that ends any run. Found: two failures in a row that open nothing. Planted:
/// `judge` that judges for any window. Found: a good outcome that should have opened the circuit, and was
/// not judged.
#[test]
fn what_comes_of_an_old_window_hides_nothing_from_the_new_one() {
    let by_rate = Settings {
        consecutive_failures: None,
        failure_rate: Some(0.5),
        window: Some(Window::Calls(2)),
        ..touchy()
    };
    let in_row = Settings { consecutive_failures: Some(2), ..touchy() };
    for (name, settings, old, second) in [
        ("old success, reset, two failures", in_row, Outcome::Success, Outcome::Failure),
        ("old failure, reset, failure and success", by_rate, Outcome::Failure, Outcome::Success),
    ] {
        model(name, move || {
            let breaker = breaker(settings.clone());
            let permit = breaker.admit_closed(at(0)).unwrap();
            let other = breaker.clone();
            let late = spawn(2, move || other.finish(permit, at(0), old, &mut |_| {}));
            breaker.control(Control::Reset, at(0), &mut |_| {});
            let call = |outcome| {
                let permit = breaker.admit_closed(at(0)).unwrap();
                breaker.finish(permit, at(0), outcome, &mut |_| {});
            };
            call(Outcome::Failure);
            late.join().unwrap();
            call(second);
            assert_eq!(breaker.state(at(0)), State::Open);
        });
    }
}

fn two_permits(breaker: &Breaker) -> (Permit, Permit) {
    let admit = || admit(breaker, 0, &mut Vec::new()).unwrap();
    (admit(), admit())
}

/// Planted: `run_word` with 31 bits of the generation where `is_run_of` has 32. Found: two failures in a
/// row that open nothing. Planted: `begin_window` that keeps the run of failures. Found: the same.
#[test]
fn a_failure_and_a_reset_meet_where_generations_begin_anew() {
    model("old failure, reset, new failure", || {
        // The words of windows hold 16 bits of it, that of the failures in a row holds 32.
        let last = 0xFFFF_FFFF;
        let breaker = aged(Settings { consecutive_failures: Some(2), ..touchy() }, last);
        let old = admit(&breaker, 0, &mut Vec::new()).unwrap();
        assert_eq!(old.generation(), last);
        let other = breaker.clone();
        let late = spawn(2, move || other.finish(old, at(0), Outcome::Failure, &mut |_| {}));
        breaker.control(Control::Reset, at(0), &mut |_| {});
        let fail = || {
            let new = breaker.admit_closed(at(0)).unwrap();
            assert_eq!(new.generation(), last + 1);
            breaker.finish(new, at(0), Outcome::Failure, &mut |_| {});
        };
        fail();
        late.join().unwrap();
        assert_eq!(breaker.state(at(0)), State::Closed, "one in a row");
        let window = breaker.snapshot(at(0)).window;
        assert_eq!((window.calls, window.failures), (1, 1));
        fail();
        assert_eq!(breaker.state(at(0)), State::Open);
        check_accounts(&breaker, at(0), 3);
    });
}
