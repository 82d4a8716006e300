//! Virtual time: one pipeline, the calls in flight, and what is due next.

use super::step::{Calling, Scripted};
use breakerbox::Timestamp;
use breakerbox::core::classify;
use breakerbox::core::pipeline::{
    Action, Call, End, Ending, Event, Hint, Pipeline, Settings, Start,
};
use breakerbox::core::retry::Failure;
use breakerbox::{Control, Outcome, Transition};
use std::collections::BTreeMap;
use std::time::Duration;

/// A pipeline on virtual time, and its calls.
pub(super) struct World {
    pipeline: Pipeline,
    /// HTTP methods that may be repeated.
    methods: Vec<String>,
    now: Timestamp,
    calls: Vec<Flight>,
    /// The numbers of the calls that have names.
    names: BTreeMap<String, usize>,
    pub(super) executed: u64,
    pub(super) rejected: u64,
    pub(super) elapsed: Option<Duration>,
    trace: Vec<String>,
}

struct Flight {
    label: String,
    call: Option<Call>,
    calling: Calling,
    executions: usize,
    operation: Option<Operation>,
    /// How the operation that ended last has ended.
    ended: Ending,
    begun: Timestamp,
    seen: Option<&'static str>,
}

#[derive(Clone, Copy)]
struct Operation {
    attempt: u32,
    ends: Timestamp,
    comes_to: Scripted,
}

/// A call that nothing will ever end.
#[derive(Debug)]
pub(super) struct Hangs;

impl World {
    pub(super) fn new(settings: Settings, methods: Vec<String>, seed: u64) -> Self {
        Self {
            methods,
            pipeline: Pipeline::new(settings, Timestamp::ZERO, seed),
            now: Timestamp::ZERO,
            calls: Vec::new(),
            names: BTreeMap::new(),
            executed: 0,
            rejected: 0,
            elapsed: None,
            trace: Vec::new(),
        }
    }

    pub(super) fn pipeline(&self) -> &Pipeline {
        &self.pipeline
    }

    pub(super) fn now(&self) -> Timestamp {
        self.now
    }

    /// What happened so far, a line each.
    pub(super) fn trace(&self) -> &[String] {
        &self.trace
    }

    /// Begins a call; what it does at this very instant is done.
    pub(super) fn begin(&mut self, calling: Calling, name: Option<&str>) -> usize {
        let repeatable = calling
            .method
            .as_ref()
            .is_none_or(|method| self.methods.iter().any(|allowed| allowed == method));
        let start = Start { repeatable, ..Start::default() };
        let number = self.calls.len();
        let label = match name {
            Some(name) => format!("call \"{name}\""),
            None => format!("call {}", number + 1),
        };
        let mut changes = Vec::new();
        let (call, action) = self.pipeline.begin(self.now, start, &mut |_, it| changes.push(it));
        self.log_changes(&changes);
        self.calls.push(Flight {
            label,
            call: Some(call),
            calling,
            executions: 0,
            operation: None,
            ended: Ending::Success,
            begun: self.now,
            seen: None,
        });
        if let Some(name) = name {
            self.names.insert(name.to_owned(), number);
        }
        self.carry_out(number, action);
        self.run_what_is_due();
        number
    }

    /// The number of a call that was started under this name.
    pub(super) fn named(&self, name: &str) -> Option<usize> {
        self.names.get(name).copied()
    }

