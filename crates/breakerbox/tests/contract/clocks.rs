//! The clocks themselves; only here does real time pass.

use crate::support::{NANOSECOND, SECOND, Wakes, at, poll_once, seconds};
use breakerbox::clock::{Clock, ManualClock, SystemClock, TokioClock};
use breakerbox::{Breaker, Control, State};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

#[tokio::test]
async fn a_sleep_of_the_system_clock_never_ends_early() {
    for clock in [SystemClock::coarse(), SystemClock::precise()] {
        for micros in [0, 1, 300, 999, 1_000, 2_500, 4_000, 4_001, 7_777] {
            let due = clock.now() + Duration::from_micros(micros);
            clock.sleep_until(due).await;
            assert!(clock.now() >= due, "{clock:?} {micros} us");
        }
    }
}

#[tokio::test]
async fn an_attempt_is_never_stopped_before_its_timeout_is_over_on_its_own_clock() {
    for clock in [SystemClock::coarse(), SystemClock::precise()] {
        let breaker = Breaker::builder("real").clock(clock);
        let breaker = breaker.attempt_timeout(Duration::from_millis(5)).build().unwrap();
        let begun = clock.now();
        let result = breaker.call(async || std::future::pending::<Result<(), ()>>().await).await;
        assert!(result.unwrap_err().is_timeout());
        assert!(clock.now().since(begun) >= Duration::from_millis(5));
    }
}

#[test]
fn both_finenesses_of_the_system_clock_share_one_time_line_and_never_go_back() {
    let (coarse, precise) = (SystemClock::coarse(), SystemClock::precise());
    let mut last = (coarse.now(), precise.now());
    for _ in 0..10_000 {
        let next = (coarse.now(), precise.now());
        assert!(next.0 <= next.1, "the coarse one lags behind: {next:?}");
        assert!(next.0 >= last.0 && next.1 >= last.1, "{last:?} {next:?}");
        last = next;
    }
    assert!(precise.tick() <= coarse.tick());
}

#[test]
fn the_builder_takes_the_precise_clock_where_a_setting_needs_it() {
    let coarse = SystemClock::coarse();
    let edge = coarse.tick() * 10;
    let short = edge - NANOSECOND;
    let clock_of = |breaker: Breaker| *breaker.clock();
    let builder = || Breaker::builder("fineness");
    assert_eq!(clock_of(Breaker::new("fineness")), coarse);
    assert_eq!(clock_of(builder().attempt_timeout(edge).build().unwrap()), coarse);
    for fine in [
        builder().attempt_timeout(short).build(),
        builder().deadline(short).build(),
        builder().attempt_timeout(seconds(1)).deadline(short).build(),
        builder().slow_call(short).build(),
        builder().open_for(short).build(),
        builder().window(short).build(),
    ] {
        assert_eq!(clock_of(fine.unwrap()), SystemClock::precise());
    }
}

#[tokio::test]
async fn a_breaker_with_the_system_clock_needs_no_runtime_until_it_needs_a_timer() {
    let outside = std::thread::spawn(|| {
        let breaker = Breaker::builder("outside").attempt_timeout(SECOND).build().unwrap();
        let ready = crate::support::now(breaker.call(async || Ok::<_, ()>(1)));
        let mut pending =
            Box::pin(breaker.call(async || std::future::pending::<Result<(), ()>>().await));
        let panicked = crate::support::panic_of(|| poll_once(pending.as_mut()));
        drop(pending);
        (ready, panicked, breaker.stats())
    });
    let (ready, panicked, stats) = outside.join().unwrap();
    assert_eq!(ready, Ok(1));
    assert!(panicked.contains("runtime"), "{panicked}");
    assert_eq!((stats.successes, stats.ignored, stats.in_flight), (1, 1, 0));
}

#[test]
fn a_manual_clock_stands_still_and_its_clones_share_the_time() {
    let clock = ManualClock::new();
    let other = clock.clone();
    assert_eq!((clock.now(), other.now()), (at(Duration::ZERO), at(Duration::ZERO)));
    clock.advance(SECOND);
    assert_eq!(other.now(), at(SECOND));
}

#[test]
fn a_manual_sleep_wakes_its_latest_waker_once_when_it_is_due() {
    let clock = ManualClock::new();
    let (first, second) = (Arc::new(Wakes::default()), Arc::new(Wakes::default()));
    let mut sleep = pin!(clock.sleep_until(at(SECOND)));
    for wakes in [&first, &first, &second] {
        let waker = Waker::from(Arc::clone(wakes));
        assert!(sleep.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    }
    clock.advance(SECOND - NANOSECOND);
    assert_eq!((first.count(), second.count()), (0, 0));
    clock.advance(NANOSECOND);
    assert_eq!((first.count(), second.count()), (0, 1));
    assert!(poll_once(sleep).is_ready());
    clock.advance(SECOND);
    assert_eq!((first.count(), second.count()), (0, 1));
}

#[test]
fn a_manual_sleep_that_is_dropped_leaves_nothing_behind() {
    let clock = ManualClock::new();
    let wakes = Arc::new(Wakes::default());
    let waker = Waker::from(Arc::clone(&wakes));
    for _ in 0..100 {
        let sleep = pin!(clock.sleep_until(at(SECOND)));
        assert!(sleep.poll(&mut Context::from_waker(&waker)).is_pending());
    }
    drop(waker);
    assert_eq!(Arc::strong_count(&wakes), 1, "nobody keeps a waker");
    clock.advance(SECOND);
    assert_eq!(wakes.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn tokios_clock_counts_from_when_it_was_made_and_follows_paused_time() {
    let clock = TokioClock::new();
    assert_eq!(clock.now(), at(Duration::ZERO));
    clock.sleep_until(at(seconds(3))).await;
    assert_eq!(clock.now(), at(seconds(3)));
    clock.sleep_until(at(seconds(2))).await;
    assert_eq!(clock.now(), at(seconds(3)));
}

#[test]
fn the_open_duration_follows_a_manual_clock() {
    let clock = ManualClock::new();
    let breaker = Breaker::builder("manual").open_for(seconds(30));
    let breaker = breaker.clock(clock.clone()).build_blocking().unwrap();
    breaker.control(Control::ForceOpen);
    clock.advance(seconds(30) - NANOSECOND);
    assert_eq!(breaker.state(), State::Open);
    clock.advance(NANOSECOND);
    assert_eq!(breaker.state(), State::HalfOpen);
}
