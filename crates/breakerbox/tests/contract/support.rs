//! What several of these tests use.

use breakerbox::clock::{Clock, ManualClock, ManualSleep};
use breakerbox::{Breaker, Builder, EventKind, Stats, Timestamp};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const NANOSECOND: Duration = Duration::from_nanos(1);

pub(crate) fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A point of a clock that counts from zero.
pub(crate) fn at(since_origin: Duration) -> Timestamp {
    Timestamp::ZERO + since_origin
}

/// A breaker that opens at the first failure, for 30 s.
pub(crate) fn fragile(name: &str) -> Builder {
    Breaker::builder(name).consecutive_failures(1).open_for(seconds(30))
}

pub(crate) fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// What an operation that never waits comes to.
pub(crate) fn now<F: Future>(future: F) -> F::Output {
    match poll_once(std::pin::pin!(future)) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it is pending"),
    }
}

/// The text of the panic that `run` ends in.
pub(crate) fn panic_of<R>(run: impl FnOnce() -> R) -> String {
    let payload = catch_unwind(AssertUnwindSafe(|| drop(run()))).expect_err("it did not panic");
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_default()
}

/// Pending so many times, woken at once each time; then ready.
pub(crate) async fn pending(times: u32) {
    let mut left = times;
    std::future::poll_fn(|cx| {
        if left == 0 {
            return Poll::Ready(());
        }
        left -= 1;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Succeeds after so long, by tokio's time.
pub(crate) async fn ok_after(duration: Duration) -> Result<(), ()> {
    tokio::time::sleep(duration).await;
    Ok(())
}

/// Everything that has begun has ended, and was counted once.
#[track_caller]
pub(crate) fn assert_settled(stats: &Stats) {
    let ended = stats.successes + stats.failures + stats.ignored + stats.late;
    assert_eq!(stats.in_flight, 0, "{stats:?}");
    assert_eq!(stats.started, ended, "{stats:?}");
}

/// What a breaker has told its listeners.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<EventKind>>>);

impl Log {
    pub(crate) fn of<C: Clock>(breaker: &Breaker<C>) -> Self {
        let log = Self::default();
        let kinds = Arc::clone(&log.0);
        breaker.on_event(move |event| {
            kinds.lock().expect("nobody panics while writing").push(event.kind.clone());
        });
        log
    }

    /// What was told since it was last taken.
    pub(crate) fn take(&self) -> Vec<EventKind> {
        std::mem::take(&mut *self.0.lock().expect("nobody panics while writing"))
    }
}

/// Counts how often it is woken.
#[derive(Default)]
pub(crate) struct Wakes(AtomicU64);

impl Wakes {
    pub(crate) fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A manual clock that counts how often it is read, and how often somebody sets out to sleep.
#[derive(Clone, Default)]
pub(crate) struct WatchedClock {
    pub(crate) time: ManualClock,
    reads: Arc<AtomicU64>,
    sleeps: Arc<AtomicU64>,
}

impl WatchedClock {
    /// How often it was read since this was last asked.
    pub(crate) fn reads(&self) -> u64 {
        self.reads.swap(0, Ordering::Relaxed)
    }

    /// How many sleeps were begun since this was last asked.
    pub(crate) fn sleeps(&self) -> u64 {
        self.sleeps.swap(0, Ordering::Relaxed)
    }
}

impl Clock for WatchedClock {
    type Sleep = ManualSleep;

    fn now(&self) -> Timestamp {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.time.now()
    }

    fn tick(&self) -> Duration {
        self.time.tick()
    }

    fn sleep_until(&self, at: Timestamp) -> ManualSleep {
        self.sleeps.fetch_add(1, Ordering::Relaxed);
        self.time.sleep_until(at)
    }
}
