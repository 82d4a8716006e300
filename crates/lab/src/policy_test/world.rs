//! Virtual time: one pipeline, the calls in flight, and what is due next.

use super::answers::{Answers, Shared};
use super::step::{Calling, Scripted};
use breakerbox::Timestamp;
use breakerbox::core::chaos::{Fault, FaultKind};
use breakerbox::core::classify;
use breakerbox::core::coalesce::{Lead, Ticket};
use breakerbox::core::pipeline::{
    Action, Call, Due, End, Ending, Event, Hint, Keys, Pipeline, Settings, Start,
};
use breakerbox::core::retry::Failure;
use breakerbox::{Control, Outcome, Transition};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};
use std::time::Duration;

/// A pipeline on virtual time, and its calls.
pub(super) struct World {
    pipeline: Pipeline,
    rules: Rules,
    answers: Answers,
    now: Timestamp,
    calls: Vec<Flight>,
    /// The numbers of those that have not ended.
    active: BTreeSet<usize>,
    /// The calls that the machine has woken, in that order.
    woken: Arc<Woken>,
    /// The numbers of the calls that have names.
    names: BTreeMap<String, usize>,
    pub(super) executed: u64,
    pub(super) rejected: u64,
    pub(super) elapsed: Option<Duration>,
    /// The last lines of what happened.
    trace: VecDeque<String>,
    /// How many there were.
    trace_length: usize,
}

/// What a policy says of calls that only a driver can tell.
#[derive(Clone, Debug, Default)]
pub(super) struct Rules {
    /// HTTP methods that may be repeated.
    pub(super) methods: Vec<String>,
    /// The rate is limited by key.
    pub(super) keyed_rate: bool,
    /// There is a breaker for each key.
    pub(super) keyed_breaker: bool,
    /// Calls of one key meet the same chaos.
    pub(super) keyed_chaos: bool,
    /// The fallback is the last good answer, and nothing else.
    pub(super) only_stale: bool,
}

struct Flight {
    label: String,
    call: Option<Call>,
    calling: Calling,
    executions: usize,
    operations: Vec<Operation>,
    /// How the operation that ended last has ended.
    ended: Ending,
    /// Equal calls wait for what this one comes to.
    lead: Option<Lead<Option<String>>>,
    /// It waits for what an equal one comes to.
    follows: Option<Ticket<Option<String>, Shared>>,
    begun: Timestamp,
    seen: Option<&'static str>,
}

#[derive(Clone, Copy)]
struct Operation {
    attempt: u32,
    ends: Timestamp,
    comes_to: Scripted,
}

/// HTTP methods that change nothing (RFC 9110, section 9.2.1).
const SAFE: [&str; 4] = ["GET", "HEAD", "OPTIONS", "TRACE"];
/// A failing case shows so many lines of what happened.
const TRACE: usize = 200;

/// Calls that are to be looked at.
#[derive(Default)]
struct Woken(Mutex<VecDeque<usize>>);

impl Woken {
    fn lock(&self) -> MutexGuard<'_, VecDeque<usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Bell {
    woken: Arc<Woken>,
    number: usize,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.woken.lock().push_back(self.number);
    }
}

/// A call that nothing will ever end.
#[derive(Debug)]
pub(super) struct Hangs;

impl World {
    pub(super) fn new(settings: Settings, rules: Rules, answers: Answers, seed: u64) -> Self {
        Self {
            rules,
            answers,
            pipeline: Pipeline::new(settings, Timestamp::ZERO, seed),
            now: Timestamp::ZERO,
            calls: Vec::new(),
            active: BTreeSet::new(),
            woken: Arc::default(),
            names: BTreeMap::new(),
            executed: 0,
            rejected: 0,
            elapsed: None,
            trace: VecDeque::new(),
            trace_length: 0,
        }
    }

    pub(super) fn pipeline(&self) -> &Pipeline {
        &self.pipeline
    }

    pub(super) fn now(&self) -> Timestamp {
        self.now
    }

    /// What happened so far, a line each.
    pub(super) fn trace(&self) -> Vec<String> {
        let left_out = self.trace_length.saturating_sub(self.trace.len());
        let note = (left_out > 0).then(|| format!("({left_out} lines before are left out)"));
        note.into_iter().chain(self.trace.iter().cloned()).collect()
    }

