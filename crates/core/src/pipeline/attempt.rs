//! One attempt: what it holds, and how it gives that back.

use super::{Notice, Pipeline};
use crate::adaptive_limit::{Sample, Slot};
use crate::breaker::Permit;
use crate::endpoints::{Endpoints, Picked};
use crate::retry::Failure;
use crate::{Outcome, Timestamp};
use std::time::Duration;

/// An attempt: it holds a permit of its endpoint's breaker and, once it runs, a place in the bulkhead
/// and below the adaptive limit, where there are such.
#[derive(Debug)]
pub(super) struct Attempt {
    /// From 1; 0: it does not run.
    pub(super) number: u32,
    pub(super) endpoint: u32,
    pub(super) permit: Option<Permit>,
    pub(super) slot: Option<Slot>,
    /// Its response has begun.
    pub(super) answered: bool,
    /// It began beside or instead of another.
    pub(super) hedge: bool,
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
        self.timeout = Timestamp::NEVER;
    }

    #[inline(always)]
    pub(super) fn runs(&self) -> bool {
        self.number != 0
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
    pub(super) fn response_started(
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
