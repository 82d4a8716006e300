//! Models of the parts of a minute, and of the delay that is worked out by one thread.

use crate::Timestamp;
use crate::hedge::{Delay, HedgeDelay};
use crate::interleavings::model;
use loom::thread;
use std::sync::Arc;
use std::time::Duration;

fn at(seconds: u64) -> Timestamp {
    Timestamp::ZERO + Duration::from_secs(seconds)
}

fn hedge() -> Arc<HedgeDelay> {
    Arc::new(HedgeDelay::new(Delay::Percentile(0.5)))
}

const TOOK: Duration = Duration::from_micros(2);

/// In a model the last minute is two parts. Planted: a histogram that records with a load and a store.
/// Found: a lost attempt.
#[test]
fn no_attempt_is_lost_where_a_part_begins() {
    model("no attempt is lost where a part begins", || {
        let hedge = hedge();
        hedge.record(at(0), TOOK);
        let other = hedge.clone();
        let theirs = thread::spawn(move || other.record(at(10), TOOK));
        hedge.record(at(10), TOOK);
        theirs.join().unwrap();
        assert_eq!(hedge.snapshot(at(10)).attempts, 3);
        // The first has left; of the others one may have come before its part had begun.
        let left = hedge.snapshot(at(20)).attempts;
        assert!(left == 1 || left == 2, "{left}");
        assert_eq!(hedge.snapshot(at(30)).attempts, 0);
    });
}

/// Planted: the second stored before the delay. Found: a delay that is long over.
#[test]
fn nobody_gets_a_delay_that_is_long_over() {
    model("nobody gets a delay that is long over", || {
        let hedge = hedge();
        hedge.record(at(0), TOOK);
        assert!(hedge.delay(at(0)).is_some());
        let other = hedge.clone();
        let theirs = thread::spawn(move || other.delay(at(60)));
        let mine = hedge.delay(at(60));
        assert_eq!((mine, theirs.join().unwrap()), (None, None));
    });
}
