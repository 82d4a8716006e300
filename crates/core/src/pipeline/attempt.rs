//! The attempts of a call: how one begins, and how it gives back what it holds.

use super::action::{Action, Rejection};
use super::call::{Call, Phase};
use super::{Notice, Pipeline};
use crate::adaptive_limit::{Sample, Slot};
use crate::breaker::{Permit, State};
use crate::bulkhead::{Entered, Ticket, Waiting};
use crate::endpoints::{Endpoints, Picked, Tried};
use crate::retry::Failure;
use crate::{Outcome, Timestamp};
use std::mem;
use std::time::Duration;

/// An attempt: it holds a permit of its endpoint's breaker and, once it runs, a place in the bulkhead
/// and below the adaptive limit, where there are such.
#[derive(Debug)]
pub(super) struct Attempt {
    /// From 1; 0: it does not run.
    pub(super) number: u32,
    pub(super) endpoint: u32,
    permit: Option<Permit>,
    slot: Option<Slot>,
    /// Its response has begun.
    answered: bool,
    /// It began beside or instead of another.
    hedge: bool,
    pub(super) started: Timestamp,
    pub(super) timeout: Timestamp,
}

impl Attempt {
    pub(super) const NONE: Self = Self {
        number: 0,
        endpoint: 0,
        permit: None,
        slot: None,
        answered: false,
        hedge: false,
        started: Timestamp::ZERO,
        timeout: Timestamp::NEVER,
    };

    pub(super) fn of(picked: Picked, started: Timestamp) -> Self {
        let Picked { endpoint, permit } = picked;
        Self { endpoint, permit, started, ..Self::NONE }
    }

    /// The same where one has been. Attempts are written in place: moving them about costs more than
    /// what they do.
    #[inline(always)]
    pub(super) fn pick(&mut self, picked: Picked, started: Timestamp) {
        let Picked { endpoint, permit } = picked;
        self.endpoint = endpoint;
        self.permit = permit;
        self.slot = None;
        self.answered = false;
        self.hedge = false;
        self.started = started;
    }

    #[inline(always)]
    pub(super) fn runs(&self) -> bool {
        self.number != 0
    }

    pub(super) fn is_hedge(&self) -> bool {
        self.hedge
    }

    /// Its time begins only at `from`, if that is later.
    pub(super) fn wait_until(&mut self, pipeline: &Pipeline, from: Timestamp) {
        if !self.runs() || self.answered || from <= self.started {
            return;
        }
        self.started = from;
        self.timeout = pipeline.timeout_from(from);
        if let Some(permit) = &mut self.permit {
            permit.start(from);
        }
    }

    /// Its response has begun. A probe has thereby succeeded; the adaptive limit and the percentiles
    /// of hedges know enough: how long a body takes is as much the reader's doing.
    fn response_started(
        &mut self,
        pipeline: &Pipeline,
        endpoints: &Endpoints,
        now: Timestamp,
        notice: Notice<'_>,
    ) {
        self.timeout = Timestamp::NEVER;
        let endpoint = self.endpoint as usize;
        if let Some((breaker, permit)) = endpoints.breaker(endpoint).zip(self.permit.take()) {
            let notice: crate::breaker::Notice<'_> = &mut |change| notice(endpoint, change);
            self.permit = Some(breaker.response_started(permit, now, notice));
        }
        self.measure(pipeline, now, Sample::Took(now.since(self.started)), true);
        self.answered = true;
    }

    /// It is over, with this outcome.
    #[inline(always)]
    pub(super) fn finish(
        &mut self,
        pipeline: &Pipeline,
        endpoints: &Endpoints,
        now: Timestamp,
        outcome: Outcome,
        failure: Failure,
        notice: Notice<'_>,
    ) {
        let endpoint = self.endpoint as usize;
        if let Some((breaker, permit)) = endpoints.breaker(endpoint).zip(self.permit.take()) {
            breaker.finish(permit, now, outcome, &mut |change| notice(endpoint, change));
        }
        if pipeline.measures {
            let sample = sample(outcome, failure, now.since(self.started));
            self.measure(pipeline, now, sample, outcome == Outcome::Success);
        }
        self.leave(pipeline, now);
        self.number = 0;
    }

    /// It is over, and will not tell how it ends: its caller gave up, or another attempt was better.
    #[cold]
    pub(super) fn abandon(
        mut self,
        pipeline: &Pipeline,
        endpoints: &Endpoints,
        now: Timestamp,
        notice: Notice<'_>,
    ) {
        if now > self.timeout {
            // It had timed out, and nobody had looked.
            let at = self.timeout;
            let timeout = Failure::Timeout;
            self.finish(pipeline, endpoints, at, Outcome::Failure, timeout, notice);
            return;
        }
        let endpoint = self.endpoint as usize;
        if let Some((breaker, permit)) = endpoints.breaker(endpoint).zip(self.permit.take()) {
            breaker.cancel(permit, now, &mut |change| notice(endpoint, change));
        }
        self.measure(pipeline, now, Sample::Ignored, false);
        self.leave(pipeline, now);
    }

    #[inline(always)]
    fn leave(&self, pipeline: &Pipeline, now: Timestamp) {
        if let Some(bulkhead) = &pipeline.bulkhead
            && self.runs()
        {
            bulkhead.leave(now);
        }
    }

    #[inline(never)]
    fn measure(&mut self, pipeline: &Pipeline, now: Timestamp, sample: Sample, won: bool) {
        if let Some((limit, slot)) = pipeline.adaptive_limit.as_ref().zip(self.slot.take()) {
            limit.release(now, slot, sample);
        }
        if let Some((_, delay)) = &pipeline.hedge
            && self.runs()
            && !self.answered
        {
            // What was given up took at least as long.
            delay.record(now, now.since(self.started));
            if self.hedge {
                pipeline.counts.hedge_ended(won);
            }
        }
    }
}

/// What the adaptive limit learns from an attempt. An error that comes back at once says nothing
/// about how long good answers take.
fn sample(outcome: Outcome, failure: Failure, took: Duration) -> Sample {
    match outcome {
        Outcome::Success => Sample::Took(took),
        _ if failure.is_overload() => Sample::Dropped,
        _ => Sample::Ignored,
    }
}

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
        if !self.hedgeable || self.more().hedges >= settings.max {
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
