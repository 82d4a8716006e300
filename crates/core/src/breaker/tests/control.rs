//! What a person does by hand.

use super::rig::*;
use crate::breaker::{Cause, Control, Rejected, Settings, State, Window};

/// A breaker in each state, at the time at which it came there.
fn in_every_state() -> Vec<(State, Rig)> {
    let settings = || Settings { probes: Some(2), ..touchy() };
    let by_hand = |control| {
        let mut rig = Rig::new(settings());
        rig.control(control);
        rig
    };
    let mut half_open = Rig::half_open(settings());
    half_open.settle();
    let mut all = vec![
        (State::Closed, Rig::new(settings())),
        (State::Open, by_hand(Control::ForceOpen)),
        (State::HalfOpen, half_open),
        (State::Isolated, by_hand(Control::Isolate)),
        (State::Disabled, by_hand(Control::Disable)),
        (State::MetricsOnly, by_hand(Control::MetricsOnly)),
    ];
    for (state, rig) in &mut all {
        assert_eq!(rig.state(), *state);
        rig.reported();
    }
    all
}

#[test]
fn every_command_works_from_every_state() {
    for (control, to) in [
        (Control::ForceOpen, State::Open),
        (Control::Isolate, State::Isolated),
        (Control::Close, State::Closed),
        (Control::Disable, State::Disabled),
        (Control::Enable, State::Closed),
        (Control::MetricsOnly, State::MetricsOnly),
        (Control::Reset, State::Closed),
    ] {
        for (from, mut rig) in in_every_state() {
            let before = rig.snapshot().opened;
            rig.pass(ms(10));
            rig.control(control);
            let changes = rig.reported();
            assert_eq!(changes.len(), 1);
            let change = changes[0];
            assert_eq!((change.from, change.to), (from, to));
            assert_eq!((change.at, change.cause), (rig.now, Cause::Manual(control)));
            let seen = rig.snapshot();
            assert_eq!((rig.state(), seen.state), (to, to));
            let opened = before + u64::from(control == Control::ForceOpen);
            assert_eq!(seen.opened, opened, "{control} from {from}");
            let admits = !matches!(to, State::Open | State::Isolated);
            assert_eq!(rig.breaker.admits(rig.now), admits);
            assert_eq!(rig.admit().is_ok(), admits, "{control} from {from}");
        }
    }
}

#[test]
fn a_command_first_reports_what_time_has_done() {
    let mut rig = Rig::half_open(touchy());
    let _probe = rig.permit();
    rig.reported();
    rig.to(10_000);
    rig.control(Control::Close);
    assert_eq!(
        rig.reported(),
        [
            change(State::HalfOpen, State::Open, 2000, Cause::LeaseExpired, 3),
            change(State::Open, State::HalfOpen, 3000, Cause::OpenElapsed, 4),
            change(State::HalfOpen, State::Closed, 10_000, Cause::Manual(Control::Close), 5),
        ]
    );
}

#[test]
fn forced_open_is_as_if_tripped() {
    let mut rig = Rig::new(touchy());
    rig.control(Control::ForceOpen);
    let open = Rejected { state: State::Open, retry_after: Some(ms(1000)) };
    assert_eq!(rig.rejection(), open);
    rig.pass(ms(1000));
    rig.call(OK);
    assert_eq!((rig.state(), rig.snapshot().opened), (State::Closed, 1));
}

#[test]
fn forced_open_again_it_begins_anew() {
    let mut rig = Rig::new(touchy());
    rig.control(Control::ForceOpen);
    rig.pass(ms(600));
    rig.control(Control::ForceOpen);
    assert_eq!(rig.rejection().retry_after, Some(ms(1000)));
    assert_eq!(rig.snapshot().opened, 2);
}

#[test]
fn isolated_it_stays_until_released() {
    for release in [Control::Close, Control::Enable, Control::Reset] {
        let mut rig = Rig::new(touchy());
        rig.control(Control::Isolate);
        let isolated = Rejected { state: State::Isolated, retry_after: None };
        for _ in 0..3 {
            rig.pass(ms(1_000_000_000));
            rig.settle();
            assert_eq!(rig.rejection(), isolated);
            assert_eq!(rig.snapshot().retry_after, None);
            assert!(!rig.breaker.admits(rig.now));
        }
        rig.control(release);
        rig.call(OK);
        assert_eq!(rig.state(), State::Closed, "{release}");
        assert_eq!(rig.snapshot().rejected, 3);
        assert_eq!(rig.snapshot().opened, 0, "an isolated circuit has not tripped");
    }
}

#[test]
fn calls_through_a_disabled_breaker_are_counted_apart() {
    let mut rig = Rig::new(Settings { slow_call: Some(ms(10)), ..touchy() });
    rig.control(Control::Disable);
    rig.calls(3, FAIL);
    rig.takes(ms(11), OK);
    rig.call(IGNORE);
    let (quick, slow, streaming) = (rig.permit(), rig.permit(), rig.permit());
    rig.cancel(quick);
    rig.pass(ms(11));
    rig.cancel(slow);
    let streaming = rig.response_started(streaming);
    rig.finish(streaming, OK);
    let seen = rig.snapshot();
    assert_eq!(seen.unrecorded, 8);
    assert_eq!((seen.started, seen.in_flight, seen.window.calls), (0, 0, 0));
    assert_eq!((seen.successes, seen.failures, seen.ignored), (0, 0, 0));
    assert_eq!((seen.late, seen.slow, seen.rejected), (0, 0, 0));
    assert_eq!((seen.state, seen.retry_after), (State::Disabled, Some(ms(0))));
}

