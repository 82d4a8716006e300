//! What a breaker has seen.

use crate::clock::Clock;
use crate::inner::Inner;
use breakerbox_core::Durations;
use breakerbox_core::breaker::Snapshot;
use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts, rates and latencies of a breaker at one moment.
///
/// What the rules count is in the [`Snapshot`] that this gives access to: `stats.failures`,
/// `stats.window.failure_rate`. Counts are since the breaker was made, `window` is the present one.
///
/// ```
/// use breakerbox::BlockingBreaker;
///
/// let numbers = BlockingBreaker::new("numbers");
/// let _ = numbers.call(|| "7".parse::<u32>());
/// let _ = numbers.fallback(|_| 0).call(|| "x".parse::<u32>());
///
/// let stats = numbers.stats();
/// assert_eq!((stats.started, stats.successes, stats.failures), (2, 1, 1));
/// assert_eq!((stats.window.calls, stats.window.failure_rate), (2, None)); // fewer than `min_calls`
/// assert_eq!((stats.fallbacks, stats.in_flight), (1, 0));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Stats {
    snapshot: Snapshot,
    /// Calls that ran into the attempt timeout.
    pub attempt_timeouts: u64,
    /// Calls that ran into the deadline.
    pub deadlines: u64,
    /// Calls that their callers gave up.
    pub cancelled: u64,
    /// Operations that panicked.
    pub panics: u64,
    /// Calls answered by the fallback.
    pub fallbacks: u64,
    /// Panics of listeners.
    pub listener_panics: u64,
    /// How long the calls took that came back, good or failed, not those that timed out or were
    /// given up; `None` unless the builder was told to keep latencies.
    pub latency: Option<Durations>,
}

impl Stats {
    pub(crate) fn new<C: Clock>(inner: &Inner<C>, snapshot: Snapshot) -> Self {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Self {
            snapshot,
            attempt_timeouts: read(&inner.rare.attempt_timeouts),
            deadlines: read(&inner.rare.deadlines),
            cancelled: read(&inner.rare.cancelled),
            panics: read(&inner.rare.panics),
            fallbacks: read(&inner.rare.fallbacks),
            listener_panics: inner.listeners.panics(),
            latency: inner.latency.as_ref().map(breakerbox_core::Histogram::snapshot),
        }
    }
}

impl Deref for Stats {
    type Target = Snapshot;

    fn deref(&self) -> &Snapshot {
        &self.snapshot
    }
}
