//! Calls that are given up by their callers.

use crate::support::{
    NANOSECOND, SECOND, assert_settled, fragile, now, ok_after, pending, poll_once, seconds,
};
use breakerbox::clock::{ManualClock, TokioClock};
use breakerbox::{Breaker, Error, State};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::time::{advance, sleep, timeout};

#[test]
fn a_call_that_is_never_polled_never_began() {
    let breaker = Breaker::new("never polled");
    drop(breaker.call(async || Ok::<_, ()>(())));
    let stats = breaker.stats();
    assert_eq!((stats.started, stats.cancelled, stats.rejected), (0, 0, 0));
}

#[test]
fn a_call_dropped_at_any_await_point_is_ignored_and_leaves_nothing_in_flight() {
    const AWAITS: u32 = 5;
    let breaker = Breaker::builder("dropped").clock(ManualClock::new());
    let breaker = breaker.attempt_timeout(SECOND).build().unwrap();
    for polls in 1..=AWAITS {
        let mut call = Box::pin(breaker.call(async || {
            pending(2).await;
            pending(AWAITS - 2).await;
            Ok::<_, ()>(())
        }));
        for _ in 0..polls {
            assert!(poll_once(call.as_mut()).is_pending());
        }
        assert_eq!(breaker.stats().in_flight, 1);
        drop(call);
        let stats = breaker.stats();
        assert_eq!((stats.ignored, stats.cancelled), (polls.into(), polls.into()));
        assert_settled(&stats);
    }
    assert_eq!(breaker.stats().window.calls, 0);
}

#[test]
fn a_call_that_has_ended_is_not_counted_again_when_it_is_dropped() {
    let breaker = Breaker::new("ended");
    let mut call = Box::pin(breaker.call(async || Ok::<_, ()>(())));
    assert!(poll_once(call.as_mut()).is_ready());
    drop(call);
    let stats = breaker.stats();
    assert_eq!((stats.started, stats.successes, stats.cancelled), (1, 1, 0));
}

#[test]
fn a_call_given_up_after_more_than_slow_call_is_one_slow_call_and_no_failure() {
    for (ran, slow) in [(SECOND, 0), (SECOND + NANOSECOND, 1)] {
        let clock = ManualClock::new();
        let breaker = Breaker::builder("slow").slow_call(SECOND).clock(clock.clone());
        let breaker = breaker.build().unwrap();
        let mut call = Box::pin(breaker.call(async || {
            pending(9).await;
            Ok::<_, ()>(())
        }));
        assert!(poll_once(call.as_mut()).is_pending());
        clock.advance(ran);
        drop(call);
        let stats = breaker.stats();
        assert_eq!((stats.slow, stats.ignored), (slow, 1 - slow), "after {ran:?}");
        assert_eq!((stats.successes, stats.failures, stats.cancelled), (slow, 0, 1));
        assert_eq!((stats.window.calls, stats.window.slow), (slow, slow));
        assert_settled(&stats);
    }
}

#[test]
fn slow_calls_that_were_given_up_open_the_circuit_where_slow_calls_do() {
    let clock = ManualClock::new();
    let breaker = Breaker::builder("given up").slow_call(SECOND).slow_call_rate(1.0).min_calls(2);
    let breaker = breaker.clock(clock.clone()).build().unwrap();
    for _ in 0..2 {
        let permit = breaker.permit().unwrap();
        clock.advance(seconds(2));
        drop(permit);
    }
    assert_eq!(breaker.state(), State::Open);
}

#[tokio::test(start_paused = true)]
async fn a_probe_given_up_frees_its_place() {
    let breaker = fragile("probe").clock(TokioClock::new()).build().unwrap();
    assert!(breaker.call(async || Err::<(), _>(())).await.is_err());
    advance(seconds(30)).await;
    let hanging = breaker.call(async || std::future::pending::<Result<(), ()>>().await);
    assert!(timeout(SECOND, hanging).await.is_err());
    assert_eq!(breaker.state(), State::HalfOpen);
    assert_eq!(breaker.call(async || Ok::<_, ()>("back")).await, Ok("back"));
    assert_eq!(breaker.state(), State::Closed);
}

