//! What the clones of a breaker or a pipeline share, and how it carries out what the machine says.

use crate::breaker::{Answer, Recover};
use crate::clock::Clock;
use crate::events::{Listeners, RemoveListener};
use crate::{Error, Event, EventKind, Interest, ListenerId, Name, Rejection, Timeout, TimeoutKind};
use breakerbox_core::breaker::{self, Cause, Control, Memory, Snapshot, Transition};
use breakerbox_core::pipeline::{
    Action, Answers, Call, End, Ending, Event as Step, Hint, Notice, Pipeline, Rejection as Why,
    Start,
};
use breakerbox_core::{Histogram, Timestamp};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

pub struct Inner<C> {
    pub(crate) name: Name,
    pub(crate) clock: C,
    pub(crate) pipeline: Pipeline,
    pub(crate) listeners: Listeners,
    pub(crate) latency: Option<Histogram>,
    pub(crate) rare: Rare,
    pub(crate) seed: u64,
}

/// Counts of what does not happen on a good day.
#[derive(Debug, Default)]
pub(crate) struct Rare {
    pub(crate) attempt_timeouts: AtomicU64,
    pub(crate) deadlines: AtomicU64,
    pub(crate) idle_timeouts: AtomicU64,
    pub(crate) cancelled: AtomicU64,
    pub(crate) panics: AtomicU64,
    pub(crate) fallbacks: AtomicU64,
    /// By reason.
    pub(crate) rejected: [AtomicU64; Why::REASONS.len()],
}

/// One more.
pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// Gives back what a dropped call holds, even if the drop of its operation panics.
pub(crate) struct GiveBack<'a, C: Clock> {
    pub(crate) inner: &'a Inner<C>,
    pub(crate) call: &'a mut Call,
}

