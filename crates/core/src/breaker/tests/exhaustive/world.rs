//! A breaker, its callers and their clock: what can happen next, and what must hold then.

use super::{CALLERS, TICK};
use crate::breaker::{Breaker, Cause, Control, OpenFor, Permit, Rules, State, Transition};
use crate::{Outcome, Timestamp};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// One thing that can happen. The number is that of a call under way.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    Admit,
    Finish(usize, Outcome),
    Cancel(usize),
    ResponseStarted(usize),
    /// Its caller never comes back: the permit is dropped.
    Lose(usize),
    Control(Control),
    Settle,
    Tick,
}

/// A call under way.
pub(super) struct Call {
    pub(super) permit: Permit,
    /// From when on it is measured; no longer once its response has begun in time.
    pub(super) started: Option<Timestamp>,
}

/// The breaker, and beside it the accounts that are kept of it, too simple to be wrong.
pub(super) struct World {
    pub(super) breaker: Breaker,
    pub(super) rules: Arc<Rules>,
    pub(super) now: Timestamp,
    pub(super) calls: Vec<Call>,
    /// The outcomes that the window should hold: failed, slow.
    pub(super) window: VecDeque<(bool, bool)>,
    pub(super) failures_in_row: u32,
    generation: u64,
    /// How often it has opened since it was closed.
    openings: u32,
    lost: u64,
    offered: u64,
    /// The places that the half-open episode of this generation has given away and not got back, and when
    /// it last gave one.
    episode: (u64, u32, Timestamp),
    /// The first thing that was wrong.
    wrong: Option<String>,
}

impl World {
    pub(super) fn new(rules: &Arc<Rules>) -> Self {
        let now = Timestamp::ZERO;
        Self {
            breaker: Breaker::new(Arc::clone(rules), now, 0),
            rules: Arc::clone(rules),
            now,
            calls: Vec::new(),
            window: VecDeque::new(),
            failures_in_row: 0,
            generation: 0,
            openings: 0,
            lost: 0,
            offered: 0,
            episode: (0, 0, now),
            wrong: None,
        }
    }

    pub(super) fn state(&self) -> State {
        self.breaker.state(self.now)
    }

    /// All that can happen next.
    pub(super) fn possible(&self) -> Vec<Step> {
        let mut steps = vec![Step::Settle, Step::Tick];
        steps.extend(Control::ALL.map(Step::Control));
        if self.calls.len() < CALLERS {
            steps.push(Step::Admit);
        }
        for call in 0..self.calls.len() {
            let outcomes = [Outcome::Success, Outcome::Failure, Outcome::Ignored];
            steps.extend(outcomes.map(|outcome| Step::Finish(call, outcome)));
            steps.extend([Step::Cancel(call), Step::ResponseStarted(call), Step::Lose(call)]);
        }
        steps
    }

    pub(super) fn take(&mut self, step: Step) {
        match step {
            Step::Tick => self.now = self.now + TICK,
            Step::Settle => self.with_changes(|breaker, now, log| {
                breaker.settle(now, &mut |change| log.push(change));
            }),
            Step::Control(control) => self.with_changes(|breaker, now, log| {
                breaker.control(control, now, &mut |change| log.push(change));
            }),
            Step::Admit => self.admit(),
            Step::Finish(call, outcome) => self.end(call, Some(outcome)),
            Step::Cancel(call) => self.end(call, None),
            Step::ResponseStarted(call) => self.response_started(call),
            Step::Lose(call) => {
                let Call { permit, .. } = self.calls.remove(call);
                self.lost += u64::from(permit.state() != State::Disabled);
            }
        }
    }

    /// Does something to the breaker, and looks at what it reports.
    fn with_changes<R>(
        &mut self,
        act: impl FnOnce(&Breaker, Timestamp, &mut Vec<Transition>) -> R,
    ) -> R {
        let mut log = Vec::new();
        let result = act(&self.breaker, self.now, &mut log);
        for change in log {
            self.expect("generation", change.generation == self.generation + 1);
            self.generation = change.generation;
            self.expect("it opens for what is in the window", self.is_justified(change.cause));
            self.openings += u32::from(change.to == State::Open);
            if matches!(change.to, State::Closed | State::Disabled | State::MetricsOnly) {
                self.window.clear();
                self.failures_in_row = 0;
                self.openings = 0;
            }
        }
        result
    }

