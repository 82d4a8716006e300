//! What decides the future of a breaker, its callers included.

use super::TICK;
use super::world::{Call, World};
use crate::Timestamp;
use crate::breaker::control::Probes;
use crate::breaker::{Memory, State};
use crate::sync::Ordering;
use std::time::Duration;

/// Longer ago than this, it does not matter when something was: every open duration, lease and slow call
/// is shorter.
const LONG_AGO: i128 = 10;

/// Two worlds with equal keys have equal futures. Generations and times are taken from now; the counts
/// since the start decide nothing.
#[derive(PartialEq, Eq, Hash)]
pub(super) struct Key {
    state: State,
    full: bool,
    due: i128,
    probes: Probes,
    growing: (Duration, Duration),
    attentive: bool,
    run: Option<u32>,
    window_is_of_state: bool,
    window: Vec<(bool, bool)>,
    failures_in_row: u32,
    calls: Vec<CallKey>,
}

#[derive(PartialEq, Eq, Hash, PartialOrd, Ord)]
enum CallKey {
    /// Of a disabled breaker, whose generation is over or not: it is never recorded.
    Unrecorded,
    Late,
    Now {
        probe: bool,
        counted: bool,
        running: Option<i128>,
    },
}

impl World {
    pub(super) fn key(&self) -> Key {
        let breaker = &self.breaker;
        let machine = crate::sync::lock(&breaker.machine);
        let word = machine.word(&self.rules);
        let Memory { open_for, growing, .. } = machine.export(Timestamp::ZERO);
        let run = breaker.consecutive.load(Ordering::Relaxed);
        let is_run = run >> 32 == machine.window() & 0xFFFF_FFFF;
        // Where none is judged they go on for ever.
        let most_in_row = self.rules.consecutive_failures.unwrap_or(0);
        let mut calls: Vec<_> = self.calls.iter().map(|call| self.call(call)).collect();
        calls.sort_unstable();
        Key {
            state: word.state(),
            full: word.flag(),
            due: self.ticks_until(machine.due()),
            probes: machine.probes(),
            growing: (open_for, growing),
            attentive: breaker.attentive.load(Ordering::Relaxed) % 2 == 1,
            run: is_run.then_some((run as u32).min(most_in_row)),
            window_is_of_state: machine.window() == word.generation(),
            window: self.window.iter().copied().collect(),
            failures_in_row: self.failures_in_row.min(most_in_row),
            calls,
        }
    }

    fn call(&self, call: &Call) -> CallKey {
        let word = call.permit.word;
        if word.state() == State::Disabled {
            return CallKey::Unrecorded;
        }
        let now = crate::breaker::Word::from_bits(self.breaker.word.load(Ordering::Relaxed));
        if word.generation() != now.generation() {
            return CallKey::Late;
        }
        let is_slow_counted = self.rules.slow_call.is_some();
        let running = call.started.filter(|_| is_slow_counted);
        CallKey::Now {
            probe: word.state() == State::HalfOpen,
            counted: word.flag(),
            running: running.map(|started| self.ticks_until(started)),
        }
    }

    /// Ticks from now; negative where it is over, and not more than a long time ago.
    fn ticks_until(&self, then: Timestamp) -> i128 {
        if then == Timestamp::NEVER {
            return i128::MAX;
        }
        let nanos = i128::from(then.as_nanos()) - i128::from(self.now.as_nanos());
        (nanos / TICK.as_nanos() as i128).max(-LONG_AGO)
    }
}