impl<C: Clock> Drop for GiveBack<'_, C> {
    #[inline(always)]
    fn drop(&mut self) {
        self.inner.dropped(self.call);
    }
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
    pub(crate) fn new(
        name: Name,
        clock: C,
        settings: breakerbox_core::pipeline::Settings,
        latencies: bool,
        seed: Option<u64>,
    ) -> Self {
        let seed = seed.unwrap_or_else(|| fastrand::u64(..));
        Self {
            name,
            pipeline: Pipeline::new(settings, clock.now(), seed),
            clock,
            listeners: Listeners::default(),
            latency: latencies.then(Histogram::new),
            rare: Rare::default(),
            seed,
        }
    }

    /// The breaker of the only endpoint there is.
    pub(crate) fn breaker(&self) -> &breaker::Breaker {
        self.pipeline.endpoints().breaker(0).expect("a builder makes pipelines with a breaker")
    }

    /// By how much the clock may lag behind that of somebody who waits as long as we say: one tick of a
    /// coarse one.
    pub(crate) fn lag(&self) -> Duration {
        Some(self.clock.tick()).filter(|tick| *tick > Duration::from_nanos(1)).unwrap_or_default()
    }

    /// What a breaker has counted, with a wait that is long enough.
    pub(crate) fn snapshot(&self, breaker: &breaker::Breaker) -> Snapshot {
        let mut snapshot = breaker.snapshot(self.clock.now());
        if let Some(wait) = snapshot.retry_after.as_mut().filter(|wait| !wait.is_zero()) {
            *wait += self.lag();
        }
        snapshot
    }

    /// Begins a call of which nothing else is known.
    #[inline(always)]
    pub(crate) fn begin(&self, call: &mut Call) -> Result<(), Stopped> {
        if !self.watched() && self.pipeline.begin_timeless(call).is_some() {
            return Ok(());
        }
        self.begin_timed(call)
    }

    fn begin_timed(&self, call: &mut Call) -> Result<(), Stopped> {
        match self.begin_in(call, &Start::default()) {
            Action::Done { end, .. } => Err(self.stopped(end)),
            Action::Run { .. } | Action::Wait | Action::LookUp => Ok(()),
        }
    }

    /// Begins a call.
    #[inline(always)]
    pub(crate) fn begin_in(&self, call: &mut Call, start: &Start) -> Action {
        let now = self.clock.now();
        self.pipeline.begin_in(call, now, start, &mut |_, change| self.changed(change))
    }

    /// Whether somebody wants to know of every call how long it took.
    #[inline(always)]
    pub(crate) fn watched(&self) -> bool {
        self.latency.is_some() || self.listeners.want(Interest::OUTCOMES)
    }

    /// The only attempt has ended. Whether the caller is to get the fallback, if there is one.
    #[inline(always)]
    pub(crate) fn ended(&self, call: &mut Call, ending: Ending) -> bool {
        let action = self.attempt_ended(call, 1, ending, Hint::NONE);
        matches!(action, Action::Done { fallback: true, .. })
    }

    /// An attempt has ended.
    #[inline(always)]
    pub(crate) fn attempt_ended(
        &self,
        call: &mut Call,
        attempt: u32,
        ending: Ending,
        hint: Hint,
    ) -> Action {
        let step = Step::Ended { attempt, ending, hint };
        if self.watched() || (ending != Ending::Success && self.step_is_told(ending)) {
            return self.step(call, step);
        }
        self.step_unwatched(call, step)
    }

    /// Whether somebody wants to hear of what an attempt leads to that did not succeed.
    #[cold]
    fn step_is_told(&self, ending: Ending) -> bool {
        ending == Ending::Panicked || self.listeners.want(Interest::REPETITIONS)
    }

    /// Something has happened to a call of which nobody wants to hear.
    #[inline(always)]
    pub(crate) fn step_unwatched(&self, call: &mut Call, step: Step) -> Action {
        call.step(&self.pipeline, self.clock.now(), step, &mut |_, change| self.changed(change))
    }

    /// Something has happened to a call.
    #[inline(never)]
    pub(crate) fn step(&self, call: &mut Call, step: Step) -> Action {
        let (begun, now) = (call.begun(), self.clock.now());
        let ending = match step {
            Step::Ended { ending, .. } | Step::Answered { ending } => ending,
            // The time of a call that waits to be repeated has run out: it gets the failure before.
            _ => Ending::Failure,
        };
        let act = |notice: Notice<'_>| {
            let action = call.step(&self.pipeline, now, step, notice);
            (action, call.next_attempt(), call.attempts(), call.is_hedging())
        };
        let tell = |&(action, next, attempts, hedging): &_| match (action, next) {
            (Action::Done { end: End::Delivered { .. } | End::Answered, .. }, _) => {
                self.tell_ended(begun, now, ending);
            }
            (Action::Wait, Some(at)) => {
                let after = Timestamp::since(at, now);
                self.tell(Interest::REPETITIONS, || EventKind::Retrying { attempts, after });
            }
            (Action::Run { attempt, .. }, _) if hedging => {
                self.tell(Interest::REPETITIONS, || EventKind::Hedged { attempt });
            }
            // Of the rest the driver tells, or nobody.
            _ => {}
        };
        self.in_order(act, tell).0
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
        let interest =
            if ending == Ending::Panicked { Interest::PANICS } else { Interest::OUTCOMES };
        self.tell(interest, || match ending {
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

    /// The caller has gone away, or has its answer.
    #[inline(always)]
    pub(crate) fn dropped(&self, call: &mut Call) {
        if call.is_running() {
            self.cancel(std::mem::replace(call, Call::NEW));
        }
    }

    /// The caller has gone away.
    #[cold]
    pub(crate) fn cancel(&self, call: Call) {
        if call.is_running() {
            count(&self.rare.cancelled);
            let now = self.clock.now();
            let cancel = |notice: Notice<'_>| call.cancel(&self.pipeline, now, notice);
            self.in_order(cancel, |()| self.tell(Interest::CANCELLATIONS, || EventKind::Cancelled));
        }
    }

    /// The error of a call that has no result, told and counted.
    #[cold]
    pub(crate) fn stopped(&self, end: End) -> Stopped {
        let timeout = |kind, after, counter| {
            count(counter);
            self.tell(Interest::TIMEOUTS, || EventKind::Timeout { kind, after });
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
                count(&self.rare.rejected[why.number()]);
                let rejection = Rejection::new(self.name.clone(), why.later_by(self.lag()));
                self.tell(Interest::REJECTIONS, || EventKind::Rejected(rejection.clone()));
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
            self.fell_back();
        }
        answer
    }

    /// The same, with a mark.
    #[cold]
    pub(crate) fn answer_instead<T, E, F: Recover<T, E>>(
        &self,
        fallback: F,
        result: Result<T, Error<E>>,
    ) -> Result<Answer<T>, Error<E>> {
        let answer = fallback.answer(result);
        if F::HAS_FALLBACK {
            self.fell_back();
        }
        answer
    }

    /// Somebody has got a fallback.
    pub(crate) fn fell_back(&self) {
        count(&self.rare.fallbacks);
        self.tell(Interest::FALLBACKS, || EventKind::Fallback);
    }

    pub(crate) fn control(&self, control: Control) -> bool {
        // Where there are keys that is told once, of all of them.
        let mut told = false;
        let notice: Notice<'_> = &mut |_, change| {
            if !std::mem::replace(&mut told, true) || self.pipeline.keyed_breakers().is_none() {
                self.tell(Interest::TRANSITIONS, || EventKind::Transition(change));
            }
        };
        self.pipeline.control(0, control, self.clock.now(), notice)
    }

    pub(crate) fn import(&self, breaker: &breaker::Breaker, memory: Memory) {
        breaker.import(memory, self.clock.now(), &mut |change| self.changed(change));
    }

    /// Reports what time has changed since the last operation.
    pub(crate) fn settle(&self, breaker: &breaker::Breaker) {
        breaker.settle(self.clock.now(), &mut |change| self.changed(change));
    }

    /// What it does, after its name.
    pub(crate) fn sentence(&self, answers: &Answers) -> String {
        // Whether there is a fallback is for each call to say.
        let sentence = self.pipeline.sentence(answers);
        let sentence = sentence.strip_prefix("a fallback, then ").unwrap_or(&sentence);
        format!("{}: {sentence}", self.name)
    }

    #[cold]
    fn changed(&self, change: Transition) {
        let of_a_key = self.pipeline.keyed_breakers().is_some();
        let kind = if of_a_key { EventKind::KeyTransition } else { EventKind::Transition };
        self.tell(Interest::TRANSITIONS, || kind(change));
    }

    /// Makes an event only if somebody wants it.
    pub(crate) fn tell(&self, interest: Interest, kind: impl FnOnce() -> EventKind) {
        if self.listeners.want(interest) {
            let event = Event { name: self.name.clone(), kind: kind() };
            debug_assert_eq!(event.kind.interest(), interest, "who wants it hears of it");
            self.listeners.tell(&event);
        }
    }
}

impl<C> RemoveListener for Inner<C> {
    fn remove_listener(&self, id: ListenerId) {
        self.listeners.remove(id);
    }
}

impl<C> std::fmt::Debug for Inner<C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inner").field("name", &self.name).finish_non_exhaustive()
    }
}
