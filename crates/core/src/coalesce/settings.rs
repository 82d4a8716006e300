//! What coalescing can be told.

use crate::SettingsError;

/// The most followers that one leader can have.
pub const MAX_FOLLOWERS: u32 = 1_000_000;

/// The settings of coalescing.
///
/// ```
/// use breakerbox_core::coalesce::{Groups, Joined, Settings};
///
/// let groups: Groups<&str, u32> = Groups::new(Settings { followers: 1 }.check().unwrap());
/// assert!(matches!(groups.join("/"), Joined::Lead(_)));
/// assert!(matches!(groups.join("/"), Joined::Follow(_)));
/// assert!(matches!(groups.join("/"), Joined::Apart), "one is enough");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How many calls wait for one leader at most; more run on their own. Default: 10,000.
    pub followers: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { followers: 10_000 }
    }
}

impl Settings {
    /// Refuses what makes no sense.
    ///
    /// # Errors
    /// A number of followers that is out of range.
    ///
    /// ```
    /// use breakerbox_core::coalesce::Settings;
    ///
    /// let error = Settings { followers: 0 }.check().unwrap_err();
    /// assert_eq!(error.to_string(), "`followers` is 0; give 1 to 1000000");
    /// ```
    pub fn check(self) -> Result<Self, SettingsError> {
        if (1..=MAX_FOLLOWERS).contains(&self.followers) {
            return Ok(self);
        }
        Err(SettingsError {
            field: "followers",
            message: format!("is {}", self.followers),
            fix: "give 1 to 1000000".to_owned(),
        })
    }
}