#[test]
fn a_slow_probe_given_up_has_failed_only_where_slow_calls_open_the_circuit() {
    for (rate, state) in [(Some(1.0), State::Open), (None, State::HalfOpen)] {
        let clock = ManualClock::new();
        let breaker = fragile("slow probe").slow_call(SECOND);
        let breaker = match rate {
            Some(rate) => breaker.slow_call_rate(rate),
            None => breaker,
        };
        let breaker = breaker.clock(clock.clone()).build().unwrap();
        breaker.permit().unwrap().failure();
        clock.advance(seconds(30));
        let probe = breaker.permit().unwrap();
        clock.advance(seconds(2));
        drop(probe);
        assert_eq!(breaker.state(), state);
        assert_settled(&breaker.stats());
    }
}

#[tokio::test(start_paused = true)]
async fn select_timeout_and_abort_give_a_call_up() {
    let breaker = Breaker::builder("given up").clock(TokioClock::new());
    let breaker = breaker.attempt_timeout(seconds(60)).build().unwrap();
    let long = || ok_after(seconds(10));
    tokio::select! {
        _ = breaker.call(long) => panic!("it takes too long"),
        () = sleep(SECOND) => {}
    }
    assert_eq!(breaker.stats().ignored, 1);
    assert!(timeout(SECOND, breaker.call(long)).await.is_err());
    assert_eq!(breaker.stats().ignored, 2);

    let task = tokio::spawn({
        let breaker = breaker.clone();
        async move { breaker.call(long).await }
    });
    sleep(SECOND).await;
    assert_eq!(breaker.stats().in_flight, 1);
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    let stats = breaker.stats();
    assert_eq!((stats.ignored, stats.cancelled, stats.failures), (3, 3, 0));
    assert_settled(&stats);
}

#[test]
fn a_runtime_that_goes_away_gives_up_all_its_calls() {
    let breaker = Breaker::new("runtime");
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        for _ in 0..10 {
            let breaker = breaker.clone();
            tokio::spawn(async move {
                breaker.call(async || std::future::pending::<Result<(), ()>>().await).await
            });
        }
        pending(3).await;
        tokio::task::yield_now().await;
    });
    assert_eq!(breaker.stats().in_flight, 10);
    drop(runtime);
    assert_eq!(breaker.stats().ignored, 10);
    assert_settled(&breaker.stats());
}

#[tokio::test(start_paused = true)]
async fn an_operation_that_is_stopped_is_dropped_before_its_caller_is_told() {
    struct Stopped(Arc<AtomicBool>);
    impl Drop for Stopped {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let breaker = Breaker::builder("stopped").clock(TokioClock::new());
    let breaker = breaker.attempt_timeout(SECOND).build().unwrap();
    let dropped = Arc::new(AtomicBool::new(false));
    let guard = Stopped(Arc::clone(&dropped));
    let answer = breaker
        .fallback(|result: Result<(), Error<()>>| {
            assert!(result.unwrap_err().is_timeout());
            assert!(dropped.load(Ordering::Relaxed));
        })
        .call(async move || {
            let _guard = guard;
            std::future::pending().await
        })
        .await;
    assert!(answer.unwrap().is_fallback());
}

#[test]
fn a_breaker_of_one_call_can_be_asked_while_another_is_dropped() {
    // The breaker outlives its calls: a call borrows it.
    let breaker = Breaker::new("two");
    let mut one = Box::pin(breaker.call(async || std::future::pending::<Result<(), ()>>().await));
    assert!(poll_once(one.as_mut()).is_pending());
    let inside = now(breaker.call(async || {
        drop(one);
        Ok::<_, ()>(breaker.stats().in_flight)
    }));
    assert_eq!(inside, Ok(1));
    assert_settled(&breaker.stats());
}
