//! A clock that stands still until it is told otherwise.

use super::Clock;
use crate::lock::lock;
use breakerbox_core::Timestamp;
use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
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
    /// Who waits, by when and by number.
    sleepers: BTreeMap<(Timestamp, u64), Waker>,
    numbers: u64,
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
        let later = time.sleepers.split_off(&(now, u64::MAX));
        let due = std::mem::replace(&mut time.sleepers, later);
        drop(time);
        due.into_values().for_each(Waker::wake);
    }

    fn lock(&self) -> MutexGuard<'_, Time> {
        lock(&self.time)
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
        ManualSleep { clock: self.clone(), at, number: None }
    }

    fn park_until(&self, at: Timestamp) {
        let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
        let mut sleep = self.sleep_until(at);
        if Pin::new(&mut sleep).poll(&mut Context::from_waker(&waker)).is_pending() {
            std::thread::park();
        }
    }
}

/// A thread that waits.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits for a [`ManualClock`].
///
/// ```
/// use breakerbox::clock::{Clock, ManualClock, ManualSleep};
/// use std::pin::pin;
/// use std::task::{Context, Poll, Waker};
/// use std::time::Duration;
///
/// let clock = ManualClock::new();
/// let sleep: ManualSleep = clock.sleep_until(clock.now() + Duration::from_secs(3));
/// let (mut sleep, mut context) = (pin!(sleep), Context::from_waker(Waker::noop()));
/// assert_eq!(sleep.as_mut().poll(&mut context), Poll::Pending);
/// clock.advance(Duration::from_secs(3));
/// assert_eq!(sleep.as_mut().poll(&mut context), Poll::Ready(()));
/// ```
#[derive(Debug)]
pub struct ManualSleep {
    clock: ManualClock,
    at: Timestamp,
    /// Its number among those who wait, once it does.
    number: Option<u64>,
}

impl Future for ManualSleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Self { clock, at, number } = self.get_mut();
        let mut time = clock.lock();
        if time.now >= *at {
            return Poll::Ready(());
        }
        let number = *number.get_or_insert_with(|| {
            time.numbers += 1;
            time.numbers
        });
        let before = time.sleepers.insert((*at, number), cx.waker().clone());
        // A waker may do as it likes when it is dropped.
        drop(time);
        drop(before);
        Poll::Pending
    }
}

impl Drop for ManualSleep {
    fn drop(&mut self) {
        let Some(number) = self.number else { return };
        let waker = self.clock.lock().sleepers.remove(&(self.at, number));
        drop(waker);
    }
}
