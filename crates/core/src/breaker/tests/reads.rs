//! Looking changes nothing.

use super::rig::*;
use crate::breaker::{Breaker, Control, MAX_CALL_WINDOW, Settings, State, Window};
use crate::trials::FEWER;
use crate::{Outcome, Timestamp};
use std::time::Duration;

#[test]
fn two_looks_see_the_same_in_every_state_and_at_any_time() {
    for control in Control::ALL {
        let mut rig = Rig::new(Settings { window: Some(Window::Time(ms(1000))), ..touchy() });
        rig.calls(3, OK);
        rig.control(control);
        for millis in [0, 1, 999, 1000, 1001, 5000] {
            let at = Timestamp::ZERO + ms(millis);
            let first = rig.breaker.snapshot(at);
            let (state, admits) = (rig.breaker.state(at), rig.breaker.admits(at));
            assert_eq!(first, rig.breaker.snapshot(at));
            assert_eq!((state, admits), (rig.breaker.state(at), rig.breaker.admits(at)));
            assert_eq!(first.state, state);
        }
        // A look at the future has not brought it about.
        assert_eq!(rig.breaker.snapshot(rig.now).state, rig.state());
    }
}

#[test]
fn a_look_at_a_later_time_does_not_bring_it_about() {
    let mut rig = Rig::new(touchy());
    rig.call(FAIL);
    let now = rig.snapshot();
    assert_eq!(rig.breaker.state(rig.now + ms(1000)), State::HalfOpen);
    assert_eq!(rig.breaker.snapshot(rig.now + ms(1000)).state, State::HalfOpen);
    assert_eq!(rig.snapshot(), now);
    assert_eq!(rig.rejection().state, State::Open);
}

#[test]
fn what_is_shown_of_the_future_is_what_comes() {
    // With jitter: the open duration after the lease is drawn before anybody calls.
    let settings = Settings { consecutive_failures: Some(1), ..Settings::default() };
    let mut rig = Rig::half_open(settings);
    let probe = rig.permit();
    let lease = rig.rejection().retry_after.unwrap();
    rig.pass(lease + NS);
    let seen = rig.snapshot();
    assert_eq!(seen.state, State::Open);
    let retry_after = seen.retry_after.unwrap();
    rig.settle();
    rig.finish(probe, OK);
    assert_eq!(rig.rejection().retry_after, Some(retry_after));
    rig.pass(retry_after);
    assert_eq!(rig.state(), State::HalfOpen);
}

#[test]
fn a_new_breaker_is_closed_and_empty() {
    let rig = Rig::new(Settings::default());
    let seen = rig.snapshot();
    assert_eq!((seen.state, seen.retry_after), (State::Closed, Some(Duration::ZERO)));
    assert_eq!((seen.started, seen.rejected, seen.opened, seen.unrecorded), (0, 0, 0, 0));
    assert_eq!((seen.window.calls, seen.window.failure_rate), (0, None));
    assert!(rig.breaker.admits(rig.now));
}

#[test]
fn rates_are_shown_from_the_minimum_on_also_where_they_do_not_open() {
    let settings = Settings {
        consecutive_failures: Some(100),
        slow_call: Some(ms(10)),
        min_calls: Some(4),
        ..Settings::default()
    };
    let mut rig = Rig::new(settings);
    rig.takes(ms(11), FAIL);
    rig.calls(2, OK);
    let window = rig.snapshot().window;
    assert_eq!((window.calls, window.failure_rate, window.slow_call_rate), (3, None, None));
    rig.call(OK);
    let window = rig.snapshot().window;
    assert_eq!((window.failure_rate, window.slow_call_rate), (Some(0.25), Some(0.25)));
}

#[test]
fn a_permit_tells_what_it_is() {
    let mut rig = Rig::new(touchy());
    rig.pass(ms(5));
    let permit = rig.permit();
    assert_eq!((permit.state(), permit.generation()), (State::Closed, 0));
    assert_eq!(permit.started(), Timestamp::ZERO + ms(5));
    rig.finish(permit, OK);
    assert!(rig.breaker.admit_closed(rig.now).is_some());
    rig.breaker.control(Control::MetricsOnly, rig.now, &mut |_| {});
    assert!(rig.breaker.admit_closed(rig.now).is_none(), "only where it is closed");
}

#[test]
fn a_breaker_can_be_shared_and_is_small() {
    fn shared<T: Send + Sync>(_: &T) {}
    let breaker = Breaker::new(Settings::default().check().unwrap().into(), Timestamp::ZERO, 0);
    shared(&breaker);
    // The whole of an idle one, as the rules are shared by all of a family.
    assert!(size_of::<Breaker>() <= 512, "{}", size_of::<Breaker>());
}

#[test]
fn no_time_and_no_order_of_times_makes_it_panic_or_lose_a_call() {
    let times = [0, 1, 999, 1_000_000, 10_u64.pow(9), 10_u64.pow(18), u64::MAX - 1, u64::MAX];
    for window in [Window::Calls(1), Window::Calls(MAX_CALL_WINDOW), Window::Time(ms(1))] {
        let settings = Settings {
            window: Some(window),
            slow_call: Some(NS),
            slow_call_rate: Some(1.0),
            consecutive_failures: Some(2),
            ..Settings::default()
        };
        let breaker = Breaker::new(settings.check().unwrap().into(), Timestamp::ZERO, 1);
        let mut random = crate::SplitMix64::new(3);
        let mut draw = move |of: usize| (random.next_u64() % of as u64) as usize;
        let mut permits = Vec::new();
        let mut offered = 0;
        for _ in 0..20_000 / FEWER {
            let now = Timestamp::from_nanos(times[draw(times.len())]);
            match draw(8) {
                0..3 => {
                    offered += 1;
                    permits.extend(breaker.admit(now, &mut |_| {}));
                }
                3 => breaker.settle(now, &mut |_| {}),
                4 if draw(20) == 0 => {
                    // Not `Disable`: its calls are offered and not accounted for.
                    let control = Control::ALL[draw(3)];
                    breaker.control(control, now, &mut |_| {});
                }
                _ if permits.is_empty() => {}
                5 => {
                    let permit = permits.swap_remove(draw(permits.len()));
                    permits.push(breaker.response_started(permit, now, &mut |_| {}));
                }
                6 => breaker.cancel(permits.swap_remove(draw(permits.len())), now, &mut |_| {}),
                _ => {
                    let outcome = [Outcome::Success, Outcome::Failure, Outcome::Ignored][draw(3)];
                    let permit = permits.swap_remove(draw(permits.len()));
                    breaker.finish(permit, now, outcome, &mut |_| {});
                }
            }
            let seen = breaker.snapshot(now);
            assert_eq!(seen.started + seen.rejected, offered);
            assert_eq!(seen.in_flight, permits.len() as u64);
            assert!(seen.window.failures <= seen.window.calls);
        }
    }
}

#[test]
fn a_breaker_is_idle_with_nothing_in_flight_and_nothing_in_the_window() {
    let mut rig = Rig::new(Settings { window: Some(Window::Time(ms(1000))), ..touchy() });
    assert!(rig.breaker.is_idle(rig.now));
    let permit = rig.permit();
    assert!(!rig.breaker.is_idle(rig.now), "a call is under way");
    rig.finish(permit, OK);
    assert!(!rig.breaker.is_idle(rig.now), "it is in the window");
    rig.pass(ms(1000));
    assert!(rig.breaker.is_idle(rig.now));
    let permit = rig.permit();
    rig.finish(permit, IGNORE);
    assert!(rig.breaker.is_idle(rig.now), "what is ignored is in no window");
}
