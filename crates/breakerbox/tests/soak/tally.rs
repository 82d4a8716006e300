//! What callers saw and what a listener heard, to be compared with what the pipeline counted.

use breakerbox::core::pipeline::Rejection;
use breakerbox::{Error, EventKind, State, TimeoutKind};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

/// A number that several threads add to.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What callers saw.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Calls that were polled at all.
    pub(crate) offered: Count,
    pub(crate) good: Count,
    /// Good results that were to be ignored.
    pub(crate) ignored: Count,
    pub(crate) failed: Count,
    pub(crate) attempt_timeouts: Count,
    pub(crate) deadlines: Count,
    /// By reason, those with a fallback among them.
    pub(crate) rejected: [Count; Rejection::REASONS.len()],
    /// Calls whose fallback was asked for.
    pub(crate) fallbacks: Count,
    pub(crate) panics: Count,
    pub(crate) given_up: Count,
    /// Operations that were begun.
    pub(crate) executed: Count,
    /// Operations that are there.
    running: AtomicU64,
    /// The most that were there at once.
    pub(crate) peak: AtomicU64,
}

impl Tally {
    pub(crate) fn see<T>(&self, result: &Result<T, Error<&'static str>>) {
        match result {
            Ok(_) => self.good.add(),
            Err(Error::Inner(_)) => self.failed.add(),
            Err(Error::Rejected(rejection)) => self.rejected[rejection.why().number()].add(),
            Err(Error::Timeout(timeout)) => match timeout.kind() {
                TimeoutKind::Idle => panic!("nothing here streams"),
                TimeoutKind::Attempt => self.attempt_timeouts.add(),
                TimeoutKind::Deadline => self.deadlines.add(),
            },
        }
    }

    pub(crate) fn rejected(&self, reason: &str) -> u64 {
        let reasons = Rejection::REASONS.iter().zip(&self.rejected);
        reasons.filter(|(known, _)| **known == reason).map(|(_, count)| count.read()).sum()
    }

    /// All endings that there are.
    pub(crate) fn ended(&self) -> u64 {
        let ends = [
            &self.good,
            &self.ignored,
            &self.failed,
            &self.attempt_timeouts,
            &self.deadlines,
            &self.panics,
            &self.given_up,
        ];
        ends.into_iter().chain(&self.rejected).map(Count::read).sum()
    }

    /// Operations that are there.
    pub(crate) fn running(&self) -> u64 {
        self.running.load(Ordering::Relaxed)
    }
}

/// An operation that is there, until it is dropped.
pub(crate) struct Running(Arc<Tally>);

impl Running {
    pub(crate) fn new(tally: &Arc<Tally>) -> Self {
        tally.executed.add();
        let running = tally.running.fetch_add(1, Ordering::Relaxed) + 1;
        tally.peak.fetch_max(running, Ordering::Relaxed);
        Self(Arc::clone(tally))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A call that is accounted for however it ends: `call` says so itself where it comes to an end.
pub(crate) struct Accounted {
    call: Pin<Box<dyn Future<Output = ()> + Send>>,
    tally: Arc<Tally>,
    waits: bool,
}

impl Accounted {
    pub(crate) fn new(tally: &Arc<Tally>, call: impl Future<Output = ()> + Send + 'static) -> Self {
        Self { call: Box::pin(call), tally: Arc::clone(tally), waits: false }
    }
}

impl Future for Accounted {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if !self.waits {
            self.tally.offered.add();
        }
        let polled = catch_unwind(AssertUnwindSafe(|| self.call.as_mut().poll(cx)));
        self.waits = matches!(polled, Ok(Poll::Pending));
        polled.unwrap_or_else(|_| {
            self.tally.panics.add();
            Poll::Ready(())
        })
    }
}

impl Drop for Accounted {
    fn drop(&mut self) {
        if self.waits {
            self.tally.given_up.add();
        }
    }
}

/// What a listener was told. Now and then it panics.
#[derive(Debug, Default)]
pub(crate) struct Listened {
    pub(crate) successes: Count,
    pub(crate) failures: Count,
    pub(crate) ignored: Count,
    pub(crate) panicked: Count,
    pub(crate) rejected: Count,
    pub(crate) timeouts: Count,
    pub(crate) cancelled: Count,
    pub(crate) fallbacks: Count,
    pub(crate) hedged: Count,
    pub(crate) retrying: Count,
    pub(crate) opened: Count,
    pub(crate) other_transitions: Count,
    pub(crate) own_panics: Count,
}

impl Listened {
    pub(crate) fn hear(&self, kind: &EventKind) {
        let count = match kind {
            EventKind::Success { .. } => &self.successes,
            EventKind::Failure { .. } => &self.failures,
            EventKind::Ignored => &self.ignored,
            EventKind::Panicked => &self.panicked,
            EventKind::Rejected(_) => &self.rejected,
            EventKind::Timeout { .. } => &self.timeouts,
            EventKind::Cancelled => &self.cancelled,
            EventKind::Fallback => &self.fallbacks,
            EventKind::Hedged { .. } => &self.hedged,
            EventKind::Retrying { .. } => &self.retrying,
            EventKind::Transition(change) if change.to == State::Open => &self.opened,
            _ => &self.other_transitions,
        };
        count.add();
        if count.read().is_multiple_of(1009) {
            self.own_panics.add();
            // Quietly: without the hook that prints.
            std::panic::resume_unwind(Box::new("a listener"));
        }
    }
}
