//! The samples of one window, counted by all threads without a lock.
//!
//! The counts only ever grow. Whoever ends a window remembers what they were, and the next window is
//! what came since: nothing is set back, so no sample is lost.

use super::settings::MAX_TIMEOUT;
use crate::Timestamp;
use crate::sync::{AtomicU64, Ordering};
use crate::time::nanos;

/// A window lasts at least this long, from its first sample.
const SHORTEST: u64 = 1_000_000_000;
/// And has at least so many samples; in a model, where every step counts, fewer.
pub(super) const ENOUGH: u64 = if cfg!(loom) { 2 } else { 50 };
/// After this long, a few samples have to do.
const PATIENCE: u64 = 30 * SHORTEST;
pub(super) const A_FEW: u64 = if cfg!(loom) { 1 } else { 10 };
/// No longer one enters the sum, so that some 30 million of them fit into it.
const LONGEST_SAMPLE: u64 = nanos(MAX_TIMEOUT);
/// No sample yet.
const NOT_BEGUN: u64 = u64::MAX;

/// What a window has shown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Seen {
    /// The mean of what was not dropped, in nanoseconds; `None` where all was.
    pub(super) took: Option<f64>,
    /// How many samples, the dropped ones among them.
    pub(super) samples: u64,
    pub(super) dropped: u64,
    /// The most calls that were in flight when one of these began.
    pub(super) most_in_flight: u64,
    /// How many are in flight now.
    pub(super) in_flight: u64,
    /// How many samples there have ever been.
    pub(super) ended: u64,
}

/// The counts at the end of a window. They wrap around: only differences are used.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Totals {
    ended: u64,
    dropped: u64,
    nanos: u64,
}

#[derive(Debug)]
pub(super) struct Samples {
    ended: AtomicU64,
    dropped: AtomicU64,
    nanos: AtomicU64,
    most_in_flight: AtomicU64,
    /// When the window's first sample came.
    begun: AtomicU64,
    /// What `ended` was when the window before this was over.
    before: AtomicU64,
}

impl Samples {
    pub(super) fn new() -> Self {
        Self {
            ended: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            nanos: AtomicU64::new(0),
            most_in_flight: AtomicU64::new(0),
            begun: AtomicU64::new(NOT_BEGUN),
            before: AtomicU64::new(0),
        }
    }

    /// Counts one sample: how long it took, or nothing if it was dropped.
    #[inline]
    pub(super) fn record(&self, now: Timestamp, in_flight: u64, took: Option<u64>) {
        if self.begun.load(Ordering::Relaxed) == NOT_BEGUN {
            self.begin(now);
        }
        if in_flight > self.most_in_flight.load(Ordering::Relaxed) {
            self.raise(in_flight);
        }
        match took {
            Some(took) => {
                self.nanos.fetch_add(took.min(LONGEST_SAMPLE), Ordering::Relaxed);
            }
            None => {
                self.dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
        // After what belongs to it: whoever sees the sample counted sees all of it.
        self.ended.fetch_add(1, Ordering::Release);
    }

    /// Whether the window can end: it lasted long enough and has enough samples.
    #[inline]
    pub(super) fn is_over(&self, now: Timestamp) -> bool {
        let begun = Timestamp::from_nanos(self.begun.load(Ordering::Relaxed));
        let passed = now.as_nanos().saturating_sub(begun.as_nanos());
        if passed < SHORTEST {
            return false;
        }
        let before = self.before.load(Ordering::Relaxed);
        let samples = self.ended.load(Ordering::Relaxed).wrapping_sub(before);
        samples >= ENOUGH || (passed >= PATIENCE && samples >= A_FEW)
    }

    /// Ends the window. One thread at a time; `before` is what the last end returned.
    pub(super) fn end(&self, before: Totals, in_flight: u64) -> (Seen, Totals) {
        let ended = self.ended.load(Ordering::Acquire);
        let dropped = self.dropped.load(Ordering::Relaxed);
        let nanos = self.nanos.load(Ordering::Relaxed);
        let most_in_flight = self.most_in_flight.load(Ordering::Relaxed);
        // A sample that comes just now may be missing from the maximum of the next window: one of
        // fifty, and the others have much the same number.
        self.most_in_flight.store(0, Ordering::Relaxed);
        self.before.store(ended, Ordering::Relaxed);
        self.begun.store(NOT_BEGUN, Ordering::Relaxed);
        let samples = ended.wrapping_sub(before.ended);
        let drops = dropped.wrapping_sub(before.dropped).min(samples);
        let whole = samples - drops;
        let sum = nanos.wrapping_sub(before.nanos);
        let seen = Seen {
            took: (whole > 0).then(|| sum as f64 / whole as f64),
            samples,
            dropped: drops,
            most_in_flight,
            in_flight,
            ended,
        };
        (seen, Totals { ended, dropped, nanos })
    }

    #[cold]
    fn begin(&self, now: Timestamp) {
        // Whoever was first has begun it.
        let _ = self.begun.compare_exchange(
            NOT_BEGUN,
            now.as_nanos(),
            Ordering::Relaxed,
            Ordering::Relaxed,
        );
    }

    #[cold]
    fn raise(&self, in_flight: u64) {
        // Fails where another thread has raised it further.
        let _ = self.most_in_flight.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |most| {
            (most < in_flight).then_some(in_flight)
        });
    }
}
