//! The lease of a half-open episode: nothing is ever stuck there.

use super::rig::*;
use crate::breaker::{Cause, OpenFor, Rejected, Settings, State};

/// One probe; open for 1, 2, 4, 8 s.
fn growing() -> Settings {
    let open_for = OpenFor { initial: ms(1000), factor: 2.0, max: ms(8000), jitter: false };
    Settings { open_for: Some(open_for), ..touchy() }
}

#[test]
fn a_probe_that_comes_back_exactly_at_the_end_of_its_lease_is_in_time() {
    for outcome in [OK, FAIL, IGNORE] {
        let mut rig = Rig::half_open(growing());
        let probe = rig.permit();
        rig.pass(ms(1000));
        rig.finish(probe, outcome);
        let seen = rig.snapshot();
        assert_eq!((seen.late, seen.leases_expired), (0, 0), "{outcome:?}");
    }
    let mut rig = Rig::half_open(growing());
    let probe = rig.permit();
    rig.pass(ms(1000));
    let call = rig.response_started(probe);
    assert_eq!((call.state(), rig.state()), (State::Closed, State::Closed));
}

#[test]
fn one_nanosecond_later_the_lease_has_run_out() {
    let mut rig = Rig::half_open(growing());
    let probe = rig.permit();
    rig.reported();
    rig.pass(ms(1000) + NS);
    rig.finish(probe, OK);
    assert_eq!(
        rig.reported(),
        [change(State::HalfOpen, State::Open, 2000, Cause::LeaseExpired, 3)]
    );
    let seen = rig.snapshot();
    assert_eq!((seen.late, seen.leases_expired, seen.opened), (1, 1, 2));
    // It grew, and counts from the instant at which the lease ran out.
    assert_eq!(seen.retry_after, Some(ms(2000) - NS));
}

#[test]
fn everybody_else_sees_the_lease_run_out_at_its_last_instant() {
    let mut rig = Rig::half_open(growing());
    let _probe = rig.permit();
    rig.pass(ms(1000) - NS);
    let full = Rejected { state: State::HalfOpen, retry_after: Some(NS) };
    assert_eq!(rig.rejection(), full);
    rig.pass(NS);
    let seen = rig.snapshot();
    assert_eq!((seen.state, seen.leases_expired, seen.opened), (State::Open, 1, 2));
    let open = Rejected { state: State::Open, retry_after: Some(ms(2000)) };
    assert_eq!(rig.rejection(), open);
}

#[test]
fn a_lost_probe_leads_to_the_next_episode_without_any_call() {
    let mut rig = Rig::half_open(growing());
    let probe = rig.permit(); // at 1 s
    rig.reported();
    for (millis, state) in [
        (1999, State::HalfOpen),
        (2000, State::Open),
        (3999, State::Open),
        (4000, State::HalfOpen),
        (1_000_000, State::HalfOpen),
    ] {
        rig.to(millis);
        assert_eq!(rig.state(), state, "at {millis} ms");
        assert_eq!(rig.snapshot().state, state, "at {millis} ms");
        assert_eq!(rig.breaker.admits(rig.now), millis >= 4000);
    }
    // All of it is reported by the next operation, with the times at which it was due.
    let second = rig.permit();
    assert_eq!(
        rig.reported(),
        [
            change(State::HalfOpen, State::Open, 2000, Cause::LeaseExpired, 3),
            change(State::Open, State::HalfOpen, 4000, Cause::OpenElapsed, 4),
        ]
    );
    rig.finish(probe, FAIL);
    assert_eq!((rig.state(), rig.snapshot().late), (State::HalfOpen, 1));
    // This lease is as long as the open duration in force, two seconds.
    rig.pass(ms(2000) - NS);
    assert_eq!(rig.state(), State::HalfOpen);
    rig.pass(NS);
    assert_eq!(rig.rejection().retry_after, Some(ms(4000)));
    rig.finish(second, OK);
    assert_eq!(rig.snapshot().late, 2);
}

#[test]
fn the_attempt_timeout_makes_a_short_lease_longer_and_no_long_one_shorter() {
    for (attempt_timeout, lease) in [(300, 1000), (1000, 1000), (3000, 3000)] {
        let settings = Settings { attempt_timeout: Some(ms(attempt_timeout)), ..growing() };
        let mut rig = Rig::half_open(settings);
        let _probe = rig.permit();
        assert_eq!(rig.rejection().retry_after, Some(ms(lease)));
        rig.pass(ms(lease) - NS);
        assert_eq!(rig.state(), State::HalfOpen);
        rig.pass(NS);
        assert_eq!(rig.state(), State::Open);
        // The next opening has grown from the first, not from the lease.
        assert_eq!(rig.rejection().retry_after, Some(ms(2000)));
    }
}

#[test]
fn the_lease_is_counted_from_the_latest_admission() {
    let mut rig = Rig::half_open(Settings { probes: Some(3), ..growing() });
    let first = rig.permit(); // at 1.0 s
    rig.to(1900);
    let second = rig.permit();
    rig.to(2899);
    assert_eq!(rig.state(), State::HalfOpen);
    rig.finish(first, OK); // long after its own second
    assert_eq!(rig.snapshot().successes, 1);
    rig.to(2900);
    assert_eq!(rig.state(), State::Open);
    rig.finish(second, OK); // ends come first at one instant
    assert_eq!((rig.state(), rig.snapshot().late), (State::HalfOpen, 0));
}

#[test]
fn a_place_given_back_leaves_the_lease_to_those_still_under_way() {
    let mut rig = Rig::half_open(Settings { probes: Some(2), ..growing() });
    let _first = rig.permit();
    rig.to(1500);
    let second = rig.permit(); // the lease runs to 2.5 s
    rig.finish(second, IGNORE);
    rig.to(2499);
    assert_eq!(rig.state(), State::HalfOpen);
    rig.to(2500);
    assert_eq!(rig.state(), State::Open);
}

#[test]
fn with_no_probe_under_way_there_is_no_lease() {
    let mut rig = Rig::half_open(Settings { probes: Some(2), ..growing() });
    rig.call(OK);
    rig.call(IGNORE);
    let probe = rig.permit();
    rig.pass(ms(100));
    // Nothing of a body is the episode's business any more.
    let probe = rig.response_started(probe);
    assert_eq!(rig.state(), State::Closed);
    rig.pass(ms(1_000_000));
    assert_eq!((rig.state(), rig.snapshot().leases_expired), (State::Closed, 0));
    rig.finish(probe, OK);

    let mut rig = Rig::half_open(Settings { probes: Some(2), ..growing() });
    rig.call(OK);
    rig.pass(ms(1_000_000));
    assert_eq!((rig.state(), rig.snapshot().leases_expired), (State::HalfOpen, 0));
    assert!(rig.breaker.admits(rig.now));
}

#[test]
fn a_body_without_end_after_a_good_response_does_not_hold_the_episode() {
    let mut rig = Rig::half_open(Settings { probes: Some(2), ..growing() });
    let probe = rig.permit();
    let _body = rig.response_started(probe);
    rig.pass(ms(1_000_000));
    assert_eq!(rig.state(), State::HalfOpen);
    rig.call(OK);
    assert_eq!(rig.state(), State::Closed);
}
