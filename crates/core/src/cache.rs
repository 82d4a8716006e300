//! How long an answer may be given again: as a cache gives it while it is fresh, or as a fallback gives
//! the last good one when there is no better.

#[cfg(test)]
#[cfg(not(loom))]
mod model;

use crate::settings_error::refuse;
use crate::{SettingsError, Timestamp};
use std::time::Duration;

/// So many answers a cache holds, unless it is told otherwise.
pub const DEFAULT_ENTRIES: u64 = 10_000;

/// How long answers live. Where they are kept is the driver's business.
///
/// An answer that is exactly as old as it may be is out, like the outcomes in a breaker's window.
///
/// ```
/// use breakerbox_core::Timestamp;
/// use breakerbox_core::cache::Life;
/// use std::time::Duration;
///
/// let at = |seconds| Timestamp::ZERO + Duration::from_secs(seconds);
/// let life = Life { ttl: Some(Duration::from_secs(10)), stale: Some(Duration::from_secs(60)) };
/// assert!(life.is_fresh(at(0), at(9)) && !life.is_fresh(at(0), at(10)));
/// assert!(life.is_usable(at(0), at(59)) && !life.is_usable(at(0), at(60)));
/// assert_eq!(life.longest(), Some(Duration::from_secs(60)));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Life {
    /// For so long the answer is given instead of a call. `None`: never.
    pub ttl: Option<Duration>,
    /// For so long it is the fallback of a call that comes to nothing. `None`: never.
    pub stale: Option<Duration>,
}

impl Life {
    /// Refuses what makes no sense.
    ///
    /// # Errors
    /// A duration of zero.
    ///
    /// ```
    /// use breakerbox_core::cache::Life;
    /// use std::time::Duration;
    ///
    /// let error = Life { ttl: Some(Duration::ZERO), stale: None }.check().unwrap_err();
    /// assert_eq!(error.to_string(), "`ttl` is zero, so no answer is ever fresh; give a longer duration");
    /// ```
    pub fn check(self) -> Result<Self, SettingsError> {
        if self.ttl == Some(Duration::ZERO) {
            return refuse("ttl", "is zero, so no answer is ever fresh", "give a longer duration");
        }
        if self.stale == Some(Duration::ZERO) {
            let message = "is zero, so no answer ever stands in";
            return refuse("stale", message, "give a longer duration");
        }
        Ok(self)
    }

    /// Whether an answer of that time is as good as a new one.
    pub fn is_fresh(&self, stored: Timestamp, now: Timestamp) -> bool {
        self.ttl.is_some_and(|ttl| now.since(stored) < ttl)
    }

    /// Whether an answer of that time is better than none.
    pub fn is_usable(&self, stored: Timestamp, now: Timestamp) -> bool {
        self.stale.is_some_and(|stale| now.since(stored) < stale)
    }

    /// For how long an answer is worth keeping, if at all.
    pub fn longest(&self) -> Option<Duration> {
        self.ttl.max(self.stale)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const ALL: Life = Life { ttl: Some(SECOND), stale: Some(Duration::from_secs(3)) };
    const SECOND: Duration = Duration::from_secs(1);
    const STORED: Timestamp = Timestamp::from_nanos(7);

    #[test]
    fn an_answer_is_fresh_or_usable_until_its_time_has_passed() {
        let nanosecond = Duration::from_nanos(1);
        assert!(ALL.is_fresh(STORED, STORED + SECOND - nanosecond));
        assert!(!ALL.is_fresh(STORED, STORED + SECOND));
        assert!(ALL.is_usable(STORED, STORED + 3 * SECOND - nanosecond));
        assert!(!ALL.is_usable(STORED, STORED + 3 * SECOND));
        let nothing = Life { ttl: None, stale: None };
        assert!(!nothing.is_fresh(STORED, STORED) && !nothing.is_usable(STORED, STORED));
    }

    #[test]
    fn it_is_kept_for_the_longer_of_both() {
        assert_eq!(ALL.longest(), Some(3 * SECOND));
        assert_eq!(Life { stale: None, ..ALL }.longest(), Some(SECOND));
        assert_eq!(Life { ttl: None, stale: None }.longest(), None);
    }

    #[test]
    fn no_time_at_all_is_refused() {
        let refused = |life: Life| life.check().unwrap_err().to_string();
        assert_eq!(
            refused(Life { ttl: Some(Duration::ZERO), ..ALL }),
            "`ttl` is zero, so no answer is ever fresh; give a longer duration"
        );
        assert_eq!(
            refused(Life { stale: Some(Duration::ZERO), ..ALL }),
            "`stale` is zero, so no answer ever stands in; give a longer duration"
        );
        assert_eq!(ALL.check(), Ok(ALL));
    }
}
