//! Counts, rates and latencies.

use crate::support::{SECOND, assert_settled, fragile, now, ok_after, poll_once, seconds};
use breakerbox::clock::{ManualClock, TokioClock};
use breakerbox::{Breaker, Control, Outcome, State};
use std::time::Duration;
use tokio::time::sleep;

#[tokio::test(start_paused = true)]
async fn every_call_is_counted_where_it_belongs_and_the_accounts_add_up() {
    let breaker = Breaker::builder("accounts").clock(TokioClock::new()).min_calls(1000);
    let breaker = breaker.attempt_timeout(seconds(3)).deadline(seconds(5)).build().unwrap();
    let classify = |result: &Result<u8, u8>| match result {
        Ok(_) => Outcome::Success,
        Err(0) => Outcome::Ignored,
        Err(_) => Outcome::Failure,
    };
    for (result, times) in [(Ok(1), 4), (Err(1), 3), (Err(0), 2)] {
        for _ in 0..times {
            let _ = breaker.classify(classify).call(async || result).await;
        }
    }
    let never = async || std::future::pending::<Result<u8, u8>>().await;
    assert!(breaker.fallback(|_| 0).call(never).await.unwrap().is_fallback());
    assert!(tokio::time::timeout(SECOND, breaker.call(never)).await.is_err());
    let running = breaker.permit().unwrap();
    breaker.control(Control::Isolate);
    assert!(breaker.permit().is_err());
    breaker.control(Control::Disable);
    breaker.permit().unwrap().failure();
    running.success();
    breaker.control(Control::Enable);
    let _in_flight = breaker.permit().unwrap();

    let stats = breaker.stats();
    assert_eq!((stats.started, stats.rejected, stats.unrecorded), (13, 1, 1));
    assert_eq!((stats.successes, stats.failures, stats.ignored), (4, 4, 3));
    assert_eq!((stats.late, stats.in_flight), (1, 1));
    assert_eq!((stats.attempt_timeouts, stats.deadlines), (1, 0));
    assert_eq!((stats.cancelled, stats.panics, stats.fallbacks), (1, 0, 1));
    let ended = stats.successes + stats.failures + stats.ignored + stats.late;
    assert_eq!(stats.started, ended + stats.in_flight);
    assert_eq!(stats.latency, None);
}

#[test]
fn rates_are_shown_from_min_calls_on() {
    let breaker = Breaker::builder("rates").window_calls(10).min_calls(4).slow_call(SECOND);
    let clock = ManualClock::new();
    let breaker = breaker.failure_rate(1.0).clock(clock.clone()).build().unwrap();
    for outcome in [Outcome::Success, Outcome::Failure, Outcome::Success] {
        breaker.permit().unwrap().record(outcome);
    }
    assert_eq!(breaker.stats().window.failure_rate, None);
    let permit = breaker.permit().unwrap();
    clock.advance(seconds(2));
    permit.success();
    let window = breaker.stats().window;
    assert_eq!((window.calls, window.failures, window.slow), (4, 1, 1));
    assert_eq!((window.failure_rate, window.slow_call_rate), (Some(0.25), Some(0.25)));
}

#[tokio::test(start_paused = true)]
async fn latencies_are_of_the_calls_that_came_back() {
    let breaker = Breaker::builder("latencies").clock(TokioClock::new()).latencies(true);
    let breaker = breaker.attempt_timeout(seconds(9)).build().unwrap();
    for millis in 1..=100 {
        // The first begins at the origin of the clock.
        let wait = Duration::from_millis(millis);
        breaker.call(|| ok_after(wait)).await.unwrap();
    }
    let fails = async || {
        sleep(seconds(2)).await;
        Err::<(), _>(())
    };
    assert!(breaker.call(fails).await.is_err());
    // None of these came back with an answer.
    let never = async || std::future::pending::<Result<(), ()>>().await;
    assert!(breaker.call(never).await.unwrap_err().is_timeout());
    assert!(tokio::time::timeout(SECOND, breaker.call(never)).await.is_err());
    breaker.permit().unwrap().ignore();

    let latency = breaker.stats().latency.unwrap();
    assert_eq!(latency.count(), 101);
    assert_eq!(latency.sum(), Duration::from_millis(5050) + seconds(2));
    let median = latency.quantile(0.5).unwrap();
    assert!(median >= Duration::from_millis(51) && median < Duration::from_millis(55));
    assert!(latency.quantile(1.0).unwrap() >= seconds(2));
}

#[test]
fn blocking_calls_and_permits_have_latencies_too() {
    let clock = ManualClock::new();
    let breaker = Breaker::builder("blocking").latencies(true).clock(clock.clone());
    let breaker = breaker.build_blocking().unwrap();
    breaker
        .call(|| {
            clock.advance(seconds(3));
            Ok::<_, ()>(())
        })
        .unwrap();
    let permit = breaker.permit().unwrap();
    clock.advance(seconds(4));
    permit.failure();
    let latency = breaker.stats().latency.unwrap();
    assert_eq!((latency.count(), latency.sum()), (2, seconds(7)));
}

#[test]
fn looking_changes_nothing() {
    let clock = ManualClock::new();
    let breaker = fragile("looking").clock(clock.clone()).build().unwrap();
    breaker.permit().unwrap().failure();
    clock.advance(seconds(31));
    let stats = breaker.stats();
    for _ in 0..3 {
        assert_eq!(breaker.state(), State::HalfOpen);
        assert_eq!(breaker.stats(), stats);
        assert_eq!(format!("{breaker:?}"), "Breaker { name: \"looking\", state: HalfOpen }");
    }
    breaker.permit().unwrap().success();
}

#[test]
fn the_time_in_each_state_is_kept() {
    let clock = ManualClock::new();
    let breaker = fragile("times").clock(clock.clone()).build().unwrap();
    clock.advance(seconds(5));
    breaker.permit().unwrap().failure();
    clock.advance(seconds(37));
    let time_in = breaker.stats().time_in;
    let of = |state| time_in[State::ALL.iter().position(|it| *it == state).unwrap()];
    assert_eq!(of(State::Closed), seconds(5));
    assert_eq!(of(State::Open), seconds(30));
    assert_eq!(of(State::HalfOpen), seconds(7));
    assert_eq!(time_in.iter().sum::<Duration>(), seconds(42));
}

#[test]
fn when_to_come_back_is_shown() {
    let clock = ManualClock::new();
    let breaker = fragile("back").clock(clock.clone()).build().unwrap();
    assert_eq!(breaker.stats().retry_after, Some(seconds(0)));
    breaker.permit().unwrap().failure();
    clock.advance(seconds(1));
    assert_eq!(breaker.stats().retry_after, Some(seconds(29)));
    breaker.control(Control::Isolate);
    assert_eq!(breaker.stats().retry_after, None);
}

#[test]
fn calls_of_many_threads_are_counted_together() {
    let breaker = Breaker::builder("threads").build_blocking().unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..500).for_each(|_| breaker.call(|| Ok::<_, ()>(())).unwrap()));
        }
    });
    assert_eq!(breaker.stats().successes, 2_000);
    assert_settled(&breaker.stats());
}

#[test]
fn a_call_under_way_is_in_flight() {
    let breaker = Breaker::new("in flight");
    let mut call = Box::pin(breaker.call(async || std::future::pending::<Result<(), ()>>().await));
    assert_eq!(breaker.stats().in_flight, 0);
    assert!(poll_once(call.as_mut()).is_pending());
    assert_eq!(now(breaker.call(async || Ok::<_, ()>(breaker.stats().in_flight))), Ok(2));
    assert_eq!(breaker.stats().in_flight, 1);
}
