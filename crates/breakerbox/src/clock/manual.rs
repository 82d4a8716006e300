//! A clock that stands still until it is told otherwise.

use super::Clock;
use breakerbox_core::Timestamp;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// A clock for tests that moves only when told to. Clones share the time.
///
/// ```
/// use breakerbox::clock::ManualClock;
/// use breakerbox::{Breaker, Control, State};
/// use std::time::Duration;
///
/// let clock = ManualClock::new();
/// let breaker = Breaker::builder("posts")
///     .open_for(Duration::from_secs(30))
///     .clock(clock.clone())
///     .build()?;
/// breaker.control(Control::ForceOpen);
/// clock.advance(Duration::from_secs(30));
/// assert_eq!(breaker.state(), State::HalfOpen);
/// # Ok::<(), breakerbox::BuildError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct ManualClock {
    time: Arc<Mutex<Time>>,
}

#[derive(Debug, Default)]
struct Time {
    now: Timestamp,
    sleepers: Vec<(Timestamp, Waker)>,
}

impl ManualClock {
    /// A clock at its origin.
    pub fn new() -> Self {
        Self::default()
    }

    /// Moves the time on, and wakes who has waited for it.
    pub fn advance(&self, by: Duration) {
        let mut time = self.lock();
        time.now = time.now + by;
        let now = time.now;
        let due: Vec<_> = time.sleepers.extract_if(.., |(at, _)| *at <= now).collect();
        drop(time);
        for (_, waker) in due {
            waker.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Time> {
        self.time.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for ManualClock {
    type Sleep = ManualSleep;

    fn now(&self) -> Timestamp {
        self.lock().now
    }

    fn tick(&self) -> Duration {
        Duration::from_nanos(1)
    }

    fn sleep_until(&self, at: Timestamp) -> ManualSleep {
        ManualSleep { clock: self.clone(), at }
    }
}

/// Waits for a [`ManualClock`].
#[derive(Debug)]
pub struct ManualSleep {
    clock: ManualClock,
    at: Timestamp,
}

impl Future for ManualSleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut time = self.clock.lock();
        if time.now >= self.at {
            return Poll::Ready(());
        }
        if !time.sleepers.iter().any(|(at, waker)| *at == self.at && waker.will_wake(cx.waker())) {
            time.sleepers.push((self.at, cx.waker().clone()));
        }
        Poll::Pending
    }
}
