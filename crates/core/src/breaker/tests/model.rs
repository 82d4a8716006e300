//! What a breaker is to do, written as plainly as it goes: every outcome is kept with its time, and
//! counted anew for every question. It shares no rule with the machine it is compared with.

use crate::breaker::{
    Cause, Control, OpenFor, Settings, Snapshot, State, Transition, Window, WindowSnapshot,
};
use crate::{Outcome, Timestamp};
use std::collections::VecDeque;
use std::time::Duration;

/// Settings in whole numbers: nanoseconds, and fractions as numerator and denominator.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) failure_rate: Option<(u64, u64)>,
    pub(super) slow_call_rate: Option<(u64, u64)>,
    pub(super) slow_call: Option<u64>,
    pub(super) consecutive_failures: Option<u32>,
    pub(super) window: Window,
    pub(super) min_calls: u32,
    pub(super) only_on_failure: bool,
    pub(super) initial: u64,
    pub(super) factor: (u64, u64),
    pub(super) max: u64,
    pub(super) jitter: bool,
    pub(super) probes: u32,
    pub(super) successes_to_close: u32,
    pub(super) attempt_timeout: u64,
}

impl Plan {
    pub(super) fn settings(&self) -> Settings {
        let fraction = |(part, whole): (u64, u64)| part as f64 / whole as f64;
        Settings {
            failure_rate: self.failure_rate.map(fraction),
            slow_call: self.slow_call.map(Duration::from_nanos),
            slow_call_rate: self.slow_call_rate.map(fraction),
            consecutive_failures: self.consecutive_failures,
            window: Some(self.window),
            min_calls: Some(self.min_calls),
            only_on_failure: self.only_on_failure,
            open_for: Some(OpenFor {
                initial: Duration::from_nanos(self.initial),
                factor: fraction(self.factor),
                max: Duration::from_nanos(self.max),
                jitter: self.jitter,
            }),
            probes: Some(self.probes),
            successes_to_close: Some(self.successes_to_close),
            attempt_timeout: Some(Duration::from_nanos(self.attempt_timeout)),
        }
    }

