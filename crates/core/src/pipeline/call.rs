//! One call on its way through a pipeline.

use super::{Notice, Pipeline};
use crate::breaker::{Permit, State};
use crate::endpoints::Picked;
use crate::{Outcome, Timestamp};
use std::time::Duration;

/// What happened to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// An attempt has ended.
    Ended {
        /// Which.
        attempt: u32,
        /// How.
        ending: Ending,
    },
    /// The response of an attempt has begun, well so far, and goes on to the caller. Its end is told
    /// later with [`Event::Ended`]. From now on neither the attempt timeout nor the fallback apply.
    ResponseStarted {
        /// Which attempt's.
        attempt: u32,
    },
    /// Time has passed.
    Time,
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
    /// Nothing until something happens, or [`Call::due`] comes.
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
    /// The caller gets what this attempt came to, good or bad.
    Delivered {
        /// Which attempt.
        attempt: u32,
    },
    /// It was not run.
    Rejected(Rejection),
    /// An attempt took longer than the attempt timeout.
    AttemptTimeout {
        /// How long it had run.
        after: Duration,
    },
    /// The call took longer than its deadline, or than its caller had time.
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
    phase: Phase,
    attempts: u32,
    /// Of the attempt that runs: where it goes, its permit, when it began and when it times out.
    endpoint: u32,
    permit: Option<Permit>,
    started: Timestamp,
    timeout: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// No attempt runs.
    Idle,
    /// An attempt runs.
    Running,
    /// Its response is on the way to the caller.
    Streaming,
}

impl Call {
    #[inline(always)]
    pub(super) fn new(now: Timestamp, deadline: Option<Duration>, left: Option<Duration>) -> Self {
        let after = |duration: Option<Duration>| duration.map_or(Timestamp::NEVER, |it| now + it);
        let (ours, callers) = (after(deadline), after(left));
        Self {
            begun: now,
            deadline: ours.min(callers),
            callers: callers < ours,
            phase: Phase::Idle,
            attempts: 0,
            endpoint: 0,
            permit: None,
            started: now,
            timeout: Timestamp::NEVER,
        }
    }

    /// A call whose only attempt may start, at a time that nobody needs.
    #[inline(always)]
    pub(super) fn picked(picked: Picked) -> (Self, Action) {
        let mut call = Self::new(Timestamp::NEVER, None, None);
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
            return self.deadline_exceeded(pipeline, now, notice);
        }
        match pipeline.endpoints.pick(now, notice) {
            Ok(picked) => {
                let timeout = pipeline.attempt_timeout.map_or(Timestamp::NEVER, |it| now + it);
                self.run(picked, now, timeout)
            }
            Err(rejected) => Action::Done {
                end: End::Rejected(Rejection::BreakerOpen {
                    state: rejected.state,
                    retry_after: rejected.retry_after,
                }),
                fallback: pipeline.fallback,
            },
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

    /// When the call began; [`Timestamp::NEVER`] if it began without the time.
    pub fn begun(&self) -> Timestamp {
        self.begun
    }

    /// When the whole call must be over; [`Timestamp::NEVER`] if it need not.
    pub fn deadline(&self) -> Timestamp {
        self.deadline
    }

    /// When the machine wants to be stepped with [`Event::Time`], if nothing happens before;
    /// [`Timestamp::NEVER`] if time does not matter.
    #[inline]
    pub fn due(&self) -> Timestamp {
        self.deadline.min(self.timeout)
    }

    /// Whether something runs, which [`cancel`](Self::cancel) would have to give back.
    #[inline]
    pub fn is_running(&self) -> bool {
        self.phase != Phase::Idle
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
            Event::Ended { attempt, ending } => self.ended(pipeline, now, attempt, ending, notice),
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
        notice: Notice<'_>,
    ) -> Action {
        if attempt != self.attempts || !self.is_running() {
            return Action::Wait;
        }
        let streaming = self.phase == Phase::Streaming;
        let outcome = match ending {
            Ending::Success => Outcome::Success,
            Ending::Failure | Ending::Panicked => Outcome::Failure,
            Ending::Ignored => Outcome::Ignored,
        };
        self.finish(pipeline, now, outcome, notice);
        let fallback = pipeline.fallback && ending == Ending::Failure && !streaming;
        Action::Done { end: End::Delivered { attempt }, fallback }
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

    /// What is due first happened first; at one instant the deadline comes before the timeout.
    fn time_passed(&mut self, pipeline: &Pipeline, now: Timestamp, notice: Notice<'_>) -> Action {
        if now < self.due() {
            return Action::Wait;
        }
        if self.deadline <= self.timeout {
            return self.deadline_exceeded(pipeline, now, notice);
        }
        self.finish(pipeline, now, Outcome::Failure, notice);
        let end = End::AttemptTimeout { after: now.since(self.started) };
        Action::Done { end, fallback: pipeline.fallback }
    }

    #[cold]
    fn deadline_exceeded(
        &mut self,
        pipeline: &Pipeline,
        now: Timestamp,
        notice: Notice<'_>,
    ) -> Action {
        let streaming = self.phase == Phase::Streaming;
        // The call is over: nothing more is due.
        let end = End::DeadlineExceeded { after: now.since(self.begun) };
        self.deadline = Timestamp::NEVER;
        if self.callers {
            self.abandon(pipeline, now, notice);
        } else {
            self.finish(pipeline, now, Outcome::Failure, notice);
        }
        Action::Done { end, fallback: pipeline.fallback && !streaming }
    }

    /// The caller has gone away.
    #[inline]
    pub fn cancel(mut self, pipeline: &Pipeline, now: Timestamp, notice: Notice<'_>) {
        if self.is_running() {
            self.abandon(pipeline, now, notice);
        }
    }
}
