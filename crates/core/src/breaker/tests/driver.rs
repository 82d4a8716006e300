//! Drives a breaker and its model with the same operations and compares all there is to see.

use super::model::{Model, Plan, Ticket};
use crate::breaker::{Breaker, Control, Permit, Rejected, Transition};
use crate::{Outcome, Timestamp};
use std::fmt::Debug;

/// More permits than this are not held: then an admission is skipped.
const MOST_PERMITS: usize = 24;

#[derive(Clone, Copy, Debug)]
pub(super) enum Op {
    Admit,
    AdmitClosed,
    /// Ends the call of this permit (modulo how many there are).
    Finish(u8, Outcome),
    Cancel(u8),
    ResponseStarted(u8),
    /// It leaves a queue of ours only now.
    Start(u8),
    Control(Control),
    Settle,
    Pass(Jump),
}

/// How far time jumps. The last number is added in nanoseconds, so that both sides of every
/// boundary are met.
#[derive(Clone, Copy, Debug)]
pub(super) enum Jump {
    Nanos(u32),
    /// To what is due next.
    Due(i8),
    /// To the start of a bucket to come.
    Buckets(u8, i8),
    /// As long as a call may take before it is slow.
    SlowCall(i8),
    /// Several windows and open durations.
    Idle(u8),
}

/// What one operation came to.
#[derive(Debug, PartialEq)]
enum Event {
    Admitted(crate::breaker::State, u64),
    Rejected(Rejected),
    Changed(Transition),
}

pub(super) struct Pair {
    plan: Plan,
    real: Breaker,
    model: Model,
    permits: Vec<(Permit, Ticket)>,
    now: u64,
    /// Whether all is looked at after every operation.
    looks: bool,
    events: Vec<Event>,
    keeps_events: bool,
}

impl Pair {
    pub(super) fn new(plan: Plan, seed: u64, looks: bool) -> Self {
        let rules = plan.settings().check().unwrap();
        Self {
            real: Breaker::new(rules.into(), Timestamp::ZERO, seed),
            model: Model::new(plan.clone(), seed),
            plan,
            permits: Vec::new(),
            now: 0,
            looks,
            events: Vec::new(),
            keeps_events: false,
        }
    }

    fn jump(&self, jump: Jump) -> u64 {
        let near = |to: u64, offset: i8| to.saturating_add_signed(offset.into());
        let to = match jump {
            Jump::Nanos(nanos) => self.now + u64::from(nanos),
            Jump::Due(offset) => near(self.model.due().unwrap_or(self.now), offset),
            Jump::Buckets(many, offset) => {
                let bucket = self.plan.bucket().unwrap_or(1_000_000);
                near((self.now / bucket + u64::from(many)) * bucket, offset)
            }
            Jump::SlowCall(offset) => near(self.now + self.plan.slow_call.unwrap_or(0), offset),
            Jump::Idle(times) => self.now + u64::from(times) * (self.plan.max + 1),
        };
        to.max(self.now)
    }

    fn take(&mut self, index: u8) -> Option<(Permit, Ticket)> {
        let many = self.permits.len();
        (many > 0).then(|| self.permits.swap_remove(usize::from(index) % many))
    }

