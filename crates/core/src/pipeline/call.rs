//! One call on its way through a pipeline.

use super::{Notice, Pipeline};
use crate::breaker::{Permit, Rejected, State};
use crate::endpoints::{Picked, Tried};
use crate::retry::Failure;
use crate::{Outcome, Timestamp};
use std::time::Duration;

/// What a driver knows of a call when it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start {
    /// How much time the caller has, where the caller said so.
    pub left: Option<Duration>,
    /// Whether running the operation twice does no harm.
    pub repeatable: bool,
}

impl Default for Start {
    /// A call that may be repeated, of a caller who has time.
    fn default() -> Self {
        Self { left: None, repeatable: true }
    }
}

/// What happened to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// An attempt has ended.
    Ended {
        /// Which.
        attempt: u32,
        /// How.
        ending: Ending,
        /// What else is known.
        hint: Hint,
    },
    /// The response of an attempt has begun, well so far, and goes on to the caller. Its end is told
    /// later with [`Event::Ended`]. From now on neither the attempt timeout nor retries nor the
    /// fallback apply.
    ResponseStarted {
        /// Which attempt's.
        attempt: u32,
    },
    /// Time has passed.
    Time,
}

impl Event {
    /// An attempt has ended, and nothing else is known.
    pub const fn ended(attempt: u32, ending: Ending) -> Self {
        Self::Ended { attempt, ending, hint: Hint::NONE }
    }
}

/// What else is known of the end of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hint {
    /// What kind of failure it is, if it is one.
    pub failure: Failure,
    /// When the upstream wants to be asked again.
    pub retry_after: Option<Duration>,
    /// The upstream cannot have worked on it, so repeating it is safe whatever it is.
    pub never_sent: bool,
}

impl Hint {
    /// Nothing is known.
    pub const NONE: Self = Self { failure: Failure::Other, retry_after: None, never_sent: false };
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It did what it is for.
    Success,
    /// It failed.
    Failure,
    /// It ended in a way that says nothing about the other side.
    Ignored,
    /// It panicked. That is a failure; the panic goes on to the caller.
    Panicked,
}

impl From<Outcome> for Ending {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Success => Self::Success,
            Outcome::Failure => Self::Failure,
            Outcome::Ignored => Self::Ignored,
        }
    }
}

/// What a driver is to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Start the operation, and tell when it ends, or when [`Call::due`] comes before.
    Run {
        /// The number of the attempt, from 1.
        attempt: u32,
        /// Where it goes.
        endpoint: usize,
    },
    /// Nothing until something happens, or [`Call::due`] comes. Of what has ended the last result is
    /// to be kept: it may be what the caller gets.
    Wait,
    /// The call is over. What still runs is to be dropped.
    Done {
        /// What became of it.
        end: End,
        /// Whether the caller is to get the fallback instead.
        fallback: bool,
    },
}

/// What became of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The caller gets what this attempt came to, good or bad. It is the last that came to anything.
    Delivered {
        /// Which attempt.
        attempt: u32,
    },
    /// It was not run, or not run again.
    Rejected(Rejection),
    /// An attempt took longer than the attempt timeout.
    AttemptTimeout {
        /// How long it had run.
        after: Duration,
    },
    /// The call took longer than its deadline, or than its caller had time, and there was no earlier
    /// error to give.
    DeadlineExceeded {
        /// How long it had taken.
        after: Duration,
    },
}

/// Which policy rejected a call, and until when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// The circuit is open, isolated, or half-open with all its probes under way.
    BreakerOpen {
        /// Which of these.
        state: State,
        /// How long until a call may be admitted; `None` where only a person can tell.
        retry_after: Option<Duration>,
    },
}

impl Rejection {
    /// The name in policy tests, metrics and headers.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::BreakerOpen { .. } => "breaker_open",
        }
    }

    /// How long until a call may be admitted, where that can be told.
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::BreakerOpen { retry_after, .. } => *retry_after,
        }
    }
}

/// One call on its way. Must be stepped to its end, or cancelled: else its permit stays in flight.
#[must_use = "a call that is neither stepped to its end nor cancelled stays in flight"]
#[derive(Debug)]
pub struct Call {
    begun: Timestamp,
    deadline: Timestamp,
    /// The caller's own time ends before our deadline: running out of it is not the upstream's fault.
    callers: bool,
    repeatable: bool,
    phase: Phase,
    attempts: u32,
    /// Of the attempt that runs: where it goes, its permit, when it began and when it times out; or
    /// when the next one is due.
    endpoint: u32,
    permit: Option<Permit>,
    started: Timestamp,
    timeout: Timestamp,
    /// What is left of the attempts before. Most calls have none, and are the smaller for it.
    before: Option<Box<Before>>,
}

