//! Models of the windows and of the cells: what readers may see while others record.

use super::loom_control::{at, breaker, model, model_within, spawn, touchy};
use crate::breaker::calls::CallWindow;
use crate::breaker::cell::{Cell, Counts};
use crate::breaker::cells::Cells;
use crate::breaker::{Breaker, Control, Settings, State, Window};
use crate::{Outcome, slot};
use std::sync::Arc;
use std::time::Duration;

fn counts(calls: u64, failures: u64, slow: u64) -> Counts {
    Counts { calls, failures, slow }
}

/// Planted: `counts` without its second look at the sequence; the same without either fence; a
/// sequence that ends without `Release`. Found, each time: three calls where there were two or one.
#[test]
fn a_reader_of_a_window_by_time_sees_no_half_turned_bucket() {
    // Buckets of 10, two of them in a model: what came in bucket 9 leaves when bucket 11 begins.
    // The reader's clock is behind, or not; or the owner begins the window of another state.
    for (name, bucket, state, turns_to) in [
        ("turn, reader behind", 9, 0, 110),
        ("turn, reader", 11, 0, 110),
        ("small turn, reader", 10, 0, 100),
        ("new state, reader", 9, 3, 90),
    ] {
        model(name, move || {
            let cell = Arc::new(Cell::new());
            cell.turn(0, 90, 10);
            cell.bad(true, true);
            cell.bad(true, false);
            let owner = cell.clone();
            let recorder = spawn(2, move || {
                owner.turn(state, turns_to, 10);
                owner.success();
            });
            let old = counts(2, 2, 1);
            let possible = match (bucket, turns_to) {
                (10, _) => [old, counts(3, 2, 1), old],
                (11, _) => [counts(0, 0, 0), counts(1, 0, 0), counts(0, 0, 0)],
                _ => [old, counts(0, 0, 0), counts(1, 0, 0)],
            };
            if let Some(seen) = cell.counts(0, bucket, 10) {
                assert!(possible.contains(&seen), "{seen:?}");
            }
            recorder.join().unwrap();
            let after = cell.counts(state, turns_to / 10, 10).unwrap();
            assert_eq!(after.calls, if turns_to == 100 { 3 } else { 1 });
        });
    }
}

/// Planted: `bad` counted the slowness before the call. Found: one slow call of none.
#[test]
fn no_reader_sees_more_failures_or_slow_calls_than_calls() {
    model("bad, reader", || {
        let cell = Arc::new(Cell::new());
        cell.turn(0, 0, 10);
        let owner = cell.clone();
        let recorder = spawn(2, move || {
            owner.bad(false, true);
            owner.bad(true, true);
        });
        let seen = cell.counts(0, 0, 10).unwrap();
        assert!(seen.failures <= seen.calls && seen.slow <= seen.calls, "{seen:?}");
        recorder.join().unwrap();
        assert_eq!(cell.counts(0, 0, 10), Some(counts(2, 1, 2)));
    });
}

/// Planted: `outside` without `rewrite`. Found: a window with a probe in it.
#[test]
fn a_probe_is_in_no_window_at_any_moment() {
    model("probe, reader", || {
        let cell = Arc::new(Cell::new());
        cell.turn(0, 0, 10);
        cell.bad(true, false);
        let owner = cell.clone();
        let recorder = spawn(2, move || owner.outside(true, true));
        let seen = cell.counts(0, 0, 10);
        assert!(seen.is_none_or(|seen| seen == counts(1, 1, 0)), "{seen:?}");
        recorder.join().unwrap();
        assert_eq!(cell.counts(0, 0, 10), Some(counts(1, 1, 0)));
    });
}

/// Planted: `counts` without its second look at the sequence. Found: two failures in a window that
/// never held both.
#[test]
fn a_window_by_time_is_the_sum_of_what_its_threads_recorded() {
    model("two recorders, reader", || {
        let cells = [Arc::new(Cell::new()), Arc::new(Cell::new())];
        cells[0].turn(0, 10, 10);
        cells[1].turn(0, 0, 10);
        cells[1].bad(true, false);
        let (one, two) = (cells[0].clone(), cells[1].clone());
        // One fails in bucket 1; the failure of the other leaves with the turn to bucket 2.
        let threads = [
            spawn(2, move || one.bad(true, false)),
            spawn(3, move || {
                two.turn(0, 20, 10);
                two.success();
            }),
        ];
        let in_bucket = |bucket| {
            let parts = cells.iter().map(|cell| cell.counts(0, bucket, 10));
            parts.reduce(|sum, part| Some(sum? + part?)).flatten()
        };
        if let Some(seen) = in_bucket(2) {
            assert!(
                seen.failures <= 1 && seen.calls <= 2 && seen.failures <= seen.calls,
                "{seen:?}"
            );
        }
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(in_bucket(2), Some(counts(2, 1, 0)));
        assert_eq!(in_bucket(3), Some(counts(1, 0, 0)));
    });
}

