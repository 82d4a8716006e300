//! When a closed breaker opens.

use super::rig::*;
use crate::breaker::{Cause, Settings, State, Window};
use std::time::Duration;

#[test]
fn a_rate_exactly_at_the_threshold_opens() {
    let mut rig = Rig::new(last_four());
    rig.call(OK);
    rig.call(OK);
    rig.call(FAIL);
    assert_eq!(rig.state(), State::Closed);
    rig.call(FAIL);
    assert_eq!(rig.state(), State::Open);
    assert_eq!(rig.reported(), [change(State::Closed, State::Open, 0, Cause::FailureRate, 1)]);
    assert_eq!(rig.snapshot().window.failure_rate, Some(0.5));
}

#[test]
fn a_rate_just_below_the_threshold_does_not_open() {
    let hundred = Settings { window: Some(Window::Calls(100)), ..last_four() };
    let mut rig = Rig::new(hundred);
    rig.calls(51, OK);
    rig.calls(49, FAIL);
    assert_eq!(rig.state(), State::Closed);
    assert_eq!(rig.snapshot().window.failure_rate, Some(0.49));
    // The oldest success leaves for one more failure: 50 of 100.
    rig.call(FAIL);
    assert_eq!(rig.state(), State::Open);
}

#[test]
fn seven_of_a_hundred_are_seven_hundredths() {
    // 0.07 x 100 is 7.000000000000001 in floating point: more than seven.
    let settings = Settings {
        failure_rate: Some(0.07),
        window: Some(Window::Calls(100)),
        min_calls: Some(100),
        ..Settings::default()
    };
    let mut rig = Rig::new(settings);
    rig.calls(94, OK);
    rig.calls(6, FAIL);
    assert_eq!(rig.state(), State::Closed);
    rig.call(FAIL);
    assert_eq!(rig.state(), State::Open);
}

#[test]
#[cfg_attr(miri, ignore = "ten thousand calls")]
fn every_whole_percentage_opens_at_exactly_so_many_of_a_hundred() {
    for percent in 1..=100 {
        let settings = Settings {
            failure_rate: Some(f64::from(percent) / 100.0),
            min_calls: Some(100),
            ..Settings::default()
        };
        let mut rig = Rig::new(settings.clone());
        rig.calls(percent - 1, FAIL);
        rig.calls(101 - percent, OK);
        assert_eq!(rig.state(), State::Closed, "{percent} %, one failure fewer");

        let mut rig = Rig::new(settings);
        rig.calls(100 - percent, OK);
        rig.calls(percent, FAIL);
        assert_eq!(rig.state(), State::Open, "{percent} %");
    }
}

#[test]
fn below_the_minimum_of_calls_no_rate_is_judged() {
    // Twenty where nothing is said.
    let mut rig = Rig::new(Settings::default());
    rig.calls(19, FAIL);
    assert_eq!(rig.state(), State::Closed);
    assert_eq!(rig.snapshot().window.failure_rate, None);
    rig.call(FAIL);
    assert_eq!(rig.state(), State::Open);
    assert_eq!(rig.snapshot().window.failure_rate, Some(1.0));
}

#[test]
fn a_success_that_brings_the_window_to_the_minimum_opens() {
    let mut rig = Rig::new(last_four());
    rig.calls(3, FAIL);
    assert_eq!(rig.state(), State::Closed);
    rig.call(OK);
    assert_eq!(rig.steps(), [(State::Open, Cause::FailureRate)]);
}

#[test]
fn an_ignored_outcome_does_not_bring_the_window_to_the_minimum() {
    let mut rig = Rig::new(last_four());
    rig.calls(3, FAIL);
    rig.calls(10, IGNORE);
    assert_eq!(rig.state(), State::Closed);
    assert_eq!(rig.window(), (3, 3, 0));
    assert_eq!(rig.snapshot().ignored, 10);
}

#[test]
fn a_success_opens_when_older_successes_leave_at_the_turn_of_a_bucket() {
    // Ten buckets of one second.
    let settings = Settings { min_calls: Some(4), ..Settings::default() };
    for only_on_failure in [false, true] {
        let mut rig = Rig::new(Settings { only_on_failure, ..settings.clone() });
        rig.calls(5, OK);
        rig.to(5000);
        rig.calls(4, FAIL); // 4 of 9
        rig.to(10_000);
        rig.pass(Duration::ZERO);
        // The five successes are exactly as old as the window now, and out: 4 of 4 remain.
        assert_eq!((rig.state(), rig.window()), (State::Closed, (4, 4, 0)));
        rig.call(OK);
        if only_on_failure {
            assert_eq!(rig.state(), State::Closed, "a success opens nothing");
            rig.call(FAIL);
        }
        assert_eq!(
            rig.reported(),
            [change(State::Closed, State::Open, 10_000, Cause::FailureRate, 1)]
        );
    }
}

#[test]
fn one_nanosecond_before_that_turn_the_success_does_not_open() {
    let mut rig = Rig::new(Settings { min_calls: Some(4), ..Settings::default() });
    rig.calls(5, OK);
    rig.to(5000);
    rig.calls(4, FAIL);
    rig.to(10_000);
    rig.now = rig.now - NS;
    rig.call(OK); // 4 of 10
    assert_eq!((rig.state(), rig.window()), (State::Closed, (10, 4, 0)));
    // The bucket has turned since that call: the next one is judged again.
    rig.pass(NS);
    rig.call(OK); // 4 of 6
    assert_eq!(rig.state(), State::Open);
}