    /// Nanoseconds of a bucket, where the window is one by time.
    pub(super) fn bucket(&self) -> Option<u64> {
        match self.window {
            Window::Time(time) => Some(u64::try_from(time.as_nanos()).unwrap() / 10),
            Window::Calls(_) => None,
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Ticket {
    pub(super) state: State,
    pub(super) generation: u64,
    /// `None` once it is settled that the call was not slow.
    started: Option<u64>,
    /// It has succeeded as a probe, at its response headers.
    succeeded: bool,
}

impl Ticket {
    pub(super) fn start(&mut self, now: u64) {
        self.started = Some(now);
    }
}

#[derive(Clone, Debug)]
struct Seen {
    at: u64,
    failed: bool,
    slow: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Model {
    plan: Plan,
    state: State,
    generation: u64,
    since: u64,
    /// End of the open duration.
    until: u64,
    /// End of the lease, while a probe is under way.
    lease: Option<u64>,
    under_way: u32,
    good_probes: u32,
    outcomes: VecDeque<Seen>,
    failures_in_row: u32,
    openings_in_row: u32,
    open_for: u64,
    next_open_for: u64,
    random: u64,
    pub(super) changes: Vec<Transition>,
    counts: Snapshot,
}

impl Model {
    pub(super) fn new(plan: Plan, seed: u64) -> Self {
        let mut model = Self {
            plan,
            state: State::Closed,
            generation: 0,
            since: 0,
            until: 0,
            lease: None,
            under_way: 0,
            good_probes: 0,
            outcomes: VecDeque::new(),
            failures_in_row: 0,
            openings_in_row: 0,
            open_for: 0,
            next_open_for: 0,
            random: seed,
            changes: Vec::new(),
            counts: Snapshot {
                state: State::Closed,
                retry_after: None,
                started: 0,
                successes: 0,
                failures: 0,
                ignored: 0,
                late: 0,
                slow: 0,
                in_flight: 0,
                rejected: 0,
                unrecorded: 0,
                opened: 0,
                leases_expired: 0,
                time_in: [Duration::ZERO; 6],
                window: WindowSnapshot::default(),
            },
        };
        model.draw();
        model
    }

    /// The next time at which something happens by itself.
    pub(super) fn due(&self) -> Option<u64> {
        match self.state {
            State::Open => Some(self.until),
            State::HalfOpen => self.lease,
            _ => None,
        }
    }

    pub(super) fn state(&self) -> State {
        self.state
    }

    /// What time does. The end of an operation comes before what is due at the same instant.
    pub(super) fn pass(&mut self, now: u64, is_end_of_operation: bool) {
        while let Some(due) = self.due() {
            if due > now || (due == now && is_end_of_operation) {
                return;
            }
            if self.state == State::HalfOpen {
                self.counts.leases_expired += 1;
                self.open(due, Cause::LeaseExpired);
            } else {
                self.go(State::HalfOpen, due, Cause::OpenElapsed);
            }
        }
    }

    fn has_free_probe(&self) -> bool {
        self.under_way + self.good_probes < self.plan.probes
    }

    pub(super) fn retry_after(&self, now: u64) -> Option<Duration> {
        let wait = match self.state {
            State::Isolated => return None,
            State::Open => self.until - now,
            State::HalfOpen if !self.has_free_probe() => self.lease.unwrap() - now,
            _ => 0,
        };
        Some(Duration::from_nanos(wait))
    }

    pub(super) fn admits(&self, now: u64) -> bool {
        self.retry_after(now) == Some(Duration::ZERO)
    }

    pub(super) fn admit(&mut self, now: u64) -> Result<Ticket, (State, Option<Duration>)> {
        self.pass(now, false);
        if !self.admits(now) {
            self.counts.rejected += 1;
            return Err((self.state, self.retry_after(now)));
        }
        if self.state == State::Disabled {
            self.counts.unrecorded += 1;
        } else {
            self.counts.started += 1;
            self.counts.in_flight += 1;
        }
        if self.state == State::HalfOpen {
            self.under_way += 1;
            self.lease = Some(now + self.open_for.max(self.plan.attempt_timeout));
        }
        let (state, generation) = (self.state, self.generation);
        Ok(Ticket { state, generation, started: Some(now), succeeded: false })
    }

    fn is_slow(&self, ticket: &Ticket, now: u64) -> bool {
        match (self.plan.slow_call, ticket.started) {
            (Some(slow_call), Some(started)) => now - started > slow_call,
            _ => false,
        }
    }

    pub(super) fn finish(&mut self, ticket: &Ticket, now: u64, outcome: Outcome) {
        let slow = self.is_slow(ticket, now);
        self.end(ticket, now, outcome, slow, true);
    }

    pub(super) fn cancel(&mut self, ticket: &Ticket, now: u64) {
        let slow = self.is_slow(ticket, now);
        let outcome = if slow { Outcome::Success } else { Outcome::Ignored };
        self.end(ticket, now, outcome, slow, false);
    }

    /// `came_back`: the operation ended, rather than its caller giving up.
    fn end(&mut self, ticket: &Ticket, now: u64, outcome: Outcome, slow: bool, came_back: bool) {
        self.pass(now, true);
        if ticket.state == State::Disabled {
            return;
        }
        self.counts.in_flight -= 1;
        if ticket.generation != self.generation {
            self.counts.late += 1;
            return;
        }
        match outcome {
            Outcome::Success => self.counts.successes += 1,
            Outcome::Failure => self.counts.failures += 1,
            Outcome::Ignored => self.counts.ignored += 1,
        }
        if outcome != Outcome::Ignored && slow {
            self.counts.slow += 1;
        }
        if self.state == State::HalfOpen {
            self.probe_ended(ticket, now, outcome, slow, came_back);
        } else if outcome != Outcome::Ignored {
            self.record(now, outcome == Outcome::Failure, slow, came_back);
        }
    }

    fn probe_ended(
        &mut self,
        ticket: &Ticket,
        now: u64,
        outcome: Outcome,
        slow: bool,
        came_back: bool,
    ) {
        if !ticket.succeeded {
            self.leave_place();
        }
        let too_slow = slow && self.plan.slow_call_rate.is_some();
        if outcome == Outcome::Failure || (outcome == Outcome::Success && too_slow) {
            self.open(now, Cause::ProbeFailed);
        } else if outcome == Outcome::Success && came_back && !ticket.succeeded {
            self.probe_succeeded(now);
        }
    }

    fn leave_place(&mut self) {
        self.under_way -= 1;
        if self.under_way == 0 {
            self.lease = None;
        }
    }

    fn probe_succeeded(&mut self, now: u64) {
        self.good_probes += 1;
        if self.good_probes >= self.plan.successes_to_close {
            self.close(State::Closed, now, Cause::ProbesSucceeded);
        }
    }

    pub(super) fn response_started(&mut self, ticket: &mut Ticket, now: u64) {
        let slow = self.is_slow(ticket, now);
        if !slow {
            ticket.started = None;
        }
        if ticket.state != State::HalfOpen || ticket.succeeded {
            return;
        }
        self.pass(now, true);
        if ticket.generation != self.generation {
            return;
        }
        self.leave_place();
        ticket.succeeded = true;
        if slow && self.plan.slow_call_rate.is_some() {
            self.open(now, Cause::ProbeFailed);
            return;
        }
        self.probe_succeeded(now);
        if self.state == State::Closed {
            // It is a call like any other from here on.
            ticket.state = State::Closed;
            ticket.generation = self.generation;
        }
    }

    fn record(&mut self, now: u64, failed: bool, slow: bool, came_back: bool) {
        self.outcomes.push_back(Seen { at: now, failed, slow });
        self.forget(now);
        if failed {
            self.failures_in_row += 1;
        } else if came_back {
            self.failures_in_row = 0;
        }
        if self.state != State::Closed {
            return;
        }
        let in_row = u64::from(self.failures_in_row);
        if failed && self.plan.consecutive_failures.is_some_and(|limit| in_row >= limit.into()) {
            self.open(now, Cause::ConsecutiveFailures);
            return;
        }
        if self.plan.only_on_failure && !failed && !slow {
            return;
        }
        let window = self.window(now);
        if window.calls < u64::from(self.plan.min_calls) {
            return;
        }
        let reached = |rate: Option<(u64, u64)>, part: u64| {
            rate.is_some_and(|(threshold, whole)| part * whole >= threshold * window.calls)
        };
        if reached(self.plan.failure_rate, window.failures) {
            self.open(now, Cause::FailureRate);
        } else if reached(self.plan.slow_call_rate, window.slow) {
            self.open(now, Cause::SlowCallRate);
        }
    }

    /// Drops what can never be in the window again.
    fn forget(&mut self, now: u64) {
        match (self.plan.window, self.plan.bucket()) {
            (Window::Calls(calls), _) => {
                while self.outcomes.len() > calls as usize {
                    self.outcomes.pop_front();
                }
            }
            (_, Some(bucket)) => {
                while self.outcomes.front().is_some_and(|seen| !is_in(seen.at, now, bucket)) {
                    self.outcomes.pop_front();
                }
            }
            (Window::Time(_), None) => unreachable!(),
        }
    }

    fn window(&self, now: u64) -> WindowSnapshot {
        let mut window = WindowSnapshot::default();
        for seen in &self.outcomes {
            if self.plan.bucket().is_none_or(|bucket| is_in(seen.at, now, bucket)) {
                window.calls += 1;
                window.failures += u64::from(seen.failed);
                window.slow += u64::from(seen.slow);
            }
        }
        if window.calls >= u64::from(self.plan.min_calls) {
            window.failure_rate = Some(window.failures as f64 / window.calls as f64);
            window.slow_call_rate = Some(window.slow as f64 / window.calls as f64);
        }
        window
    }

    pub(super) fn control(&mut self, control: Control, now: u64) {
        self.pass(now, false);
        let cause = Cause::Manual(control);
        match control {
            Control::ForceOpen => self.open(now, cause),
            Control::Isolate => self.go(State::Isolated, now, cause),
            Control::Disable => self.close(State::Disabled, now, cause),
            Control::MetricsOnly => self.close(State::MetricsOnly, now, cause),
            Control::Close | Control::Enable | Control::Reset => {
                self.close(State::Closed, now, cause);
            }
        }
    }

    fn open(&mut self, at: u64, cause: Cause) {
        self.go(State::Open, at, cause);
        self.counts.opened += 1;
        self.open_for = self.next_open_for;
        self.until = at + self.open_for;
        self.openings_in_row += 1;
        self.draw();
    }

    fn close(&mut self, to: State, at: u64, cause: Cause) {
        self.go(to, at, cause);
        self.outcomes.clear();
        self.failures_in_row = 0;
        self.openings_in_row = 0;
        self.draw();
    }

    fn go(&mut self, to: State, at: u64, cause: Cause) {
        self.counts.time_in[self.state as usize] += Duration::from_nanos(at - self.since);
        self.generation += 1;
        let at_time = Timestamp::from_nanos(at);
        let (from, generation) = (self.state, self.generation);
        self.changes.push(Transition { from, to, at: at_time, cause, generation });
        self.state = to;
        self.since = at;
        self.lease = None;
        self.under_way = 0;
        self.good_probes = 0;
    }

    /// The duration of the next opening, drawn when the one before begins, or at a close.
    fn draw(&mut self) {
        let mut base = u128::from(self.plan.initial);
        for _ in 0..self.openings_in_row {
            let (times, by) = self.plan.factor;
            base = (base * u128::from(times) / u128::from(by)).min(self.plan.max.into());
        }
        let base = Duration::from_nanos(u64::try_from(base).unwrap());
        let max = Duration::from_nanos(self.plan.max);
        let lasts = if self.plan.jitter { base.mul_f64(0.5 + self.unit()).min(max) } else { base };
        self.next_open_for = u64::try_from(lasts.as_nanos()).unwrap();
    }

    /// SplitMix64, once more.
    fn unit(&mut self) -> f64 {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / 9_007_199_254_740_992.0
    }

    /// All there is to see at `now`, on a copy: looking changes nothing.
    pub(super) fn seen(&self, now: u64) -> Snapshot {
        let mut then;
        let model = if self.due().is_some_and(|due| due <= now) {
            then = self.clone();
            then.pass(now, false);
            &then
        } else {
            self
        };
        let mut seen = model.counts.clone();
        seen.state = model.state;
        seen.retry_after = model.retry_after(now);
        seen.time_in[model.state as usize] += Duration::from_nanos(now - model.since);
        seen.window = model.window(now);
        seen
    }
}

/// The bucket of now and the nine before it.
fn is_in(at: u64, now: u64, bucket: u64) -> bool {
    at / bucket + 9 >= now / bucket
}
