//! What the clones of a breaker share.

use super::{Recover, Stats};
use crate::clock::Clock;
use crate::events::{Listeners, RemoveListener};
use crate::{Error, Event, EventKind, ListenerId, Name, Rejection, Timeout, TimeoutKind};
use breakerbox_core::breaker::{self, Cause, Control, Transition};
use breakerbox_core::pipeline::{
    Action, Call, End, Ending, Event as Step, Notice, Pipeline, Start,
};
use breakerbox_core::{Histogram, Timestamp};
use std::sync::atomic::{AtomicU64, Ordering};

pub(crate) struct Inner<C> {
    pub(crate) name: Name,
    pub(crate) clock: C,
    pub(crate) pipeline: Pipeline,
    pub(crate) listeners: Listeners,
    pub(crate) latency: Option<Histogram>,
    pub(crate) rare: Rare,
}

/// Counts of what does not happen on a good day.
#[derive(Debug, Default)]
pub(crate) struct Rare {
    pub(crate) attempt_timeouts: AtomicU64,
    pub(crate) deadlines: AtomicU64,
    pub(crate) cancelled: AtomicU64,
    pub(crate) panics: AtomicU64,
    pub(crate) fallbacks: AtomicU64,
}

/// One more.
pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// How a call ended that has no result of its own.
pub(crate) enum Stopped {
    Rejected(Rejection),
    Timeout(Timeout),
}

impl<E> From<Stopped> for Error<E> {
    fn from(stopped: Stopped) -> Self {
        match stopped {
            Stopped::Rejected(rejection) => Self::Rejected(rejection),
            Stopped::Timeout(timeout) => Self::Timeout(timeout),
        }
    }
}

impl<C: Clock> Inner<C> {
    /// The breaker of the only endpoint there is.
    pub(crate) fn breaker(&self) -> &breaker::Breaker {
        self.pipeline.endpoints().breaker(0).expect("a builder makes pipelines with a breaker")
    }

    /// Begins a call.
    #[inline(always)]
    pub(crate) fn begin(&self) -> Result<Call, Stopped> {
        if !self.watched()
            && let Some((call, _)) = self.pipeline.begin_timeless()
        {
            return Ok(call);
        }
        self.begin_timed()
    }

    fn begin_timed(&self) -> Result<Call, Stopped> {
        let now = self.clock.now();
        let (call, action) =
            self.pipeline.begin(now, Start::default(), &mut |_, change| self.changed(change));
        match action {
            Action::Done { end, .. } => Err(self.stopped(end)),
            Action::Run { .. } | Action::Wait | Action::LookUp => Ok(call),
        }
    }

    /// Whether somebody wants to know of every call how long it took.
    #[inline(always)]
    fn watched(&self) -> bool {
        self.latency.is_some() || self.listeners.any()
    }

    /// The operation has ended. Whether the caller is to get the fallback, if there is one.
    #[inline(always)]
    pub(crate) fn ended(&self, call: &mut Call, ending: Ending) -> bool {
        if self.watched() || ending == Ending::Panicked {
            return self.ended_watched(call, ending);
        }
        let step = Step::ended(1, ending);
        let changed: Notice<'_> = &mut |_, change| self.changed(change);
        let action = call.step(&self.pipeline, self.clock.now(), step, changed);
        matches!(action, Action::Done { fallback: true, .. })
    }

    #[inline(never)]
    fn ended_watched(&self, call: &mut Call, ending: Ending) -> bool {
        let (begun, now) = (call.begun(), self.clock.now());
        let step = Step::ended(1, ending);
        let step = |notice: Notice<'_>| call.step(&self.pipeline, now, step, notice);
        let action = self.in_order(step, |action| {
            // What is polled again after its panic has ended already.
            if matches!(action, Action::Done { .. }) {
                self.tell_ended(begun, now, ending);
            }
        });
        matches!(action, Action::Done { fallback: true, .. })
    }