    fn admit(&mut self) {
        self.offered += 1;
        let admits = self.breaker.admits(self.now);
        let admitted = self
            .with_changes(|breaker, now, log| breaker.admit(now, &mut |change| log.push(change)));
        self.expect("`admits` is what `admit` does", admits == admitted.is_ok());
        let Ok(permit) = admitted else {
            return self.expect("it rejects only then", self.state() != State::Closed);
        };
        self.expect("a call is admitted by the state there is", permit.state() == self.state());
        if permit.state() == State::HalfOpen {
            let others = if self.episode.0 == self.generation { self.episode.1 } else { 0 };
            self.episode = (self.generation, others + 1, self.now);
            self.expect("too many probes", others < self.rules.probes);
        }
        self.calls.push(Call { permit, started: Some(self.now) });
    }

    /// A call ends: with an outcome, or its caller gives up.
    fn end(&mut self, call: usize, outcome: Option<Outcome>) {
        let Call { permit, started } = self.calls.remove(call);
        let slow = self.is_slow(started);
        let (state, counted) = (permit.state(), permit.word.flag());
        let unrecorded = state == State::Disabled;
        let late = self.is_late(&permit);
        let before = self.breaker.snapshot(self.now);
        self.record_in_window(state, late, slow, outcome);
        self.with_changes(|breaker, now, log| {
            let notice = &mut |change| log.push(change);
            match outcome {
                Some(outcome) => breaker.finish(permit, now, outcome, notice),
                None => breaker.cancel(permit, now, notice),
            }
        });
        if late || unrecorded {
            let mut after = self.breaker.snapshot(self.now);
            self.expect(
                "it is counted as late",
                after.late == before.late + u64::from(!unrecorded),
            );
            (after.late, after.in_flight) = (before.late, before.in_flight);
            self.expect("what comes late changes nothing", after == before);
        } else if state == State::HalfOpen && !counted {
            let abandoned = outcome.is_none() && slow && self.rules.slow_call_rate.is_some();
            if !abandoned && matches!(outcome, None | Some(Outcome::Ignored)) {
                self.episode.1 -= 1;
            }
        }
    }

    fn response_started(&mut self, call: usize) {
        let Call { permit, started } = self.calls.remove(call);
        let slow = self.is_slow(started);
        let late = self.is_late(&permit);
        let before = self.breaker.snapshot(self.now);
        let permit = self.with_changes(|breaker, now, log| {
            breaker.response_started(permit, now, &mut |change| log.push(change))
        });
        if late {
            let after = self.breaker.snapshot(self.now);
            self.expect("what comes late changes nothing", after == before);
        }
        self.calls.insert(call, Call { permit, started: started.filter(|_| slow) });
    }

    fn record_in_window(&mut self, state: State, late: bool, slow: bool, outcome: Option<Outcome>) {
        let recorded = match outcome {
            Some(Outcome::Success) => Some((false, slow)),
            Some(Outcome::Failure) => Some((true, slow)),
            Some(Outcome::Ignored) => None,
            None => slow.then_some((false, true)),
        };
        let Some((failed, slow)) = recorded else { return };
        if late || !matches!(state, State::Closed | State::MetricsOnly) {
            return;
        }
        self.window.push_back((failed, slow));
        if self.window.len() > self.size() {
            self.window.pop_front();
        }
        // A caller that gives up has not said that it went well.
        self.failures_in_row = match (failed, outcome) {
            (true, _) => self.failures_in_row + 1,
            (false, None) => self.failures_in_row,
            (false, Some(_)) => 0,
        };
    }

    fn size(&self) -> usize {
        match self.rules.window {
            crate::breaker::Window::Calls(calls) => calls as usize,
            crate::breaker::Window::Time(_) => unreachable!(),
        }
    }

    fn is_slow(&self, started: Option<Timestamp>) -> bool {
        let slow =
            |started| self.rules.slow_call.is_some_and(|most| self.now.since(started) > most);
        started.is_some_and(slow)
    }

    /// The end of a call comes before what is due at the same instant.
    fn is_late(&self, permit: &Permit) -> bool {
        let just_before = self.breaker.at(Timestamp::from_nanos(self.now.as_nanos().max(1) - 1));
        just_before.word(&self.rules).generation() != permit.generation()
    }

    /// Calls, failures and slow ones of the window.
    fn counts(&self) -> (u64, u64, u64) {
        let count = |is: fn(&(bool, bool)) -> bool| self.window.iter().filter(|it| is(it)).count();
        (self.window.len() as u64, count(|it| it.0) as u64, count(|it| it.1) as u64)
    }

