//! A rejection costs no lock, and names the time that it lasts.

use super::rig::*;
use crate::Timestamp;
use crate::breaker::{Control, Rejected, Settings, State};

fn quickly(rig: &Rig, millis: u64) -> Option<Result<State, Rejected>> {
    let answer = rig.breaker.answer_quickly(Timestamp::ZERO + ms(millis))?;
    Some(answer.map(|permit| permit.state()))
}

fn rejected(state: State, millis: u64) -> Option<Result<State, Rejected>> {
    Some(Err(Rejected { state, retry_after: Some(ms(millis)) }))
}

#[test]
fn an_open_circuit_rejects_without_a_lock_until_a_probe_may_pass() {
    let mut rig = Rig::new(touchy());
    assert_eq!(quickly(&rig, 0), None, "closed: a call is admitted elsewhere");
    // However often the state was shown before.
    for _ in 0..4 {
        rig.control(Control::ForceOpen);
        assert_eq!(quickly(&rig, 0), rejected(State::Open, 1000));
        assert_eq!(quickly(&rig, 999), rejected(State::Open, 1));
        assert_eq!(quickly(&rig, 1000), None, "a probe may pass");
    }
}

#[test]
fn a_half_open_circuit_rejects_without_a_lock_while_no_probe_is_free() {
    let mut rig = Rig::half_open(Settings { probes: Some(2), ..touchy() });
    let first = rig.permit();
    assert_eq!(quickly(&rig, 1000), None, "there is another one");
    let second = rig.permit();
    assert_eq!(quickly(&rig, 1000), rejected(State::HalfOpen, 1000));
    assert_eq!(quickly(&rig, 2000), None, "their lease is over");
    rig.finish(first, IGNORE);
    assert_eq!(quickly(&rig, 1000), None, "one is free again");
    rig.finish(second, IGNORE);
}

#[test]
fn states_that_only_a_person_ends_need_no_lock() {
    let mut rig = Rig::new(touchy());
    rig.control(Control::Isolate);
    let isolated = Rejected { state: State::Isolated, retry_after: None };
    assert_eq!(quickly(&rig, 9000), Some(Err(isolated)));
    rig.control(Control::MetricsOnly);
    assert_eq!(quickly(&rig, 9000), Some(Ok(State::MetricsOnly)));
    rig.control(Control::Disable);
    assert_eq!(quickly(&rig, 9000), Some(Ok(State::Disabled)));
}