    /// Does it to both; says what they differ in.
    pub(super) fn step(&mut self, op: Op) -> Result<(), String> {
        let now = Timestamp::from_nanos(self.now);
        let mut changes = Vec::new();
        let notice = &mut |change| changes.push(change);
        match op {
            Op::Pass(jump) => self.now = self.jump(jump),
            Op::Settle => {
                self.real.settle(now, notice);
                self.model.pass(self.now, false);
            }
            Op::Control(control) => {
                self.real.control(control, now, notice);
                self.model.control(control, self.now);
            }
            Op::Admit | Op::AdmitClosed if self.permits.len() >= MOST_PERMITS => {}
            Op::AdmitClosed => {
                let closed = self.model.state() == crate::breaker::State::Closed;
                let permit = self.real.admit_closed(now);
                same("admit_closed", &permit.is_some(), &closed)?;
                if let Some(permit) = permit {
                    let ticket = self.model.admit(self.now).map_err(|_| "a closed one rejects")?;
                    self.admitted(permit, ticket)?;
                }
            }
            Op::Admit => match (self.real.admit(now, notice), self.model.admit(self.now)) {
                (Ok(permit), Ok(ticket)) => self.admitted(permit, ticket)?,
                (Err(rejected), Err((state, retry_after))) => {
                    same("rejected", &rejected, &Rejected { state, retry_after })?;
                    self.note(Event::Rejected(rejected));
                }
                (real, model) => return Err(format!("admit: {real:?}, expected {model:?}")),
            },
            Op::Finish(index, outcome) => {
                if let Some((permit, ticket)) = self.take(index) {
                    self.real.finish(permit, now, outcome, notice);
                    self.model.finish(&ticket, self.now, outcome);
                }
            }
            Op::Cancel(index) => {
                if let Some((permit, ticket)) = self.take(index) {
                    self.real.cancel(permit, now, notice);
                    self.model.cancel(&ticket, self.now);
                }
            }
            Op::ResponseStarted(index) => {
                if let Some((permit, mut ticket)) = self.take(index) {
                    let permit = self.real.response_started(permit, now, notice);
                    self.model.response_started(&mut ticket, self.now);
                    self.permits.push((permit, ticket));
                }
            }
            Op::Start(index) => {
                if let Some((mut permit, mut ticket)) = self.take(index) {
                    permit.start(now);
                    ticket.start(self.now);
                    self.permits.push((permit, ticket));
                }
            }
        }
        let expected = std::mem::take(&mut self.model.changes);
        same("reported", &changes, &expected)?;
        changes.into_iter().for_each(|change| self.note(Event::Changed(change)));
        if self.looks { self.look() } else { Ok(()) }
    }

    fn admitted(&mut self, permit: Permit, ticket: Ticket) -> Result<(), String> {
        same("state", &permit.state(), &ticket.state)?;
        same("generation", &permit.generation(), &ticket.generation)?;
        self.note(Event::Admitted(permit.state(), permit.generation()));
        self.permits.push((permit, ticket));
        Ok(())
    }

    fn note(&mut self, event: Event) {
        if self.keeps_events {
            self.events.push(event);
        }
    }

    /// Compares all that can be read.
    pub(super) fn look(&self) -> Result<(), String> {
        let now = Timestamp::from_nanos(self.now);
        let expected = self.model.seen(self.now);
        let seen = self.real.snapshot(now);
        same("snapshot", &seen, &expected)?;
        same("state", &self.real.state(now), &expected.state)?;
        let admits = expected.retry_after.is_some_and(|wait| wait.is_zero());
        same("admits", &self.real.admits(now), &admits)?;
        let ended = seen.successes + seen.failures + seen.ignored + seen.late;
        same("accounts", &seen.started, &(ended + seen.in_flight))
    }

    /// Runs all of it; the state at the end and all that happened.
    fn events(mut self, ops: &[Op]) -> Result<(Vec<Event>, String), String> {
        self.keeps_events = true;
        for &op in ops {
            self.step(op)?;
        }
        self.look()?;
        let end = format!("{:?}", self.real.snapshot(Timestamp::from_nanos(self.now)));
        Ok((self.events, end))
    }
}

/// With a look after every operation and without any, the same happens.
pub(super) fn looking_changes_nothing(plan: &Plan, seed: u64, ops: &[Op]) -> Result<(), String> {
    let seen = Pair::new(plan.clone(), seed, true).events(ops)?;
    let unseen = Pair::new(plan.clone(), seed, false).events(ops)?;
    same("events", &seen, &unseen)
}

fn same<T: PartialEq + Debug>(what: &str, real: &T, model: &T) -> Result<(), String> {
    if real == model { Ok(()) } else { Err(format!("{what}: {real:?}, expected {model:?}")) }
}
