//! Which outcomes are in the window.

use super::rig::*;
use crate::breaker::calls::CallWindow;
use crate::breaker::cell::Counts;
use crate::breaker::{Breaker, Control, MAX_CALL_WINDOW, Settings, State, Window};
use crate::{Outcome, Timestamp};
use std::time::Duration;

/// A window that never opens anything by what these tests put into it.
fn watched(window: Window) -> Settings {
    Settings { window: Some(window), consecutive_failures: Some(1_000_000), ..Settings::default() }
}

#[test]
fn a_window_by_calls_slides_by_one_and_the_oldest_leaves_first() {
    let slow = Some(ms(10));
    let mut rig = Rig::new(Settings { slow_call: slow, ..watched(Window::Calls(3)) });
    let steps = [
        // took, outcome: calls, failures, slow of the last three
        (0, FAIL, (1, 1, 0)),
        (11, OK, (2, 1, 1)),
        (11, FAIL, (3, 2, 2)),
        (0, OK, (3, 1, 2)),   // the failure has left
        (0, FAIL, (3, 2, 1)), // the slow success has left
        (0, OK, (3, 1, 0)),   // the slow failure has left
        (0, OK, (3, 1, 0)),   // a success
        (0, OK, (3, 0, 0)),   // the last failure
        (11, OK, (3, 0, 1)),
    ];
    for (index, (took, outcome, holds)) in steps.into_iter().enumerate() {
        rig.takes(ms(took), outcome);
        assert_eq!(rig.window(), holds, "step {index}");
    }
}

#[test]
fn a_window_of_one_call_is_that_call() {
    let mut rig = Rig::new(watched(Window::Calls(1)));
    for _ in 0..3 {
        rig.call(FAIL);
        assert_eq!(rig.window(), (1, 1, 0));
        rig.call(OK);
        assert_eq!(rig.window(), (1, 0, 0));
    }
}

#[test]
fn a_window_by_calls_forgets_nothing_with_time() {
    let mut rig = Rig::new(watched(Window::Calls(5)));
    rig.calls(2, FAIL);
    rig.to(1_000_000_000);
    assert_eq!(rig.window(), (2, 2, 0));
}

#[test]
#[cfg_attr(miri, ignore = "65,536 calls")]
fn the_largest_window_by_calls_is_exact() {
    let mut rig = Rig::new(watched(Window::Calls(MAX_CALL_WINDOW)));
    let size = MAX_CALL_WINDOW;
    // Not through the rig's own checks: 200,000 snapshots of it take their time.
    let call = |rig: &Rig, outcome| {
        let permit = rig.breaker.admit(rig.now, &mut |_| {}).unwrap();
        rig.breaker.finish(permit, rig.now, outcome, &mut |_| {});
    };
    (0..size).for_each(|_| call(&rig, FAIL));
    assert_eq!(rig.window(), (u64::from(size), u64::from(size), 0));
    for sent in 1..=size {
        call(&rig, OK);
        if sent % 4096 == 1 {
            assert_eq!(rig.window(), (u64::from(size), u64::from(size - sent), 0));
        }
    }
    assert_eq!(rig.window(), (u64::from(size), 0, 0));
    rig.now = Timestamp::ZERO;
}

#[test]
fn an_outcome_is_out_when_it_is_exactly_as_old_as_the_window() {
    let mut rig = Rig::new(watched(Window::Time(ms(1000))));
    rig.call(FAIL);
    rig.pass(ms(1000) - NS);
    assert_eq!(rig.window(), (1, 1, 0), "in at its last nanosecond");
    rig.pass(NS);
    assert_eq!(rig.window(), (0, 0, 0));
}

#[test]
fn outcomes_leave_with_the_bucket_they_came_in() {
    // Buckets of 100 ms. One call in the first instant of a bucket, one in its last.
    let mut rig = Rig::new(watched(Window::Time(ms(1000))));
    rig.to(300);
    rig.call(FAIL);
    rig.now = Timestamp::ZERO + ms(400) - NS;
    rig.call(FAIL);
    rig.pass(NS);
    rig.call(OK); // the first of the next bucket
    rig.now = Timestamp::ZERO + ms(1300) - NS;
    assert_eq!(rig.window(), (3, 2, 0));
    rig.pass(NS);
    assert_eq!(rig.window(), (1, 0, 0));
    rig.now = Timestamp::ZERO + ms(1400) - NS;
    assert_eq!(rig.window(), (1, 0, 0));
    rig.pass(NS);
    assert_eq!(rig.window(), (0, 0, 0));
}

#[test]
fn buckets_are_aligned_to_the_origin_of_the_clock_not_to_the_birth_of_the_breaker() {
    let rules = watched(Window::Time(ms(1000))).check().unwrap();
    let at = |millis| Timestamp::ZERO + ms(millis);
    let breaker = Breaker::new(rules.into(), at(357), 0);
    let permit = breaker.admit(at(357), &mut |_| {}).unwrap();
    breaker.finish(permit, at(399), Outcome::Failure, &mut |_| {});
    assert_eq!(breaker.snapshot(at(1300) - NS).window.calls, 1);
    assert_eq!(breaker.snapshot(at(1300)).window.calls, 0);
}

