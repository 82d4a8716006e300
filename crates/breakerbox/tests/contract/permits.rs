//! The right to run one call, for code that cannot be wrapped.

use crate::support::{Log, SECOND, assert_settled, fragile, panic_of, seconds};
use breakerbox::clock::ManualClock;
use breakerbox::{Breaker, EventKind, Outcome, OwnedPermit, Permit, State};

fn is_send<T: Send>() {}

#[test]
fn an_owned_permit_can_go_to_another_thread() {
    is_send::<OwnedPermit>();
    is_send::<Permit<'_, ManualClock>>();
    let breaker = Breaker::new("thread");
    let permit = breaker.owned_permit().unwrap();
    assert_eq!(breaker.stats().in_flight, 1);
    std::thread::spawn(move || permit.success()).join().unwrap();
    assert_eq!(breaker.stats().successes, 1);
    assert_settled(&breaker.stats());
}

#[test]
fn a_borrowed_permit_can_go_to_a_scoped_thread() {
    let breaker = Breaker::new("scoped");
    let permit = breaker.permit().unwrap();
    std::thread::scope(|scope| drop(scope.spawn(move || permit.failure())));
    assert_eq!(breaker.stats().failures, 1);
}

#[test]
fn a_permit_records_what_it_is_told() {
    let breaker = Breaker::new("told");
    breaker.permit().unwrap().success();
    breaker.permit().unwrap().failure();
    breaker.permit().unwrap().ignore();
    for outcome in [Outcome::Success, Outcome::Failure, Outcome::Ignored] {
        breaker.owned_permit().unwrap().record(outcome);
    }
    let stats = breaker.stats();
    assert_eq!((stats.successes, stats.failures, stats.ignored), (2, 2, 2));
    assert_eq!((stats.cancelled, stats.panics), (0, 0));
    assert_settled(&stats);
}

#[test]
fn a_dropped_permit_is_a_call_given_up() {
    let breaker = Breaker::new("dropped");
    drop(breaker.permit().unwrap());
    drop(breaker.owned_permit().unwrap());
    let stats = breaker.stats();
    assert_eq!((stats.ignored, stats.cancelled), (2, 2));
    assert_settled(&stats);
}

#[test]
fn a_permit_dropped_by_a_panic_is_a_failure() {
    let breaker = Breaker::new("panic");
    panic_of(|| {
        let _permit = breaker.permit().unwrap();
        panic!("under way");
    });
    let owned = breaker.owned_permit().unwrap();
    let thread = std::thread::spawn(move || {
        let _permit = owned;
        panic!("under way");
    });
    assert!(thread.join().is_err());
    let stats = breaker.stats();
    assert_eq!((stats.failures, stats.panics, stats.cancelled), (2, 2, 0));
    assert_settled(&stats);
}

#[test]
fn a_permit_taken_while_the_thread_unwinds_has_no_part_in_that_panic() {
    struct TakesOne<'a>(&'a Breaker);
    impl Drop for TakesOne<'_> {
        fn drop(&mut self) {
            drop(self.0.permit().unwrap());
        }
    }
    let breaker = Breaker::new("unwinding");
    panic_of(|| {
        let _cleaning_up = TakesOne(&breaker);
        panic!("something else");
    });
    let stats = breaker.stats();
    assert_eq!((stats.ignored, stats.failures, stats.panics), (1, 0, 0));
}

#[test]
fn a_permit_keeps_the_breaker_alive() {
    let breaker = Breaker::new("alive");
    let mut events = breaker.events();
    let permit = breaker.owned_permit().unwrap();
    drop(breaker);
    permit.failure();
    assert!(matches!(events.try_next().unwrap().kind, EventKind::Failure { .. }));
}

#[test]
fn permits_are_the_probes_of_a_half_open_circuit() {
    let clock = ManualClock::new();
    let breaker = fragile("probes").clock(clock.clone()).build().unwrap();
    breaker.permit().unwrap().failure();
    assert!(breaker.permit().is_err() && breaker.owned_permit().is_err());
    clock.advance(seconds(30));
    let probe = breaker.owned_permit().unwrap();
    assert!(breaker.permit().is_err(), "one probe at a time");
    probe.ignore();
    breaker.permit().unwrap().success();
    assert_eq!(breaker.state(), State::Closed);
}

#[test]
fn a_permit_of_a_state_that_is_over_is_late_and_does_not_act() {
    let clock = ManualClock::new();
    let breaker = fragile("late").clock(clock.clone()).build().unwrap();
    let old = [breaker.permit().unwrap(), breaker.permit().unwrap(), breaker.permit().unwrap()];
    breaker.permit().unwrap().failure();
    clock.advance(seconds(30));
    assert_eq!(breaker.state(), State::HalfOpen);
    let [success, failure, dropped] = old;
    success.success();
    assert_eq!(breaker.state(), State::HalfOpen, "no probe of this episode");
    failure.failure();
    drop(dropped);
    let stats = breaker.stats();
    assert_eq!((stats.state, stats.opened), (State::HalfOpen, 1));
    assert_eq!((stats.late, stats.successes, stats.failures, stats.ignored), (3, 0, 1, 0));
    assert_settled(&stats);
}

#[test]
fn nothing_watches_the_time_of_a_permit() {
    let clock = ManualClock::new();
    let breaker = Breaker::builder("time").clock(clock.clone());
    let breaker = breaker.attempt_timeout(SECOND).deadline(SECOND).build().unwrap();
    let log = Log::of(&breaker);
    let permit = breaker.permit().unwrap();
    clock.advance(seconds(5));
    permit.success();
    assert_eq!(log.take(), [EventKind::Success { took: seconds(5) }]);
}

#[test]
fn a_blocking_breaker_gives_permits_too() {
    let breaker = Breaker::builder("blocking").build_blocking().unwrap();
    breaker.permit().unwrap().success();
    assert_eq!(breaker.stats().successes, 1);
    assert_eq!(breaker.to_async().stats().successes, 1);
}

#[test]
fn a_permit_shows_whose_it_is() {
    let breaker = Breaker::new("shown");
    assert_eq!(format!("{:?}", breaker.permit().unwrap()), "Permit { breaker: \"shown\", .. }");
}
