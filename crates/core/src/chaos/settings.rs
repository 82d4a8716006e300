//! What chaos can be told, and the rules that make it make sense.

use super::fault::{Fault, FaultKind};
use super::latency::Latency;
use crate::settings_error::refuse;
use crate::{SettingsError, Timestamp};
use std::time::Duration;

/// The longest delay that can be asked for.
pub const MAX_LATENCY: Duration = Duration::from_secs(60 * 60);

/// The settings of chaos: which faults, and which calls they hit.
///
/// ```
/// use breakerbox_core::chaos::Settings;
///
/// let error = Settings::default().check().unwrap_err();
/// assert_eq!(error.message, "is not given, nor is any other fault");
///
/// let error = Settings { error: Some(503), reset: true, ..Settings::default() };
/// let error = error.check().unwrap_err();
/// assert_eq!(error.fix, "keep one of `error`, `reset` and `black_hole`");
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Calls are delayed. Goes with every other fault. Default: they are not.
    pub latency: Option<Latency>,
    /// Calls end with this status, from 400 to 599. Default: they do not.
    pub error: Option<u16>,
    /// Calls end as if the connection had been reset. Default: false.
    pub reset: bool,
    /// Calls get no answer. Default: false.
    pub black_hole: bool,
    /// Bodies of answers come at so many bytes per second. Default: as they come.
    pub slow_body: Option<u32>,
    /// Bodies of answers break off after so many bytes. Default: they do not.
    pub truncate_body: Option<u64>,
    /// This fraction of the calls is hit. Default: 1, all of them.
    pub fraction: f64,
    /// Never more than this fraction of the calls is hit, plus one call, whatever `fraction`, key
    /// and chance say. Counted in billionths. Default: 1, there is no cap.
    pub max_fraction: f64,
    /// Other seeds hit other calls. Default: 0.
    pub seed: u64,
    /// Ends by itself so long after it was switched on. Default: it does not.
    pub lasts: Option<Duration>,
    /// Whether it is switched on from the start. Default: true.
    pub on: bool,
}

impl Default for Settings {
    /// No fault yet: at least one has to be given.
    fn default() -> Self {
        Self {
            latency: None,
            error: None,
            reset: false,
            black_hole: false,
            slow_body: None,
            truncate_body: None,
            fraction: 1.0,
            max_fraction: 1.0,
            seed: 0,
            lasts: None,
            on: true,
        }
    }
}

impl Settings {
    /// Refuses what makes no sense.
    ///
    /// # Errors
    /// The first setting that is out of range or contradicts another.
    pub fn check(self) -> Result<Self, SettingsError> {
        self.check_faults()?;
        if let Some(latency) = self.latency {
            check_latency(latency)?;
        }
        if !(0.0..=1.0).contains(&self.fraction) {
            return refuse("fraction", format!("is {}", self.fraction), "write 50 % as 0.5");
        }
        if !(self.max_fraction > 0.0 && self.max_fraction <= 1.0) {
            let fix = "give a fraction above 0, at most 1; `on = false` hits nothing";
            return refuse("max_fraction", format!("is {}", self.max_fraction), fix);
        }
        if self.lasts == Some(Duration::ZERO) {
            return refuse("for", "is zero", "give a duration, or leave it out");
        }
        Ok(self)
    }

    fn check_faults(&self) -> Result<(), SettingsError> {
        let endings = [
            ("error", self.error.is_some()),
            ("reset", self.reset),
            ("black_hole", self.black_hole),
        ];
        let bodies = [
            ("slow_body", self.slow_body.is_some()),
            ("truncate_body", self.truncate_body.is_some()),
        ];
        let given = |(name, given): (&'static str, bool)| given.then_some(name);
        let mut given_endings = endings.into_iter().filter_map(given);
        let mut given_bodies = bodies.into_iter().filter_map(given);
        match (given_endings.next(), given_endings.next(), given_bodies.next()) {
            (Some(first), Some(second), _) => {
                let message = format!("is given with `{first}`, and a call ends only once");
                return refuse(second, message, "keep one of `error`, `reset` and `black_hole`");
            }
            (Some(ending), None, Some(body)) => {
                let message = format!("is given with `{ending}`, which leaves no body");
                return refuse(body, message, format!("leave out `{body}` or `{ending}`"));
            }
            (None, _, None) if self.latency.is_none() => {
                let fix = "give at least one of `latency`, `error`, `reset`, `black_hole`, \
                           `slow_body` and `truncate_body`";
                return refuse("latency", "is not given, nor is any other fault", fix);
            }
            _ => {}
        }
        if let Some(status) = self.error.filter(|status| !(400..=599).contains(status)) {
            return refuse("error", format!("is {status}"), "give a status from 400 to 599");
        }
        if self.slow_body == Some(0) {
            let fix = "give at least 1 byte per second, or use `black_hole`";
            return refuse("slow_body", "is 0, so no body ever ends", fix);
        }
        Ok(())
    }

    /// When it ends if it is switched on now.
    pub(super) fn end(&self, now: Timestamp) -> Timestamp {
        self.lasts.map_or(Timestamp::NEVER, |lasts| now + lasts)
    }

    /// What happens to a call that is hit.
    pub(super) fn fault(&self, random: u64) -> Fault {
        Fault {
            delay: self.latency.map_or(Duration::ZERO, |latency| latency.delay(random)),
            kind: match self.error {
                Some(status) => Some(FaultKind::Error(status)),
                None if self.reset => Some(FaultKind::Reset),
                None => self.black_hole.then_some(FaultKind::BlackHole),
            },
            slow_body: self.slow_body,
            truncate_body: self.truncate_body,
        }
    }
}

fn check_latency(latency: Latency) -> Result<(), SettingsError> {
    let (field, longest) = match latency {
        Latency::Fixed(delay) => ("latency", delay),
        Latency::Uniform { max, .. } => ("latency.max", max),
        Latency::Exponential { mean } => ("latency.mean", mean),
    };
    if longest.is_zero() {
        return refuse(field, "is zero", "give a duration");
    }
    if longest > MAX_LATENCY {
        return refuse(field, format!("of {longest:?} is too long"), "give at most 1h");
    }
    match latency {
        Latency::Uniform { min, max } if max < min => {
            let message = format!("of {max:?} is shorter than the minimum {min:?}");
            refuse(field, message, "make `max` at least as long as `min`")
        }
        _ => Ok(()),
    }
}