/// What is left of the attempts before.
#[derive(Debug)]
struct Before {
    /// Where they went.
    tried: Tried,
    /// How long the last delay was.
    delay: Duration,
    /// What the last one came to.
    last: End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Nothing runs, and nothing will.
    Idle,
    /// An attempt runs.
    Running,
    /// Its response is on the way to the caller.
    Streaming,
    /// The next attempt waits for its time; the budget has been charged for it.
    Waiting,
    /// The breaker is waited for.
    WaitingForBreaker,
}

impl Call {
    #[inline(always)]
    pub(super) fn new(now: Timestamp, deadline: Option<Duration>, start: Start) -> Self {
        let after = |duration: Option<Duration>| duration.map_or(Timestamp::NEVER, |it| now + it);
        let (ours, callers) = (after(deadline), after(start.left));
        Self {
            begun: now,
            deadline: ours.min(callers),
            callers: callers < ours,
            repeatable: start.repeatable,
            phase: Phase::Idle,
            attempts: 0,
            endpoint: 0,
            permit: None,
            started: now,
            timeout: Timestamp::NEVER,
            before: None,
        }
    }

    /// A call whose only attempt may start, at a time that nobody needs.
    #[inline(always)]
    pub(super) fn picked(picked: Picked) -> (Self, Action) {
        let mut call = Self::new(Timestamp::NEVER, None, Start::default());
        let action = call.run(picked, Timestamp::ZERO, Timestamp::NEVER);
        (call, action)
    }

    #[inline]
    pub(super) fn begin(
        &mut self,
        pipeline: &Pipeline,
        now: Timestamp,
        notice: Notice<'_>,
    ) -> Action {
        if now >= self.deadline {
            return self.deadline_exceeded(pipeline, now, now, notice);
        }
        if let Some(budget) = &pipeline.budget {
            budget.deposit();
        }
        self.attempt(pipeline, now, notice)
    }

    /// Runs the operation, if a breaker admits it.
    #[inline]
    fn attempt(&mut self, pipeline: &Pipeline, now: Timestamp, notice: Notice<'_>) -> Action {
        let tried = self.before.as_ref().map_or_else(Tried::default, |before| before.tried);
        match pipeline.endpoints.pick(now, tried, notice) {
            Ok(picked) => {
                let timeout = pipeline.attempt_timeout.map_or(Timestamp::NEVER, |it| now + it);
                if self.attempts > 0 {
                    pipeline.counts.retried();
                }
                self.run(picked, now, timeout)
            }
            Err(rejected) => self.rejected(pipeline, now, rejected),
        }
    }

    #[inline(always)]
    fn run(&mut self, picked: Picked, started: Timestamp, timeout: Timestamp) -> Action {
        self.attempts += 1;
        self.phase = Phase::Running;
        self.endpoint = picked.endpoint;
        self.permit = picked.permit;
        self.started = started;
        self.timeout = timeout;
        Action::Run { attempt: self.attempts, endpoint: self.endpoint as usize }
    }

    /// No breaker admits it. That ends the call, unless it is to wait for one.
    #[cold]
    fn rejected(&mut self, pipeline: &Pipeline, now: Timestamp, rejected: Rejected) -> Action {
        if self.phase == Phase::Waiting {
            self.refund(pipeline);
        }
        let waits = pipeline.retry.as_ref().is_some_and(|retry| retry.on.waits_for_breaker());
        if waits && let Some(wait) = rejected.retry_after {
            // A probe that comes back sooner than its lease may make room: ask again soon.
            let until = now + wait.max(Duration::from_millis(1));
            if self.deadline != Timestamp::NEVER && until < self.deadline {
                self.phase = Phase::WaitingForBreaker;
                self.timeout = until;
                return Action::Wait;
            }
        }
        self.phase = Phase::Idle;
        self.timeout = Timestamp::NEVER;
        let Rejected { state, retry_after } = rejected;
        let end = End::Rejected(Rejection::BreakerOpen { state, retry_after });
        Action::Done { end, fallback: pipeline.fallback }
    }

    /// When the call began.
    pub fn begun(&self) -> Timestamp {
        self.begun
    }

    /// When the whole call must be over; [`Timestamp::NEVER`] if it need not.
    pub fn deadline(&self) -> Timestamp {
        self.deadline
    }

