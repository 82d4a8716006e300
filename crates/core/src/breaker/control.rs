//! The part of a breaker that is behind a lock: everything but counting.
//!
//! A plain machine without threads. Calls through a closed breaker never come here, nor do
//! rejections; opening, probing, closing and commands by hand do.

use super::state::{Cause, Control, State, Transition, Word};
use super::{Memory, Rules, settings::OpenFor};
use crate::time::nanos;
use crate::{SplitMix64, Timestamp};
use std::time::Duration;

/// One operation makes at most three changes: the lease of a probe runs out, the open duration after
/// it passes, and then the operation does something itself.
#[derive(Debug, Default)]
pub(super) struct Changes {
    changes: [Option<Transition>; 3],
}

impl Changes {
    fn push(&mut self, change: Transition) {
        if let Some(free) = self.changes.iter_mut().find(|change| change.is_none()) {
            *free = Some(change);
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Transition> + '_ {
        self.changes.iter().flatten().copied()
    }
}

/// What became of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Probe {
    Succeeded,
    Failed,
    /// It says nothing: its place is free again.
    GivenBack,
}

/// The probes of an episode: under way, recorded, and those of them that went well.
#[cfg(all(test, not(loom)))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Probes {
    pub(super) outstanding: u32,
    pub(super) recorded: u32,
    pub(super) successes: u32,
}

/// A duration in half the room: there is a machine for every key.
#[derive(Clone, Copy, Debug)]
struct Nanos(u64);

impl Nanos {
    fn of(duration: Duration) -> Self {
        Self(nanos(duration))
    }

    fn duration(self) -> Duration {
        Duration::from_nanos(self.0)
    }
}

#[derive(Clone, Debug)]
pub(super) struct Machine {
    state: State,
    generation: u64,
    /// The generation at which the current window began.
    window: u64,
    /// When this state was entered.
    since: Timestamp,
    /// When this state ends by time: the open duration, or the lease of the latest probe.
    due: Timestamp,
    /// The open duration in force, or the last one.
    open_for: Nanos,
    /// The one after it, drawn ahead so that a read can tell the future without changing it.
    next_open_for: Nanos,
    /// The next one before jitter.
    growing: Nanos,
    /// Probes under way, and probes recorded, in this episode.
    outstanding: u32,
    recorded: u32,
    successes: u32,
    random: SplitMix64,
    opened: u64,
    leases_expired: u64,
    /// Nanoseconds in each state, the current visit not included.
    time_in: [u64; State::ALL.len()],
}

impl Machine {
    pub(super) fn new(rules: &Rules, now: Timestamp, seed: u64) -> Self {
        let mut machine = Self {
            state: State::Closed,
            generation: 0,
            window: 0,
            since: now,
            due: Timestamp::NEVER,
            open_for: Nanos(0),
            next_open_for: Nanos(0),
            growing: Nanos(0),
            outstanding: 0,
            recorded: 0,
            successes: 0,
            random: SplitMix64::new(seed),
            opened: 0,
            leases_expired: 0,
            time_in: [0; State::ALL.len()],
        };
        machine.restart_growth(rules);
        machine
    }

    /// As if there had been so many changes of state.
    #[cfg(all(test, loom))]
    pub(super) fn age(&mut self, generation: u64) {
        (self.generation, self.window) = (generation, generation);
    }

    pub(super) fn word(&self, rules: &Rules) -> Word {
        let full = self.state == State::HalfOpen && self.taken() >= rules.probes;
        Word::new(self.state, self.generation, full)
    }

    #[cfg(all(test, not(loom)))]
    pub(super) fn probes(&self) -> Probes {
        let Self { outstanding, recorded, successes, .. } = *self;
        Probes { outstanding, recorded, successes }
    }

    pub(super) fn due(&self) -> Timestamp {
        self.due
    }

    pub(super) fn state(&self) -> State {
        self.state
    }

    pub(super) fn window(&self) -> u64 {
        self.window
    }

    pub(super) fn opened(&self) -> u64 {
        self.opened
    }

    pub(super) fn leases_expired(&self) -> u64 {
        self.leases_expired
    }

    /// How long it has been in each state, the current one up to `now`.
    pub(super) fn time_in(&self, now: Timestamp) -> [Duration; State::ALL.len()] {
        let mut time_in = self.time_in.map(Duration::from_nanos);
        time_in[self.state as usize] += now.since(self.since);
        time_in
    }

    fn taken(&self) -> u32 {
        self.outstanding + self.recorded
    }

    /// How long until a call may be admitted, as far as time alone decides.
    pub(super) fn retry_after(&self, rules: &Rules, now: Timestamp) -> Option<Duration> {
        match self.state {
            State::Open => Some(self.due.since(now)),
            State::HalfOpen if self.taken() >= rules.probes => Some(self.due.since(now)),
            State::Isolated => None,
            _ => Some(Duration::ZERO),
        }
    }

    /// Does what time has made due. `inclusive`: also what is due at this very instant, which is so
    /// for all but the end of an operation: that comes first.
    pub(super) fn settle(
        &mut self,
        rules: &Rules,
        now: Timestamp,
        inclusive: bool,
        changes: &mut Changes,
    ) {
        let is_due = |due: Timestamp| now > due || (inclusive && now == due);
        if self.state == State::HalfOpen && is_due(self.due) {
            self.leases_expired += 1;
            self.open(rules, self.due, Cause::LeaseExpired, changes);
        }
        if self.state == State::Open && is_due(self.due) {
            self.enter(State::HalfOpen, self.due, Cause::OpenElapsed, changes);
            self.due = Timestamp::NEVER;
        }
    }

