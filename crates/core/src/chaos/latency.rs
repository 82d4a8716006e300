//! How long a call that is hit is delayed.

use crate::time::nanos;
use std::f64::consts::LN_2;
use std::time::Duration;

/// The bits of a random number that are used: what an `f64` holds exactly.
const BITS: u32 = 53;

/// How long a call that is hit is delayed.
///
/// ```
/// use breakerbox_core::chaos::Latency;
/// use std::time::Duration;
///
/// let second = Duration::from_secs(1);
/// assert_eq!(Latency::Fixed(second).delay(7), second);
/// let rare = Latency::Exponential { mean: second }.delay(0);
/// assert_eq!(rare, second * 10, "the longest there is");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Latency {
    /// Always as long.
    Fixed(Duration),
    /// Anything from `min` to `max`, both included, each nanosecond as likely.
    Uniform {
        /// The shortest delay.
        min: Duration,
        /// The longest delay.
        max: Duration,
    },
    /// Mostly short and sometimes long, as where waiting has no memory. Never longer than ten times
    /// the mean: one delay in 22,026 would be.
    Exponential {
        /// The mean.
        mean: Duration,
    },
}

impl Latency {
    /// The delay for a random number; the same on every machine.
    ///
    /// ```
    /// use breakerbox_core::chaos::Latency;
    /// use std::time::Duration;
    ///
    /// let (min, max) = (Duration::from_millis(100), Duration::from_millis(300));
    /// let latency = Latency::Uniform { min, max };
    /// assert_eq!(latency.delay(0), min);
    /// assert_eq!(latency.delay(u64::MAX), max);
    /// ```
    pub fn delay(self, random: u64) -> Duration {
        match self {
            Self::Fixed(delay) => delay,
            Self::Uniform { min, max } => {
                let (min, max) = (nanos(min), nanos(max));
                let width = u128::from(max.saturating_sub(min)) + 1;
                // At most `width - 1`, so it fits.
                let more = (width * u128::from(random)) >> 64;
                Duration::from_nanos(min.saturating_add(more as u64))
            }
            Self::Exponential { mean } => {
                let mean = nanos(mean);
                let delay = (mean as f64 * exponential(random)) as u64;
                Duration::from_nanos(delay.min(mean.saturating_mul(10)))
            }
        }
    }
}

/// A number of the exponential distribution with mean 1, from 0 to 36.8: `-ln(u)` for a `u` above
/// 0, at most 1.
///
/// The logarithm of the platform may differ from machine to machine in the last bits, so it is worked
/// out here from the four operations that IEEE 754 rounds alike everywhere.
pub(super) fn exponential(random: u64) -> f64 {
    // u = numerator / 2^53 = m x 2^exponent / 2^53 with an m from 1 to 2: all exact.
    let numerator = (random >> (64 - BITS)) + 1;
    let exponent = numerator.ilog2();
    let m = numerator as f64 / (1_u64 << exponent) as f64;
    // A rounding may leave it a hair below zero.
    (f64::from(BITS - exponent) * LN_2 - ln(m)).max(0.0)
}

/// The natural logarithm of a number from 1 to 2: `2 x (s + s^3/3 + s^5/5 + ..)` with
/// `s = (m - 1) / (m + 1)`, which is at most 1/3: after 18 terms what is left out is below 2^-58.
fn ln(m: f64) -> f64 {
    const TERMS: u32 = 18;
    let s = (m - 1.0) / (m + 1.0);
    let square = s * s;
    let sum = (0..TERMS).rev().fold(0.0, |sum, term| sum * square + 1.0 / f64::from(2 * term + 1));
    2.0 * s * sum
}
