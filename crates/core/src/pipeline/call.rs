//! One call on its way through a pipeline: what it is and how it is stepped.

use super::action::{Action, DEFAULT_URGENCY, Due, End, Ending, Event, Hint, Keys, Rank, Start};
use super::attempt::Attempt;
use super::gates::accepted;
use super::{Notice, Pipeline};
use crate::chaos::Fault;
use crate::endpoints::{Endpoints, Picked, Tried};
use crate::retry::Failure;
use crate::{Timestamp, bulkhead, rate_limit};
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

/// One call on its way. Must be stepped to its end, or cancelled: else its permit stays in flight.
///
/// ```
/// use breakerbox_core::Timestamp;
/// use breakerbox_core::pipeline::{Action, End, Ending, Event, Pipeline, Settings, Start};
/// use std::time::Duration;
///
/// let attempt_timeout = Some(Duration::from_secs(1));
/// let settings = Settings { attempt_timeout, ..Settings::default() };
/// let pipeline = Pipeline::new(settings, Timestamp::ZERO, 0);
/// let (mut call, _) = pipeline.begin(Timestamp::ZERO, Start::default(), &mut |_, _| {});
/// // Whichever comes first: the operation ends, or this time comes.
/// assert_eq!(call.due(), Timestamp::ZERO + Duration::from_secs(1));
/// let well = Event::ended(1, Ending::Success);
/// let action = call.step(&pipeline, Timestamp::ZERO, well, &mut |_, _| {});
/// let end = End::Delivered { attempt: 1 };
/// assert_eq!(action, Action::Done { end, fallback: false });
/// ```
#[must_use = "a call that is neither stepped to its end nor cancelled stays in flight"]
#[derive(Debug)]
pub struct Call {
    pub(super) begun: Timestamp,
    pub(super) deadline: Timestamp,
    /// What is due next, the deadline apart.
    pub(super) next: Timestamp,
    /// The caller's own time ends before our deadline: running out of it is not the upstream's fault.
    pub(super) callers: bool,
    pub(super) repeatable: bool,
    pub(super) hedgeable: bool,
    pub(super) urgency: u8,
    pub(super) phase: Phase,
    /// The budget has been charged for an attempt that has not begun.
    pub(super) charged: bool,
    /// The throttle has counted it, and does not know yet what the upstream made of it.
    pub(super) counted: bool,
    /// How often the operation has been run.
    pub(super) attempts: u32,
    /// The attempt that began last, if it runs.
    pub(super) current: Attempt,
    /// When a hedge may begin.
    pub(super) hedge_at: Timestamp,
    /// What most calls have none of, and are the smaller for it.
    pub(super) more: Option<Box<More>>,
}

/// What is left of the attempts before, and what else a call may have.
#[derive(Debug, Default)]
pub(super) struct More {
    pub(super) keys: Keys,
    pub(super) weight: u32,
    pub(super) lookup: bool,
    /// The endpoints of its key, with breakers of their own.
    pub(super) endpoints: Option<Arc<Endpoints>>,
    /// Where the attempts before went.
    pub(super) tried: Tried,
    /// How long the last delay was.
    pub(super) delay: Duration,
    /// What the last one came to, and whether that was a failure.
    pub(super) last: Option<(End, bool)>,
    pub(super) retries: u32,
    pub(super) hedges: u32,
    /// Attempts that began before the last one, and still run.
    pub(super) others: Vec<Attempt>,
    /// Whether the upstream accepted the last attempt that ended; `None` if none did, or nobody knows.
    pub(super) accepted: Option<bool>,
    /// Its place in the queue of the bulkhead.
    pub(super) place: Option<bulkhead::Ticket>,
    /// Its turn at the rate limit.
    pub(super) turn: Option<rate_limit::Ticket>,
    /// What the attempt of this number is to meet.
    pub(super) fault: Option<(u32, Fault)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// It has not begun.
    New,
    /// Nothing runs, and nothing will.
    Idle,
    /// It waits for its turn at the rate limit.
    Limited,
    /// The driver looks for the answer elsewhere.
    LookingUp,
    /// An attempt has its permit, and waits for a place in the bulkhead.
    Queued,
    /// Attempts run.
    Running,
    /// A response is on the way to the caller.
    Streaming,
    /// The next attempt waits for its time.
    Waiting,
    /// So does the next try to pass the rate limit.
    WaitingForRate,
    /// The breaker is waited for.
    WaitingForBreaker,
}

