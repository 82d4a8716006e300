//! How many repetitions there may be, whatever the single call would like.

use crate::Timestamp;
use crate::sync::{AtomicU64, Ordering};

/// One repetition, in the millionths that the budget counts in.
const ONE: u64 = 1_000_000;
/// Nanoseconds.
const SECOND: u128 = 1_000_000_000;

/// The settings of a budget.
///
/// ```
/// use breakerbox_core::Timestamp;
/// use breakerbox_core::retry::{Budget, BudgetSettings};
/// use std::time::Duration;
///
/// let settings = BudgetSettings { start: 0.0, min_per_second: 2.0, ..BudgetSettings::default() };
/// let budget = Budget::new(settings, Timestamp::ZERO);
/// assert!(!budget.withdraw(Timestamp::ZERO));
/// assert_eq!(budget.left(Timestamp::ZERO + Duration::from_secs(1)), 2.0);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BudgetSettings {
    /// What every call adds, in repetitions. Default: 0.1, so one call in ten may be repeated.
    pub ratio: f64,
    /// What there is at the start. Default: 10.
    pub start: f64,
    /// There is never more than this. Default: 100.
    pub cap: f64,
    /// What time adds, for upstreams with little traffic. Default: 0.
    pub min_per_second: f64,
}

impl Default for BudgetSettings {
    fn default() -> Self {
        Self { ratio: 0.1, start: 10.0, cap: 100.0, min_per_second: 0.0 }
    }
}

/// A budget of repetitions, shared by the retries and hedges of all calls to one upstream.
///
/// Without it a failing upstream gets as many times its load as there are attempts; with it one tenth
/// more. It is a bucket of tokens as in gRPC's retry throttling, filled by calls rather than by
/// successes.
///
/// ```
/// use breakerbox_core::Timestamp;
/// use breakerbox_core::retry::{Budget, BudgetSettings};
///
/// let now = Timestamp::ZERO;
/// let budget = Budget::new(BudgetSettings { start: 1.0, ..BudgetSettings::default() }, now);
/// assert!(budget.withdraw(now));
/// assert!(!budget.withdraw(now));
/// // Ten calls later there is another one.
/// (0..10).for_each(|_| budget.deposit());
/// assert!(budget.withdraw(now));
/// ```
#[derive(Debug)]
pub struct Budget {
    /// Millionths of repetitions.
    tokens: AtomicU64,
    /// Until when what time adds has been added.
    filled: AtomicU64,
    ratio: u64,
    cap: u64,
    /// Millionths that time adds in a second.
    per_second: u64,
}

impl Budget {
    /// A budget as it is at the start.
    pub fn new(settings: BudgetSettings, now: Timestamp) -> Self {
        let millionths = |repetitions: f64| (repetitions * ONE as f64).round() as u64;
        let cap = millionths(settings.cap);
        Self {
            tokens: AtomicU64::new(millionths(settings.start).min(cap)),
            filled: AtomicU64::new(now.as_nanos()),
            ratio: millionths(settings.ratio),
            cap,
            per_second: millionths(settings.min_per_second),
        }
    }

    /// A call begins. Where the budget is full, as it mostly is, this writes nothing.
    #[inline]
    pub fn deposit(&self) {
        if self.tokens.load(Ordering::Relaxed) < self.cap {
            self.add(self.ratio);
        }
    }

