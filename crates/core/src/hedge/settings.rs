//! What hedging can be told.

use crate::SettingsError;
use crate::retry;
use crate::retry::BudgetSettings;
use crate::settings_error::refuse;
use std::time::Duration;

/// The most hedges of one call.
pub const MAX_HEDGES: u32 = 10;
/// The longest fixed delay.
pub const MAX_DELAY: Duration = retry::MAX_DELAY;

/// How long a call runs before a hedge is started beside it.
///
/// ```
/// use breakerbox_core::Timestamp;
/// use breakerbox_core::hedge::{Delay, HedgeDelay};
/// use std::time::Duration;
///
/// let tenth = Duration::from_millis(100);
/// assert_eq!(HedgeDelay::new(Delay::Fixed(tenth)).delay(Timestamp::ZERO), Some(tenth));
/// assert_eq!(HedgeDelay::new(Delay::Percentile(0.95)).delay(Timestamp::ZERO), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Delay {
    /// Always so long.
    Fixed(Duration),
    /// As long as this fraction of the attempts of the last minute did not exceed: 0.95 starts a hedge
    /// for the slowest five in a hundred.
    Percentile(f64),
}

/// The settings of hedging. There is no default delay.
///
/// ```
/// use breakerbox_core::hedge::{Delay, Settings};
///
/// let settings = Settings::new(Delay::Percentile(0.95)).check().unwrap();
/// assert_eq!(settings.max, 1);
///
/// let error = Settings::new(Delay::Percentile(95.0)).check().unwrap_err();
/// assert_eq!(error.to_string(), "`delay` is the percentile 9500; give one from p50 to p99.99");
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// How long a call runs before a hedge is started.
    pub delay: Delay,
    /// How many hedges a call has at most, the first attempt and repetitions not counted. Default: 1.
    pub max: u32,
    /// The budget, which retries share. `None`: there is none.
    pub budget: Option<BudgetSettings>,
}

impl Settings {
    /// One hedge after this delay, within the usual budget.
    pub fn new(delay: Delay) -> Self {
        Self { delay, max: 1, budget: Some(BudgetSettings::default()) }
    }

    /// Refuses what makes no sense.
    ///
    /// # Errors
    /// The first setting that is out of range or contradicts another.
    pub fn check(self) -> Result<Self, SettingsError> {
        match self.delay {
            Delay::Fixed(Duration::ZERO) => {
                let message = "is zero, so every call is made twice";
                return refuse("delay", message, "give a duration, or a percentile such as p95");
            }
            Delay::Fixed(delay) if delay > MAX_DELAY => {
                let message = format!("of {delay:?} is too long");
                return refuse("delay", message, "give at most 1d");
            }
            Delay::Percentile(fraction) if !(0.5..=0.9999).contains(&fraction) => {
                let percent = (fraction * 1e8).round() / 1e6;
                let message = format!("is the percentile {percent}");
                return refuse("delay", message, "give one from p50 to p99.99");
            }
            Delay::Fixed(_) | Delay::Percentile(_) => {}
        }
        if self.max == 0 || self.max > MAX_HEDGES {
            return refuse("max", format!("is {}", self.max), "give 1 to 10");
        }
        // One budget for both, and one rule for what it may be.
        retry::Settings { budget: self.budget, ..retry::Settings::default() }.check()?;
        Ok(self)
    }
}
