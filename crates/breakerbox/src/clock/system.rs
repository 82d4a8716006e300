//! The system's monotonic clock.

use super::Clock;
use breakerbox_core::Timestamp;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

/// The system's monotonic clock, in one of two finenesses that share one time line.
///
/// The coarse one, where the system has it (Linux), costs a few nanoseconds to read and moves every
/// one to ten milliseconds; the precise one costs several times that. A builder takes the coarse one
/// unless a setting is shorter than ten of its ticks.
///
/// It waits by tokio's timer, but does not follow tokio's time where a test has paused that: there
/// give the breaker a `TokioClock` (feature `test-util`), or its timeouts come too late.
///
/// ```
/// use breakerbox::clock::{Clock, SystemClock};
/// use std::time::Duration;
///
/// let clock = SystemClock::precise();
/// let before = clock.now();
/// assert!(clock.now() >= before);
/// assert_eq!(SystemClock::for_durations_from(Duration::from_micros(1)), clock);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SystemClock {
    coarse: bool,
}

impl SystemClock {
    /// The precise clock.
    pub const fn precise() -> Self {
        Self { coarse: false }
    }

    /// The coarse clock; the precise one where there is no other.
    pub const fn coarse() -> Self {
        Self { coarse: sys::HAS_COARSE }
    }

    /// The coarse clock if the shortest duration that matters is at least ten of its ticks, else
    /// the precise one.
    pub fn for_durations_from(shortest: Duration) -> Self {
        let coarse = Self::coarse();
        if shortest >= coarse.tick() * 10 { coarse } else { Self::precise() }
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
mod sys {
    use rustix::time::{ClockId, Timespec, clock_getres, clock_gettime};
    use std::sync::OnceLock;
    use std::time::Duration;

    pub(super) const HAS_COARSE: bool = true;

    fn duration(time: Timespec) -> Duration {
        // A monotonic clock starts at boot: neither part is negative.
        Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
    }

    #[inline]
    pub(super) fn now(coarse: bool) -> u64 {
        let clock = if coarse { ClockId::MonotonicCoarse } else { ClockId::Monotonic };
        let time = clock_gettime(clock);
        (time.tv_sec as u64).wrapping_mul(1_000_000_000).wrapping_add(time.tv_nsec as u64)
    }

    pub(super) fn tick(coarse: bool) -> Duration {
        // It is asked for with every timer, and does not change.
        static TICKS: [OnceLock<Duration>; 2] = [const { OnceLock::new() }; 2];
        *TICKS[usize::from(coarse)].get_or_init(|| {
            let clock = if coarse { ClockId::MonotonicCoarse } else { ClockId::Monotonic };
            duration(clock_getres(clock))
        })
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod sys {
    use std::sync::OnceLock;
    use std::time::{Duration, Instant};

    pub(super) const HAS_COARSE: bool = false;

    pub(super) fn now(_coarse: bool) -> u64 {
        static ORIGIN: OnceLock<Instant> = OnceLock::new();
        let origin = ORIGIN.get_or_init(Instant::now);
        u64::try_from(origin.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    pub(super) fn tick(_coarse: bool) -> Duration {
        Duration::from_nanos(1)
    }
}

impl Clock for SystemClock {
    type Sleep = SystemSleep;

    #[inline(always)]
    fn now(&self) -> Timestamp {
        Timestamp::from_nanos(sys::now(self.coarse))
    }

    fn tick(&self) -> Duration {
        sys::tick(self.coarse)
    }

    fn can_wait(&self) -> bool {
        cfg!(feature = "tokio")
    }

    fn sleep_until(&self, at: Timestamp) -> SystemSleep {
        SystemSleep { clock: *self, at, timer: timer(self.until(at)) }
    }
}

impl SystemClock {
    /// How long to sleep until it is `at`.
    fn until(&self, at: Timestamp) -> Duration {
        // The coarse clock lags behind by up to a tick: with one more it has arrived as well.
        let wait = at.since(self.now());
        if self.coarse { wait + self.tick() } else { wait }
    }
}

pin_project_lite::pin_project! {
    /// Waits on the timer of the runtime: tokio's, with the feature `tokio`. Without it the builder
    /// offers no `attempt_timeout` and `deadline`, and refuses those of a breaker that is given this
    /// clock.
    ///
    /// ```
    /// use breakerbox::clock::{Clock, SystemClock};
    /// use std::time::Duration;
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let clock = SystemClock::precise();
    /// let at = clock.now() + Duration::from_millis(2);
    /// clock.sleep_until(at).await;
    /// assert!(clock.now() >= at);
    /// # }
    /// ```
    pub struct SystemSleep {
        clock: SystemClock,
        at: Timestamp,
        #[pin]
        timer: Timer,
    }
}

/// A timer that an operation cannot keep from firing by being busy: tokio makes what a task has polled
/// too much of wait for the next turn, timers among it.
#[cfg(feature = "tokio")]
type Timer = tokio::task::coop::Unconstrained<tokio::time::Sleep>;
#[cfg(not(feature = "tokio"))]
type Timer = std::future::Pending<()>;

#[cfg(feature = "tokio")]
fn timer(wait: Duration) -> Timer {
    tokio::task::coop::unconstrained(tokio::time::sleep(wait))
}

#[cfg(not(feature = "tokio"))]
fn timer(_wait: Duration) -> Timer {
    std::future::pending()
}

impl fmt::Debug for SystemSleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SystemSleep").field("until", &self.at).finish_non_exhaustive()
    }
}

impl Future for SystemSleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        loop {
            ready!(this.timer.as_mut().poll(cx));
            // A busy machine may be late with its tick: then there is more to wait.
            if this.clock.now() >= *this.at {
                return Poll::Ready(());
            }
            this.timer.set(timer(this.clock.until(*this.at)));
        }
    }
}
