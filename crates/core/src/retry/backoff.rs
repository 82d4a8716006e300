//! How long to wait before an attempt is repeated.

use crate::SplitMix64;
use std::time::Duration;

/// How the delay grows from one repetition to the next, before jitter.
///
/// ```
/// use breakerbox_core::SplitMix64;
/// use breakerbox_core::retry::{Backoff, Growth, Jitter};
/// use std::time::Duration;
///
/// let backoff = Backoff { growth: Growth::Fibonacci, jitter: Jitter::None, ..Backoff::default() };
/// let delay = |it| backoff.delay(it, Duration::ZERO, &mut SplitMix64::new(0)).as_millis();
/// assert_eq!([0, 1, 2, 3, 4].map(delay), [50, 50, 100, 150, 250]);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Growth {
    /// `initial x factor^n`.
    #[default]
    Exponential,
    /// Always `initial`.
    Fixed,
    /// `initial x (n + 1)`.
    Linear,
    /// `initial` times the Fibonacci numbers 1, 1, 2, 3, 5, ...
    Fibonacci,
    /// As a function of the number of the repetition, from 0, says. `max` and the jitter apply as
    /// they do to the others.
    Custom(CustomGrowth),
}

/// The delay before the repetition of a number, from 0, before jitter.
///
/// ```
/// use breakerbox_core::SplitMix64;
/// use breakerbox_core::retry::{Backoff, CustomGrowth, Growth, Jitter};
/// use std::time::Duration;
///
/// // At once, and from then on after a second.
/// let growth = CustomGrowth(|repetition| Duration::from_secs(u64::from(repetition.min(1))));
/// let growth = Growth::Custom(growth);
/// let backoff = Backoff { growth, jitter: Jitter::None, ..Backoff::default() };
/// let delay = |n| backoff.delay(n, Duration::ZERO, &mut SplitMix64::new(0));
/// assert_eq!([0, 1, 2].map(delay), [0, 1, 1].map(Duration::from_secs));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct CustomGrowth(pub fn(u32) -> Duration);

impl PartialEq for CustomGrowth {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::fn_addr_eq(self.0, other.0)
    }
}

impl Eq for CustomGrowth {}

/// How delays are spread, so that many callers do not come back at the same instant.
///
/// ```
/// use breakerbox_core::SplitMix64;
/// use breakerbox_core::retry::{Backoff, Jitter};
/// use std::time::Duration;
///
/// let backoff = Backoff { jitter: Jitter::Equal, ..Backoff::default() };
/// let delay = |seed| backoff.delay(0, Duration::ZERO, &mut SplitMix64::new(seed)).as_millis();
/// assert!((0..100).map(delay).all(|millis| (25..=50).contains(&millis)));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Jitter {
    /// Anything from nothing to the whole delay.
    #[default]
    Full,
    /// Half of the delay, and anything up to the other half.
    Equal,
    /// Anything from `initial` to three times the delay before; growth does not matter.
    Decorrelated,
    /// The delay itself.
    None,
}

/// The delays between attempts. The names and the evidence for jitter are those of Marc Brooker's
/// "Exponential Backoff And Jitter" (2015). No delay is longer than `max`, whatever the jitter.
///
/// ```
/// use breakerbox_core::SplitMix64;
/// use breakerbox_core::retry::{Backoff, Jitter};
/// use std::time::Duration;
///
/// let backoff = Backoff { jitter: Jitter::None, ..Backoff::default() };
/// let mut random = SplitMix64::new(0);
/// let mut before = Duration::ZERO;
/// let delays: Vec<_> = (0..7)
///     .map(|repetition| {
///         before = backoff.delay(repetition, before, &mut random);
///         before.as_millis()
///     })
///     .collect();
/// assert_eq!(delays, [50, 100, 200, 400, 800, 1600, 2000]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Backoff {
    /// How delays grow. Default: exponentially.
    pub growth: Growth,
    /// The first delay. Default: 50 ms.
    pub initial: Duration,
    /// By how much each exponential delay is longer than the one before. Default: 2.
    pub factor: f64,
    /// No delay is longer. Default: 2 s.
    pub max: Duration,
    /// How delays are spread. Default: full.
    pub jitter: Jitter,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            growth: Growth::default(),
            initial: Duration::from_millis(50),
            factor: 2.0,
            max: Duration::from_secs(2),
            jitter: Jitter::default(),
        }
    }
}

impl Backoff {
    /// The delay before the repetition of this number, from 0; `before` is the one before it.
    pub fn delay(&self, repetition: u32, before: Duration, random: &mut SplitMix64) -> Duration {
        let grown = self.grown(repetition).min(self.max);
        let jittered = match self.jitter {
            Jitter::None => grown,
            Jitter::Full => grown.mul_f64(random.next_unit()),
            Jitter::Equal => grown / 2 + (grown / 2).mul_f64(random.next_unit()),
            Jitter::Decorrelated => {
                let top = before.max(self.initial).saturating_mul(3);
                let room = top.saturating_sub(self.initial).min(self.max);
                self.initial + room.mul_f64(random.next_unit())
            }
        };
        jittered.min(self.max)
    }