    /// Begins a call; what it does at this very instant is done.
    pub(super) fn begin(&mut self, calling: Calling, name: Option<&str>) -> usize {
        let start = self.start(&calling);
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
            operations: Vec::new(),
            ended: Ending::Success,
            lead: None,
            follows: None,
            begun: self.now,
            seen: None,
        });
        self.active.insert(number);
        if let Some(name) = name {
            self.names.insert(name.to_owned(), number);
        }
        self.carry_out(number, action);
        self.run_what_is_due();
        number
    }

    /// What the machine is to know of a call.
    fn start(&self, calling: &Calling) -> Start {
        let repeatable = calling
            .method
            .as_ref()
            .is_none_or(|method| self.rules.methods.iter().any(|allowed| allowed == method));
        let key = calling.key.as_ref().map(|key| {
            let mut hasher = DefaultHasher::new();
            key.hash(&mut hasher);
            hasher.finish()
        });
        let keys = Keys {
            rate_limit: key.filter(|_| self.rules.keyed_rate),
            breaker: key.filter(|_| self.rules.keyed_breaker),
            shed: key,
            chaos: key.filter(|_| self.rules.keyed_chaos),
            spared: false,
        };
        let safe = |method: &String| SAFE.contains(&method.as_str());
        let hedgeable = calling.method.as_ref().is_none_or(safe);
        let start = Start::default();
        let urgency = calling.priority.unwrap_or(start.urgency);
        // As over HTTP only what is asked for, and changes nothing, has an answer for others.
        let lookup = calling.method.as_deref().is_none_or(|it| matches!(it, "GET" | "HEAD"));
        Start { repeatable, hedgeable, urgency, lookup, keys, ..start }
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
            // At the end of time there is nothing more to come.
            if next > end || next == Timestamp::NEVER {
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
        let operations = &mut self.calls[number].operations;
        // Of those that run the oldest that hangs.
        let hangs = operations.iter().position(|it| it.comes_to == Scripted::Hang);
        let Some(operation) = operations.get_mut(hangs.unwrap_or(0)) else { return false };
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
        flight.operations.clear();
        let (lead, follows) = (flight.lead.take(), flight.follows.take());
        let mut changes = Vec::new();
        if let Some(call) = flight.call.take() {
            call.cancel(&self.pipeline, self.now, &mut |_, it| changes.push(it));
        }
        if let Some(lead) = lead {
            self.answers.groups().lost(lead);
        }
        if let Some(follows) = follows {
            self.answers.groups().give_up(follows);
        }
        self.log_changes(&changes);
        self.ended(number, "cancelled");
        self.run_what_is_due();
        true
    }

    pub(super) fn control(&mut self, control: Control) {
        let mut changes = Vec::new();
        for endpoint in 0..self.pipeline.endpoints().count() {
            self.pipeline.control(endpoint, control, self.now, &mut |_, it| changes.push(it));
        }
        self.log_changes(&changes);
    }

    /// The limit of how many calls run at once, where there is one.
    pub(super) fn limit(&self) -> Option<u64> {
        let adaptive = self.pipeline.adaptive_limit().map(|limit| u64::from(limit.limit()));
        adaptive.or_else(|| Some(u64::from(self.pipeline.bulkhead()?.snapshot().limit)))
    }

    /// How many operations run.
    pub(super) fn in_flight(&self) -> u64 {
        self.active().map(|(_, flight)| flight.operations.len() as u64).sum()
    }

    /// How many calls wait: in a queue, for the rate limit, or for an equal call.
    pub(super) fn queued(&self) -> u64 {
        let waits = |flight: &&Flight| {
            flight.follows.is_some() || flight.call.as_ref().is_some_and(Call::is_queued)
        };
        self.active().map(|(_, flight)| flight).filter(waits).count() as u64
    }

    /// The calls that have not ended, in the order in which they began.
    fn active(&self) -> impl Iterator<Item = (usize, &Flight)> {
        self.active.iter().map(|number| (*number, &self.calls[*number]))
    }

    /// When something happens next.
    fn next_instant(&self) -> Timestamp {
        let of_call = |flight: &Flight| {
            let ends = flight.operations.iter().map(|operation| operation.ends).min();
            let due = flight.call.as_ref().map_or(Timestamp::NEVER, Call::due);
            due.min(ends.unwrap_or(Timestamp::NEVER))
        };
        let next = self.active().map(|(_, flight)| of_call(flight)).min();
        next.unwrap_or(Timestamp::NEVER).max(self.now)
    }

    /// At one instant operations end first, in the order in which their calls began; then whoever was
    /// woken goes on; then time has its effects, in the order of [`Rank`](breakerbox::core::pipeline::Rank).
    fn run_what_is_due(&mut self) {
        loop {
            if let Some((number, operation)) = self.operation_that_ends() {
                self.operation_ends(number, operation);
            } else if let Some(number) = { self.woken.lock().pop_front() } {
                self.woken(number);
            } else if let Some(number) = self.call_that_is_due() {
                self.step(number, Event::Time);
            } else {
                return;
            }
        }
    }

    fn operation_that_ends(&self) -> Option<(usize, usize)> {
        let of_call = |(number, flight): (usize, &Flight)| {
            let ended = |operation: &Operation| operation.ends <= self.now;
            Some((number, flight.operations.iter().position(ended)?))
        };
        self.active().find_map(of_call)
    }

    fn call_that_is_due(&self) -> Option<usize> {
        let due = |(number, flight): (usize, &Flight)| -> Option<(Due, usize)> {
            Some((flight.call.as_ref()?.due_next(), number))
        };
        let next = self.active().filter_map(due).min()?;
        (next.0.at <= self.now).then_some(next.1)
    }

    fn operation_ends(&mut self, number: usize, operation: usize) {
        let Operation { attempt, comes_to, .. } = self.calls[number].operations.remove(operation);
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

    /// The machine, or the call it follows, has something new for it.
    fn woken(&mut self, number: usize) {
        match self.calls[number].follows.take() {
            None => self.step(number, Event::Time),
            Some(follows) => self.look_at_leader(number, follows),
        }
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
                if let Some(call) = &flight.call {
                    flight.operations.retain(|operation| call.runs(operation.attempt));
                }
                self.listen(number);
            }
            Action::LookUp => self.look_up(number),
            Action::Run { attempt, .. } => self.run(number, attempt),
            Action::Done { end, fallback } => self.done(number, end, fallback),
        }
    }

    /// Wants to be woken when a call in a queue can go on.
    fn listen(&mut self, number: usize) {
        let Some(call) = &self.calls[number].call else { return };
        let bell = || Waker::from(Arc::new(Bell { woken: Arc::clone(&self.woken), number }));
        if call.is_queued() && call.listen(&self.pipeline, &bell()) {
            self.woken.lock().push_back(number);
        }
    }

    fn run(&mut self, number: usize, attempt: u32) {
        let now = self.now;
        let flight = &mut self.calls[number];
        let fault = flight.call.as_ref().and_then(|call| call.fault(attempt));
        let Fault { delay, kind, truncate_body, .. } = fault.unwrap_or(Fault::NONE);
        let operation = match kind {
            // Chaos answers in its place.
            Some(FaultKind::Error(status)) => (now + delay, Scripted::Status(status)),
            Some(FaultKind::Reset) => (now + delay, Scripted::Fail),
            Some(FaultKind::BlackHole) => (Timestamp::NEVER, Scripted::Hang),
            None => {
                self.executed += 1;
                let comes_to = flight.calling.scripted(flight.executions);
                let takes = flight.calling.takes(flight.executions);
                flight.executions += 1;
                match comes_to {
                    Scripted::Hang => (Timestamp::NEVER, comes_to),
                    // Half an answer is none.
                    Scripted::Ok if truncate_body.is_some() => {
                        (now + delay + takes, Scripted::Fail)
                    }
                    _ => (now + delay + takes, comes_to),
                }
            }
        };
        let (ends, comes_to) = operation;
        flight.operations.push(Operation { attempt, ends, comes_to });
        self.log(format!("{}: attempt {attempt} runs", self.calls[number].label));
        if let Some(fault) = fault {
            self.log(format!("{}: meets chaos: {fault}", self.calls[number].label));
        }
    }

    fn done(&mut self, number: usize, end: End, fallback: bool) {
        let key = self.calls[number].calling.key.clone();
        let real = match end {
            // What was looked up, or shared, has been seen already.
            End::Answered => self.calls[number].seen.take().unwrap_or("ok"),
            _ => self.seen_by_caller(number, end),
        };
        let fallback =
            fallback && (!self.rules.only_stale || self.answers.has_usable(&key, self.now));
        if matches!(end, End::Rejected(_)) {
            self.rejected += 1;
        }
        if real == "ok" && end != End::Answered && self.may_be_kept(number) {
            self.answers.keep(key, self.now);
        }
        let flight = &mut self.calls[number];
        flight.operations.clear();
        flight.call = None;
        if let Some(lead) = flight.lead.take() {
            let ending = if real == "ok" { Ending::Success } else { shared(end, flight.ended) };
            self.answers.groups().finished(lead, Shared { seen: real, ending });
        }
        self.ended(number, if fallback { "fallback" } else { real });
    }

    /// Only what may be asked twice is kept.
    fn may_be_kept(&self, number: usize) -> bool {
        self.start(&self.calls[number].calling).repeatable
    }

    /// Looks whether the answer is there already, or on its way.
    fn look_up(&mut self, number: usize) {
        let key = self.calls[number].calling.key.clone();
        if self.answers.has_fresh(&key, self.now) {
            self.answered(number, Shared { seen: "ok", ending: Ending::Success });
            return;
        }
        match self.answers.join(key) {
            None => self.step(number, Event::Unanswered),
            Some(Ok(lead)) => {
                self.calls[number].lead = Some(lead);
                self.step(number, Event::Unanswered);
            }
            Some(Err(follows)) => self.follow(number, follows),
        }
    }

    fn follow(&mut self, number: usize, follows: Ticket<Option<String>, Shared>) {
        let bell = Waker::from(Arc::new(Bell { woken: Arc::clone(&self.woken), number }));
        if self.answers.groups().listen(&follows, &bell) {
            self.woken.lock().push_back(number);
        }
        self.calls[number].follows = Some(follows);
    }

    fn look_at_leader(&mut self, number: usize, follows: Ticket<Option<String>, Shared>) {
        use breakerbox::core::coalesce::Following;
        match self.answers.groups().look(follows) {
            Following::Pending(follows) => self.follow(number, follows),
            Following::Shared(shared) => self.answered(number, shared),
            Following::Lead(lead) => {
                self.calls[number].lead = Some(lead);
                self.step(number, Event::Unanswered);
            }
        }
    }

    fn answered(&mut self, number: usize, shared: Shared) {
        self.calls[number].seen = Some(shared.seen);
        self.step(number, Event::Answered { ending: shared.ending });
    }

    fn seen_by_caller(&self, number: usize, end: End) -> &'static str {
        match end {
            End::Rejected(rejection) => rejection.reason(),
            End::AttemptTimeout { .. } => "timeout",
            End::DeadlineExceeded { .. } => "deadline",
            End::Answered => "ok",
            End::Delivered { .. } => match self.calls[number].ended {
                Ending::Success => "ok",
                Ending::Failure => "fail",
                Ending::Ignored => "ignored",
                Ending::Panicked => "panic",
            },
        }
    }

    fn ended(&mut self, number: usize, seen: &'static str) {
        self.active.remove(&number);
        let flight = &mut self.calls[number];
        flight.seen = Some(seen);
        self.elapsed = Some(self.now.since(flight.begun));
        self.log(format!("{}: the caller sees {seen}", self.calls[number].label));
    }

    fn log_changes(&mut self, changes: &[Transition]) {
        for Transition { from, to, at, cause, .. } in changes {
            self.push(format!("{at:?} breaker: {from} to {to}: {cause}"));
        }
    }

    fn log(&mut self, line: String) {
        self.push(format!("{:?} {line}", self.now));
    }

    fn push(&mut self, line: String) {
        if self.trace.len() == TRACE {
            self.trace.pop_front();
        }
        self.trace.push_back(line);
        self.trace_length += 1;
    }
}

/// What those get who waited for a call that came to no good end.
fn shared(end: End, ended: Ending) -> Ending {
    match end {
        End::Delivered { .. } => ended,
        _ => Ending::Failure,
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
