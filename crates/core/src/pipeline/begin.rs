//! How an attempt of a call begins: its permit, its place in the bulkhead and below the adaptive limit.

use super::action::{Action, Rejection};
use super::attempt::Attempt;
use super::call::{Call, Phase};
use super::{Notice, Pipeline};
use crate::Timestamp;
use crate::breaker::{Permit, State};
use crate::bulkhead::{Entered, Ticket, Waiting};
use crate::endpoints::Tried;
use std::mem;
use std::time::Duration;

impl Call {
    /// Begins an attempt, if the policies admit one.
    #[inline]
    pub(super) fn attempt(
        &mut self,
        pipeline: &Pipeline,
        now: Timestamp,
        notice: Notice<'_>,
    ) -> Action {
        let tried = self.more.as_ref().map_or_else(Tried::default, |more| more.tried);
        match self.endpoints(pipeline).pick(now, tried, notice) {
            Ok(picked) => self.current.pick(picked, now),
            Err(rejected) => return self.breaker_rejects(pipeline, now, rejected, notice),
        }
        let Some(bulkhead) = &pipeline.bulkhead else {
            return self.start(pipeline, now, notice);
        };
        match bulkhead.enter(now, self.urgency, self.deadline) {
            Entered::Admitted => {
                pipeline.waited(now, Duration::ZERO);
                self.start(pipeline, now, notice)
            }
            Entered::Queued(place) => self.queue(place),
            Entered::Full => {
                self.abandon_current(pipeline, now, notice);
                self.turned_away(pipeline, now, Rejection::BulkheadFull, notice)
            }
        }
    }

    #[cold]
    fn abandon_current(&mut self, pipeline: &Pipeline, now: Timestamp, notice: Notice<'_>) {
        let attempt = mem::replace(&mut self.current, Attempt::NONE);
        attempt.abandon(pipeline, self.endpoints(pipeline), now, notice);
    }

    /// It has its permit, and waits for a place in the bulkhead.
    #[cold]
    fn queue(&mut self, place: Ticket) -> Action {
        self.phase = Phase::Queued;
        self.next = place.due();
        self.more().place = Some(place);
        Action::Wait
    }

    /// Looks whether a place has become free.
    #[cold]
    pub(super) fn look_for_place(
        &mut self,
        pipeline: &Pipeline,
        now: Timestamp,
        notice: Notice<'_>,
    ) -> Action {
        let Some((bulkhead, place)) = pipeline.bulkhead.as_ref().zip(self.more().place.take())
        else {
            return Action::Wait;
        };
        let since = place.since();
        let rejection = match bulkhead.look(place, now) {
            Waiting::Pending(place) => {
                self.more().place = Some(place);
                return Action::Wait;
            }
            Waiting::Admitted { waited } => {
                pipeline.waited(now, waited);
                None
            }
            Waiting::TimedOut => {
                let after = now.since(since);
                pipeline.waited(now, after);
                Some(Rejection::QueueTimeout { after })
            }
            Waiting::Evicted => Some(Rejection::BulkheadFull),
        };
        match rejection {
            None => {
                // Waiting in our own queue is not the upstream's slowness.
                self.current.started = now;
                if let Some(permit) = &mut self.current.permit {
                    permit.start(now);
                }
                self.start(pipeline, now, notice)
            }
            Some(rejection) => {
                self.abandon_current(pipeline, now, notice);
                self.turned_away(pipeline, now, rejection, notice)
            }
        }
    }

    /// It has its place in the bulkhead.
    #[inline(always)]
    fn start(&mut self, pipeline: &Pipeline, now: Timestamp, notice: Notice<'_>) -> Action {
        if let Some(limit) = &pipeline.adaptive_limit {
            self.current.slot = limit.try_acquire();
            if self.current.slot.is_none() {
                self.abandon_current(pipeline, now, notice);
                if let Some(bulkhead) = &pipeline.bulkhead {
                    bulkhead.leave(now);
                }
                return self.turned_away(pipeline, now, Rejection::LimitReached, notice);
            }
        }
        self.current.timeout = pipeline.timeout_from(now);
        if self.charged {
            self.charged = false;
            pipeline.counts.retried();
        }
        let action = self.run();
        if pipeline.hedge.is_some() || pipeline.chaos.is_some() {
            self.prepare(pipeline, now);
        }
        action
    }