    /// What the caller sees now.
    pub(super) fn seen(&self, number: usize) -> &'static str {
        self.calls[number].seen.unwrap_or("pending")
    }

    /// Moves time on until a call has ended.
    pub(super) fn finish(&mut self, number: usize) -> Result<(), Hangs> {
        while self.calls[number].seen.is_none() {
            let next = self.next_instant();
            if next == Timestamp::NEVER {
                return Err(Hangs);
            }
            self.now = next;
            self.run_what_is_due();
        }
        Ok(())
    }

    /// Moves time on, and runs what falls due on the way.
    pub(super) fn advance(&mut self, by: Duration) {
        let end = self.now + by;
        loop {
            let next = self.next_instant();
            if next > end {
                break;
            }
            self.now = next;
            self.run_what_is_due();
        }
        self.now = end;
    }

    /// Ends a hanging operation now. False if there is none.
    pub(super) fn end_operation(&mut self, number: usize, comes_to: Scripted) -> bool {
        let now = self.now;
        let Some(operation) = &mut self.calls[number].operation else { return false };
        *operation = Operation { ends: now, comes_to, ..*operation };
        self.run_what_is_due();
        true
    }

    /// Its caller gives a call up. False if it has ended already.
    pub(super) fn cancel(&mut self, number: usize) -> bool {
        let flight = &mut self.calls[number];
        if flight.seen.is_some() {
            return false;
        }
        flight.operation = None;
        let mut changes = Vec::new();
        if let Some(call) = flight.call.take() {
            call.cancel(&self.pipeline, self.now, &mut |_, it| changes.push(it));
        }
        self.log_changes(&changes);
        self.ended(number, "cancelled");
        true
    }

    pub(super) fn control(&mut self, control: Control) {
        let mut changes = Vec::new();
        let endpoints = self.pipeline.endpoints();
        for breaker in (0..endpoints.count()).filter_map(|number| endpoints.breaker(number)) {
            breaker.control(control, self.now, &mut |it| changes.push(it));
        }
        self.log_changes(&changes);
    }

    /// How many operations run.
    pub(super) fn in_flight(&self) -> u64 {
        self.calls.iter().filter(|flight| flight.operation.is_some()).count() as u64
    }

    /// When something happens next.
    fn next_instant(&self) -> Timestamp {
        let of_call = |flight: &Flight| {
            let ends = flight.operation.map_or(Timestamp::NEVER, |operation| operation.ends);
            let due = flight.call.as_ref().map_or(Timestamp::NEVER, Call::due);
            ends.min(due)
        };
        let running = self.calls.iter().filter(|flight| flight.seen.is_none());
        running.map(of_call).min().unwrap_or(Timestamp::NEVER).max(self.now)
    }

    /// At one instant operations end first, in the order in which their calls began; then time has
    /// its effects.
    fn run_what_is_due(&mut self) {
        loop {
            let now = self.now;
            let ends = |flight: &Flight| flight.operation.is_some_and(|it| it.ends <= now);
            let is_due = |flight: &Flight| flight.call.as_ref().is_some_and(|it| it.due() <= now);
            if let Some(number) = self.calls.iter().position(ends) {
                self.operation_ends(number);
            } else if let Some(number) = self.calls.iter().position(is_due) {
                self.step(number, Event::Time);
            } else {
                return;
            }
        }
    }

    fn operation_ends(&mut self, number: usize) {
        let Some(Operation { attempt, comes_to, .. }) = self.calls[number].operation.take() else {
            return;
        };
        let ending = ending(comes_to);
        let how = match ending {
            Ending::Success => "ok",
            Ending::Failure => "fail",
            Ending::Ignored => "ignored",
            Ending::Panicked => "panic",
        };
        self.log(format!("{}: attempt {attempt} ends: {how}", self.calls[number].label));
        self.calls[number].ended = ending;
        let failure = match comes_to {
            Scripted::Status(status) => Failure::Status(status),
            _ => Failure::Other,
        };
        let hint = Hint { failure, ..Hint::NONE };
        self.step(number, Event::Ended { attempt, ending, hint });
    }

    fn step(&mut self, number: usize, event: Event) {
        let Some(call) = &mut self.calls[number].call else { return };
        let mut changes = Vec::new();
        let action = call.step(&self.pipeline, self.now, event, &mut |_, it| changes.push(it));
        self.log_changes(&changes);
        self.carry_out(number, action);
    }

    /// Does what the machine says.
    fn carry_out(&mut self, number: usize, action: Action) {
        match action {
            Action::Wait => {
                let flight = &mut self.calls[number];
                if !flight.call.as_ref().is_some_and(Call::is_attempting) {
                    flight.operation = None;
                }
            }
            Action::Run { attempt, .. } => {
                self.executed += 1;
                let now = self.now;
                let flight = &mut self.calls[number];
                let comes_to = flight.calling.scripted(flight.executions);
                let takes = flight.calling.takes(flight.executions);
                flight.executions += 1;
                let ends = match comes_to {
                    Scripted::Hang => Timestamp::NEVER,
                    _ => now + takes,
                };
                flight.operation = Some(Operation { attempt, ends, comes_to });
                self.log(format!("{}: attempt {attempt} runs", self.calls[number].label));
            }
            Action::Done { end, fallback } => {
                let seen = if fallback { "fallback" } else { self.seen_by_caller(number, end) };
                if matches!(end, End::Rejected(_)) {
                    self.rejected += 1;
                }
                self.calls[number].operation = None;
                self.calls[number].call = None;
                self.ended(number, seen);
            }
        }
    }

    fn seen_by_caller(&self, number: usize, end: End) -> &'static str {
        match end {
            End::Rejected(rejection) => rejection.reason(),
            End::AttemptTimeout { .. } => "timeout",
            End::DeadlineExceeded { .. } => "deadline",
            End::Delivered { .. } => match self.calls[number].ended {
                Ending::Success => "ok",
                Ending::Failure => "fail",
                Ending::Ignored => "ignored",
                Ending::Panicked => "panic",
            },
        }
    }

    fn ended(&mut self, number: usize, seen: &'static str) {
        let flight = &mut self.calls[number];
        flight.seen = Some(seen);
        self.elapsed = Some(self.now.since(flight.begun));
        self.log(format!("{}: the caller sees {seen}", self.calls[number].label));
    }

    fn log_changes(&mut self, changes: &[Transition]) {
        for Transition { from, to, at, cause, .. } in changes {
            self.trace.push(format!("{at:?} breaker: {from} to {to}: {cause}"));
        }
    }

    fn log(&mut self, line: String) {
        self.trace.push(format!("{:?} {line}", self.now));
    }
}

fn ending(comes_to: Scripted) -> Ending {
    match comes_to {
        Scripted::Ok => Ending::Success,
        // A hanging operation never ends of itself.
        Scripted::Fail | Scripted::Hang => Ending::Failure,
        Scripted::Ignore => Ending::Ignored,
        Scripted::Panic => Ending::Panicked,
        Scripted::Status(status) => match classify::http_status(status) {
            Outcome::Success => Ending::Success,
            Outcome::Failure => Ending::Failure,
            Outcome::Ignored => Ending::Ignored,
        },
    }
}
