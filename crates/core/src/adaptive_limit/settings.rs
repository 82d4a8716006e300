//! What an adaptive limit can be told.

use crate::SettingsError;
use crate::settings_error::refuse;
use std::time::Duration;

/// The highest `max`.
pub const MAX_LIMIT: u32 = 1_000_000;
/// The longest `timeout`: longer calls count as if they had taken this long.
pub const MAX_TIMEOUT: Duration = Duration::from_secs(10 * 60);

/// How the limit is found. Each is told of one window of samples at a time, never of a single one.
///
/// ```
/// use breakerbox_core::adaptive_limit::{Algorithm, Settings};
///
/// let backoff = Some(0.8);
/// let with = |algorithm| Settings { algorithm, backoff, ..Settings::default() }.check();
/// assert!(with(Algorithm::Aimd).is_ok() && with(Algorithm::Gradient2).is_ok());
/// assert!(with(Algorithm::Vegas).is_err(), "it takes off a fixed step");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Algorithm {
    /// Estimates from the latency how many calls wait at the other side, and keeps a few waiting.
    #[default]
    Vegas,
    /// Grows while nothing is dropped, and falls by a factor when something is.
    Aimd,
    /// Compares the latency with its average over a long time.
    Gradient2,
}

/// The settings of an adaptive limit.
///
/// ```
/// use breakerbox_core::adaptive_limit::{Algorithm, Settings};
///
/// let settings = Settings::default().check().unwrap();
/// assert_eq!((settings.algorithm, settings.initial), (Algorithm::Vegas, 20));
///
/// let error = Settings { min: 50, ..Settings::default() }.check().unwrap_err();
/// assert_eq!(error.to_string(), "`initial` of 20 is below `min`, 50; give 50 to 1000");
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// How the limit is found. Default: Vegas.
    pub algorithm: Algorithm,
    /// The limit at the start. Default: 20.
    pub initial: u32,
    /// The limit is never below this. Default: 1.
    pub min: u32,
    /// The limit is never above this. Default: 1000.
    pub max: u32,
    /// A call that takes longer than this counts as dropped. Default: only those count that are
    /// reported so.
    pub timeout: Option<Duration>,
    /// What a window with drops leaves of the limit. Default: 0.9. Vegas, which takes off a fixed
    /// step, has no such thing.
    pub backoff: Option<f64>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            algorithm: Algorithm::default(),
            initial: 20,
            min: 1,
            max: 1000,
            timeout: None,
            backoff: None,
        }
    }
}

impl Settings {
    /// Refuses what makes no sense.
    ///
    /// # Errors
    /// The first setting that is out of range or contradicts another.
    pub fn check(self) -> Result<Self, SettingsError> {
        let Self { algorithm, initial, min, max, timeout, backoff } = self;
        if min == 0 {
            let message = "is 0, so nothing might ever be admitted again";
            return refuse("min", message, "give at least 1");
        }
        if max > MAX_LIMIT {
            return refuse("max", format!("is {max}"), format!("give at most {MAX_LIMIT}"));
        }
        if max < min {
            let message = format!("of {max} is below `min`, {min}");
            return refuse("max", message, "make `max` at least as large as `min`");
        }
        if initial < min || initial > max {
            let side = if initial < min { "below `min`" } else { "above `max`" };
            let bound = if initial < min { min } else { max };
            let message = format!("of {initial} is {side}, {bound}");
            return refuse("initial", message, format!("give {min} to {max}"));
        }
        match timeout {
            Some(Duration::ZERO) => {
                let message = "is zero, so every call counts as dropped";
                return refuse("timeout", message, "give a longer duration");
            }
            Some(timeout) if timeout > MAX_TIMEOUT => {
                let message = format!("of {timeout:?} is too long");
                return refuse("timeout", message, "give at most 10m");
            }
            _ => {}
        }
        match backoff {
            Some(_) if algorithm == Algorithm::Vegas => {
                let message = "is given, but Vegas does not use it";
                let fix = "leave it out, or choose another `algorithm`";
                refuse("backoff", message, fix)
            }
            Some(backoff) if !(0.5..=0.99).contains(&backoff) => {
                refuse("backoff", format!("is {backoff}"), "give a number from 0.5 to 0.99")
            }
            _ => Ok(self),
        }
    }

    pub(super) fn backoff(&self) -> f64 {
        self.backoff.unwrap_or(0.9)
    }
}
