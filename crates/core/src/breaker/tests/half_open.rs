//! Probes: how many, and what becomes of them.

use super::rig::*;
use crate::Timestamp;
use crate::breaker::{Breaker, Cause, Control, Rejected, Settings, State};

fn probing(probes: Option<u32>, successes_to_close: Option<u32>) -> Settings {
    Settings { probes, successes_to_close, ..touchy() }
}

/// How many calls a half-open episode admits at once.
fn admitted(settings: Settings) -> u32 {
    let mut rig = Rig::half_open(settings);
    let mut probes = Vec::new();
    while let Ok(probe) = rig.admit() {
        probes.push(probe);
    }
    probes.len() as u32
}

/// How many successes in a row close it.
fn needed(settings: Settings) -> u32 {
    let mut rig = Rig::half_open(settings);
    let mut successes = 0;
    while rig.state() == State::HalfOpen {
        rig.call(OK);
        successes += 1;
    }
    assert_eq!(rig.state(), State::Closed);
    successes
}

#[test]
fn probes_and_successes_to_close_default_to_each_other_else_to_one() {
    for (probes, successes, admits, needs) in [
        (None, None, 1, 1),
        (Some(3), None, 3, 3),
        (None, Some(3), 3, 3),
        (Some(5), Some(2), 5, 2),
        (Some(2), Some(2), 2, 2),
    ] {
        assert_eq!(admitted(probing(probes, successes)), admits);
        assert_eq!(needed(probing(probes, successes)), needs);
    }
}

#[test]
fn outstanding_and_recorded_probes_together_are_never_more_than_admitted() {
    let mut rig = Rig::half_open(probing(Some(3), None));
    rig.call(OK);
    let (one, two) = (rig.permit(), rig.permit());
    // One recorded, two under way: the lease is the second's, one more second.
    let full = Rejected { state: State::HalfOpen, retry_after: Some(ms(1000)) };
    assert_eq!(rig.rejection(), full);
    assert!(!rig.breaker.admits(rig.now));
    rig.finish(one, OK);
    assert_eq!(rig.rejection(), full, "two recorded, one under way");
    rig.finish(two, OK);
    assert_eq!(rig.state(), State::Closed);
}

#[test]
fn it_closes_at_the_last_success_needed_and_later_probes_are_late() {
    let mut rig = Rig::half_open(probing(Some(3), Some(2)));
    let (one, two, three) = (rig.permit(), rig.permit(), rig.permit());
    rig.finish(one, OK);
    assert_eq!(rig.state(), State::HalfOpen);
    rig.pass(ms(5));
    rig.finish(three, OK);
    assert_eq!(rig.state(), State::Closed);
    rig.finish(two, FAIL);
    assert_eq!((rig.state(), rig.snapshot().late), (State::Closed, 1));
    assert_eq!(
        rig.reported()[2..],
        [change(State::HalfOpen, State::Closed, 1005, Cause::ProbesSucceeded, 3)]
    );
}

#[test]
fn the_first_failed_probe_opens_again() {
    let mut rig = Rig::half_open(probing(Some(3), None));
    let (one, two, three) = (rig.permit(), rig.permit(), rig.permit());
    rig.finish(one, OK);
    rig.pass(ms(5));
    rig.finish(two, FAIL);
    assert_eq!(rig.state(), State::Open);
    rig.finish(three, OK);
    assert_eq!((rig.state(), rig.snapshot().late), (State::Open, 1));
    assert_eq!(
        rig.reported()[2..],
        [change(State::HalfOpen, State::Open, 1005, Cause::ProbeFailed, 3)]
    );
    assert_eq!(rig.snapshot().opened, 2, "by hand, and by the probe");
}

#[test]
fn successes_of_an_earlier_episode_do_not_count_in_the_next() {
    let mut rig = Rig::half_open(probing(Some(2), None));
    rig.call(OK);
    rig.call(FAIL);
    rig.pass(ms(1000));
    rig.call(OK);
    assert_eq!(rig.state(), State::HalfOpen);
    rig.call(OK);
    assert_eq!(rig.state(), State::Closed);
}

#[test]
fn an_ignored_outcome_frees_the_place_of_the_probe() {
    let mut rig = Rig::half_open(probing(None, None));
    let probe = rig.permit();
    rig.rejection();
    rig.finish(probe, IGNORE);
    let seen = rig.snapshot();
    assert_eq!((seen.state, seen.ignored, seen.successes), (State::HalfOpen, 1, 0));
    let probe = rig.permit();
    rig.rejection();
    // A caller that gives up says no more.
    rig.cancel(probe);
    assert_eq!(rig.snapshot().ignored, 2);
    rig.call(OK);
    assert_eq!(rig.state(), State::Closed);
}

#[test]
fn a_thousand_ignored_probes_neither_close_nor_open() {
    let mut rig = Rig::half_open(probing(Some(2), None));
    rig.call(OK);
    rig.calls(1000, IGNORE);
    assert_eq!((rig.state(), rig.snapshot().opened), (State::HalfOpen, 1));
    rig.call(OK);
    assert_eq!(rig.state(), State::Closed);
}