    #[inline(always)]
    pub(super) fn run(&mut self) -> Action {
        self.attempts += 1;
        self.phase = Phase::Running;
        self.next = self.current.timeout;
        self.current.number = self.attempts;
        Action::Run { attempt: self.attempts, endpoint: self.current.endpoint as usize }
    }

    /// When a hedge may begin beside it, and what chaos does to it.
    #[inline(never)]
    fn prepare(&mut self, pipeline: &Pipeline, now: Timestamp) {
        self.set_hedge(pipeline, now);
        if let Some(chaos) = &pipeline.chaos {
            let keys = self.more.as_ref().map(|more| more.keys).unwrap_or_default();
            if !keys.spared
                && let Some(fault) = chaos.draw(now, keys.chaos)
            {
                self.more().fault = Some((self.attempts, fault));
            }
        }
        self.find_next();
    }

    /// Begins another attempt beside those that run, or after one that has failed; `None` where that
    /// would do harm: it never waits, and goes only where the circuit is closed.
    #[cold]
    pub(super) fn hedge(
        &mut self,
        pipeline: &Pipeline,
        now: Timestamp,
        notice: Notice<'_>,
    ) -> Option<Action> {
        let (settings, _) = pipeline.hedge.as_ref()?;
        // A driver that comes late begins nothing after the deadline.
        if !self.hedgeable || now >= self.deadline || self.more().hedges >= settings.max {
            return None;
        }
        if pipeline.budget.as_ref().is_some_and(|budget| !budget.withdraw(now)) {
            pipeline.counts.refused_by_budget();
            return None;
        }
        self.charged = true;
        let attempt = self.hedge_attempt(pipeline, now, notice);
        let Some(attempt) = attempt else {
            self.refund(pipeline);
            return None;
        };
        self.charged = false;
        self.more().hedges += 1;
        pipeline.counts.hedged();
        let before = mem::replace(&mut self.current, Attempt::NONE);
        if before.runs() {
            self.more().others.push(before);
        }
        self.current = Attempt { hedge: true, ..attempt };
        let action = self.run();
        self.prepare(pipeline, now);
        Some(action)
    }

    /// An attempt that has all it needs, without waiting for any of it.
    fn hedge_attempt(
        &mut self,
        pipeline: &Pipeline,
        now: Timestamp,
        notice: Notice<'_>,
    ) -> Option<Attempt> {
        let mut tried = self.more().tried;
        for running in self.others().iter().chain([&self.current]).filter(|it| it.runs()) {
            tried.add(running.endpoint);
        }
        let picked = self.endpoints(pipeline).pick(now, tried, notice).ok()?;
        let mut attempt = Attempt::of(picked, now);
        let half_open = |permit: &Permit| permit.state() == State::HalfOpen;
        if attempt.permit.as_ref().is_some_and(half_open) {
            attempt.abandon(pipeline, self.endpoints(pipeline), now, notice);
            return None;
        }
        if pipeline.bulkhead.as_ref().is_some_and(|bulkhead| !bulkhead.try_enter()) {
            attempt.abandon(pipeline, self.endpoints(pipeline), now, notice);
            return None;
        }
        if let Some(limit) = &pipeline.adaptive_limit {
            attempt.slot = limit.try_acquire();
            if attempt.slot.is_none() {
                attempt.abandon(pipeline, self.endpoints(pipeline), now, notice);
                if let Some(bulkhead) = &pipeline.bulkhead {
                    bulkhead.leave(now);
                }
                return None;
            }
        }
        attempt.timeout = pipeline.timeout_from(now);
        Some(attempt)
    }
}
