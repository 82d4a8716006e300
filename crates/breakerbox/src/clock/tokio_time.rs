//! Tokio's own time, which tests can pause.

use super::Clock;
use breakerbox_core::Timestamp;
use std::time::Duration;
use tokio::task::coop::{Unconstrained, unconstrained};
use tokio::time::{Instant, Sleep};

/// Tokio's time: under `#[tokio::test(start_paused = true)]` it stands still and jumps to the next
/// timer, and everything of a breaker with this clock follows, half-open included.
///
/// It counts from the moment it was made. Needs a tokio runtime wherever it is used. Tokio's timers
/// fire on whole milliseconds, so a timeout with a fraction of one is rounded up.
///
/// ```
/// use breakerbox::clock::{Clock, TokioClock};
/// use std::time::Duration;
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
/// # .block_on(async {
/// let clock = TokioClock::new();
/// let before = clock.now();
/// tokio::time::advance(Duration::from_secs(30)).await;
/// assert_eq!(clock.now().since(before), Duration::from_secs(30));
/// # });
/// ```
#[derive(Clone, Copy, Debug)]
pub struct TokioClock {
    origin: Instant,
}

impl TokioClock {
    /// A clock that counts from now.
    pub fn new() -> Self {
        Self { origin: Instant::now() }
    }
}

impl Default for TokioClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for TokioClock {
    type Sleep = Unconstrained<Sleep>;

    fn now(&self) -> Timestamp {
        Timestamp::ZERO + (Instant::now() - self.origin)
    }

    fn tick(&self) -> Duration {
        Duration::from_nanos(1)
    }

    fn sleep_until(&self, at: Timestamp) -> Unconstrained<Sleep> {
        // However busy the operation is, its time runs out.
        unconstrained(tokio::time::sleep_until(self.origin + at.since(Timestamp::ZERO)))
    }
}