    fn reached(&self, rate: Option<f64>, part: u64) -> bool {
        let (calls, ..) = self.counts();
        let enough = calls >= u64::from(self.rules.min_calls);
        rate.is_some_and(|rate| enough && part > 0 && part as f64 >= rate * calls as f64)
    }

    fn is_justified(&self, cause: Cause) -> bool {
        let (_, failures, slow) = self.counts();
        match cause {
            Cause::FailureRate => self.reached(self.rules.failure_rate, failures),
            Cause::SlowCallRate => self.reached(self.rules.slow_call_rate, slow),
            Cause::ConsecutiveFailures => {
                self.rules.consecutive_failures.is_some_and(|many| self.failures_in_row >= many)
            }
            _ => true,
        }
    }

    fn expect(&mut self, what: &str, holds: bool) {
        if !holds {
            self.wrong.get_or_insert_with(|| what.to_owned());
        }
    }

    /// What holds in every state.
    pub(super) fn check(&mut self) -> Result<(), String> {
        let seen = self.breaker.snapshot(self.now);
        self.expect("looking changes nothing", seen == self.breaker.snapshot(self.now));
        let ended = seen.successes + seen.failures + seen.ignored + seen.late;
        self.expect("started = ended + in flight", seen.started == ended + seen.in_flight);
        let held = self.calls.iter().filter(|call| call.permit.state() != State::Disabled).count();
        self.expect("in flight is who holds a permit", seen.in_flight == held as u64 + self.lost);
        let offered = seen.started + seen.rejected + seen.unrecorded;
        self.expect("offered = started + rejected", offered == self.offered);
        let lived: Duration = seen.time_in.iter().sum();
        self.expect("it was in some state at every time", lived == self.now.since(Timestamp::ZERO));
        let window = (seen.window.calls, seen.window.failures, seen.window.slow);
        self.expect("the window holds the last outcomes of its state", window == self.counts());
        if seen.state == State::Closed {
            let causes = [Cause::FailureRate, Cause::SlowCallRate, Cause::ConsecutiveFailures];
            let opens = causes.into_iter().any(|cause| self.is_justified(cause));
            self.expect("closed, though it should have opened", !opens);
        }
        self.check_open_for();
        self.check_episode();
        match self.wrong.take() {
            Some(wrong) => Err(format!("{wrong}: {seen:?}")),
            None => Ok(()),
        }
    }

    /// It grows with every opening, and begins anew with a close.
    fn check_open_for(&mut self) {
        let memory = crate::sync::lock(&self.breaker.machine).export(self.now);
        if matches!(memory.state, State::Open | State::HalfOpen) {
            let OpenFor { initial, factor, max, .. } = self.rules.open_for;
            let grown = initial.mul_f64(factor.powi(self.openings.min(9) as i32 - 1)).min(max);
            self.expect("how long it is open", memory.open_for == grown);
        }
    }

    /// At most so many probes, and one lease, counted from the latest of them.
    fn check_episode(&mut self) {
        let machine = self.breaker.at(self.now);
        if machine.state() != State::HalfOpen {
            return;
        }
        let probes = machine.probes();
        let (generation, taken, latest) = self.episode;
        let is_this = generation == machine.word(&self.rules).generation();
        let taken = if is_this { taken } else { 0 };
        self.expect("places taken", probes.outstanding + probes.recorded == taken);
        self.expect("too many probes", taken <= self.rules.probes);
        self.expect("closed by enough of them", probes.successes < self.rules.successes_to_close);
        let lease = machine.export(self.now).open_for.max(self.rules.attempt_timeout);
        let due = if probes.outstanding > 0 { latest + lease } else { Timestamp::NEVER };
        self.expect("the lease of the latest probe", machine.due() == due);
    }

    /// Time alone, without a call, leads to a state that admits one. Uses this world up.
    pub(super) fn check_time_alone(&mut self, new: bool) -> Result<(), String> {
        if !new || self.state() == State::Isolated {
            return Ok(());
        }
        // A lease that runs out, and the open duration after it.
        let most =
            self.rules.open_for.max.max(self.rules.attempt_timeout) + self.rules.open_for.max;
        let end = self.now + most;
        while !self.breaker.admits(self.now) {
            if self.now >= end {
                return Err(format!("stuck: {:?}", self.breaker.snapshot(self.now)));
            }
            self.now = self.now + TICK;
        }
        self.take(Step::Admit);
        self.check()
    }
}