impl Call {
    /// A call that has not begun: the place for one.
    pub const NEW: Self = Self {
        begun: Timestamp::NEVER,
        deadline: Timestamp::NEVER,
        next: Timestamp::NEVER,
        callers: false,
        repeatable: true,
        hedgeable: true,
        urgency: DEFAULT_URGENCY,
        phase: Phase::New,
        charged: false,
        counted: false,
        attempts: 0,
        current: Attempt::NONE,
        hedge_at: Timestamp::NEVER,
        more: None,
    };

    /// It begins: only what differs from a new one is written.
    #[inline(always)]
    pub(super) fn set(&mut self, now: Timestamp, deadline: Option<Duration>, start: &Start) {
        if self.phase != Phase::New {
            *self = Self::NEW;
        }
        let after = |duration: Option<Duration>| duration.map_or(Timestamp::NEVER, |it| now + it);
        let (ours, callers) = (after(deadline), after(start.left));
        self.begun = now;
        self.deadline = ours.min(callers);
        self.callers = callers < ours;
        self.repeatable = start.repeatable;
        self.hedgeable = start.hedgeable;
        self.urgency = start.urgency;
        self.phase = Phase::Idle;
    }

    /// Its only attempt may start, at a time that nobody needs.
    #[inline(always)]
    pub(super) fn picked(&mut self, picked: Picked) -> Action {
        self.current.pick(picked, Timestamp::ZERO);
        self.run()
    }

    /// Whether it has begun.
    #[inline]
    pub fn has_begun(&self) -> bool {
        self.phase != Phase::New
    }

    #[inline]
    pub(super) fn begin(
        &mut self,
        pipeline: &Pipeline,
        now: Timestamp,
        start: &Start,
        notice: Notice<'_>,
    ) -> Action {
        if now >= self.deadline {
            return self.deadline_exceeded(pipeline, now, now, notice);
        }
        if let Some(budget) = &pipeline.budget {
            budget.deposit();
        }
        if pipeline.gates {
            return self.pass_gates(pipeline, now, start, notice);
        }
        self.attempt(pipeline, now, notice)
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
        self.deadline.min(self.next)
    }

    /// The same, and what will happen then: for those who run many calls on one clock.
    pub fn due_next(&self) -> Due {
        let at = self.due();
        let rank = match self.phase {
            _ if self.deadline <= self.next => Rank::Deadline,
            Phase::Queued => Rank::QueueTimeout,
            Phase::Running if self.next < self.hedge_at || self.times_out_at(at) => {
                Rank::AttemptTimeout
            }
            _ => Rank::Begin,
        };
        Due { at, rank }
    }

    /// Whether there is something that [`cancel`](Self::cancel) would have to give back.
    #[inline]
    pub fn is_running(&self) -> bool {
        !matches!(self.phase, Phase::New | Phase::Idle)
    }

    /// Whether an attempt runs; if not, the operation of the last one is to be dropped.
    #[inline]
    pub fn is_attempting(&self) -> bool {
        matches!(self.phase, Phase::Running | Phase::Streaming)
    }

    /// Whether this attempt runs; if not, its operation is to be dropped.
    #[inline]
    pub fn runs(&self, attempt: u32) -> bool {
        self.is_attempting()
            && (self.current.number == attempt
                || self.others().iter().any(|other| other.number == attempt))
    }

    /// Whether it waits in a queue, of the bulkhead or of the rate limit: then it is to be told with
    /// [`listen`](Self::listen) whom to wake.
    #[inline]
    pub fn is_queued(&self) -> bool {
        matches!(self.phase, Phase::Queued | Phase::Limited)
    }

    /// When the next attempt may begin, while that is what the call waits for: after a failure, or
    /// for a breaker or a rate limit that has rejected it.
    pub fn next_attempt(&self) -> Option<Timestamp> {
        let waits =
            matches!(self.phase, Phase::Waiting | Phase::WaitingForRate | Phase::WaitingForBreaker);
        waits.then_some(self.next)
    }

    /// Whether the attempt that began last is a hedge, and runs.
    pub fn is_hedging(&self) -> bool {
        self.current.runs() && self.current.hedge
    }

    /// Whom to wake when what the call waits for has come; it is then to be stepped with
    /// [`Event::Time`]. True: it has come already, and `waker` will not be called.
    pub fn listen(&self, pipeline: &Pipeline, waker: &Waker) -> bool {
        let Some(more) = &self.more else { return false };
        match (self.phase, &pipeline.bulkhead, &pipeline.rate_limit) {
            (Phase::Queued, Some(bulkhead), _) => {
                more.place.as_ref().is_some_and(|place| bulkhead.listen(place, waker))
            }
            (Phase::Limited, _, Some(limit)) => {
                more.turn.as_ref().is_some_and(|turn| limit.listen(turn, waker))
            }
            _ => false,
        }
    }

