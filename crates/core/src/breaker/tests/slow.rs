//! Slow calls, and calls that their callers give up.

use super::rig::*;
use crate::breaker::{Cause, Control, Settings, State};

/// Longer than 100 ms is slow; half of the last four slow opens.
fn slow_rate() -> Settings {
    Settings { slow_call: Some(ms(100)), slow_call_rate: Some(0.5), ..last_four() }
}

/// Longer than 100 ms is slow, which alone opens nothing.
fn slow_only() -> Settings {
    Settings { slow_call: Some(ms(100)), ..last_four() }
}

#[test]
fn a_call_is_slow_when_it_takes_strictly_longer() {
    let mut rig = Rig::new(slow_only());
    rig.takes(ms(100), OK);
    assert_eq!((rig.snapshot().slow, rig.window()), (0, (1, 0, 0)));
    rig.takes(ms(100) + NS, OK);
    assert_eq!((rig.snapshot().slow, rig.window()), (1, (2, 0, 1)));
    rig.takes(ms(100) + NS, FAIL);
    assert_eq!((rig.snapshot().slow, rig.window()), (2, (3, 1, 2)));
    let seen = rig.snapshot();
    assert_eq!((seen.successes, seen.failures), (2, 1));
}

#[test]
fn a_slow_success_can_open() {
    let mut rig = Rig::new(slow_rate());
    rig.calls(2, OK);
    rig.takes(ms(101), OK);
    assert_eq!(rig.state(), State::Closed);
    rig.takes(ms(101), OK);
    assert_eq!(rig.steps(), [(State::Open, Cause::SlowCallRate)]);
    assert_eq!(rig.snapshot().window.slow_call_rate, Some(0.5));
}

#[test]
fn a_quick_success_opens_where_it_brings_slow_calls_to_the_minimum() {
    let mut rig = Rig::new(slow_rate());
    (0..2).for_each(|_| rig.takes(ms(101), OK));
    rig.call(OK);
    assert_eq!(rig.state(), State::Closed);
    rig.call(OK);
    assert_eq!(rig.steps(), [(State::Open, Cause::SlowCallRate)]);
}

#[test]
fn with_a_slow_call_rate_alone_failures_open_nothing() {
    let mut rig = Rig::new(slow_rate());
    rig.calls(20, FAIL);
    assert_eq!(rig.state(), State::Closed);
}

#[test]
fn slowness_without_a_rate_opens_nothing() {
    let mut rig = Rig::new(slow_only());
    (0..20).for_each(|_| rig.takes(ms(101), OK));
    assert_eq!((rig.state(), rig.window()), (State::Closed, (4, 0, 4)));
}

#[test]
fn waiting_in_a_queue_of_ours_is_not_slowness() {
    let mut rig = Rig::new(slow_only());
    let mut permit = rig.permit();
    rig.pass(ms(500));
    permit.start(rig.now);
    assert_eq!(permit.started(), rig.now);
    rig.pass(ms(100));
    rig.finish(permit, OK);
    assert_eq!(rig.snapshot().slow, 0);
}

#[test]
fn a_slow_ignored_call_counts_as_ignored_alone() {
    let mut rig = Rig::new(slow_rate());
    rig.takes(ms(101), IGNORE);
    let seen = rig.snapshot();
    assert_eq!((seen.ignored, seen.slow, rig.window()), (1, 0, (0, 0, 0)));
}

#[test]
fn a_slow_probe_is_a_failed_probe_where_there_is_a_slow_call_rate() {
    let mut rig = Rig::half_open(slow_rate());
    rig.takes(ms(100), OK);
    assert_eq!(rig.state(), State::Closed, "not strictly longer");

    let mut rig = Rig::half_open(slow_rate());
    rig.reported();
    rig.takes(ms(100) + NS, OK);
    assert_eq!(
        rig.steps(),
        [(State::HalfOpen, Cause::OpenElapsed), (State::Open, Cause::ProbeFailed)]
    );
    let seen = rig.snapshot();
    assert_eq!((seen.successes, seen.failures, seen.slow), (1, 0, 1));
}

