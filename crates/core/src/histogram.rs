//! Durations in a fixed number of buckets.

#[cfg(test)]
#[cfg(not(loom))]
mod model;

use crate::sync::{AtomicU64, Ordering};
use std::time::Duration;

/// Buckets for each doubling: a quantile is at most 1/16 too high. In a model, where every step counts,
/// a few will do.
const STEPS: u64 = if cfg!(loom) { 2 } else { 16 };
const STEP_BITS: u32 = STEPS.ilog2();
/// The last bucket begins at some 69 minutes, and takes all that is longer.
const DOUBLINGS: u64 = if cfg!(loom) { 1 } else { 28 };
const BUCKETS: usize = (STEPS + STEPS * DOUBLINGS) as usize;

/// A histogram of durations, from a microsecond to more than an hour, with a relative error of at
/// most 1/16. Its size is fixed (3.6 KiB), and all threads may record at once.
///
/// The buckets are log-linear, as in HdrHistogram (Gil Tene): sixteen equal ones for each doubling.
///
/// ```
/// use breakerbox_core::Histogram;
/// use std::time::Duration;
///
/// let histogram = Histogram::new();
/// for millis in 1..=100 {
///     histogram.record(Duration::from_millis(millis));
/// }
/// let durations = histogram.snapshot();
/// assert_eq!(durations.count(), 100);
/// let median = durations.quantile(0.5).unwrap();
/// assert!(median >= Duration::from_millis(50) && median < Duration::from_millis(54));
/// ```
#[derive(Debug)]
pub struct Histogram {
    buckets: Box<[AtomicU64; BUCKETS]>,
    sum_micros: AtomicU64,
}

fn bucket_of(micros: u64) -> usize {
    if micros < STEPS {
        return micros as usize;
    }
    let doubling = u64::from(micros.ilog2() - STEP_BITS);
    let step = (micros >> doubling) - STEPS;
    ((STEPS + doubling * STEPS + step) as usize).min(BUCKETS - 1)
}

/// The largest duration of a bucket, in microseconds.
fn top_of(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < STEPS {
        return bucket;
    }
    let doubling = (bucket - STEPS) / STEPS;
    let step = (bucket - STEPS) % STEPS;
    ((STEPS + step + 1) << doubling) - 1
}

impl Default for Histogram {
    fn default() -> Self {
        Self::new()
    }
}

impl Histogram {
    /// An empty histogram.
    pub fn new() -> Self {
        Self {
            buckets: Box::new(std::array::from_fn(|_| AtomicU64::new(0))),
            sum_micros: AtomicU64::new(0),
        }
    }

    /// Records a duration, cut to whole microseconds.
    #[inline]
    pub fn record(&self, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        self.buckets[bucket_of(micros)].fetch_add(1, Ordering::Relaxed);
        self.sum_micros.fetch_add(micros, Ordering::Relaxed);
    }

    /// What has been recorded so far.
    pub fn snapshot(&self) -> Durations {
        Durations {
            counts: self.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed)).collect(),
            sum: Duration::from_micros(self.sum_micros.load(Ordering::Relaxed)),
        }
    }
}

/// What a [`Histogram`] held at one moment.
///
/// ```
/// use breakerbox_core::Histogram;
/// use std::time::Duration;
///
/// let (histogram, earlier) = (Histogram::new(), Histogram::new().snapshot());
/// (1..=3).for_each(|micros| histogram.record(Duration::from_micros(micros)));
/// let durations = histogram.snapshot();
/// assert_eq!((durations.count(), durations.mean()), (3, Some(Duration::from_micros(2))));
/// assert_eq!(durations.quantile(0.99), Some(Duration::from_micros(3)));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Durations {
    counts: Box<[u64]>,
    sum: Duration,
}

impl Durations {
    /// How many durations.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// All of them together.
    pub fn sum(&self) -> Duration {
        self.sum
    }