#[test]
fn a_window_that_does_not_divide_by_ten_holds_nothing_as_old_as_itself() {
    // Ten buckets of 100,000 ns: the last 9 ns of the window are nobody's.
    let window = Duration::from_nanos(1_000_009);
    let mut rig = Rig::new(watched(Window::Time(window)));
    rig.call(FAIL);
    rig.pass(window);
    assert_eq!(rig.window(), (0, 0, 0));
}

#[test]
fn after_an_idle_gap_the_window_is_empty_however_long_the_gap() {
    // In buckets of 100 ms, also where the gap is a whole number of rounds of the ring.
    for gap in [10, 11, 19, 20, 30, 31, 99, 100, 1_000_000_007] {
        let mut rig = Rig::new(watched(Window::Time(ms(1000))));
        for tenth in 0..10 {
            rig.to(tenth * 100);
            rig.call(FAIL);
        }
        assert_eq!(rig.window(), (10, 10, 0));
        rig.pass(ms(gap * 100));
        assert_eq!(rig.window(), (0, 0, 0), "after {gap} buckets");
        rig.call(OK);
        assert_eq!(rig.window(), (1, 0, 0), "after {gap} buckets");
    }
}

#[test]
fn after_a_shorter_gap_the_window_holds_what_is_left() {
    for gap in 1..10 {
        let mut rig = Rig::new(watched(Window::Time(ms(1000))));
        for tenth in 0..10 {
            rig.to(tenth * 100);
            rig.calls(1 + tenth as u32, FAIL);
        }
        rig.pass(ms(gap * 100));
        // The buckets `gap` to 9, with one more call in each.
        let left: u64 = (gap..10).map(|tenth| 1 + tenth).sum();
        assert_eq!(rig.window(), (left, left, 0), "after {gap} buckets");
        rig.call(OK);
        assert_eq!(rig.window(), (left + 1, left, 0), "after {gap} buckets");
    }
}

#[test]
fn an_outcome_counts_when_it_comes_not_when_its_call_began() {
    let mut rig = Rig::new(watched(Window::Time(ms(1000))));
    rig.takes(ms(5000), FAIL);
    rig.pass(ms(999));
    assert_eq!(rig.window(), (1, 1, 0));
}

#[test]
fn every_close_begins_with_an_empty_window() {
    for window in [Window::Calls(8), Window::Time(ms(60_000))] {
        let settings = Settings { window: Some(window), min_calls: Some(4), ..last_four() };
        let mut rig = Rig::new(settings);
        rig.calls(4, FAIL);
        assert_eq!(rig.state(), State::Open);
        assert_eq!(rig.window(), (4, 4, 0), "what opened it");
        rig.pass(ms(1000));
        rig.call(OK);
        assert_eq!((rig.state(), rig.window()), (State::Closed, (0, 0, 0)), "{window:?}");
        // With what was before, the first of these would open it.
        rig.calls(3, FAIL);
        assert_eq!((rig.state(), rig.window()), (State::Closed, (3, 3, 0)));
        rig.call(FAIL);
        assert_eq!(rig.state(), State::Open);
    }
}

#[test]
fn probes_are_not_in_the_window_that_opened_the_circuit() {
    for window in [Window::Calls(8), Window::Time(ms(60_000))] {
        let settings = Settings {
            window: Some(window),
            min_calls: Some(4),
            slow_call: Some(ms(10)),
            probes: Some(3),
            ..last_four()
        };
        let mut rig = Rig::new(settings);
        rig.calls(4, FAIL);
        rig.pass(ms(1000));
        rig.call(OK);
        assert_eq!((rig.state(), rig.window()), (State::HalfOpen, (4, 4, 0)), "{window:?}");
        rig.takes(ms(11), FAIL);
        assert_eq!((rig.state(), rig.window()), (State::Open, (4, 4, 0)), "{window:?}");
        let seen = rig.snapshot();
        assert_eq!((seen.successes, seen.failures, seen.slow), (1, 5, 1));
    }
}

#[test]
#[cfg_attr(miri, ignore = "65,536 changes of state")]
fn a_window_by_calls_survives_more_generations_than_its_words_can_tell_apart() {
    // The words of the ring hold 16 bits of the generation. Two failures stay behind in places that
    // no later window reaches, until the one whose generation looks the same.
    let mut rig = Rig::new(Settings { min_calls: Some(4), ..watched(Window::Calls(4)) });
    rig.calls(2, OK);
    rig.calls(2, FAIL);
    let mut generation = 0;
    while generation < 65_536 {
        rig.breaker.control(Control::Reset, rig.now, &mut |_| {});
        generation += 1;
    }
    rig.calls(2, OK);
    rig.call(FAIL);
    assert_eq!(rig.window(), (3, 1, 0));
    rig.calls(3, OK);
    assert_eq!(rig.window(), (4, 1, 0));
    rig.calls(10, OK);
    assert_eq!(rig.window(), (4, 0, 0));
    rig.calls(10, FAIL);
    assert_eq!(rig.window(), (4, 4, 0));
}

#[test]
fn what_was_evicted_means_nothing_to_any_later_window() {
    // The tag of the second is that of the first with every bit turned.
    let window = CallWindow::new(1);
    window.record(0, true, false);
    window.record(0, false, false);
    assert_eq!(window.counts(0), Counts { calls: 1, failures: 0, slow: 0 });
    window.begin(0xFFFF);
    window.record(0xFFFF, true, false);
    assert_eq!(window.counts(0xFFFF), Counts { calls: 1, failures: 1, slow: 0 });
}
