//! Attempt timeout, deadline and half-open, on paused and on manual time.

use crate::support::{
    Log, NANOSECOND, SECOND, WatchedClock, assert_settled, at, fragile, now, ok_after, poll_once,
    seconds,
};
use breakerbox::clock::{Clock, ManualClock, TokioClock};
use breakerbox::{Breaker, Cause, Error, EventKind, State, TimeoutKind};
use std::pin::pin;
use std::task::Poll;
use tokio::time::{Instant, advance, sleep};

#[tokio::test(start_paused = true)]
async fn an_operation_that_takes_exactly_the_attempt_timeout_has_succeeded() {
    let breaker = Breaker::builder("exact").clock(TokioClock::new());
    let breaker = breaker.attempt_timeout(seconds(3)).build().unwrap();
    let operation = async || {
        sleep(seconds(3)).await;
        Ok::<_, ()>("done")
    };
    assert_eq!(breaker.call(operation).await, Ok("done"));
    assert_eq!(breaker.stats().successes, 1);
    assert_eq!(breaker.stats().attempt_timeouts, 0);
}

#[tokio::test(start_paused = true)]
async fn an_operation_that_takes_longer_is_stopped_exactly_at_the_attempt_timeout() {
    let breaker = Breaker::builder("longer").clock(TokioClock::new());
    let breaker = breaker.attempt_timeout(seconds(3)).build().unwrap();
    let start = Instant::now();
    let operation = async || {
        sleep(seconds(3) + std::time::Duration::from_millis(1)).await;
        Ok::<_, ()>(())
    };
    let Err(Error::Timeout(timeout)) = breaker.call(operation).await else {
        panic!("it was not stopped")
    };
    assert_eq!(start.elapsed(), seconds(3));
    assert_eq!((timeout.kind(), timeout.after()), (TimeoutKind::Attempt, seconds(3)));
    assert_eq!(timeout.name(), "longer");
    let stats = breaker.stats();
    assert_eq!((stats.failures, stats.attempt_timeouts, stats.deadlines), (1, 1, 0));
    assert_settled(&stats);
}