#[test]
fn a_streaming_probe_has_succeeded_when_its_response_begins() {
    let mut rig = Rig::half_open(probing(None, None));
    let probe = rig.permit();
    rig.pass(ms(5));
    let call = rig.response_started(probe);
    assert_eq!(
        rig.reported()[2..],
        [change(State::HalfOpen, State::Closed, 1005, Cause::ProbesSucceeded, 3)]
    );
    // What follows is recorded like any other call, in the window that has begun with it.
    assert_eq!((call.state(), call.generation()), (State::Closed, 3));
    let seen = rig.snapshot();
    assert_eq!((seen.successes, seen.in_flight, seen.window.calls), (0, 1, 0));
    rig.finish(call, FAIL);
    let seen = rig.snapshot();
    assert_eq!((seen.state, seen.failures, seen.late), (State::Open, 1, 0));
    assert_eq!(rig.steps(), [(State::Open, Cause::ConsecutiveFailures)]);
}

#[test]
fn the_end_of_a_streaming_probe_is_not_a_second_success() {
    let mut rig = Rig::half_open(probing(Some(3), None));
    let probe = rig.permit();
    let call = rig.response_started(probe);
    let call = rig.response_started(call); // and said twice is once
    assert_eq!(rig.state(), State::HalfOpen);
    rig.finish(call, OK);
    rig.call(OK);
    assert_eq!(rig.state(), State::HalfOpen, "two of three");
    rig.call(OK);
    assert_eq!(rig.state(), State::Closed);
    assert_eq!(rig.snapshot().successes, 3);
}

#[test]
fn a_streaming_probe_holds_its_place_by_its_success() {
    let mut rig = Rig::half_open(probing(Some(2), None));
    let probe = rig.permit();
    let call = rig.response_started(probe);
    let second = rig.permit();
    rig.rejection();
    rig.finish(call, IGNORE);
    rig.rejection();
    rig.finish(second, OK);
    assert_eq!(rig.state(), State::Closed, "the success at the headers stays one");
}

#[test]
fn a_streaming_probe_that_breaks_off_while_half_open_opens() {
    let mut rig = Rig::half_open(probing(Some(2), None));
    let probe = rig.permit();
    let call = rig.response_started(probe);
    rig.finish(call, FAIL);
    assert_eq!((rig.state(), rig.snapshot().failures), (State::Open, 1));
}

#[test]
fn a_streaming_probe_whose_response_was_slow_has_failed_at_its_headers() {
    let slow = Settings { slow_call: Some(ms(100)), slow_call_rate: Some(0.5), ..touchy() };
    let mut rig = Rig::half_open(slow);
    let probe = rig.permit();
    rig.pass(ms(101));
    let call = rig.response_started(probe);
    assert_eq!(rig.state(), State::Open);
    rig.finish(call, OK);
    assert_eq!(rig.snapshot().late, 1);
}

#[test]
fn how_long_a_body_takes_is_not_slowness() {
    let slow = Settings { slow_call: Some(ms(100)), slow_call_rate: Some(0.5), ..last_four() };
    let mut rig = Rig::new(slow);
    // Headers in time, a long body; given up in the middle of a body; headers too late.
    for (headers, outcome, counted) in
        [(100, Some(OK), (1, 0, 0)), (100, None, (1, 1, 0)), (101, Some(OK), (2, 1, 1))]
    {
        let permit = rig.permit();
        rig.pass(ms(headers));
        let permit = rig.response_started(permit);
        rig.pass(ms(60_000));
        match outcome {
            Some(outcome) => rig.finish(permit, outcome),
            None => rig.cancel(permit),
        }
        let seen = rig.snapshot();
        assert_eq!((seen.successes, seen.ignored, seen.slow), counted);
    }
}

#[test]
fn a_permit_of_another_breaker_breaks_nothing() {
    // Nobody should; but it must neither panic nor leave the breaker stuck half-open.
    let mut rig = Rig::half_open(probing(Some(2), None));
    rig.settle();
    let other = Breaker::new(rig.breaker.rules().clone(), Timestamp::ZERO, 0);
    other.control(crate::breaker::Control::ForceOpen, Timestamp::ZERO, &mut |_| {});
    let stray = other.admit(rig.now, &mut |_| {}).unwrap();
    rig.breaker.finish(stray, rig.now, IGNORE, &mut |_| {});
    let now = rig.now;
    for _ in 0..2 {
        let probe = rig.breaker.admit(now, &mut |_| {}).unwrap();
        rig.breaker.finish(probe, now, OK, &mut |_| {});
    }
    assert_eq!(rig.state(), State::Closed);
}

#[test]
fn a_permit_shows_the_state_and_the_generation_it_is_of_and_whether_it_has_been_counted() {
    let mut rig = Rig::new(Settings { probes: Some(2), ..touchy() });
    rig.control(Control::ForceOpen);
    rig.pass(ms(1000));
    let permit = rig.breaker.admit(rig.now, &mut |_| {}).unwrap();
    assert_eq!(format!("{permit:?}"), "Permit { word: half_open@2, started: 1s }");
    let permit = rig.breaker.response_started(permit, rig.now, &mut |_| {});
    assert_eq!(format!("{permit:?}"), "Permit { word: half_open@2!, started: never }");
}
