//! How long an attempt runs before another is started beside it.

use super::Delay;
use crate::first::try_lock;
use crate::sync::{AtomicU64, Mutex, Ordering};
use crate::time::nanos;
use crate::{Durations, Histogram, Timestamp};
use std::time::Duration;

/// The last minute is this many parts: the current one and the five before it. In a model, fewer.
const PARTS: usize = if cfg!(loom) { 2 } else { 6 };
/// Nanoseconds of a part.
const PART: u64 = 10_000_000_000;
/// The delay is worked out once in so many nanoseconds.
const SECOND: u64 = 1_000_000_000;
/// A percentile of fewer attempts says nothing.
const ENOUGH: u64 = if cfg!(loom) { 1 } else { 100 };
/// A percentile is at least this long.
const SHORTEST: u64 = 1_000_000;
/// It has never been worked out.
const NEVER: u64 = u64::MAX;

/// The delay before a hedge: fixed, or a percentile of all attempts of the last minute.
///
/// *All* attempts: one that lost to another was at least as slow as it had run then, and is recorded
/// with that. Else the slow ones would vanish from the percentile because they were hedged. A
/// percentile needs 100 attempts; with fewer nothing is hedged.
///
/// The attempts are counted in a [`Histogram`], so a percentile is at most 1/16 too long. Its size is
/// fixed: 26 KiB, or next to nothing where the delay is fixed.
///
/// ```
/// use breakerbox_core::Timestamp;
/// use breakerbox_core::hedge::{Delay, HedgeDelay};
/// use std::time::Duration;
///
/// let at = |seconds| Timestamp::ZERO + Duration::from_secs(seconds);
/// let hedge = HedgeDelay::new(Delay::Percentile(0.95));
/// for millis in 1..=99 {
///     hedge.record(at(0), Duration::from_millis(millis));
/// }
/// assert_eq!(hedge.delay(at(0)), None, "99 are not enough");
/// hedge.record(at(1), Duration::from_millis(100));
/// let delay = hedge.delay(at(1)).unwrap();
/// assert!(delay >= Duration::from_millis(95) && delay < Duration::from_millis(101));
/// // A minute later they are forgotten.
/// assert_eq!(hedge.delay(at(61)), None);
/// ```
#[derive(Debug)]
pub struct HedgeDelay {
    /// Nanoseconds; 0: no hedge. Where it is fixed, that.
    delay: AtomicU64,
    /// The second for which it was worked out.
    second: AtomicU64,
    measured: Option<Box<Measured>>,
}

#[derive(Debug)]
struct Measured {
    fraction: f64,
    /// All attempts, ever.
    attempts: Histogram,
    /// When the current part ends.
    end: AtomicU64,
    parts: Mutex<Parts>,
}

/// What the histogram held when each of the last parts began. The last minute is a subtraction: nothing
/// is ever cleared, so nothing is lost between threads.
#[derive(Debug)]
struct Parts {
    /// The number of the current part, counted from the clock's origin.
    current: u64,
    /// In a ring.
    starts: [Durations; PARTS],
}

/// What there is to see of the delay at one moment.
///
/// ```
/// use breakerbox_core::Timestamp;
/// use breakerbox_core::hedge::{Delay, HedgeDelay};
/// use std::time::Duration;
///
/// let hedge = HedgeDelay::new(Delay::Percentile(0.95));
/// hedge.record(Timestamp::ZERO, Duration::from_millis(5));
/// let seen = hedge.snapshot(Timestamp::ZERO);
/// assert_eq!((seen.delay, seen.attempts), (None, 1), "one attempt says nothing");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The delay; `None` if nothing is hedged.
    pub delay: Option<Duration>,
    /// How many attempts of the last minute it is a percentile of; 0 where it is fixed.
    pub attempts: u64,
}

impl HedgeDelay {
    /// A delay that knows of no attempt yet. It has passed [`Settings::check`](super::Settings::check).
    pub fn new(delay: Delay) -> Self {
        let (fixed, measured) = match delay {
            Delay::Fixed(delay) => (nanos(delay), None),
            Delay::Percentile(fraction) => (0, Some(Box::new(Measured::new(fraction)))),
        };
        Self { delay: AtomicU64::new(fixed), second: AtomicU64::new(NEVER), measured }
    }

