//! A point in time, as a machine sees it.

use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

/// A point on one monotonic clock, in nanoseconds since that clock's origin.
///
/// Core never reads a clock. Whoever drives a machine passes the present in as a `Timestamp`, from
/// one clock only: timestamps of different clocks cannot be compared. 64 bits of nanoseconds last
/// for 584 years; sums saturate there.
///
/// ```
/// use breakerbox_core::Timestamp;
/// use std::time::Duration;
///
/// let start = Timestamp::from_nanos(1_000);
/// let later = start + Duration::from_micros(5);
/// assert_eq!(later.as_nanos(), 6_000);
/// assert_eq!(later.since(start), Duration::from_micros(5));
/// // Time never runs backwards: an earlier point is zero away.
/// assert_eq!(start.since(later), Duration::ZERO);
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The origin of the clock.
    pub const ZERO: Self = Self(0);
    /// The end of time: what is due then is never due.
    pub const NEVER: Self = Self(u64::MAX);

    /// A point so many nanoseconds after the origin.
    #[inline]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the origin.
    #[inline]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// How long after `earlier` this is; zero if it is not after it.
    #[inline]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// Nanoseconds of `duration`, at most the end of time.
#[inline]
pub(crate) const fn nanos(duration: Duration) -> u64 {
    let seconds = duration.as_secs().saturating_mul(1_000_000_000);
    seconds.saturating_add(duration.subsec_nanos() as u64)
}

impl Add<Duration> for Timestamp {
    type Output = Self;

    #[inline]
    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(nanos(duration)))
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Self;

    #[inline]
    fn sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(nanos(duration)))
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::NEVER {
            f.write_str("never")
        } else {
            write!(f, "{:?}", Duration::from_nanos(self.0))
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn it_reads_as_the_time_since_the_origin() {
        assert_eq!(format!("{:?}", Timestamp::from_nanos(1_500_000)), "1.5ms");
        assert_eq!(format!("{:?}", Timestamp::NEVER), "never");
    }
}
