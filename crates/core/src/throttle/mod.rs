//! The client throttle: sends less to an upstream that accepts less, by rejecting some of the
//! requests here, where that is cheap.

mod settings;
#[cfg(test)]
mod tests;
mod window;

pub use settings::{MAX_K, MAX_WINDOW, MIN_PER_SECOND, MIN_WINDOW, Settings};

use crate::Timestamp;
use crate::sync::{AtomicU64, Ordering};
use crate::time::nanos;
use window::{BUCKETS, Ring};

/// Rejects requests with the probability
/// `p = max(0, (requests - k x accepted) / (requests + 1))`, at most `max`.
///
/// It is the adaptive throttling of "Handling Overload" in Google's book on site reliability
/// engineering, with two differences. `requests` are those that were admitted, not those that were
/// rejected here as well: thus an upstream that fails a constant part of its requests is not cut off,
/// and the throttle recovers fast. And there is a highest probability, and no throttling at all below
/// five requests per second, so that some requests always find out whether the upstream is back.
///
/// Its size is fixed, and nothing in it locks.
///
/// ```
/// use breakerbox_core::Timestamp;
/// use breakerbox_core::throttle::{Settings, Throttle};
///
/// let throttle = Throttle::new(Settings::default());
/// let now = Timestamp::ZERO;
/// for _ in 0..99 {
///     throttle.admit(now, u64::MAX).unwrap(); // the largest random number
/// }
/// for _ in 0..25 {
///     throttle.accepted(now);
/// }
/// // (99 - 2 x 25) / (99 + 1)
/// assert_eq!(throttle.probability(now), 0.49);
/// assert_eq!(throttle.admit(now, 0), Err(0.49));
/// ```
#[derive(Debug)]
pub struct Throttle {
    requests: Ring,
    accepted: Ring,
    rejected: AtomicU64,
    k: f64,
    max: f64,
    /// Nanoseconds of a bucket.
    width: u64,
    /// With fewer requests in the window nothing is throttled.
    min_requests: f64,
}

/// What there is to see of a throttle at one moment.
///
/// ```
/// use breakerbox_core::Timestamp;
/// use breakerbox_core::throttle::{Settings, Snapshot, Throttle};
///
/// let throttle = Throttle::new(Settings::default());
/// throttle.admit(Timestamp::ZERO, 0).unwrap();
/// throttle.accepted(Timestamp::ZERO);
/// let seen = Snapshot { requests: 1, accepted: 1, probability: 0.0, rejected: 0 };
/// assert_eq!(throttle.snapshot(Timestamp::ZERO), seen);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Snapshot {
    /// Requests in the window that were admitted.
    pub requests: u64,
    /// Those in the window that the upstream accepted.
    pub accepted: u64,
    /// The probability with which a request would be rejected now.
    pub probability: f64,
    /// How many were rejected, ever.
    pub rejected: u64,
}

impl Throttle {
    /// A throttle that has seen nothing. The settings have passed [`Settings::check`].
    pub fn new(settings: Settings) -> Self {
        let Settings { k, window, max } = settings;
        Self {
            requests: Ring::new(),
            accepted: Ring::new(),
            rejected: AtomicU64::new(0),
            k,
            max,
            width: (nanos(window) / BUCKETS).max(1),
            min_requests: window.as_secs_f64() * MIN_PER_SECOND as f64,
        }
    }

    /// Asks to make a request, which is counted if it is admitted.
    ///
    /// # Errors
    /// It is rejected; the number is the probability with which that was done.
    #[inline]
    pub fn admit(&self, now: Timestamp, random: u64) -> Result<(), f64> {
        let bucket = self.bucket(now);
        let probability = self.probability_of(self.requests.sum(bucket), bucket);
        // 53 bits are what an f64 holds exactly.
        let unit = (random >> 11) as f64 / (1u64 << 53) as f64;
        if unit < probability {
            self.rejected.fetch_add(1, Ordering::Relaxed);
            return Err(probability);
        }
        self.requests.add(bucket);
        Ok(())
    }

    /// The upstream accepted a request: it gave any answer but that it has too much to do.
    #[inline]
    pub fn accepted(&self, now: Timestamp) {
        self.accepted.add(self.bucket(now));
    }

    /// A request that was admitted never reached the upstream, because a policy further in rejected
    /// it. It is no longer counted.
    pub fn forget(&self, now: Timestamp) {
        self.requests.take_back(self.bucket(now));
    }

    /// The probability with which a request would be rejected now. Changes nothing.
    pub fn probability(&self, now: Timestamp) -> f64 {
        let bucket = self.bucket(now);
        self.probability_of(self.requests.sum(bucket), bucket)
    }

    /// How many requests were rejected, ever.
    pub fn rejected(&self) -> u64 {
        self.rejected.load(Ordering::Relaxed)
    }

    /// Everything there is to see. Changes nothing.
    pub fn snapshot(&self, now: Timestamp) -> Snapshot {
        let bucket = self.bucket(now);
        let requests = self.requests.sum(bucket);
        Snapshot {
            requests,
            accepted: self.accepted.sum(bucket),
            probability: self.probability_of(requests, bucket),
            rejected: self.rejected(),
        }
    }

    #[inline]
    fn probability_of(&self, requests: u64, bucket: u64) -> f64 {
        let requests = requests as f64;
        if requests < self.min_requests {
            return 0.0;
        }
        let accepted = self.accepted.sum(bucket) as f64;
        ((requests - self.k * accepted) / (requests + 1.0)).clamp(0.0, self.max)
    }

    #[inline]
    fn bucket(&self, now: Timestamp) -> u64 {
        now.as_nanos() / self.width
    }
}