    fn grown(&self, repetition: u32) -> Duration {
        match self.growth {
            Growth::Fixed => self.initial,
            Growth::Custom(CustomGrowth(delay)) => delay(repetition),
            Growth::Linear => self.initial.saturating_mul(repetition.saturating_add(1)),
            Growth::Exponential => {
                let mut delay = self.initial;
                for _ in 0..repetition {
                    if delay >= self.max {
                        break;
                    }
                    delay = delay.mul_f64(self.factor);
                }
                delay
            }
            Growth::Fibonacci => {
                let (mut one, mut two) = (0_u32, 1_u32);
                // After 47 steps it is at its end.
                for _ in 0..repetition.min(47) {
                    (one, two) = (two, one.saturating_add(two));
                }
                self.initial.saturating_mul(two)
            }
        }
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    fn delays(backoff: &Backoff, count: u32, seed: u64) -> Vec<u128> {
        let mut random = SplitMix64::new(seed);
        let mut before = Duration::ZERO;
        let mut next = |repetition| {
            before = backoff.delay(repetition, before, &mut random);
            before.as_millis()
        };
        (0..count).map(&mut next).collect()
    }

    fn growing(growth: Growth) -> Backoff {
        Backoff { growth, jitter: Jitter::None, ..Backoff::default() }
    }

    #[test]
    fn delays_grow_as_their_kind_says_and_never_beyond_the_maximum() {
        assert_eq!(delays(&growing(Growth::Fixed), 3, 0), [50, 50, 50]);
        assert_eq!(delays(&growing(Growth::Linear), 4, 0), [50, 100, 150, 200]);
        assert_eq!(delays(&growing(Growth::Fibonacci), 7, 0), [50, 50, 100, 150, 250, 400, 650]);
        assert_eq!(delays(&growing(Growth::Exponential), 4, 0), [50, 100, 200, 400]);
        for growth in [Growth::Linear, Growth::Fibonacci, Growth::Exponential] {
            let backoff = growing(growth);
            let mut random = SplitMix64::new(0);
            assert_eq!(backoff.delay(u32::MAX, Duration::ZERO, &mut random).as_secs(), 2);
        }
    }

    #[test]
    fn jitter_stays_within_its_bounds_and_uses_them() {
        for (jitter, low, high) in
            [(Jitter::Full, 0, 400), (Jitter::Equal, 200, 400), (Jitter::None, 400, 400)]
        {
            let backoff = Backoff { jitter, ..Backoff::default() };
            let mut random = SplitMix64::new(1);
            // The fourth delay is 400 ms before jitter.
            let mut all: Vec<_> = (0..2000)
                .map(|_| backoff.delay(3, Duration::ZERO, &mut random).as_millis())
                .collect();
            all.sort_unstable();
            assert!(all[0] >= low && all[1999] <= high, "{jitter:?}");
            let span = high - low;
            assert!(all[0] <= low + span / 20 && all[1999] >= high - span / 20, "{jitter:?}");
        }
    }

    #[test]
    fn decorrelated_delays_lie_between_the_first_and_three_times_the_one_before() {
        let backoff = Backoff { jitter: Jitter::Decorrelated, ..Backoff::default() };
        for seed in 0..200 {
            let mut random = SplitMix64::new(seed);
            let mut before = Duration::ZERO;
            for repetition in 0..20 {
                let delay = backoff.delay(repetition, before, &mut random);
                let top = before.max(backoff.initial) * 3;
                assert!(delay >= backoff.initial && delay <= top.min(backoff.max));
                before = delay;
            }
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_delays() {
        let backoff = Backoff::default();
        assert_eq!(delays(&backoff, 9, 7), delays(&backoff, 9, 7));
        assert_ne!(delays(&backoff, 9, 7), delays(&backoff, 9, 8));
    }

    #[test]
    fn delays_of_ones_own_are_equal_where_they_are_the_same_function() {
        fn doubled(repetition: u32) -> Duration {
            Duration::from_millis(u64::from(repetition) * 2)
        }
        fn tripled(repetition: u32) -> Duration {
            Duration::from_millis(u64::from(repetition) * 3)
        }
        let growth = CustomGrowth(doubled);
        let same = growth;
        assert_eq!(growth, same);
        assert_ne!(growth, CustomGrowth(tripled));
        assert_eq!((doubled(1), tripled(1)), (Duration::from_millis(2), Duration::from_millis(3)));
    }
}
