//! The same policies around blocking operations.

use crate::support::{attempts, ms};
use breakerbox::clock::ManualClock;
use breakerbox::{BlockingPipeline, Error, Pipeline, breaker, bulkhead, chaos, rate_limit};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// Moves the time on while `run` does.
fn while_time_passes<R>(clock: &ManualClock, run: impl FnOnce() -> R) -> R {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                clock.advance(ms(10));
                thread::yield_now();
            }
        });
        let result = run();
        done.store(true, Ordering::Relaxed);
        result
    })
}

#[test]
fn a_failure_is_repeated_after_its_delay() {
    let clock = ManualClock::new();
    let posts = Pipeline::builder("posts")
        .clock(clock.clone())
        .retry(attempts(3, 500))
        .breaker(breaker::Settings::default())
        .build_blocking()
        .unwrap();
    let mut results = [Err(1), Err(2), Ok(3)].into_iter();
    let result = while_time_passes(&clock, || posts.call(|| results.next().unwrap()));
    let stats = posts.stats();
    assert_eq!((result, stats.retries, stats.breaker.unwrap().failures), (Ok(3), 2, 2));
}

#[test]
fn the_deadline_is_looked_at_between_attempts() {
    let clock = ManualClock::new();
    let posts = Pipeline::builder("posts")
        .clock(clock.clone())
        .retry(attempts(9, 500))
        .deadline(ms(800))
        .build_blocking()
        .unwrap();
    let mut runs = 0;
    let result = posts.call(|| {
        runs += 1;
        // It takes as long as it takes.
        clock.advance(ms(1000));
        Err::<(), _>("late")
    });
    assert_eq!((result, runs), (Err(Error::Inner("late")), 1));
}

#[test]
fn who_waits_for_the_bulkhead_is_woken() {
    let settings = bulkhead::Settings {
        queue: 1,
        queue_timeout: Duration::from_secs(60),
        ..bulkhead::Settings::new(1)
    };
    let posts: BlockingPipeline =
        Pipeline::builder("posts").bulkhead(settings).build_blocking().unwrap();
    let (release, released) = mpsc::channel::<()>();
    thread::scope(|scope| {
        let (begun, has_begun) = mpsc::channel();
        let posts = &posts;
        scope.spawn(move || {
            posts.call_once(|| {
                begun.send(()).unwrap();
                released.recv().map_err(|_| ())
            })
        });
        has_begun.recv().unwrap();
        let second = scope.spawn(|| posts.call(|| Ok::<_, ()>(2)));
        while posts.stats().bulkhead.unwrap().queued == 0 {
            thread::yield_now();
        }
        let full = posts.call(|| Ok::<_, ()>(3)).unwrap_err();
        assert!(matches!(full, Error::Rejected(why) if why.reason() == "bulkhead_full"));
        release.send(()).unwrap();
        assert_eq!(second.join().unwrap(), Ok(2));
    });
    let bulkhead = posts.stats().bulkhead.unwrap();
    assert_eq!((bulkhead.in_flight, bulkhead.queued), (0, 0));
}

#[test]
fn the_rate_limit_makes_a_thread_wait() {
    let clock = ManualClock::new();
    let settings = rate_limit::Settings {
        burst: Some(1),
        wait: Some(Duration::from_secs(5)),
        ..rate_limit::Settings::new(1.0)
    };
    let posts = Pipeline::builder("posts")
        .clock(clock.clone())
        .rate_limit(settings)
        .build_blocking()
        .unwrap();
    assert_eq!(posts.call(|| Ok::<_, ()>(1)), Ok(1));
    assert_eq!(while_time_passes(&clock, || posts.call(|| Ok::<_, ()>(2))), Ok(2));
    assert_eq!(posts.stats().rate_limit.unwrap().waited, 1);
}

#[test]
fn a_panic_gives_back_all_it_holds() {
    let posts = Pipeline::builder("posts")
        .retry(attempts(3, 1))
        .bulkhead(bulkhead::Settings::new(1))
        .breaker(breaker::Settings::default())
        .build_blocking()
        .unwrap();
    let unwound = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let fault: Result<(), Error<()>> = posts.call(|| panic!("a fault"));
        fault
    }));
    assert!(unwound.is_err());
    let stats = posts.stats();
    assert_eq!((stats.panics, stats.bulkhead.unwrap().in_flight), (1, 0));
    assert_eq!(stats.breaker.unwrap().failures, 1);
}

#[test]
fn chaos_blocks_too() {
    let clock = ManualClock::new();
    let settings = chaos::Settings {
        latency: Some(chaos::Latency::Fixed(ms(100))),
        error: Some(503),
        fraction: 1.0,
        max_fraction: 1.0,
        on: true,
        ..Default::default()
    };
    let posts =
        Pipeline::builder("posts").clock(clock.clone()).chaos(settings).build_blocking().unwrap();
    let result = while_time_passes(&clock, || posts.call(|| Ok::<_, ()>(1)));
    assert!(matches!(result, Err(Error::Rejected(why)) if why.reason() == "chaos"));
    posts.to_async().set_chaos(false);
    assert_eq!(posts.call(|| Ok::<_, ()>(1)), Ok(1));
}

#[test]
fn a_black_hole_ends_with_the_deadline() {
    let clock = ManualClock::new();
    let settings = chaos::Settings {
        black_hole: true,
        fraction: 1.0,
        max_fraction: 1.0,
        on: true,
        ..Default::default()
    };
    let posts = Pipeline::builder("posts")
        .clock(clock.clone())
        .deadline(ms(300))
        .chaos(settings)
        .build_blocking()
        .unwrap();
    let result = while_time_passes(&clock, || posts.call(|| Ok::<_, ()>(1)));
    assert!(result.unwrap_err().is_timeout());
    assert_eq!(posts.stats().deadlines, 1);
}