    /// Does something and tells of it in order: what time had changed before, what it was, and
    /// what it has changed itself. First the failure, then that the circuit opened.
    fn in_order<R>(&self, act: impl FnOnce(Notice<'_>) -> R, tell: impl FnOnce(&R)) -> R {
        let mut changes = Vec::new();
        let result = act(&mut |_, change: Transition| match change.cause {
            Cause::OpenElapsed | Cause::LeaseExpired => self.changed(change),
            _ => changes.push(change),
        });
        tell(&result);
        changes.into_iter().for_each(|change| self.changed(change));
        result
    }

    fn tell_ended(&self, begun: Timestamp, now: Timestamp, ending: Ending) {
        // A call that began while nobody listened does not know when.
        let known = begun != Timestamp::NEVER;
        let took = now.since(begun);
        if let Some(latency) = &self.latency
            && matches!(ending, Ending::Success | Ending::Failure)
            && known
        {
            latency.record(took);
        }
        if ending == Ending::Panicked {
            count(&self.rare.panics);
        }
        self.tell(|| match ending {
            Ending::Success => EventKind::Success { took },
            Ending::Failure => EventKind::Failure { took },
            Ending::Ignored => EventKind::Ignored,
            Ending::Panicked => EventKind::Panicked,
        });
    }

    /// The timer has run out: why the call is over, if it is.
    pub(crate) fn time_passed(&self, call: &mut Call) -> Option<Stopped> {
        let now = self.clock.now();
        let mut stopped = None;
        let step = |notice: Notice<'_>| call.step(&self.pipeline, now, Step::Time, notice);
        self.in_order(step, |action| {
            if let Action::Done { end, .. } = *action {
                stopped = Some(self.stopped(end));
            }
        });
        stopped
    }

    /// The caller has gone away.
    pub(crate) fn cancel(&self, call: Call) {
        if call.is_running() {
            count(&self.rare.cancelled);
            let now = self.clock.now();
            let cancel = |notice: Notice<'_>| call.cancel(&self.pipeline, now, notice);
            self.in_order(cancel, |()| self.tell(|| EventKind::Cancelled));
        }
    }

    #[cold]
    fn stopped(&self, end: End) -> Stopped {
        let timeout = |kind, after, counter| {
            count(counter);
            self.tell(|| EventKind::Timeout { kind, after });
            Stopped::Timeout(Timeout { name: self.name.clone(), kind, after })
        };
        match end {
            End::AttemptTimeout { after } => {
                timeout(TimeoutKind::Attempt, after, &self.rare.attempt_timeouts)
            }
            End::DeadlineExceeded { after } => {
                timeout(TimeoutKind::Deadline, after, &self.rare.deadlines)
            }
            End::Rejected(why) => {
                let rejection = Rejection::new(self.name.clone(), why);
                self.tell(|| EventKind::Rejected(rejection.clone()));
                Stopped::Rejected(rejection)
            }
            // A result is delivered by whoever has it.
            End::Delivered { .. } | End::Answered => {
                unreachable!("only `ended` tells the machine of a result")
            }
        }
    }

    /// The fallback, where there is one.
    #[cold]
    pub(crate) fn instead<T, E, F: Recover<T, E>>(
        &self,
        fallback: F,
        result: Result<T, Error<E>>,
    ) -> Result<F::Answer, Error<E>> {
        let answer = fallback.instead(result);
        if F::HAS_FALLBACK {
            count(&self.rare.fallbacks);
            self.tell(|| EventKind::Fallback);
        }
        answer
    }

    pub(crate) fn control(&self, control: Control) {
        let now = self.clock.now();
        self.breaker().control(control, now, &mut |change| self.changed(change));
    }

    /// Reports what time has changed since the last operation.
    pub(crate) fn settle(&self) {
        self.breaker().settle(self.clock.now(), &mut |change| self.changed(change));
    }

    pub(crate) fn stats(&self) -> Stats {
        Stats::new(self, self.breaker().snapshot(self.clock.now()))
    }

    #[cold]
    fn changed(&self, change: Transition) {
        self.tell(|| EventKind::Transition(change));
    }

    /// Makes an event only if somebody listens.
    fn tell(&self, kind: impl FnOnce() -> EventKind) {
        if self.listeners.any() {
            self.listeners.tell(&Event { breaker: self.name.clone(), kind: kind() });
        }
    }
}

impl<C> RemoveListener for Inner<C> {
    fn remove_listener(&self, id: ListenerId) {
        self.listeners.remove(id);
    }
}
