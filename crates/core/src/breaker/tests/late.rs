//! Results of an older generation: counted, delivered, without effect.

use super::rig::*;
use crate::breaker::{Cause, Control, Settings, State};

#[test]
fn a_failure_from_before_the_opening_does_not_reopen_what_has_closed() {
    let mut rig = Rig::new(touchy());
    let old = rig.permit();
    rig.call(FAIL);
    rig.pass(ms(1000));
    rig.call(OK);
    assert_eq!(rig.state(), State::Closed);
    rig.finish(old, FAIL);
    let seen = rig.snapshot();
    assert_eq!((seen.state, seen.late, seen.failures), (State::Closed, 1, 1));
    assert_eq!(seen.window.calls, 0);
}

#[test]
fn a_success_from_before_the_opening_is_no_successful_probe() {
    let mut rig = Rig::new(touchy());
    let old = rig.permit();
    rig.call(FAIL);
    rig.pass(ms(1000));
    let probe = rig.permit();
    rig.finish(old, OK);
    assert_eq!((rig.state(), rig.snapshot().late), (State::HalfOpen, 1));
    rig.rejection();
    rig.finish(probe, OK);
    assert_eq!(rig.state(), State::Closed);
}

#[test]
fn a_probe_of_an_earlier_episode_has_no_place_in_this_one() {
    let mut rig = Rig::half_open(Settings { probes: Some(2), ..touchy() });
    let old = [rig.permit(), rig.permit()];
    rig.pass(ms(2000)); // a lease, and an open duration
    let mut probes = vec![rig.permit(), rig.permit()];
    rig.rejection();
    for (old, outcome) in old.into_iter().zip([FAIL, IGNORE]) {
        rig.finish(old, outcome);
        assert_eq!(rig.state(), State::HalfOpen);
        rig.rejection();
    }
    while let Some(probe) = probes.pop() {
        rig.finish(probe, OK);
    }
    assert_eq!((rig.state(), rig.snapshot().late), (State::Closed, 2));
}

#[test]
fn results_may_be_late_by_many_generations() {
    let mut rig = Rig::new(touchy());
    let mut old = Vec::new();
    for episode in 0..50 {
        old.push(rig.permit()); // closed, generation 3 x episode
        rig.call(FAIL);
        rig.pass(ms(1000));
        let probe = rig.permit(); // half-open
        assert_eq!(probe.generation(), 3 * episode + 2);
        rig.finish(probe, OK);
        assert_eq!(rig.state(), State::Closed);
    }
    rig.reported();
    let before = rig.snapshot();
    for (index, permit) in old.into_iter().enumerate() {
        match index % 5 {
            0 => rig.finish(permit, FAIL),
            1 => rig.finish(permit, OK),
            2 => rig.finish(permit, IGNORE),
            3 => rig.cancel(permit),
            _ => {
                let permit = rig.response_started(permit);
                rig.finish(permit, FAIL);
            }
        }
    }
    let after = rig.snapshot();
    assert_eq!((after.late, after.in_flight), (50, 0));
    assert_eq!((after.state, after.window), (before.state, before.window));
    assert_eq!((after.successes, after.failures), (before.successes, before.failures));
    assert_eq!(rig.reported(), []);
}

#[test]
fn a_streaming_probe_can_be_late_for_its_headers_and_for_its_end() {
    // Its lease ran out before the headers.
    let mut rig = Rig::half_open(touchy());
    let probe = rig.permit();
    rig.pass(ms(1001));
    let probe = rig.response_started(probe);
    assert_eq!(rig.state(), State::Open);
    rig.finish(probe, OK);
    assert_eq!((rig.state(), rig.snapshot().late), (State::Open, 1));

    // It closed the circuit, which then opened by another call before the body ended.
    let mut rig = Rig::half_open(touchy());
    let probe = rig.permit();
    let body = rig.response_started(probe);
    rig.call(FAIL);
    assert_eq!(rig.state(), State::Open);
    rig.finish(body, FAIL);
    let seen = rig.snapshot();
    assert_eq!((seen.late, seen.failures, seen.opened), (1, 1, 2));

    // Another probe closed the circuit while the body ran.
    let mut rig = Rig::half_open(Settings { probes: Some(2), ..touchy() });
    let probe = rig.permit();
    let body = rig.response_started(probe);
    rig.call(OK);
    assert_eq!(rig.state(), State::Closed);
    rig.finish(body, FAIL);
    assert_eq!((rig.state(), rig.snapshot().late), (State::Closed, 1));
}

#[test]
fn a_late_result_is_an_operation_and_reports_what_time_has_done() {
    let mut rig = Rig::new(touchy());
    let (old, older) = (rig.permit(), rig.permit());
    rig.call(FAIL);
    rig.reported();
    rig.pass(ms(1000));
    // At one instant operations end first: the open duration ends after this.
    rig.finish(older, OK);
    assert_eq!(rig.reported(), []);
    rig.pass(ms(500));
    rig.finish(old, OK);
    assert_eq!(rig.reported(), [change(State::Open, State::HalfOpen, 1000, Cause::OpenElapsed, 2)]);
}

#[test]
fn results_from_before_any_command_are_late() {
    for control in Control::ALL {
        let mut rig = Rig::new(touchy());
        let (good, bad, gone) = (rig.permit(), rig.permit(), rig.permit());
        rig.control(control);
        let state = rig.state();
        rig.finish(good, OK);
        rig.finish(bad, FAIL);
        rig.cancel(gone);
        let seen = rig.snapshot();
        assert_eq!((seen.state, seen.late, seen.window.calls), (state, 3, 0), "{control}");
        assert_eq!((seen.successes, seen.failures, seen.ignored), (0, 0, 0), "{control}");
    }
}
