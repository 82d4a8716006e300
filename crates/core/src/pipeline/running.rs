//! The attempts of a call that run, and how they end.

use super::action::Action;
use super::attempt::Attempt;
use super::call::{Call, Phase};
use super::{Notice, Pipeline};
use crate::endpoints::Endpoints;
use crate::retry::Failure;
use crate::{Outcome, Timestamp};
use std::mem;

impl Call {
    /// The endpoints of this call: those of its key, where there are such.
    #[inline(always)]
    pub(super) fn endpoints<'a>(&'a self, pipeline: &'a Pipeline) -> &'a Endpoints {
        let own = self.more.as_ref().and_then(|more| more.endpoints.as_deref());
        own.unwrap_or(&pipeline.endpoints)
    }

    /// Ends an attempt, if it runs: it says where it went, or nothing.
    #[inline(always)]
    pub(super) fn finish(
        &mut self,
        pipeline: &Pipeline,
        now: Timestamp,
        number: u32,
        outcome: Outcome,
        failure: Failure,
        notice: Notice<'_>,
    ) -> Option<u32> {
        if !self.is_attempting() || number == 0 {
            return None;
        }
        if self.current.number == number {
            let own = self.more.as_ref().and_then(|more| more.endpoints.as_deref());
            let endpoints = own.unwrap_or(&pipeline.endpoints);
            self.current.finish(pipeline, endpoints, now, outcome, failure, notice);
            return Some(self.current.endpoint);
        }
        let mut other = self.take_other(number)?;
        other.finish(pipeline, self.endpoints(pipeline), now, outcome, failure, notice);
        Some(other.endpoint)
    }

    /// Takes an attempt out of those that run.
    pub(super) fn take(&mut self, number: u32) -> Option<Attempt> {
        if !self.is_attempting() || number == 0 {
            return None;
        }
        if self.current.number == number {
            return Some(mem::replace(&mut self.current, Attempt::NONE));
        }
        self.take_other(number)
    }

    #[cold]
    fn take_other(&mut self, number: u32) -> Option<Attempt> {
        let others = &mut self.more.as_mut()?.others;
        let place = others.iter().position(|other| other.number == number)?;
        Some(others.remove(place))
    }

    /// Whether any attempt runs.
    pub(super) fn any_runs(&self) -> bool {
        self.current.runs() || !self.others().is_empty()
    }

    pub(super) fn response_started(
        &mut self,
        pipeline: &Pipeline,
        now: Timestamp,
        number: u32,
        notice: Notice<'_>,
    ) -> Action {
        if self.phase == Phase::Running
            && let Some(mut attempt) = self.take(number)
        {
            if self.more.is_some() {
                self.stop_others(pipeline, now, notice);
            }
            attempt.response_started(pipeline, self.endpoints(pipeline), now, notice);
            if self.counted {
                self.tell_throttle(pipeline, now, Some(true));
            }
            self.current = attempt;
            self.phase = Phase::Streaming;
            self.next = Timestamp::NEVER;
            self.hedge_at = Timestamp::NEVER;
        }
        Action::Wait
    }

    /// The call is over: whatever it still holds is given back.
    #[inline(always)]
    pub(super) fn stop_all(&mut self, pipeline: &Pipeline, now: Timestamp, notice: Notice<'_>) {
        if self.more.is_some() || self.current.runs() {
            self.stop_others(pipeline, now, notice);
        }
        self.phase = Phase::Idle;
        self.next = Timestamp::NEVER;
        self.hedge_at = Timestamp::NEVER;
    }

    #[cold]
    fn stop_others(&mut self, pipeline: &Pipeline, now: Timestamp, notice: Notice<'_>) {
        let queued = self.phase == Phase::Queued;
        let current = mem::replace(&mut self.current, Attempt::NONE);
        if current.runs() || queued {
            current.abandon(pipeline, self.endpoints(pipeline), now, notice);
        }
        let others = self.more.as_mut().map(|more| mem::take(&mut more.others));
        for other in others.into_iter().flatten() {
            other.abandon(pipeline, self.endpoints(pipeline), now, notice);
        }
        let Some(more) = &mut self.more else { return };
        if let Some((bulkhead, place)) = pipeline.bulkhead.as_ref().zip(more.place.take()) {
            bulkhead.give_up(place, now);
        }
        if let Some((limit, turn)) = pipeline.rate_limit.as_ref().zip(more.turn.take()) {
            limit.give_up(turn, now);
        }
    }
}