/// Whatever order they came in, the sum is what the ring holds, and that is the last outcomes.
fn check_ring(window: &CallWindow, generation: u64, recorded: u64, bad: &[u64]) {
    let seen = window.counts(generation);
    assert_eq!(seen, window.held(generation));
    assert_eq!(seen.calls, recorded);
    assert!(bad.contains(&seen.failures), "{seen:?}");
}

/// Planted: `record_rarely` without its last look at `recorded`. Found: a failure in the ring that
/// had left. Planted: `evict` that subtracted also where its exchange had failed. Found: a sum below
/// what the ring holds. Not planted, but found: two slow calls of one, seen by the reader.
#[test]
fn two_recorders_and_a_reader_share_a_ring_of_one() {
    model("failure, success, reader", || {
        let window = Arc::new(CallWindow::new(1));
        let other = window.clone();
        let fails = spawn(2, move || other.record(0, true, true));
        let other = window.clone();
        let succeeds = spawn(3, move || other.record(0, false, false));
        let seen = window.counts(0);
        assert!(seen.failures <= seen.calls && seen.slow <= seen.calls, "{seen:?}");
        fails.join().unwrap();
        succeeds.join().unwrap();
        check_ring(&window, 0, 1, &[0, 1]);
        window.record(0, false, false);
        check_ring(&window, 0, 1, &[0]);
    });
    model("failures in two threads, reader", || {
        let window = Arc::new(CallWindow::new(1));
        let other = window.clone();
        let fails = spawn(2, move || {
            other.record(0, true, false);
            other.record(0, true, true);
        });
        let other = window.clone();
        let slow = spawn(3, move || other.record(0, false, true));
        let seen = window.counts(0);
        assert!(seen.failures <= seen.calls && seen.slow <= seen.calls, "{seen:?}");
        fails.join().unwrap();
        slow.join().unwrap();
        check_ring(&window, 0, 1, &[0, 1]);
        window.record(0, false, false);
        check_ring(&window, 0, 1, &[0]);
    });
}

/// Planted: `record_rarely` without its look whether it was overtaken. Found: no failure in a window
/// that must hold one.
#[test]
fn three_recorders_share_a_ring_of_two() {
    model("three recorders", || {
        let window = Arc::new(CallWindow::new(2));
        window.record(0, true, false);
        let record = |slot, failed| {
            let window = window.clone();
            spawn(slot, move || window.record(0, failed, false))
        };
        let threads = [record(2, true), record(3, false)];
        window.record(0, true, false);
        for thread in threads {
            thread.join().unwrap();
        }
        // Four outcomes, one of them good: the last two hold one or two failures.
        check_ring(&window, 0, 2, &[1, 2]);
        window.record(0, false, false);
        window.record(0, false, false);
        check_ring(&window, 0, 2, &[0]);
    });
}

/// Planted: `change` without its comparison of tags. Found: an old failure taken out of the sum of
/// the new window. Planted: `record_rarely` without its look at the window. Found: an entry of the new
/// window replaced by an old one.
#[test]
fn a_new_window_takes_nothing_from_a_recorder_of_the_old_one() {
    // Three: after the last preemption loom tries no other thread, even where one waits for another.
    model_within(3, "old recorder, begin, new recorder", || {
        let window = Arc::new(CallWindow::new(1));
        window.record(0, true, false);
        let other = window.clone();
        let old = spawn(2, move || {
            other.record(0, true, false);
            other.record(0, true, true);
        });
        window.begin(3);
        let other = window.clone();
        let new = spawn(3, move || other.record(3, true, false));
        window.record(3, false, false);
        old.join().unwrap();
        new.join().unwrap();
        check_ring(&window, 3, 1, &[0, 1]);
        assert_eq!(window.counts(3).slow, 0);
        window.record(3, false, false);
        check_ring(&window, 3, 1, &[0]);
    });
}

/// Planted: `begin` that clears no ring. Found: a failure of 65,536 windows ago, taken out of a sum that
/// it is not in.
///
/// The words of the ring hold 16 bits of the generation.
#[test]
fn where_the_tags_of_the_ring_begin_anew_nothing_old_is_taken_for_new() {
    model("old recorder, first window of a round", || {
        let window = Arc::new(CallWindow::new(2));
        window.record(0, false, false);
        window.record(0, true, false);
        window.begin(0xFFFF);
        let other = window.clone();
        let old = spawn(2, move || other.record(0xFFFF, true, true));
        window.begin(0x1_0000);
        window.record(0x1_0000, true, false);
        window.record(0x1_0000, false, false);
        check_ring(&window, 0x1_0000, 2, &[1]);
        window.record(0x1_0000, false, false);
        window.record(0x1_0000, false, false);
        check_ring(&window, 0x1_0000, 2, &[0]);
        old.join().unwrap();
        check_ring(&window, 0x1_0000, 2, &[0]);
    });
}

