//! What load shedding can be told.

use crate::SettingsError;
use crate::settings_error::refuse;
use std::collections::BTreeMap;
use std::time::Duration;

/// The longest `target` and the longest `interval`.
pub const MAX_INTERVAL: Duration = Duration::from_secs(60);
/// The shortest `interval`.
pub const MIN_INTERVAL: Duration = Duration::from_millis(1);
/// The most names of classes.
pub const MAX_CLASSES: usize = 100;
/// The least important urgency.
pub const LEAST_URGENT: u8 = 7;
/// The urgency of a call that says nothing, as RFC 9218 has it.
pub const DEFAULT_URGENCY: u8 = 3;

/// The four criticalities of "Handling Overload", in Google's book on site reliability engineering,
/// as urgencies. The second is what RFC 9218 takes for granted.
const CRITICALITIES: [(&str, u8); 4] =
    [("critical_plus", 0), ("critical", DEFAULT_URGENCY), ("sheddable_plus", 5), ("sheddable", 7)];

/// The settings of load shedding.
///
/// ```
/// use breakerbox_core::shed::Settings;
///
/// let mut settings = Settings::default();
/// settings.classes.insert("checkout".to_owned(), 0);
/// let settings = settings.check().unwrap();
/// assert_eq!(settings.urgency("checkout"), Some(0));
/// assert_eq!(settings.urgency("sheddable"), Some(7));
/// assert_eq!(settings.urgency("unheard of"), None);
///
/// let mut wrong = Settings::default();
/// wrong.classes.insert("batch".to_owned(), 8);
/// assert_eq!(
///     wrong.check().unwrap_err().to_string(),
///     "`classes` has `batch` at urgency 8; give 0 (never shed) to 7 (shed first)"
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Calls wait too long when even the shortest wait of an interval is longer than this. Default:
    /// 5 ms.
    pub target: Duration,
    /// How often that is judged. Default: 100 ms.
    pub interval: Duration,
    /// Names for urgencies. Default: `critical_plus` 0, `critical` 3, `sheddable_plus` 5, `sheddable`
    /// 7.
    pub classes: BTreeMap<String, u8>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            target: Duration::from_millis(5),
            interval: Duration::from_millis(100),
            classes: CRITICALITIES.map(|(name, urgency)| (name.to_owned(), urgency)).into(),
        }
    }
}

impl Settings {
    /// Refuses what makes no sense.
    ///
    /// # Errors
    /// The first setting that is out of range.
    pub fn check(self) -> Result<Self, SettingsError> {
        let Self { target, interval, ref classes } = self;
        if target.is_zero() {
            let message = "is zero, so any wait at all is too long";
            return refuse("target", message, "give a duration, such as 5ms");
        }
        if target > MAX_INTERVAL {
            return refuse("target", format!("of {target:?} is too long"), "give at most 1m");
        }
        if interval < MIN_INTERVAL {
            let message = format!("of {interval:?} is too short");
            return refuse("interval", message, "give at least 1ms");
        }
        if interval > MAX_INTERVAL {
            return refuse("interval", format!("of {interval:?} is too long"), "give at most 1m");
        }
        if let Some((name, urgency)) = classes.iter().find(|(_, urgency)| **urgency > LEAST_URGENT)
        {
            let message = format!("has `{name}` at urgency {urgency}");
            return refuse("classes", message, "give 0 (never shed) to 7 (shed first)");
        }
        if classes.len() > MAX_CLASSES {
            let message = format!("has {} names", classes.len());
            return refuse("classes", message, "give at most 100");
        }
        Ok(self)
    }

    /// The urgency that a class has.
    pub fn urgency(&self, class: &str) -> Option<u8> {
        self.classes.get(class).copied()
    }
}