#[test]
fn a_slow_probe_has_succeeded_where_slowness_opens_nothing() {
    let mut rig = Rig::half_open(slow_only());
    rig.takes(ms(900), OK);
    assert_eq!(rig.state(), State::Closed);
    assert_eq!(rig.snapshot().slow, 1);
}

#[test]
fn a_call_given_up_early_is_ignored() {
    let mut rig = Rig::new(slow_rate());
    let permit = rig.permit();
    rig.pass(ms(100));
    rig.cancel(permit);
    let seen = rig.snapshot();
    assert_eq!((seen.ignored, seen.slow, seen.successes), (1, 0, 0));
    assert_eq!(rig.window(), (0, 0, 0));
}

#[test]
fn without_slow_call_a_call_given_up_is_ignored_however_long_it_ran() {
    let mut rig = Rig::new(last_four());
    let permit = rig.permit();
    rig.pass(ms(3_600_000));
    rig.cancel(permit);
    assert_eq!(rig.snapshot().ignored, 1);
}

#[test]
fn a_call_given_up_late_is_one_call_and_one_slow_call_and_no_failure() {
    let mut rig = Rig::new(slow_rate());
    let permit = rig.permit();
    rig.pass(ms(100) + NS);
    rig.cancel(permit);
    let seen = rig.snapshot();
    assert_eq!((seen.successes, seen.failures, seen.slow, seen.ignored), (1, 0, 1, 0));
    assert_eq!(rig.window(), (1, 0, 1));
    // It is judged like any other: S . . S
    rig.calls(2, OK);
    let permit = rig.permit();
    rig.pass(ms(101));
    rig.cancel(permit);
    assert_eq!(rig.steps(), [(State::Open, Cause::SlowCallRate)]);
}

#[test]
fn a_call_given_up_late_does_not_end_a_run_of_failures() {
    let settings = Settings { consecutive_failures: Some(3), ..slow_only() };
    let mut rig = Rig::new(settings.clone());
    rig.calls(2, FAIL);
    let permit = rig.permit();
    rig.pass(ms(101));
    rig.cancel(permit);
    rig.call(FAIL);
    assert_eq!(rig.steps(), [(State::Open, Cause::ConsecutiveFailures)]);
    // A slow success does end it: it came back.
    let mut rig = Rig::new(settings);
    rig.calls(2, FAIL);
    rig.takes(ms(101), OK);
    rig.call(FAIL);
    assert_eq!(rig.state(), State::Closed);
}

#[test]
fn a_probe_given_up_late_has_failed_where_there_is_a_slow_call_rate() {
    let mut rig = Rig::half_open(slow_rate());
    let permit = rig.permit();
    rig.pass(ms(101));
    rig.cancel(permit);
    assert_eq!(rig.state(), State::Open);
    let seen = rig.snapshot();
    assert_eq!((seen.successes, seen.failures, seen.slow, seen.opened), (1, 0, 1, 2));
}

#[test]
fn a_probe_given_up_late_frees_its_place_where_slowness_opens_nothing() {
    let mut rig = Rig::half_open(slow_only());
    let permit = rig.permit();
    rig.pass(ms(101));
    rig.cancel(permit);
    assert_eq!(rig.state(), State::HalfOpen);
    let seen = rig.snapshot();
    assert_eq!((seen.successes, seen.slow, seen.ignored), (1, 1, 0));
    rig.call(OK);
    assert_eq!(rig.state(), State::Closed);
}

#[test]
fn a_call_given_up_after_its_state_is_late() {
    let mut rig = Rig::new(slow_rate());
    let (slow, quick) = (rig.permit(), rig.permit());
    rig.control(Control::Isolate);
    rig.cancel(quick);
    rig.pass(ms(101));
    rig.cancel(slow);
    let seen = rig.snapshot();
    assert_eq!((seen.late, seen.ignored, seen.slow, seen.successes), (2, 0, 0, 0));
}