/// A failure and a success, by two threads at once, which together open the circuit; then a success.
/// `before`: how many successes each thread has recorded already.
fn opens_in_time(window: Window, before: u32) {
    let settings = Settings {
        failure_rate: Some(1.0 / f64::from(3 + 2 * before)),
        min_calls: Some(2 + 2 * before),
        consecutive_failures: None,
        window: Some(window),
        ..touchy()
    };
    let breaker = breaker(settings);
    let admit = || breaker.admit_closed(at(0)).unwrap();
    let finish = |breaker: &Breaker, permit, outcome| {
        breaker.finish(permit, at(0), outcome, &mut |_| {});
    };
    for slot in [2, 1] {
        slot::assume(slot);
        (0..before).for_each(|_| finish(&breaker, admit(), Outcome::Success));
    }
    let (mine, theirs, one_more) = (admit(), admit(), admit());
    let other = breaker.clone();
    let second = spawn(2, move || finish(&other, theirs, Outcome::Success));
    finish(&breaker, mine, Outcome::Failure);
    second.join().unwrap();
    finish(&breaker, one_more, Outcome::Success);
    assert_eq!(breaker.state(at(0)), State::Open);
}

/// Planted: `judge` stored its verdict instead of exchanging it. Found: closed after three calls of
/// which one failed.
#[test]
fn a_trip_comes_at_most_one_recorded_outcome_late() {
    let by_time = Window::Time(Duration::from_secs(10));
    model("trip by calls", || opens_in_time(Window::Calls(3), 0));
    model("trip by calls, warm", || opens_in_time(Window::Calls(5), 1));
    model("trip by time, warm", move || opens_in_time(by_time, 1));
    model_within(1, "trip by time", move || opens_in_time(by_time, 0));
}

/// Planted: `write_rarely` took the first cell with a load and a store. Found: two owners, a lost
/// count.
#[test]
fn cells_grow_with_the_threads_that_come() {
    model("two threads, reader", || {
        let shared = Arc::new((Cells::new(), Cell::new()));
        let count = |slot, times: u32| {
            let shared = shared.clone();
            spawn(slot, move || {
                for _ in 0..times {
                    shared.0.write(&shared.1, |cell| cell.started.bump());
                }
            })
        };
        let threads = [count(2, 2), count(3, 2)];
        let total = || {
            let others: u64 = shared.0.others().map(|cell| cell.started.read()).sum();
            shared.1.started.read() + others
        };
        assert!(total() <= 4);
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(total(), 4);
    });
}

/// Planted: threads without a slot wrote without the lock. Found: a lost count.
#[test]
fn threads_without_a_slot_count_together() {
    model("two shared, one not", || {
        let shared = Arc::new((Cells::new(), Cell::new()));
        let count = |slot| {
            let shared = shared.clone();
            spawn(slot, move || shared.0.write(&shared.1, |cell| cell.started.bump()))
        };
        let threads = [count(slot::SHARED), count(slot::SHARED)];
        shared.0.write(&shared.1, |cell| cell.started.bump());
        for thread in threads {
            thread.join().unwrap();
        }
        let others: u64 = shared.0.others().map(|cell| cell.started.read()).sum();
        assert_eq!(shared.1.started.read() + others, 3);
    });
}

/// Planted: the slot handed on in a relaxed atomic. Found: a lost count.
#[test]
fn a_slot_handed_on_takes_its_counts_along() {
    model("one slot, two threads", || {
        let shared = Arc::new((Cells::new(), Cell::new()));
        // As the list of free slots does.
        let free = Arc::new(crate::sync::Mutex::new(None));
        let (theirs, returned) = (shared.clone(), free.clone());
        let first = spawn(2, move || {
            theirs.0.write(&theirs.1, |cell| cell.started.bump());
            *crate::sync::lock(&returned) = Some(2);
        });
        let (theirs, taken) = (shared.clone(), free);
        let second = spawn(3, move || {
            let slot = crate::sync::lock(&taken).take();
            slot::assume(slot.unwrap_or(3));
            theirs.0.write(&theirs.1, |cell| cell.started.bump());
        });
        first.join().unwrap();
        second.join().unwrap();
        let others: u64 = shared.0.others().map(|cell| cell.started.read()).sum();
        assert_eq!(shared.1.started.read() + others, 2);
    });
}

/// Planted: `counts_now` did not look at the word. Found: the failure of a closed state in the
/// window of the next.
#[test]
fn a_window_by_time_begins_empty_though_an_old_recorder_is_under_way() {
    model("old recorder, reset", || {
        let settings = Settings {
            window: Some(Window::Time(Duration::from_secs(10))),
            consecutive_failures: Some(10),
            ..touchy()
        };
        let breaker = breaker(settings);
        let permit = breaker.admit_closed(at(0)).unwrap();
        let other = breaker.clone();
        let old = spawn(2, move || other.finish(permit, at(0), Outcome::Failure, &mut |_| {}));
        breaker.control(Control::Reset, at(0), &mut |_| {});
        assert_eq!(breaker.window_snapshot(1, at(0)).calls, 0);
        old.join().unwrap();
        let seen = breaker.snapshot(at(0));
        assert_eq!((seen.window.calls, seen.late + seen.failures), (0, 1));
    });
}