#[test]
fn a_success_opens_in_a_window_that_has_fallen_below_the_minimum_and_fills_again() {
    let mut rig = Rig::new(Settings { min_calls: Some(6), ..Settings::default() });
    rig.calls(4, OK);
    rig.to(5000);
    rig.calls(3, FAIL); // 3 of 7
    rig.to(10_000);
    rig.call(OK); // 3 of 4: too few
    rig.call(OK); // 3 of 5
    assert_eq!(rig.state(), State::Closed);
    rig.call(OK); // 3 of 6
    assert_eq!(rig.state(), State::Open);
}

#[test]
fn where_only_failures_are_judged_a_success_never_opens() {
    let mut rig = Rig::new(Settings { only_on_failure: true, ..last_four() });
    rig.calls(3, FAIL);
    rig.call(OK);
    assert_eq!(rig.state(), State::Closed);
    assert_eq!(rig.snapshot().window.failure_rate, Some(0.75));
    // The first failure left: F F S F.
    rig.call(FAIL);
    assert_eq!(rig.state(), State::Open);
}

#[test]
fn where_only_failures_are_judged_a_slow_success_is_judged_too() {
    let settings = Settings { only_on_failure: true, slow_call: Some(ms(100)), ..last_four() };
    let mut rig = Rig::new(settings);
    rig.calls(3, FAIL);
    rig.call(OK);
    rig.takes(ms(101), OK); // F F S S
    assert_eq!(rig.steps(), [(State::Open, Cause::FailureRate)]);
}

#[test]
fn so_many_failures_in_a_row_open() {
    let mut rig = Rig::new(Settings { consecutive_failures: Some(3), ..Settings::default() });
    rig.calls(2, FAIL);
    rig.call(OK);
    rig.calls(2, FAIL);
    assert_eq!(rig.state(), State::Closed);
    rig.call(FAIL);
    assert_eq!(rig.steps(), [(State::Open, Cause::ConsecutiveFailures)]);
    // No rate was named, so none is judged: 5 of 6 have failed.
    assert_eq!(rig.breaker.rules().failure_rate(), None);
}

#[test]
fn an_ignored_outcome_neither_ends_nor_prolongs_a_run_of_failures() {
    let mut rig = Rig::new(Settings { consecutive_failures: Some(3), ..Settings::default() });
    rig.calls(2, FAIL);
    rig.call(IGNORE);
    assert_eq!(rig.state(), State::Closed);
    rig.call(FAIL);
    assert_eq!(rig.state(), State::Open);
}

#[test]
fn a_run_of_failures_is_not_bounded_by_the_window() {
    let mut rig = Rig::new(Settings { consecutive_failures: Some(3), ..Settings::default() });
    for second in [0, 100, 200] {
        assert_eq!(rig.state(), State::Closed);
        rig.to(second * 1000);
        rig.call(FAIL);
    }
    assert_eq!(rig.state(), State::Open);
}

#[test]
fn a_run_of_failures_begins_anew_after_a_close() {
    let mut rig = Rig::new(Settings { consecutive_failures: Some(2), ..last_four() });
    rig.calls(2, FAIL);
    rig.pass(ms(1000));
    rig.call(OK);
    assert_eq!(rig.state(), State::Closed);
    rig.call(FAIL);
    assert_eq!(rig.state(), State::Closed);
    rig.call(FAIL);
    assert_eq!(rig.state(), State::Open);
}

#[test]
fn of_several_trips_any_one_opens() {
    let all = Settings {
        failure_rate: Some(0.5),
        slow_call: Some(ms(100)),
        slow_call_rate: Some(0.5),
        consecutive_failures: Some(2),
        ..last_four()
    };
    // Failures in a row, with too few calls for a rate.
    let mut rig = Rig::new(all.clone());
    rig.calls(2, FAIL);
    assert_eq!(rig.steps(), [(State::Open, Cause::ConsecutiveFailures)]);
    // Every second call fails: no two in a row, none slow.
    let mut rig = Rig::new(all.clone());
    for outcome in [FAIL, OK, FAIL, OK] {
        rig.call(outcome);
    }
    assert_eq!(rig.steps(), [(State::Open, Cause::FailureRate)]);
    // Every second call is slow, none fails.
    let mut rig = Rig::new(all.clone());
    for time in [101, 100, 101, 100] {
        rig.takes(ms(time), OK);
    }
    assert_eq!(rig.steps(), [(State::Open, Cause::SlowCallRate)]);
    // One of four failed, one of four was slow: no rate is reached, and they are not added up.
    let mut rig = Rig::new(all);
    rig.call(FAIL);
    rig.takes(ms(101), OK);
    rig.calls(2, OK);
    assert_eq!(rig.state(), State::Closed);
}

#[test]
fn without_min_calls_a_small_window_by_calls_must_be_full() {
    for size in [1, 2, 19, 20, 21, 100] {
        let mut rig =
            Rig::new(Settings { window: Some(Window::Calls(size)), ..Settings::default() });
        rig.calls(size.min(20) - 1, FAIL);
        assert_eq!(rig.state(), State::Closed, "{size}");
        rig.call(FAIL);
        assert_eq!(rig.state(), State::Open, "{size}");
    }
}

#[test]
fn the_default_is_half_of_twenty_within_ten_seconds() {
    let mut rig = Rig::new(Settings::default());
    rig.calls(10, OK);
    rig.calls(9, FAIL);
    assert_eq!(rig.state(), State::Closed);
    rig.call(FAIL);
    assert_eq!(rig.state(), State::Open);
    let retry_after = rig.rejection().retry_after.unwrap();
    // Five seconds, spread over half to one and a half.
    assert!((ms(2500)..ms(7500)).contains(&retry_after), "{retry_after:?}");
}