    /// How often the operation has been run.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// When the machine wants to be stepped with [`Event::Time`], if nothing happens before;
    /// [`Timestamp::NEVER`] if time does not matter.
    #[inline]
    pub fn due(&self) -> Timestamp {
        self.deadline.min(self.timeout)
    }

    /// Whether there is something that [`cancel`](Self::cancel) would have to give back.
    #[inline]
    pub fn is_running(&self) -> bool {
        self.phase != Phase::Idle
    }

    /// Whether an attempt runs; if not, the operation of the last one is to be dropped.
    #[inline]
    pub fn is_attempting(&self) -> bool {
        matches!(self.phase, Phase::Running | Phase::Streaming)
    }

    /// The time of the attempt that runs begins only at `from`, if that is later than it has begun:
    /// until then it waited for its own caller, who was still sending. Neither the attempt timeout
    /// nor slowness count from before.
    pub fn waited_for_caller(&mut self, pipeline: &Pipeline, from: Timestamp) {
        if self.phase != Phase::Running || from <= self.started {
            return;
        }
        self.started = from;
        self.timeout = pipeline.attempt_timeout.map_or(Timestamp::NEVER, |it| from + it);
        if let Some(permit) = &mut self.permit {
            permit.start(from);
        }
    }

    /// Running the operation again is not possible any more: what it would need is gone.
    pub fn not_repeatable(&mut self) {
        self.repeatable = false;
    }

    /// Something happened. What happens at one instant is told in this order: operations that end,
    /// then time.
    #[inline(always)]
    pub fn step(
        &mut self,
        pipeline: &Pipeline,
        now: Timestamp,
        event: Event,
        notice: Notice<'_>,
    ) -> Action {
        match event {
            Event::Ended { attempt, ending, hint } => {
                self.ended(pipeline, now, attempt, ending, hint, notice)
            }
            Event::ResponseStarted { attempt } => {
                self.response_started(pipeline, now, attempt, notice)
            }
            Event::Time => self.time_passed(pipeline, now, notice),
        }
    }

    #[inline(always)]
    fn ended(
        &mut self,
        pipeline: &Pipeline,
        now: Timestamp,
        attempt: u32,
        ending: Ending,
        hint: Hint,
        notice: Notice<'_>,
    ) -> Action {
        let streaming = self.phase == Phase::Streaming;
        if attempt != self.attempts || !(streaming || self.phase == Phase::Running) {
            return Action::Wait;
        }
        let outcome = match ending {
            Ending::Success => Outcome::Success,
            Ending::Failure | Ending::Panicked => Outcome::Failure,
            Ending::Ignored => Outcome::Ignored,
        };
        self.finish(pipeline, now, outcome, notice);
        let end = End::Delivered { attempt };
        if !streaming && pipeline.retry.is_some() && ending != Ending::Panicked {
            let failed = ending == Ending::Failure;
            if self.schedule(pipeline, now, end, hint, failed) {
                return Action::Wait;
            }
        }
        let fallback = pipeline.fallback && ending == Ending::Failure && !streaming;
        Action::Done { end, fallback }
    }

    /// Schedules another attempt after this end, if everything allows one.
    #[inline(never)]
    fn schedule(
        &mut self,
        pipeline: &Pipeline,
        now: Timestamp,
        end: End,
        hint: Hint,
        failed: bool,
    ) -> bool {
        let Some(retry) = &pipeline.retry else { return false };
        if self.attempts >= retry.attempts
            || !(self.repeatable || hint.never_sent)
            || !retry.on.repeats(hint.failure, failed)
        {
            return false;
        }
        let delay_before = self.before.as_ref().map_or(Duration::ZERO, |before| before.delay);
        let delay = pipeline.delay(retry, self.attempts - 1, delay_before);
        let delay = hint.retry_after.map_or(delay, |wanted| {
            // The upstream's wish, but no sooner than ours and no later than we would ever wait.
            wanted.clamp(delay, retry.backoff.max)
        });
        let next = now + delay;
        let too_long = retry.max_elapsed.is_some_and(|max| next.since(self.begun) > max);
        if next >= self.deadline || too_long {
            return false;
        }
        if pipeline.budget.as_ref().is_some_and(|budget| !budget.withdraw(now)) {
            pipeline.counts.refused_by_budget();
            return false;
        }
        let mut tried = self.before.as_ref().map_or_else(Tried::default, |before| before.tried);
        tried.add(self.endpoint);
        self.before = Some(Box::new(Before { tried, delay, last: end }));
        self.phase = Phase::Waiting;
        self.timeout = next;
        true
    }