    /// What chaos does to this attempt, which has just been let run.
    pub fn fault(&self, attempt: u32) -> Option<Fault> {
        let (number, fault) = self.more.as_ref()?.fault?;
        (number == attempt).then_some(fault)
    }

    /// The time of the attempts that run begins only at `from`, if that is later than they have
    /// begun: until then they waited for their own caller, who was still sending. Neither the attempt
    /// timeout nor slowness count from before.
    pub fn waited_for_caller(&mut self, pipeline: &Pipeline, from: Timestamp) {
        if self.phase != Phase::Running {
            return;
        }
        self.current.wait_until(pipeline, from);
        if let Some(more) = &mut self.more {
            more.others.iter_mut().for_each(|other| other.wait_until(pipeline, from));
        }
        self.find_next();
    }

    /// The same of one attempt, which waited for something of our own.
    pub fn attempt_waited(&mut self, pipeline: &Pipeline, number: u32, from: Timestamp) {
        if self.phase != Phase::Running || number == 0 {
            return;
        }
        if self.current.number == number {
            self.current.wait_until(pipeline, from);
        } else if let Some(more) = &mut self.more
            && let Some(other) = more.others.iter_mut().find(|other| other.number == number)
        {
            other.wait_until(pipeline, from);
        }
        self.find_next();
    }

    /// Running the operation again is not possible any more: what it would need is gone.
    pub fn not_repeatable(&mut self) {
        self.repeatable = false;
        if self.hedge_at != Timestamp::NEVER {
            self.hedge_at = Timestamp::NEVER;
            if self.phase == Phase::Running {
                self.find_next();
            }
        }
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
            Event::Answered { ending } => self.answered(pipeline, now, ending),
            Event::Unanswered => self.unanswered(pipeline, now, notice),
        }
    }

    #[inline(always)]
    fn ended(
        &mut self,
        pipeline: &Pipeline,
        now: Timestamp,
        number: u32,
        ending: Ending,
        hint: Hint,
        notice: Notice<'_>,
    ) -> Action {
        if hint.failure == Failure::Timeout && ending == Ending::Failure && self.is_nearly_over(now)
        {
            // It is this attempt's error that the driver has now.
            if let Some(last) = self.more.as_mut().and_then(|more| more.last.as_mut()) {
                *last = (End::Delivered { attempt: number }, true);
            }
            return self.deadline_exceeded(pipeline, now, now, notice);
        }
        let streaming = self.phase == Phase::Streaming;
        let (outcome, failure) = (ending.outcome(), hint.failure);
        let ended = self.finish(pipeline, now, number, outcome, failure, notice);
        let Some(endpoint) = ended else { return Action::Wait };
        let end = End::Delivered { attempt: number };
        let failed = ending == Ending::Failure;
        if !streaming && pipeline.repeats && !matches!(ending, Ending::Success | Ending::Panicked) {
            let next = self.after_failure(pipeline, now, endpoint, end, hint, failed, notice);
            if let Some(action) = next {
                return action;
            }
        }
        if self.counted {
            self.tell_throttle(pipeline, now, accepted(ending, hint.failure));
        }
        self.stop_all(pipeline, now, notice);
        Action::Done { end, fallback: pipeline.fallback && failed && !streaming }
    }

    /// The caller has gone away.
    #[inline]
    pub fn cancel(mut self, pipeline: &Pipeline, now: Timestamp, notice: Notice<'_>) {
        if self.is_running() {
            self.give_up(pipeline, now, notice);
        }
    }

    /// Gives back all there is.
    pub(super) fn give_up(&mut self, pipeline: &Pipeline, now: Timestamp, notice: Notice<'_>) {
        self.refund(pipeline);
        if self.counted {
            let accepted = self.more.as_ref().and_then(|more| more.accepted);
            self.tell_throttle(pipeline, now, accepted);
        }
        self.stop_all(pipeline, now, notice);
    }

    pub(super) fn refund(&mut self, pipeline: &Pipeline) {
        if std::mem::take(&mut self.charged)
            && let Some(budget) = &pipeline.budget
        {
            budget.refund();
        }
    }

    pub(super) fn others(&self) -> &[Attempt] {
        self.more.as_ref().map_or(&[], |more| more.others.as_slice())
    }

    pub(super) fn more(&mut self) -> &mut More {
        self.more.get_or_insert_with(|| Box::new(More { weight: 1, ..More::default() }))
    }
}