    /// Opens a closed breaker, if it is still of this generation.
    pub(super) fn trip(
        &mut self,
        rules: &Rules,
        generation: u64,
        now: Timestamp,
        cause: Cause,
        changes: &mut Changes,
    ) {
        if self.state == State::Closed && self.generation == generation {
            self.open(rules, now, cause, changes);
        }
    }

    /// Takes a place among the probes. After `settle`.
    pub(super) fn admit_probe(&mut self, rules: &Rules, now: Timestamp) -> bool {
        if self.state != State::HalfOpen || self.taken() >= rules.probes {
            return false;
        }
        self.outstanding += 1;
        self.due = now + self.open_for.duration().max(rules.attempt_timeout);
        true
    }

    /// A probe of this episode has ended. After `settle`. `early`: it was counted as a success at its
    /// response headers, and holds no place any more.
    pub(super) fn probe_ended(
        &mut self,
        rules: &Rules,
        now: Timestamp,
        probe: Probe,
        early: bool,
        changes: &mut Changes,
    ) {
        if !early {
            // Not less than none, should somebody give back the permit of another breaker.
            self.outstanding = self.outstanding.saturating_sub(1);
            if self.outstanding == 0 {
                self.due = Timestamp::NEVER;
            }
        }
        match probe {
            Probe::GivenBack => {}
            Probe::Failed => self.open(rules, now, Cause::ProbeFailed, changes),
            Probe::Succeeded if early => {}
            Probe::Succeeded => {
                self.recorded += 1;
                self.successes += 1;
                if self.successes >= rules.successes_to_close {
                    self.close(rules, State::Closed, now, Cause::ProbesSucceeded, changes);
                }
            }
        }
    }

    /// Does what a person says. After `settle`.
    pub(super) fn control(
        &mut self,
        rules: &Rules,
        control: Control,
        now: Timestamp,
        changes: &mut Changes,
    ) {
        let cause = Cause::Manual(control);
        match control {
            Control::ForceOpen => self.open(rules, now, cause, changes),
            Control::Isolate => {
                self.enter(State::Isolated, now, cause, changes);
                self.due = Timestamp::NEVER;
            }
            Control::Disable => self.close(rules, State::Disabled, now, cause, changes),
            Control::MetricsOnly => self.close(rules, State::MetricsOnly, now, cause, changes),
            Control::Close | Control::Enable | Control::Reset => {
                self.close(rules, State::Closed, now, cause, changes);
            }
        }
    }

    /// What is worth remembering over a restart. After `settle`.
    pub(super) fn export(&self, now: Timestamp) -> Memory {
        let open = self.state == State::Open;
        let left = if open { self.due.since(now) } else { Duration::ZERO };
        let was_open = matches!(self.state, State::Open | State::HalfOpen);
        let open_for = if was_open { self.open_for.duration() } else { Duration::ZERO };
        Memory { state: self.state, left, open_for, growing: self.growing.duration() }
    }

    /// Takes up what was remembered. After `settle`.
    pub(super) fn import(
        &mut self,
        rules: &Rules,
        memory: Memory,
        now: Timestamp,
        changes: &mut Changes,
    ) {
        let cause = Cause::Restored;
        match memory.state {
            State::Closed => {}
            // Half-open begins where an open duration is over.
            State::Open | State::HalfOpen => {
                let most = rules.open_for.max;
                self.enter(State::Open, now, cause, changes);
                self.open_for = Nanos::of(memory.open_for.min(most));
                self.due = now + memory.left.min(most);
                let growing = memory.growing.clamp(rules.open_for.initial.min(most), most);
                self.growing = Nanos::of(growing);
                self.draw_next(rules.open_for);
            }
            State::Isolated => {
                self.enter(State::Isolated, now, cause, changes);
                self.due = Timestamp::NEVER;
            }
            state @ (State::Disabled | State::MetricsOnly) => {
                self.close(rules, state, now, cause, changes);
            }
        }
    }

    fn open(&mut self, rules: &Rules, at: Timestamp, cause: Cause, changes: &mut Changes) {
        self.enter(State::Open, at, cause, changes);
        self.opened += 1;
        self.open_for = self.next_open_for;
        self.due = at + self.open_for.duration();
        let grown = self.growing.duration().mul_f64(rules.open_for.factor.max(1.0));
        self.growing = Nanos::of(grown.min(rules.open_for.max));
        self.draw_next(rules.open_for);
    }

    /// A state in which calls pass, with an empty window; the open duration starts small again.
    fn close(
        &mut self,
        rules: &Rules,
        to: State,
        at: Timestamp,
        cause: Cause,
        changes: &mut Changes,
    ) {
        self.enter(to, at, cause, changes);
        self.window = self.generation;
        self.due = Timestamp::NEVER;
        self.restart_growth(rules);
    }

    fn enter(&mut self, to: State, at: Timestamp, cause: Cause, changes: &mut Changes) {
        self.generation += 1;
        let spent = &mut self.time_in[self.state as usize];
        *spent = spent.saturating_add(nanos(at.since(self.since)));
        self.since = at;
        (self.outstanding, self.recorded, self.successes) = (0, 0, 0);
        let from = std::mem::replace(&mut self.state, to);
        changes.push(Transition { from, to, at, cause, generation: self.generation });
    }

    fn restart_growth(&mut self, rules: &Rules) {
        self.growing = Nanos::of(rules.open_for.initial);
        self.draw_next(rules.open_for);
    }

    /// Draws the next open duration.
    fn draw_next(&mut self, open_for: OpenFor) {
        let base = self.growing.duration().min(open_for.max);
        self.next_open_for = Nanos::of(if open_for.jitter {
            base.mul_f64(0.5 + self.random.next_unit()).min(open_for.max)
        } else {
            base
        });
    }
}
