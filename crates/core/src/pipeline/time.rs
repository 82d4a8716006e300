//! What time does to a call.

use super::action::{Action, End, Hint};
use super::call::{Call, Phase};
use super::{Notice, Pipeline};
use crate::retry::Failure;
use crate::{Outcome, Timestamp};
use std::time::Duration;

/// Whoever was told the deadline may find it over so long before us, and no more than this part of a short
/// one: timers are rounded, and the clock may be coarse.
const BEFORE_DEADLINE: Duration = Duration::from_millis(10);
const PART_OF_DEADLINE: u32 = 8;

impl Call {
    /// Whether an attempt that has run out of time has so because the call's is over.
    pub(super) fn is_nearly_over(&self, now: Timestamp) -> bool {
        let before = BEFORE_DEADLINE.min(self.deadline.since(self.begun) / PART_OF_DEADLINE);
        self.deadline <= now + before
    }

    /// What is due first happened first; at one instant the deadline comes before the timeout. It
    /// happened when it was due, however late the driver comes: else a probe that times out would
    /// be found after its lease, which is as long.
    pub(super) fn time_passed(
        &mut self,
        pipeline: &Pipeline,
        now: Timestamp,
        notice: Notice<'_>,
    ) -> Action {
        let due = self.due();
        // A driver that comes late begins nothing after the deadline.
        let first = self.deadline <= self.next || self.phase != Phase::Running;
        if self.deadline <= now && first {
            return self.deadline_exceeded(pipeline, self.deadline, now, notice);
        }
        match self.phase {
            // What they wait for may have come before their time.
            Phase::Queued => self.look_for_place(pipeline, now, notice),
            Phase::Limited => self.look_for_turn(pipeline, now, notice),
            _ if now < due => Action::Wait,
            Phase::Waiting | Phase::WaitingForBreaker => self.attempt(pipeline, now, notice),
            Phase::WaitingForRate => self.ask_for_turn(pipeline, now, notice),
            Phase::Running => self.running_due(pipeline, due, now, notice),
            Phase::New | Phase::Idle | Phase::Streaming | Phase::LookingUp => Action::Wait,
        }
    }

    /// An attempt has timed out, or a hedge may begin; at one instant the timeout comes first.
    fn running_due(
        &mut self,
        pipeline: &Pipeline,
        due: Timestamp,
        now: Timestamp,
        notice: Notice<'_>,
    ) -> Action {
        let timed_out = |attempt: &&super::attempt::Attempt| attempt.timeout <= due;
        let others = self.others().iter().chain([&self.current]).filter(|it| it.runs());
        let number = others.filter(|it| timed_out(it)).map(|it| it.number).next();
        if let Some(number) = number {
            return self.attempt_timed_out(pipeline, number, due, now, notice);
        }
        // A hedge that may not begin now is not tried again for this attempt.
        self.hedge_at = Timestamp::NEVER;
        let action = self.hedge(pipeline, now, notice);
        self.find_next();
        action.unwrap_or(Action::Wait)
    }

    fn attempt_timed_out(
        &mut self,
        pipeline: &Pipeline,
        number: u32,
        due: Timestamp,
        now: Timestamp,
        notice: Notice<'_>,
    ) -> Action {
        let Some(mut attempt) = self.take(number) else { return Action::Wait };
        let (endpoint, started) = (attempt.endpoint, attempt.started);
        let endpoints = self.endpoints(pipeline);
        attempt.finish(pipeline, endpoints, due, Outcome::Failure, Failure::Timeout, notice);
        let end = End::AttemptTimeout { after: now.since(started) };
        let hint = Hint { failure: Failure::Timeout, ..Hint::NONE };
        if pipeline.repeats
            && let Some(action) =
                self.after_failure(pipeline, now, endpoint, end, hint, true, notice)
        {
            return action;
        }
        if self.counted {
            self.tell_throttle(pipeline, now, Some(false));
        }
        self.stop_all(pipeline, now, notice);
        Action::Done { end, fallback: pipeline.fallback }
    }

    /// The call is over. The caller gets the last real error, if there was one.
    #[cold]
    pub(super) fn deadline_exceeded(
        &mut self,
        pipeline: &Pipeline,
        due: Timestamp,
        now: Timestamp,
        notice: Notice<'_>,
    ) -> Action {
        let streaming = self.phase == Phase::Streaming;
        let last = self.more.as_ref().and_then(|more| more.last).filter(|_| !streaming);
        let exceeded = End::DeadlineExceeded { after: now.since(self.begun) };
        let (end, failed) = last.unwrap_or((exceeded, true));
        // Nothing more is due.
        self.deadline = Timestamp::NEVER;
        if !self.callers {
            let running = self.is_attempting();
            while let Some(mut attempt) = self.next_running() {
                let (endpoints, timeout) = (self.endpoints(pipeline), Failure::Timeout);
                attempt.finish(pipeline, endpoints, due, Outcome::Failure, timeout, notice);
            }
            if self.counted && running {
                self.tell_throttle(pipeline, due, Some(false));
            }
        }
        self.give_up(pipeline, due, notice);
        Action::Done { end, fallback: pipeline.fallback && failed && !streaming }
    }

    fn next_running(&mut self) -> Option<super::attempt::Attempt> {
        let number = match self.others().first() {
            Some(other) => other.number,
            None => self.current.number,
        };
        self.take(number)
    }

    /// What is due next of what runs.
    pub(super) fn find_next(&mut self) {
        if self.phase != Phase::Running {
            return;
        }
        let running = self.others().iter().chain([&self.current]).filter(|it| it.runs());
        let timeout = running.map(|it| it.timeout).min().unwrap_or(Timestamp::NEVER);
        self.next = timeout.min(self.hedge_at);
    }

    /// Whether an attempt times out at this very instant.
    pub(super) fn times_out_at(&self, at: Timestamp) -> bool {
        let mut running = self.others().iter().chain([&self.current]).filter(|it| it.runs());
        running.any(|it| it.timeout == at)
    }

    /// When a hedge may begin beside the attempt that has just begun.
    pub(super) fn set_hedge(&mut self, pipeline: &Pipeline, now: Timestamp) {
        self.hedge_at = Timestamp::NEVER;
        let Some((settings, delay)) = &pipeline.hedge else { return };
        let hedges = self.more.as_ref().map_or(0, |more| more.hedges);
        if self.repeatable
            && self.hedgeable
            && hedges < settings.max
            && let Some(delay) = delay.delay(now)
        {
            self.hedge_at = now + delay;
        }
    }
}