    fn refund(&mut self, pipeline: &Pipeline) {
        if let Some(budget) = &pipeline.budget {
            budget.refund();
        }
    }

    /// The attempt is over, with this outcome.
    #[inline(always)]
    fn finish(
        &mut self,
        pipeline: &Pipeline,
        now: Timestamp,
        outcome: Outcome,
        notice: Notice<'_>,
    ) {
        let (endpoint, permit) = self.give_back();
        if let Some((breaker, permit)) = pipeline.endpoints.breaker(endpoint).zip(permit) {
            breaker.finish(permit, now, outcome, &mut |change| notice(endpoint, change));
        }
    }

    /// The attempt is over, and will not tell how it ends.
    fn abandon(&mut self, pipeline: &Pipeline, now: Timestamp, notice: Notice<'_>) {
        let (endpoint, permit) = self.give_back();
        if let Some((breaker, permit)) = pipeline.endpoints.breaker(endpoint).zip(permit) {
            breaker.cancel(permit, now, &mut |change| notice(endpoint, change));
        }
    }

    #[inline(always)]
    fn give_back(&mut self) -> (usize, Option<Permit>) {
        self.phase = Phase::Idle;
        self.timeout = Timestamp::NEVER;
        (self.endpoint as usize, self.permit.take())
    }

    fn response_started(
        &mut self,
        pipeline: &Pipeline,
        now: Timestamp,
        attempt: u32,
        notice: Notice<'_>,
    ) -> Action {
        if attempt == self.attempts && self.phase == Phase::Running {
            self.timeout = Timestamp::NEVER;
            self.phase = Phase::Streaming;
            let endpoint = self.endpoint as usize;
            let breaker = pipeline.endpoints.breaker(endpoint);
            if let Some((breaker, permit)) = breaker.zip(self.permit.take()) {
                let notice: crate::breaker::Notice<'_> = &mut |change| notice(endpoint, change);
                self.permit = Some(breaker.response_started(permit, now, notice));
            }
        }
        Action::Wait
    }

    /// What is due first happened first; at one instant the deadline comes before the timeout. It
    /// happened when it was due, however late the driver comes: else a probe that times out would
    /// be found after its lease, which is as long.
    fn time_passed(&mut self, pipeline: &Pipeline, now: Timestamp, notice: Notice<'_>) -> Action {
        let due = self.due();
        if now < due {
            return Action::Wait;
        }
        if self.deadline <= self.timeout {
            return self.deadline_exceeded(pipeline, due, now, notice);
        }
        match self.phase {
            Phase::Waiting | Phase::WaitingForBreaker => self.attempt(pipeline, now, notice),
            Phase::Running => self.attempt_timed_out(pipeline, due, now, notice),
            Phase::Idle | Phase::Streaming => Action::Wait,
        }
    }

    fn attempt_timed_out(
        &mut self,
        pipeline: &Pipeline,
        due: Timestamp,
        now: Timestamp,
        notice: Notice<'_>,
    ) -> Action {
        self.finish(pipeline, due, Outcome::Failure, notice);
        let end = End::AttemptTimeout { after: now.since(self.started) };
        let hint = Hint { failure: Failure::Timeout, ..Hint::NONE };
        if self.schedule(pipeline, now, end, hint, true) {
            return Action::Wait;
        }
        Action::Done { end, fallback: pipeline.fallback }
    }

    /// The call is over. The caller gets the last real error, if there was one.
    #[cold]
    fn deadline_exceeded(
        &mut self,
        pipeline: &Pipeline,
        due: Timestamp,
        now: Timestamp,
        notice: Notice<'_>,
    ) -> Action {
        let streaming = self.phase == Phase::Streaming;
        let after = now.since(self.begun);
        let end = match &self.before {
            Some(before) if !streaming => before.last,
            _ => End::DeadlineExceeded { after },
        };
        // Nothing more is due.
        self.deadline = Timestamp::NEVER;
        if self.phase == Phase::Waiting {
            self.refund(pipeline);
        }
        if self.callers {
            self.abandon(pipeline, due, notice);
        } else {
            self.finish(pipeline, due, Outcome::Failure, notice);
        }
        Action::Done { end, fallback: pipeline.fallback && !streaming }
    }

    /// The caller has gone away.
    #[inline]
    pub fn cancel(mut self, pipeline: &Pipeline, now: Timestamp, notice: Notice<'_>) {
        if self.phase == Phase::Waiting {
            self.refund(pipeline);
        }
        if self.is_running() {
            self.abandon(pipeline, now, notice);
        }
    }
}
