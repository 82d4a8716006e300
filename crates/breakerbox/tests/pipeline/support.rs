//! What several of these tests use.

use breakerbox::clock::{Clock, ManualClock};
use breakerbox::retry::{Backoff, Growth, Jitter};
use breakerbox::{Pipeline, PipelineBuilder, retry};
use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

pub(crate) const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// So many attempts, always so long apart.
pub(crate) fn attempts(attempts: u32, apart: u64) -> retry::Settings {
    let backoff = Backoff {
        growth: Growth::Fixed,
        initial: ms(apart),
        max: Duration::from_secs(10),
        jitter: Jitter::None,
        ..Backoff::default()
    };
    retry::Settings { attempts, backoff, ..retry::Settings::default() }
}

/// A builder with a clock of its own.
pub(crate) fn builder() -> (ManualClock, PipelineBuilder<ManualClock>) {
    let clock = ManualClock::new();
    (clock.clone(), Pipeline::builder("posts").seed(7).clock(clock))
}

/// An execution that never ends.
pub(crate) const HANG: u64 = u64::MAX;

/// An operation whose executions go as it is written: after so many milliseconds, with this result.
/// The last entry repeats.
pub(crate) struct Script {
    clock: ManualClock,
    entries: Vec<(u64, Result<u32, u32>)>,
    runs: Cell<u32>,
    /// When each began.
    pub(crate) began: RefCell<Vec<u64>>,
    /// How many came to no end.
    pub(crate) dropped: Cell<u32>,
}

impl Script {
    pub(crate) fn new(clock: &ManualClock, entries: &[(u64, Result<u32, u32>)]) -> Self {
        let (began, dropped) = (RefCell::default(), Cell::default());
        Self { clock: clock.clone(), entries: entries.to_vec(), runs: Cell::new(0), began, dropped }
    }

    pub(crate) async fn run(&self) -> Result<u32, u32> {
        struct Drops<'a>(&'a Cell<u32>, bool);
        impl Drop for Drops<'_> {
            fn drop(&mut self) {
                self.0.set(self.0.get() + u32::from(!self.1));
            }
        }
        let number = self.runs.replace(self.runs.get() + 1) as usize;
        let now = self.clock.now();
        self.began.borrow_mut().push(now.since(breakerbox::Timestamp::ZERO).as_millis() as u64);
        let mut drops = Drops(&self.dropped, false);
        let (takes, result) = self.entries[number.min(self.entries.len() - 1)];
        if takes == HANG {
            std::future::pending::<()>().await;
        } else if takes > 0 {
            self.clock.sleep_until(now + ms(takes)).await;
        }
        drops.1 = true;
        result
    }

    pub(crate) fn runs(&self) -> u32 {
        self.runs.get()
    }
}

/// A future that is polled when it has been woken, and only then.
pub(crate) struct Task<F: Future> {
    future: Pin<Box<F>>,
    woken: Arc<Woken>,
    output: Option<F::Output>,
    pub(crate) polls: u32,
}

struct Woken(AtomicBool, AtomicU32);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
        self.1.fetch_add(1, Ordering::Relaxed);
    }
}

impl<F: Future> Task<F> {
    /// Begins it: polls it once, and on while it is woken.
    pub(crate) fn new(future: F) -> Self {
        let woken = Arc::new(Woken(AtomicBool::new(true), AtomicU32::new(0)));
        let mut task = Self { future: Box::pin(future), woken, output: None, polls: 0 };
        task.run();
        task
    }

    pub(crate) fn run(&mut self) {
        let waker = Waker::from(Arc::clone(&self.woken));
        while self.output.is_none() && self.woken.0.swap(false, Ordering::Relaxed) {
            self.polls += 1;
            assert!(self.polls < 10_000, "it spins");
            if let Poll::Ready(output) = self.future.as_mut().poll(&mut Context::from_waker(&waker))
            {
                self.output = Some(output);
            }
        }
    }

    pub(crate) fn is_done(&self) -> bool {
        self.output.is_some()
    }

    #[track_caller]
    pub(crate) fn output(&mut self) -> F::Output {
        self.run();
        self.output.take().expect("it is pending")
    }

    /// Lets it run to its end, a millisecond at a time.
    #[track_caller]
    pub(crate) fn finish(mut self, clock: &ManualClock) -> F::Output {
        for _ in 0..100_000 {
            self.run();
            if let Some(output) = self.output.take() {
                return output;
            }
            clock.advance(ms(1));
        }
        panic!("it never ends");
    }
}

/// How many milliseconds have passed.
pub(crate) fn passed(clock: &ManualClock) -> u64 {
    clock.now().since(breakerbox::Timestamp::ZERO).as_millis() as u64
}

/// Nothing is in flight, and nobody waits.
#[track_caller]
pub(crate) fn assert_settled<C: Clock>(pipeline: &Pipeline<C>) {
    let stats = pipeline.stats();
    if let Some(breaker) = &stats.breaker {
        assert_eq!(breaker.in_flight, 0, "{stats:?}");
        let ended = breaker.successes + breaker.failures + breaker.ignored + breaker.late;
        assert_eq!(breaker.started, ended, "{stats:?}");
    }
    if let Some(bulkhead) = &stats.bulkhead {
        assert_eq!((bulkhead.in_flight, bulkhead.queued), (0, 0), "{stats:?}");
    }
    if let Some(limit) = &stats.adaptive_limit {
        assert_eq!(limit.in_flight, 0, "{stats:?}");
    }
}