    /// The mean; `None` if there is no duration.
    pub fn mean(&self) -> Option<Duration> {
        let nanos = self.sum.as_nanos().checked_div(u128::from(self.count()))?;
        Some(Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)))
    }

    /// The duration that this fraction of all did not exceed, rounded up to the top of its bucket;
    /// `None` if there is no duration.
    pub fn quantile(&self, fraction: f64) -> Option<Duration> {
        let count = self.count();
        if count == 0 {
            return None;
        }
        let rank = ((fraction.clamp(0.0, 1.0) * count as f64).ceil() as u64).max(1);
        let mut seen = 0;
        let bucket = self.counts.iter().position(|bucket| {
            seen += bucket;
            seen >= rank
        });
        bucket.map(|bucket| Duration::from_micros(top_of(bucket)))
    }

    /// How many durations were at most so long, to the precision of the buckets.
    pub fn at_most(&self, limit: Duration) -> u64 {
        let micros = u64::try_from(limit.as_micros()).unwrap_or(u64::MAX);
        let within =
            self.counts.iter().enumerate().take_while(|(bucket, _)| top_of(*bucket) <= micros);
        within.map(|(_, count)| count).sum()
    }

    /// What was recorded since an earlier snapshot of the same histogram.
    pub fn since(&self, earlier: &Self) -> Self {
        let counts = self.counts.iter().zip(&*earlier.counts);
        Self {
            counts: counts.map(|(now, before)| now.saturating_sub(*before)).collect(),
            sum: self.sum.saturating_sub(earlier.sum),
        }
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    #[test]
    fn a_new_one_is_empty() {
        assert_eq!(Histogram::default().snapshot().count(), 0);
    }

    #[test]
    fn buckets_follow_one_another_without_a_gap() {
        for bucket in 1..BUCKETS {
            let first = top_of(bucket - 1) + 1;
            assert_eq!(bucket_of(first), bucket, "first of bucket {bucket}");
            assert_eq!(bucket_of(top_of(bucket)), bucket, "last of bucket {bucket}");
            // The relative error is at most 1/16.
            assert!(top_of(bucket) - first <= first / STEPS);
        }
        assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
        assert!(top_of(BUCKETS - 1) > 60 * 60 * 1_000_000);
    }

    #[test]
    fn quantiles_are_those_of_the_sorted_durations() {
        let histogram = Histogram::new();
        assert_eq!(histogram.snapshot().quantile(0.5), None);
        assert_eq!(histogram.snapshot().mean(), None);
        for micros in [1, 2, 3, 4, 10_000] {
            histogram.record(Duration::from_micros(micros));
        }
        let durations = histogram.snapshot();
        assert_eq!(durations.quantile(0.0), Some(Duration::from_micros(1)));
        assert_eq!(durations.quantile(0.2), Some(Duration::from_micros(1)));
        assert_eq!(durations.quantile(0.21), Some(Duration::from_micros(2)));
        assert_eq!(durations.quantile(0.8), Some(Duration::from_micros(4)));
        // 10,000 us are in the bucket from 9,728 to 10,239.
        assert_eq!(durations.quantile(1.0), Some(Duration::from_micros(10_239)));
        assert_eq!(durations.mean(), Some(Duration::from_micros(2002)));
        assert_eq!(durations.at_most(Duration::from_micros(3)), 3);
        histogram.record(Duration::from_micros(2));
        let later = histogram.snapshot().since(&durations);
        assert_eq!((later.count(), later.sum()), (1, Duration::from_micros(2)));
    }
}

#[cfg(all(test, loom))]
mod loom_histogram {
    use super::*;
    use crate::interleavings::model;
    use loom::thread;
    use std::sync::Arc;

    /// Planted: `record` with a load and a store, of the bucket and of the sum. Found: one of two, each
    /// time.
    #[test]
    fn what_two_threads_record_is_all_there() {
        model("what two threads record is all there", || {
            let histogram = Arc::new(Histogram::new());
            let record = |micros| {
                let histogram = histogram.clone();
                thread::spawn(move || histogram.record(Duration::from_micros(micros)))
            };
            let threads = [record(1), record(1)];
            let earlier = histogram.snapshot();
            assert!(earlier.count() <= 2 && earlier.sum() <= Duration::from_micros(2));
            for thread in threads {
                thread.join().unwrap();
            }
            let all = histogram.snapshot();
            assert_eq!((all.count(), all.sum()), (2, Duration::from_micros(2)));
            assert_eq!(all.since(&earlier).count(), 2 - earlier.count());
        });
    }
}
