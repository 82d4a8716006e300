//! What a rate limit can be told.

use crate::SettingsError;
use crate::keyed::{DEFAULT_KEYS, MAX_KEYS};
use crate::settings_error::refuse;
use std::time::Duration;

/// The most that may go at once.
pub const MAX_BURST: u32 = 1_000_000;
/// The longest time that a rate is over.
pub const MAX_PER: Duration = Duration::from_secs(24 * 60 * 60);
/// The longest wait for a turn.
pub const MAX_WAIT: Duration = Duration::from_secs(60 * 60);
/// The shortest interval between two calls: no more than a billion may go per second.
pub const MIN_INTERVAL: Duration = Duration::from_nanos(1);

/// The settings of a rate limit.
///
/// ```
/// use breakerbox_core::rate_limit::Settings;
/// use std::time::Duration;
///
/// let hourly = Settings { per: Duration::from_secs(3600), ..Settings::new(1000.0) }.check().unwrap();
/// assert_eq!(hourly.burst(), 1000);
/// assert_eq!(Settings { burst: Some(10), ..hourly }.burst(), 10);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// So many calls per `per`. Above zero.
    pub rate: f64,
    /// The time that the rate is over. Default: 1 s.
    pub per: Duration,
    /// So many may go at once, after a pause. Default: the rate, rounded up.
    pub burst: Option<u32>,
    /// The longest wait for a turn. `None`: nobody waits.
    pub wait: Option<Duration>,
    /// For so many keys there may be a limit of their own. Default: 10,000.
    pub keys: usize,
}

impl Settings {
    /// So many calls per second, and the defaults.
    pub const fn new(rate: f64) -> Self {
        let per = Duration::from_secs(1);
        Self { rate, per, burst: None, wait: None, keys: DEFAULT_KEYS }
    }

    /// How many may go at once.
    pub fn burst(&self) -> u32 {
        // A rate that is not in range has been refused.
        self.burst.unwrap_or((self.rate.ceil() as u32).clamp(1, MAX_BURST))
    }

    /// The time between two calls at that rate, in nanoseconds, rounded to whole ones. The rate that
    /// comes of it is off by at most one in a thousand at 500,000 calls a second, and by less below.
    pub(super) fn interval(&self) -> u64 {
        ((self.per.as_nanos() as f64 / self.rate).round() as u64).max(1)
    }

    /// Refuses what makes no sense.
    ///
    /// ```
    /// use breakerbox_core::rate_limit::Settings;
    ///
    /// let refused = Settings::new(0.0).check().unwrap_err();
    /// assert_eq!(refused.to_string(), "`rate` is 0; give a number above 0");
    /// ```
    ///
    /// # Errors
    /// The first setting that is out of range or contradicts another.
    pub fn check(self) -> Result<Self, SettingsError> {
        if !self.rate.is_finite() || self.rate <= 0.0 {
            return refuse("rate", format!("is {}", self.rate), "give a number above 0");
        }
        if self.per.is_zero() || self.per > MAX_PER {
            let message = format!("is {:?}", self.per);
            return refuse("per", message, "give a duration above 0, at most 1d");
        }
        let interval = self.per.as_nanos() as f64 / self.rate;
        if interval < MIN_INTERVAL.as_nanos() as f64 {
            let message = "is more than a billion per second";
            return refuse("rate", message, "give a smaller rate, or a longer `per`");
        }
        if interval > MAX_PER.as_nanos() as f64 {
            let message = format!("of {} in {:?} is less than one a day", self.rate, self.per);
            return refuse("rate", message, "give a larger rate, or a shorter `per`");
        }
        if self.burst.is_some_and(|burst| burst == 0 || burst > MAX_BURST) {
            let message = format!("is {}", self.burst());
            return refuse("burst", message, "give 1 to 1000000");
        }
        if let Some(wait) = self.wait.filter(|wait| *wait > MAX_WAIT) {
            return refuse("wait", format!("of {wait:?} is too long"), "give at most 1h");
        }
        if self.keys == 0 || self.keys > MAX_KEYS {
            return refuse("keys", format!("is {}", self.keys), "give 1 to 10000000");
        }
        Ok(self)
    }
}
