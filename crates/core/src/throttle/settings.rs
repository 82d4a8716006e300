//! What a throttle can be told.

use crate::SettingsError;
use crate::settings_error::refuse;
use std::time::Duration;

/// The shortest window.
pub const MIN_WINDOW: Duration = Duration::from_secs(1);
/// The longest window.
pub const MAX_WINDOW: Duration = Duration::from_secs(60 * 60);
/// The largest `k`.
pub const MAX_K: f64 = 100.0;
/// With fewer requests per second than this, over the window, nothing is throttled.
pub const MIN_PER_SECOND: u64 = 5;

/// The settings of a throttle.
///
/// ```
/// use breakerbox_core::throttle::Settings;
/// use std::time::Duration;
///
/// let settings = Settings::default().check().unwrap();
/// assert_eq!((settings.k, settings.max), (2.0, 0.9));
/// assert_eq!(settings.window, Duration::from_secs(10));
///
/// let error = Settings { k: 0.5, ..settings }.check().unwrap_err();
/// assert_eq!(error.to_string(), "`k` is 0.5; give a number from 1 to 100, mostly 2");
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// How many requests are made for each that is accepted, before any is rejected here. Default: 2.
    pub k: f64,
    /// Over how long requests are counted, in ten buckets aligned to the clock's origin: the current
    /// one and the nine before it. Default: 10 s.
    pub window: Duration,
    /// The highest probability with which a request is rejected. Default: 0.9.
    pub max: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { k: 2.0, window: Duration::from_secs(10), max: 0.9 }
    }
}

impl Settings {
    /// Refuses what makes no sense.
    ///
    /// # Errors
    /// The first setting that is out of range.
    pub fn check(self) -> Result<Self, SettingsError> {
        let Self { k, window, max } = self;
        if !(1.0..=MAX_K).contains(&k) {
            return refuse("k", format!("is {k}"), "give a number from 1 to 100, mostly 2");
        }
        if window < MIN_WINDOW {
            let message = format!("of {window:?} is too short");
            return refuse("window", message, "give at least 1s");
        }
        if window > MAX_WINDOW {
            return refuse("window", format!("of {window:?} is too long"), "give at most 1h");
        }
        if !(max > 0.0 && max <= 1.0) {
            return refuse("max", format!("is {max}"), "give a fraction above 0, at most 1");
        }
        Ok(self)
    }
}
