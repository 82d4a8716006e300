//! Where the present comes from.
//!
//! Every wait and every duration of a breaker goes through one [`Clock`]. The default is the
//! system's monotonic clock, [`SystemClock`]; tests use [`ManualClock`], or `TokioClock` (feature
//! `test-util`), which follows tokio's paused time.
//!
//! A test that has to wait moves the clock:
//!
//! ```
//! use breakerbox::clock::ManualClock;
//! use breakerbox::{Breaker, OpenFor, State};
//! use std::time::Duration;
//!
//! let clock = ManualClock::new();
//! let posts = Breaker::builder("posts")
//!     .consecutive_failures(1)
//!     .open_for(OpenFor::fixed(Duration::from_secs(30)))
//!     .clock(clock.clone())
//!     .build()?;
//! posts.permit().unwrap().failure();
//! assert_eq!(posts.state(), State::Open);
//!
//! clock.advance(Duration::from_secs(30));
//! assert_eq!(posts.state(), State::HalfOpen);
//! # Ok::<(), breakerbox::BuildError>(())
//! ```

mod manual;
mod system;
#[cfg(feature = "test-util")]
mod tokio_time;

pub use manual::{ManualClock, ManualSleep};
pub use system::{SystemClock, SystemSleep};
#[cfg(feature = "test-util")]
pub use tokio_time::TokioClock;

use breakerbox_core::Timestamp;
use std::time::Duration;

/// A monotonic clock, and a way to wait for it.
///
/// ```
/// use breakerbox::clock::{Clock, ManualClock};
/// use std::time::Duration;
///
/// let clock = ManualClock::new();
/// let before = clock.now();
/// clock.advance(Duration::from_secs(3));
/// assert_eq!(clock.now().since(before), Duration::from_secs(3));
/// ```
pub trait Clock: Clone {
    /// What waits. It is ready once [`now`](Self::now) is at or after the time asked for.
    type Sleep: Future<Output = ()>;

    /// The present. Never earlier than what it said before.
    fn now(&self) -> Timestamp;

    /// How fine the clock is: two instants closer than this may read the same.
    fn tick(&self) -> Duration;

    /// Whether it can be waited for. A breaker with a clock that cannot is refused an attempt timeout
    /// and a deadline, which would never come.
    fn can_wait(&self) -> bool {
        true
    }

    /// Waits until `at`.
    fn sleep_until(&self, at: Timestamp) -> Self::Sleep;

    /// Blocks the thread until `at`, or until it is [unparked](std::thread::Thread::unpark), or for
    /// no reason: whoever asks for it looks at the time again.
    fn park_until(&self, at: Timestamp) {
        if at == Timestamp::NEVER {
            return std::thread::park();
        }
        // With one more tick a clock that lags behind has arrived as well.
        std::thread::park_timeout(at.since(self.now()) + self.tick());
    }
}