    /// A repetition is to be made. False if there is none left.
    pub fn withdraw(&self, now: Timestamp) -> bool {
        self.fill(now);
        let taken = self
            .tokens
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |tokens| tokens.checked_sub(ONE));
        taken.is_ok()
    }

    /// A repetition was not made after all.
    pub fn refund(&self) {
        self.add(ONE);
    }

    /// How many repetitions are left.
    pub fn left(&self, now: Timestamp) -> f64 {
        let by_time = self.due(now, self.filled.load(Ordering::Relaxed));
        let tokens = self.tokens.load(Ordering::Relaxed).saturating_add(by_time).min(self.cap);
        tokens as f64 / ONE as f64
    }

    fn add(&self, tokens: u64) {
        // It never fails: there is always a value to go on with.
        let _ = self.tokens.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |before| {
            Some(before.saturating_add(tokens).min(self.cap))
        });
    }

    /// Millionths that time has added since `filled`.
    fn due(&self, now: Timestamp, filled: u64) -> u64 {
        let passed = u128::from(now.as_nanos().saturating_sub(filled));
        let due = passed * u128::from(self.per_second) / SECOND;
        // There is never more than the cap, so no more is due.
        u64::try_from(due).unwrap_or(u64::MAX)
    }

    /// Adds what time has added; whoever moves `filled` on adds for that time.
    fn fill(&self, now: Timestamp) {
        let filled = self.filled.load(Ordering::Relaxed);
        let due = self.due(now, filled);
        if due == 0 {
            return;
        }
        // What is left over of the time counts on.
        let took = u128::from(due) * SECOND / u128::from(self.per_second);
        let until = filled.saturating_add(u64::try_from(took).unwrap_or(u64::MAX));
        let mine =
            self.filled.compare_exchange(filled, until, Ordering::Relaxed, Ordering::Relaxed);
        if mine.is_ok() {
            self.add(due);
        }
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;
    use std::time::Duration;

    fn at(millis: u64) -> Timestamp {
        Timestamp::ZERO + Duration::from_millis(millis)
    }

    #[test]
    fn it_starts_with_ten_and_every_call_adds_a_tenth() {
        let budget = Budget::new(BudgetSettings::default(), at(0));
        assert_eq!((0..20).filter(|_| budget.withdraw(at(0))).count(), 10);
        for _ in 0..9 {
            budget.deposit();
        }
        assert!(!budget.withdraw(at(0)), "nine tenths are not enough");
        budget.deposit();
        assert!(budget.withdraw(at(0)));
        assert_eq!(budget.left(at(0)), 0.0);
    }

    #[test]
    fn it_holds_a_hundred_and_a_refund_does_not_overfill_it() {
        let budget = Budget::new(BudgetSettings::default(), at(0));
        for _ in 0..10_000 {
            budget.deposit();
        }
        budget.refund();
        assert_eq!(budget.left(at(0)), 100.0);
        assert!(budget.withdraw(at(0)));
        budget.refund();
        assert_eq!(budget.left(at(0)), 100.0);
    }

    #[test]
    fn time_adds_what_it_should_and_keeps_the_rest() {
        let settings = BudgetSettings { start: 0.0, min_per_second: 2.0, ..Default::default() };
        let budget = Budget::new(settings, at(0));
        assert!(!budget.withdraw(at(499)));
        assert!(budget.withdraw(at(500)));
        // 250 ms are half of one, and not lost.
        assert!(!budget.withdraw(at(750)));
        assert!(budget.withdraw(at(1000)));
        assert_eq!(budget.left(at(1250)), 0.5);
        assert_eq!(budget.left(at(1_000_000)), 100.0);
    }

    #[test]
    #[cfg_attr(miri, ignore = "a hundred thousand calls")]
    fn small_numbers_add_up() {
        let settings =
            BudgetSettings { ratio: 0.0004, start: 0.0, min_per_second: 0.0004, cap: 100.0 };
        let budget = Budget::new(settings, at(0));
        (0..100_000).for_each(|_| budget.deposit());
        assert_eq!(budget.left(at(0)), 40.0);
        assert_eq!(budget.left(at(10_000_000)), 44.0);
        let fast = BudgetSettings { start: 0.0, min_per_second: 1e6, cap: 1e6, ratio: 0.0 };
        assert_eq!(Budget::new(fast, at(0)).left(at(1)), 1000.0);
    }

    #[test]
    fn threads_never_take_more_than_there_is() {
        let budget = Budget::new(BudgetSettings { ratio: 0.0, ..Default::default() }, at(0));
        let taken: usize = std::thread::scope(|scope| {
            let take = || (0..100).filter(|_| budget.withdraw(at(0))).count();
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(take)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(taken, 10);
    }
}
