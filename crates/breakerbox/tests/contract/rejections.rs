//! Calls that are not run.

use crate::support::{fragile, now, seconds};
use breakerbox::clock::ManualClock;
use breakerbox::{Breaker, Control, Error, State};
use breakerbox_core::pipeline::Rejection as Why;

#[test]
fn an_open_circuit_rejects_without_running_and_says_until_when() {
    let clock = ManualClock::new();
    let breaker = fragile("open").clock(clock.clone()).build().unwrap();
    assert_eq!(now(breaker.call(async || Err::<(), _>("down"))), Err(Error::Inner("down")));
    clock.advance(seconds(10));
    let error = now(breaker.call(|| -> std::future::Ready<Result<(), ()>> {
        unreachable!("the operation is not even made")
    }))
    .unwrap_err();
    assert!(error.is_rejected() && !error.is_timeout());
    assert_eq!(error.retry_after(), Some(seconds(20)));
    let Error::Rejected(rejection) = error else { panic!("it was not rejected") };
    assert_eq!((rejection.name(), rejection.reason()), ("open", "breaker_open"));
    let Why::BreakerOpen { state, retry_after } = rejection.why() else { panic!("{rejection:?}") };
    assert_eq!((state, retry_after), (State::Open, Some(seconds(20))));
}

#[test]
fn rejections_are_no_failures_and_are_in_no_window() {
    let breaker = fragile("rejections").clock(ManualClock::new()).build_blocking().unwrap();
    breaker.permit().unwrap().failure();
    for _ in 0..10 {
        assert!(breaker.call(|| Ok::<_, ()>(())).unwrap_err().is_rejected());
    }
    let stats = breaker.stats();
    assert_eq!((stats.started, stats.failures, stats.rejected), (1, 1, 10));
    assert_eq!((stats.window.calls, stats.window.failures), (1, 1));
}

#[test]
fn the_rejection_of_an_inner_breaker_is_what_the_outer_classification_makes_of_it() {
    let (outer, inner) = (Breaker::new("outer"), Breaker::new("inner"));
    inner.control(Control::Isolate);
    let nested = || inner.call(async || Ok::<_, ()>(()));
    let local = |result: &Result<(), Error<()>>| match result {
        Err(Error::Rejected(_)) => breakerbox::Outcome::Ignored,
        Err(_) => breakerbox::Outcome::Failure,
        Ok(()) => breakerbox::Outcome::Success,
    };
    let error = now(outer.classify(local).call(nested)).unwrap_err();
    let Error::Inner(Error::Rejected(rejection)) = error else { panic!("{error:?}") };
    assert_eq!(rejection.name(), "inner");
    assert_eq!((outer.stats().ignored, outer.stats().failures), (1, 0));
}

#[test]
fn half_open_rejects_what_is_beyond_its_probes() {
    let clock = ManualClock::new();
    let breaker = fragile("probes").probes(2).clock(clock.clone()).build().unwrap();
    breaker.permit().unwrap().failure();
    clock.advance(seconds(30));
    let probes = [breaker.permit().unwrap(), breaker.permit().unwrap()];
    let rejected = breaker.permit().unwrap_err();
    let Why::BreakerOpen { state, retry_after } = rejected.why() else { panic!("{rejected:?}") };
    assert_eq!((state, retry_after), (State::HalfOpen, Some(seconds(30))), "the lease");
    probes.into_iter().for_each(breakerbox::Permit::success);
    assert_eq!(breaker.state(), State::Closed);
}

#[test]
fn a_disabled_breaker_lets_all_pass_and_counts_them_apart() {
    let breaker = Breaker::builder("disabled").consecutive_failures(1);
    let breaker = breaker.clock(ManualClock::new()).build_blocking().unwrap();
    breaker.control(Control::Disable);
    for _ in 0..3 {
        assert_eq!(breaker.call(|| Err::<(), _>("down")), Err(Error::Inner("down")));
    }
    let stats = breaker.stats();
    assert_eq!((stats.state, stats.started, stats.unrecorded), (State::Disabled, 0, 3));
    breaker.control(Control::MetricsOnly);
    assert_eq!(breaker.call(|| Err::<(), _>("down")), Err(Error::Inner("down")));
    let stats = breaker.stats();
    assert_eq!((stats.state, stats.failures, stats.rejected), (State::MetricsOnly, 1, 0));
}
