//! What a call passes before its first attempt: load shedding, throttle, rate limit, and a look
//! whether the answer is there already.

use super::action::{Action, End, Ending, Keys, Rejection, Start};
use super::call::{Call, Phase};
use super::{Notice, Pipeline};
use crate::Timestamp;
use crate::rate_limit::Asked;
use crate::retry::Failure;

impl Call {
    #[inline(never)]
    pub(super) fn pass_gates(
        &mut self,
        pipeline: &Pipeline,
        now: Timestamp,
        start: &Start,
        notice: Notice<'_>,
    ) -> Action {
        // A call of which nothing is said needs no place for it.
        if start.keys != Keys::default() || start.weight != 1 || start.lookup {
            let more = self.more();
            (more.keys, more.weight, more.lookup) = (start.keys, start.weight, start.lookup);
        }
        if let Some((breakers, key)) = pipeline.keyed_breakers.as_ref().zip(start.keys.breaker) {
            let endpoints =
                breakers.get_or_insert_with(key, now, || pipeline.new_endpoints(key, now));
            self.more().endpoints = Some(endpoints);
        }
        if let Some(shed) = &pipeline.shed
            && !shed.admit(now, start.urgency, start.keys.shed.unwrap_or_default())
        {
            return self.turned_away(pipeline, now, Rejection::Shed, notice);
        }
        if let Some(throttle) = &pipeline.throttle {
            if throttle.admit(now, pipeline.draw()).is_err() {
                return self.turned_away(pipeline, now, Rejection::Throttled, notice);
            }
            self.counted = true;
        }
        self.ask_for_turn(pipeline, now, notice)
    }

    /// Asks the rate limit.
    pub(super) fn ask_for_turn(
        &mut self,
        pipeline: &Pipeline,
        now: Timestamp,
        notice: Notice<'_>,
    ) -> Action {
        let Some(limit) = &pipeline.rate_limit else {
            return self.look_up(pipeline, now, notice);
        };
        // A second try after a rejection is charged when it passes, as a retry is when it runs.
        let (key, weight) =
            self.more.as_ref().map_or((None, 1), |more| (more.keys.rate_limit, more.weight));
        match limit.ask(now, key, weight, self.deadline) {
            Asked::Allowed => self.look_up(pipeline, now, notice),
            Asked::Wait(turn) => {
                self.phase = Phase::Limited;
                self.next = limit.due(&turn);
                self.more().turn = Some(turn);
                Action::Wait
            }
            Asked::Limited { retry_after } => {
                let rejection = Rejection::RateLimited { retry_after };
                self.turned_away(pipeline, now, rejection, notice)
            }
        }
    }

    /// Looks whether its turn has come, or moved up.
    #[cold]
    pub(super) fn look_for_turn(
        &mut self,
        pipeline: &Pipeline,
        now: Timestamp,
        notice: Notice<'_>,
    ) -> Action {
        let Some((limit, turn)) = pipeline.rate_limit.as_ref().zip(self.more().turn.take()) else {
            return Action::Wait;
        };
        match limit.look(turn, now) {
            Ok(()) => {
                self.next = Timestamp::NEVER;
                self.look_up(pipeline, now, notice)
            }
            Err(turn) => {
                self.next = limit.due(&turn);
                self.more().turn = Some(turn);
                Action::Wait
            }
        }
    }

    /// The driver may have the answer.
    fn look_up(&mut self, pipeline: &Pipeline, now: Timestamp, notice: Notice<'_>) -> Action {
        if pipeline.lookup && self.more.as_ref().is_some_and(|more| more.lookup) {
            self.phase = Phase::LookingUp;
            self.next = Timestamp::NEVER;
            return Action::LookUp;
        }
        self.attempt(pipeline, now, notice)
    }

    /// The answer was elsewhere.
    pub(super) fn answered(
        &mut self,
        pipeline: &Pipeline,
        now: Timestamp,
        ending: Ending,
    ) -> Action {
        if self.phase != Phase::LookingUp {
            return Action::Wait;
        }
        self.refund(pipeline);
        if self.counted {
            // The upstream has not seen it.
            self.tell_throttle(pipeline, now, None);
        }
        self.phase = Phase::Idle;
        let fallback = pipeline.fallback && ending == Ending::Failure;
        Action::Done { end: End::Answered, fallback }
    }

    /// The answer is nowhere.
    pub(super) fn unanswered(
        &mut self,
        pipeline: &Pipeline,
        now: Timestamp,
        notice: Notice<'_>,
    ) -> Action {
        if self.phase != Phase::LookingUp {
            return Action::Wait;
        }
        self.attempt(pipeline, now, notice)
    }

    /// Whether the upstream accepted the call; `None`: it never saw it, or nobody knows.
    #[cold]
    pub(super) fn tell_throttle(
        &mut self,
        pipeline: &Pipeline,
        now: Timestamp,
        accepted: Option<bool>,
    ) {
        self.counted = false;
        let Some(throttle) = &pipeline.throttle else { return };
        match accepted {
            Some(true) => throttle.accepted(now),
            Some(false) => {}
            None => throttle.forget(now),
        }
    }
}

/// Whether an upstream that ends a call so has accepted it: it has unless the answer says that it is
/// overloaded, or did not come.
pub(super) fn accepted(ending: Ending, failure: Failure) -> Option<bool> {
    match ending {
        Ending::Success => Some(true),
        Ending::Failure => Some(!failure.is_overload() && failure != Failure::Other),
        Ending::Ignored => Some(!failure.is_overload()),
        Ending::Panicked => None,
    }
}
