//! Repeating what failed: which failures, how often, after how long, and within which budget.

mod backoff;
mod budget;
#[cfg(test)]
mod tests;
mod when;

pub use backoff::{Backoff, CustomGrowth, Growth, Jitter};
pub use budget::{Budget, BudgetSettings};
pub use when::{Failure, When};

use crate::SettingsError;
use crate::settings_error::refuse;
use std::time::Duration;

/// The most attempts of one call.
pub const MAX_ATTEMPTS: u32 = 100;
/// The methods of HTTP that do the same when they are done twice (RFC 9110, section 9.2.2).
pub const IDEMPOTENT: [&str; 6] = ["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"];
/// Bodies of requests are kept for another attempt up to so many bytes, unless more is asked for.
pub const DEFAULT_KEPT_BODY: usize = 64 * 1024;
/// The longest delay between two attempts.
pub const MAX_DELAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The settings of a retry policy.
///
/// ```
/// use breakerbox_core::retry::Settings;
///
/// assert_eq!(Settings::default().check().unwrap().attempts, 3);
/// let error = Settings { attempts: 0, ..Settings::default() }.check().unwrap_err();
/// assert_eq!(error.to_string(), "`attempts` is 0; give 1 to 100, the first one included");
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// How often an operation is run at most, the first time included. Default: 3.
    pub attempts: u32,
    /// The delays between attempts.
    pub backoff: Backoff,
    /// The budget, which hedges share. `None`: there is none, and a failing upstream gets as many
    /// times its load as there are attempts.
    pub budget: Option<BudgetSettings>,
    /// No repetition begins later than this after the call did. Default: any time before the
    /// deadline.
    pub max_elapsed: Option<Duration>,
    /// Which failures are repeated.
    pub on: When,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            attempts: 3,
            backoff: Backoff::default(),
            budget: Some(BudgetSettings::default()),
            max_elapsed: None,
            on: When::default(),
        }
    }
}

impl Settings {
    /// Refuses what makes no sense.
    ///
    /// # Errors
    /// The first setting that is out of range or contradicts another.
    pub fn check(self) -> Result<Self, SettingsError> {
        let Backoff { initial, factor, max, .. } = self.backoff;
        if self.attempts == 0 || self.attempts > MAX_ATTEMPTS {
            let message = format!("is {}", self.attempts);
            return refuse("attempts", message, "give 1 to 100, the first one included");
        }
        if initial.is_zero() {
            return refuse("backoff.initial", "is zero", "give a duration");
        }
        if max < initial {
            let message = format!("of {max:?} is shorter than the initial {initial:?}");
            return refuse("backoff.max", message, "make `max` at least as long as `initial`");
        }
        if max > MAX_DELAY {
            return refuse("backoff.max", format!("of {max:?} is too long"), "give at most 1d");
        }
        if !(1.0..=1000.0).contains(&factor) {
            let message = format!("is {factor}");
            return refuse("backoff.factor", message, "give a number from 1 to 1000");
        }
        if let Some(budget) = self.budget {
            let numbers = [
                ("budget.ratio", budget.ratio),
                ("budget.start", budget.start),
                ("budget.cap", budget.cap),
                ("budget.min_per_second", budget.min_per_second),
            ];
            for (field, number) in numbers {
                if !(0.0..=1_000_000.0).contains(&number) {
                    let message = format!("is {number}");
                    return refuse(field, message, "give a number from 0 to 1000000");
                }
            }
            if budget.cap < 1.0 {
                let message = format!("is {}, so nothing is ever repeated", budget.cap);
                return refuse("budget.cap", message, "give at least 1");
            }
        }
        Ok(self)
    }
}
