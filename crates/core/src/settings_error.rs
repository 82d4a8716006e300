//! Why settings were refused.

use std::fmt;

/// Why settings were refused.
///
/// ```
/// use breakerbox_core::breaker::Settings;
///
/// let error = Settings { probes: Some(0), ..Settings::default() }.check().unwrap_err();
/// assert_eq!((error.field, &*error.message, &*error.fix), ("probes", "is 0", "give at least 1"));
/// assert_eq!(error.to_string(), "`probes` is 0; give at least 1");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingsError {
    /// The setting at fault, as it is called in the file: `min_calls`, `open_for.factor`.
    pub field: &'static str,
    /// What is wrong with it: a clause that can follow the name.
    pub message: String,
    /// What to do about it.
    pub fix: String,
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` {}; {}", self.field, self.message, self.fix)
    }
}

impl std::error::Error for SettingsError {}

/// Settings are refused.
pub(crate) fn refuse<T>(
    field: &'static str,
    message: impl Into<String>,
    fix: impl Into<String>,
) -> Result<T, SettingsError> {
    Err(SettingsError { field, message: message.into(), fix: fix.into() })
}