#[test]
fn the_boundary_of_the_attempt_timeout_is_exact_to_the_nanosecond() {
    for (takes, in_time) in [(seconds(3), true), (seconds(3) + NANOSECOND, false)] {
        let clock = ManualClock::new();
        let breaker = Breaker::builder("nanoseconds").clock(clock.clone());
        let breaker = breaker.attempt_timeout(seconds(3)).build().unwrap();
        let mut call = pin!(breaker.call(async || {
            clock.sleep_until(at(takes)).await;
            Ok::<_, ()>(())
        }));
        assert!(poll_once(call.as_mut()).is_pending());
        clock.advance(seconds(3) - NANOSECOND);
        assert!(poll_once(call.as_mut()).is_pending());
        clock.advance(NANOSECOND);
        let Poll::Ready(result) = poll_once(call.as_mut()) else { panic!("it is not over") };
        assert_eq!(result.is_ok(), in_time, "{takes:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_deadline_stops_a_call_and_that_is_a_failure() {
    let breaker = fragile("deadline").clock(TokioClock::new());
    let breaker = breaker.deadline(seconds(5)).build().unwrap();
    let exactly = breaker.call(|| ok_after(seconds(5))).await;
    assert_eq!(exactly, Ok(()));
    let start = Instant::now();
    let result = breaker.call(|| ok_after(seconds(6))).await;
    let Err(Error::Timeout(timeout)) = result else { panic!("{result:?}") };
    assert_eq!((timeout.kind(), timeout.after()), (TimeoutKind::Deadline, seconds(5)));
    assert_eq!(start.elapsed(), seconds(5));
    let stats = breaker.stats();
    assert_eq!((stats.failures, stats.deadlines, stats.attempt_timeouts), (1, 1, 0));
    assert_eq!(breaker.state(), State::Open);
}

#[tokio::test(start_paused = true)]
async fn what_is_due_first_is_reported_and_at_one_instant_the_deadline() {
    for (attempt_timeout, deadline, kind) in
        [(2, 3, TimeoutKind::Attempt), (3, 2, TimeoutKind::Deadline), (2, 2, TimeoutKind::Deadline)]
    {
        let breaker = Breaker::builder("both").clock(TokioClock::new());
        let breaker = breaker.attempt_timeout(seconds(attempt_timeout)).deadline(seconds(deadline));
        let breaker = breaker.build().unwrap();
        let result = breaker.call(async || std::future::pending::<Result<(), ()>>().await).await;
        let Err(Error::Timeout(timeout)) = result else { panic!("{result:?}") };
        assert_eq!((timeout.kind(), timeout.after()), (kind, seconds(2)));
    }
}

#[test]
fn a_first_poll_that_takes_longer_than_the_timeout_is_stopped_unless_it_is_ready() {
    let clock = ManualClock::new();
    let breaker = Breaker::builder("busy").clock(clock.clone());
    let breaker = breaker.attempt_timeout(SECOND).build().unwrap();
    let ready = breaker.call(async || {
        clock.advance(seconds(2));
        Ok::<_, ()>("ready")
    });
    assert_eq!(now(ready), Ok("ready"));
    let result = now(breaker.call(async || {
        clock.advance(seconds(2));
        std::future::pending::<Result<(), ()>>().await
    }));
    let Err(Error::Timeout(timeout)) = result else { panic!("{result:?}") };
    assert_eq!(timeout.after(), seconds(2));
}

#[test]
fn a_timer_is_made_when_the_operation_is_first_pending_and_once() {
    let clock = WatchedClock::default();
    let breaker = Breaker::builder("timer").clock(clock.clone());
    let breaker = breaker.attempt_timeout(seconds(3)).deadline(seconds(9)).build().unwrap();
    assert_eq!(now(breaker.call(async || Ok::<_, ()>(1))), Ok(1));
    assert_eq!(clock.sleeps(), 0);

    let mut call = pin!(breaker.call(async || std::future::pending::<Result<(), ()>>().await));
    for _ in 0..5 {
        assert!(poll_once(call.as_mut()).is_pending());
    }
    assert_eq!(clock.sleeps(), 1);
    clock.time.advance(seconds(3));
    assert!(poll_once(call.as_mut()).is_ready());
    assert_eq!(clock.sleeps(), 0);
}

#[tokio::test(start_paused = true)]
async fn half_open_follows_paused_time() {
    let breaker = fragile("posts").clock(TokioClock::new()).build().unwrap();
    let log = Log::of(&breaker);
    let good = async || Ok::<_, &str>("a post");
    assert!(breaker.call(async || Err::<(), _>("down")).await.is_err());

    advance(seconds(30) - std::time::Duration::from_millis(1)).await;
    let rejected = breaker.call(good).await.unwrap_err();
    assert_eq!(rejected.retry_after(), Some(std::time::Duration::from_millis(1)));
    advance(std::time::Duration::from_millis(1)).await;
    // No call has come, and nothing has been told.
    log.take();
    assert_eq!(breaker.state(), State::HalfOpen);
    let [EventKind::Transition(change)] = log.take()[..] else { panic!("one change") };
    assert_eq!((change.at, change.cause), (at(seconds(30)), Cause::OpenElapsed));

    assert_eq!(breaker.call(good).await, Ok("a post"));
    assert_eq!(breaker.state(), State::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_hangs_is_a_failed_probe_when_its_lease_runs_out() {
    let breaker = fragile("hangs").clock(TokioClock::new()).build().unwrap();
    assert!(breaker.call(async || Err::<(), _>(())).await.is_err());
    advance(seconds(30)).await;
    let mut probe = pin!(breaker.call(|| ok_after(seconds(45))));
    assert!(poll_once(probe.as_mut()).is_pending());

    advance(seconds(10)).await;
    let rejected = breaker.permit().unwrap_err();
    assert_eq!(rejected.retry_after(), Some(seconds(20)), "the lease of the probe");
    advance(seconds(20)).await;
    assert_eq!(breaker.state(), State::Open);
    // The late result is delivered, and does not act.
    assert_eq!(probe.await, Ok(()));
    let stats = breaker.stats();
    assert_eq!((stats.state, stats.late, stats.leases_expired), (State::Open, 1, 1));
    advance(seconds(15)).await;
    assert_eq!(breaker.state(), State::HalfOpen);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_timeout_longer_than_the_open_duration_is_the_lease_of_a_probe() {
    let breaker = fragile("lease").clock(TokioClock::new());
    let breaker = breaker.attempt_timeout(seconds(40)).build().unwrap();
    assert!(breaker.call(async || Err::<(), _>(())).await.is_err());
    advance(seconds(30)).await;
    assert_eq!(breaker.call(|| ok_after(seconds(40))).await, Ok(()));
    assert_eq!(breaker.state(), State::Closed);
}

#[tokio::test(start_paused = true)]
async fn failures_leave_a_window_by_time_while_nothing_is_called() {
    let breaker = Breaker::builder("window").window(seconds(10)).min_calls(1);
    let breaker = breaker.failure_rate(1.0).clock(TokioClock::new()).build().unwrap();
    assert!(breaker.call(async || Ok::<_, ()>(())).await.is_ok());
    assert!(breaker.call(async || Err::<(), _>(())).await.is_err());
    assert_eq!(breaker.stats().window.failure_rate, Some(0.5));
    advance(seconds(9)).await;
    assert_eq!(breaker.stats().window.calls, 2);
    advance(SECOND).await;
    assert_eq!(breaker.stats().window.calls, 0, "exactly as old as the window is out");
}
