//! What a bulkhead can be told, and the rules that make it make sense.

use crate::SettingsError;
use crate::settings_error::refuse;
use std::time::Duration;

/// The most calls that can be admitted at once.
pub const MAX_CONCURRENT: u32 = 1_000_000;
/// The most calls that can wait.
pub const MAX_QUEUE: u32 = 1_000_000;

/// Who goes on when a slot becomes free.
///
/// ```
/// use breakerbox_core::bulkhead::{Order, Settings};
/// use std::time::Duration;
///
/// let with = |order| Settings { order, target: Duration::ZERO, ..Settings::new(64) }.check();
/// assert!(with(Order::Fifo).is_ok(), "it has no use for a target");
/// assert!(with(Order::AdaptiveLifo).is_err());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// Whoever came first.
    #[default]
    Fifo,
    /// Whoever came first, until the queue has not been empty for [`interval`](Settings::interval):
    /// then whoever came last, and newcomers wait no longer than [`target`](Settings::target).
    ///
    /// In an overload that lasts, a fair queue makes everyone wait until it is too late for all.
    /// This one serves those who have just come, in time, and tells the others early. It is
    /// "controlled delay" with "adaptive LIFO" as in "Fail at Scale" (ACM Queue, 2015).
    AdaptiveLifo,
}

/// The settings of a bulkhead.
///
/// ```
/// use breakerbox_core::bulkhead::Settings;
///
/// let settings = Settings { queue: 128, ..Settings::new(64) };
/// assert!(settings.check().is_ok());
///
/// let error = Settings::new(0).check().unwrap_err();
/// assert_eq!(error.to_string(), "`concurrent` is 0, so no call is ever admitted; give 1 to 1000000");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How many calls are admitted at once, at most.
    pub concurrent: u32,
    /// How many calls may wait for a slot. Default: 0, none.
    pub queue: u32,
    /// How long a call waits at most. A slot that becomes free at exactly that time is still its.
    /// Default: 100 ms.
    pub queue_timeout: Duration,
    /// Who goes on when a slot becomes free. Default: whoever came first.
    pub order: Order,
    /// For [`Order::AdaptiveLifo`]: how long newcomers wait at most in an overload. Default: 5 ms.
    pub target: Duration,
    /// For [`Order::AdaptiveLifo`]: an overload is when the queue has not been empty for longer than
    /// this; else newcomers wait so long at most. Default: 100 ms.
    pub interval: Duration,
}

impl Settings {
    /// So many calls at once, and the defaults.
    pub const fn new(concurrent: u32) -> Self {
        Self {
            concurrent,
            queue: 0,
            queue_timeout: Duration::from_millis(100),
            order: Order::Fifo,
            target: Duration::from_millis(5),
            interval: Duration::from_millis(100),
        }
    }

    /// How long a call waits at most, whoever goes first.
    ///
    /// ```
    /// use breakerbox_core::bulkhead::{Order, Settings};
    /// use std::time::Duration;
    ///
    /// let fifo = Settings { queue: 64, queue_timeout: Duration::from_secs(1), ..Settings::new(64) };
    /// assert_eq!(fifo.longest_wait(), Duration::from_secs(1));
    /// let lifo = Settings { order: Order::AdaptiveLifo, ..fifo };
    /// assert_eq!(lifo.longest_wait(), Duration::from_millis(100), "its interval");
    /// assert_eq!(Settings { queue: 0, ..fifo }.longest_wait(), Duration::ZERO);
    /// ```
    pub fn longest_wait(&self) -> Duration {
        match self.order {
            _ if self.queue == 0 => Duration::ZERO,
            Order::Fifo => self.queue_timeout,
            Order::AdaptiveLifo => self.interval.min(self.queue_timeout),
        }
    }

    /// Refuses what makes no sense.
    ///
    /// # Errors
    /// The first setting that is out of range or contradicts another.
    pub fn check(self) -> Result<Self, SettingsError> {
        let Self { concurrent, queue, queue_timeout, order, target, interval } = self;
        if concurrent == 0 {
            let message = "is 0, so no call is ever admitted";
            return refuse("concurrent", message, "give 1 to 1000000");
        }
        if concurrent > MAX_CONCURRENT {
            return refuse("concurrent", format!("is {concurrent}"), "give 1 to 1000000");
        }
        if queue > MAX_QUEUE {
            return refuse("queue", format!("is {queue}"), "give 0 to 1000000");
        }
        if queue > 0 && queue_timeout.is_zero() {
            let fix = "give a duration, or set `queue` to 0 so that nobody waits";
            return refuse("queue_timeout", "is zero", fix);
        }
        if order == Order::AdaptiveLifo {
            if target.is_zero() {
                return refuse("target", "is zero", "give a duration, such as 5ms");
            }
            if target > interval {
                let message = format!("of {target:?} is longer than the interval {interval:?}");
                return refuse("target", message, "make `target` shorter than `interval`");
            }
        }
        Ok(self)
    }
}