    /// An attempt took so long, well or not; or lost, or was given up, after so long.
    #[inline]
    pub fn record(&self, now: Timestamp, took: Duration) {
        if let Some(measured) = &self.measured {
            measured.turn(now);
            measured.attempts.record(took);
        }
    }

    /// How long an attempt that starts now runs before a hedge; `None` if there is none.
    ///
    /// A percentile is worked out at most once per second, by the first who asks.
    #[inline]
    pub fn delay(&self, now: Timestamp) -> Option<Duration> {
        let second = now.as_nanos() / SECOND;
        if let Some(measured) = &self.measured {
            let known = self.second.load(Ordering::Acquire);
            // A clock that is a little behind asks for what is known, too.
            if (known == NEVER || second > known) && !self.work_out(measured, now) {
                // Somebody else is just doing it. What is not from the second before is too old.
                return self.known().filter(|_| second.checked_sub(1) == Some(known));
            }
        }
        self.known()
    }

    /// What there is to see. Changes nothing.
    pub fn snapshot(&self, now: Timestamp) -> Snapshot {
        let Some(measured) = &self.measured else {
            return Snapshot { delay: self.known(), attempts: 0 };
        };
        let parts = crate::sync::lock(&measured.parts);
        let attempts = measured.last_minute(&parts, now);
        let delay = measured.percentile(&attempts).map(Duration::from_nanos);
        Snapshot { delay, attempts: attempts.count() }
    }

    fn known(&self) -> Option<Duration> {
        let delay = self.delay.load(Ordering::Relaxed);
        (delay > 0).then(|| Duration::from_nanos(delay))
    }

    /// False if another thread is at it.
    #[cold]
    fn work_out(&self, measured: &Measured, now: Timestamp) -> bool {
        let Some(mut parts) = try_lock(&measured.parts) else { return false };
        measured.turn_on(&mut parts, now);
        let delay = measured.percentile(&measured.last_minute(&parts, now));
        self.delay.store(delay.unwrap_or(0), Ordering::Relaxed);
        // After the delay: whoever sees the second sees what belongs to it.
        self.second.store(now.as_nanos() / SECOND, Ordering::Release);
        true
    }
}

impl Measured {
    fn new(fraction: f64) -> Self {
        let attempts = Histogram::new();
        let starts = std::array::from_fn(|_| attempts.snapshot());
        Self {
            fraction,
            attempts,
            end: AtomicU64::new(0),
            parts: Mutex::new(Parts { current: 0, starts }),
        }
    }

    /// Begins a new part where its time has come.
    #[inline]
    fn turn(&self, now: Timestamp) {
        if now.as_nanos() >= self.end.load(Ordering::Relaxed)
            && let Some(mut parts) = try_lock(&self.parts)
        {
            self.turn_on(&mut parts, now);
        }
    }

    #[cold]
    fn turn_on(&self, parts: &mut Parts, now: Timestamp) {
        let part = now.as_nanos() / PART;
        let passed = part.saturating_sub(parts.current).min(PARTS as u64);
        if passed > 0 {
            let held = self.attempts.snapshot();
            for part in part + 1 - passed..=part {
                parts.starts[place(part)] = held.clone();
            }
            parts.current = part;
        }
        let end = parts.current.saturating_add(1).saturating_mul(PART);
        self.end.store(end, Ordering::Relaxed);
    }

    /// The attempts of the current part and those before it.
    fn last_minute(&self, parts: &Parts, now: Timestamp) -> Durations {
        let held = self.attempts.snapshot();
        let part = (now.as_nanos() / PART).max(parts.current);
        let oldest = part.saturating_sub(PARTS as u64 - 1);
        if oldest > parts.current {
            return held.since(&held);
        }
        // Parts before the first one began with nothing, as all of `starts` do at first.
        held.since(&parts.starts[place(oldest)])
    }

    fn percentile(&self, attempts: &Durations) -> Option<u64> {
        if attempts.count() < ENOUGH {
            return None;
        }
        attempts.quantile(self.fraction).map(|delay| nanos(delay).max(SHORTEST))
    }
}

fn place(part: u64) -> usize {
    (part % PARTS as u64) as usize
}