#[test]
fn a_call_that_passed_while_disabled_counts_nowhere_when_it_ends_later() {
    let mut rig = Rig::new(touchy());
    rig.control(Control::Disable);
    let (one, two) = (rig.permit(), rig.permit());
    rig.control(Control::Enable);
    rig.finish(one, FAIL);
    rig.cancel(two);
    let seen = rig.snapshot();
    assert_eq!((seen.state, seen.unrecorded, seen.late), (State::Closed, 2, 0));
    assert_eq!((seen.failures, seen.window.calls), (0, 0));
}

#[test]
fn metrics_only_records_and_never_opens() {
    for window in [Window::Calls(4), Window::Time(ms(10_000))] {
        let settings = Settings {
            window: Some(window),
            min_calls: Some(4),
            failure_rate: Some(0.5),
            slow_call: Some(ms(10)),
            slow_call_rate: Some(0.5),
            ..touchy()
        };
        let mut rig = Rig::new(settings);
        rig.control(Control::MetricsOnly);
        rig.reported();
        rig.calls(3, FAIL);
        rig.takes(ms(11), OK);
        rig.call(IGNORE);
        let seen = rig.snapshot();
        assert_eq!((seen.state, seen.opened), (State::MetricsOnly, 0));
        assert_eq!((seen.window.calls, seen.window.failures, seen.window.slow), (4, 3, 1));
        assert_eq!(seen.window.failure_rate, Some(0.75));
        assert_eq!((seen.failures, seen.successes, seen.slow, seen.ignored), (3, 1, 1, 1));
        assert_eq!(rig.reported(), []);
        // Normal work begins with an empty window, and without a run of failures.
        rig.control(Control::Enable);
        assert_eq!((rig.state(), rig.window()), (State::Closed, (0, 0, 0)));
    }
}

#[test]
fn every_release_begins_with_an_empty_window_and_keeps_the_counts() {
    for window in [Window::Calls(8), Window::Time(ms(60_000))] {
        for control in [
            Control::Close,
            Control::Enable,
            Control::Reset,
            Control::MetricsOnly,
            Control::Disable,
        ] {
            let settings = Settings {
                window: Some(window),
                min_calls: Some(8),
                consecutive_failures: Some(4),
                ..touchy()
            };
            let mut rig = Rig::new(settings);
            rig.calls(2, OK);
            rig.calls(3, FAIL);
            rig.control(control);
            assert_eq!(rig.window(), (0, 0, 0), "{control}");
            let seen = rig.snapshot();
            assert_eq!((seen.successes, seen.failures), (2, 3), "{control}");
            if rig.state() == State::Closed {
                // The three failures before it are not in this run.
                rig.calls(3, FAIL);
                assert_eq!(rig.state(), State::Closed, "{control}");
            }
        }
    }
}

#[test]
fn time_is_accounted_to_the_state_in_which_it_passed() {
    let mut rig = Rig::new(touchy());
    rig.pass(ms(100));
    rig.call(FAIL); // open at 0.1 s, half-open at 1.1 s
    rig.to(1500);
    rig.call(OK); // closed
    rig.to(1700);
    rig.control(Control::Isolate);
    rig.to(2000);
    rig.control(Control::Disable);
    rig.to(2500);
    rig.control(Control::MetricsOnly);
    rig.to(3200);
    let spent = rig.snapshot().time_in;
    // In the order of `State::ALL`: closed, open, half-open, isolated, disabled, metrics-only.
    assert_eq!(spent, [300, 1000, 400, 300, 500, 700].map(ms));
}

#[test]
fn names_are_those_of_the_file() {
    let states = State::ALL.map(State::name);
    assert_eq!(states, ["closed", "open", "half_open", "isolated", "disabled", "metrics_only"]);
    assert!(State::ALL.iter().enumerate().all(|(index, state)| *state as usize == index));
    let controls = Control::ALL.map(Control::name);
    assert_eq!(
        controls,
        ["force_open", "isolate", "close", "disable", "enable", "metrics_only", "reset"]
    );
    assert_eq!(State::HalfOpen.to_string(), "half_open");
    assert_eq!(Cause::Manual(Control::Isolate).to_string(), "isolate by hand");
    let causes = [
        Cause::FailureRate,
        Cause::SlowCallRate,
        Cause::ConsecutiveFailures,
        Cause::OpenElapsed,
        Cause::ProbesSucceeded,
        Cause::ProbeFailed,
        Cause::LeaseExpired,
    ];
    assert_eq!(
        causes.map(|cause| cause.to_string()),
        [
            "failure rate",
            "slow-call rate",
            "consecutive failures",
            "open duration elapsed",
            "probes succeeded",
            "probe failed",
            "probe lease expired",
        ]
    );
}
