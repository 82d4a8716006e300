//! Models of admission and of the end of a window.

use crate::Timestamp;
use crate::adaptive_limit::{AdaptiveLimit, Algorithm, Sample, Settings};
use crate::interleavings::model;
use loom::thread;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

fn at(millis: u64) -> Timestamp {
    Timestamp::ZERO + Duration::from_millis(millis)
}

fn limit(initial: u32) -> Arc<AdaptiveLimit> {
    let settings = Settings { algorithm: Algorithm::Aimd, initial, ..Settings::default() };
    Arc::new(AdaptiveLimit::new(settings, at(0)))
}

/// Planted: an admission by `fetch_add` after a look. Found: two at a limit of one.
#[test]
fn never_more_than_the_limit_are_admitted() {
    model("never more than the limit are admitted", || {
        let limit = limit(1);
        // A plain count: loom need not know of it.
        let running = Arc::new(AtomicU32::new(0));
        let call = |limit: &AdaptiveLimit, running: &AtomicU32| {
            let slot = limit.try_acquire()?;
            assert_eq!(running.fetch_add(1, Ordering::Relaxed), 0);
            assert_eq!(limit.in_flight(), 1);
            running.fetch_sub(1, Ordering::Relaxed);
            limit.release(at(0), slot, Sample::Ignored);
            Some(())
        };
        let others: Vec<_> = (0..2)
            .map(|_| {
                let (limit, running) = (limit.clone(), running.clone());
                thread::spawn(move || call(&limit, &running))
            })
            .collect();
        let mine = call(&limit, &running);
        let theirs: Vec<_> = others.into_iter().map(|other| other.join().unwrap()).collect();
        assert!(mine.is_some() || theirs.iter().any(Option::is_some));
        assert_eq!(limit.in_flight(), 0);
        assert_eq!(
            limit.rejected() as usize,
            [&theirs[..], &[mine]].concat().iter().filter(|one| one.is_none()).count()
        );
    });
}

/// Planted: `judge` without its second look. Found: two windows.
#[test]
fn a_window_is_judged_once_and_loses_no_sample() {
    model("a window is judged once and loses no sample", || {
        let limit = limit(10);
        // In a model two samples are enough.
        let first = limit.try_acquire().unwrap();
        limit.release(at(0), first, Sample::Dropped);
        let (one, two) = (limit.try_acquire().unwrap(), limit.try_acquire().unwrap());
        let other = limit.clone();
        let theirs = thread::spawn(move || other.release(at(1000), one, Sample::Dropped));
        limit.release(at(1000), two, Sample::Dropped);
        theirs.join().unwrap();
        // One window of two or three samples: 10 x 0.9. What was not in it is in the next.
        assert_eq!((limit.snapshot().windows, limit.limit()), (1, 9));
        for millis in [1001, 2001] {
            let slot = limit.try_acquire().unwrap();
            limit.release(at(millis), slot, Sample::Took(Duration::from_millis(1)));
        }
        assert_eq!(limit.snapshot().windows, 2);
        assert_eq!(limit.in_flight(), 0);
    });
}
