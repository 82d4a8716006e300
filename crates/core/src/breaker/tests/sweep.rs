//! Long random traces against the model. The seed draws the settings and how often each operation
//! comes, then the operations: a trace that never cancels, or that only fails, reaches what an even
//! mixture does not.
//!
//! `BREAKERBOX_STEPS` says how many steps there are in all; `BREAKERBOX_SEED` the first seed, to
//! replay a failure.

use super::driver::{Jump, Op, Pair, looking_changes_nothing};
use super::model::Plan;
use crate::breaker::{Control, Window};
use crate::trials::FEWER;
use crate::{Outcome, SplitMix64};
use std::time::Duration;

const STEPS_OF_A_TRACE: usize = 2000;
/// How many operations before a failure are printed.
const TAIL: usize = 40;

pub(super) struct Draw(SplitMix64);

impl Draw {
    pub(super) fn new(seed: u64) -> Self {
        // Neighbouring seeds must not give neighbouring traces.
        Self(SplitMix64::new(SplitMix64::new(seed).next_u64()))
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.0.next_u64() % limit
    }

    fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize]
    }

    fn flips(&mut self, of_ten: u64) -> bool {
        self.below(10) < of_ten
    }

    pub(super) fn plan(&mut self) -> Plan {
        let window = if self.flips(5) {
            let small = 1 + self.below(10) as u32;
            Window::Calls(self.of(&[1, 2, 3, small, small, 16, 50, 100]))
        } else {
            let time = self.of(&[1_000_000, 1_000_007, 10_000_000, 100_000_000, 1_000_000_000]);
            Window::Time(Duration::from_nanos(time))
        };
        let room = match window {
            Window::Calls(calls) => u64::from(calls),
            Window::Time(_) => 12,
        };
        let rates = [(1, 2), (7, 100), (1, 1), (1, 3), (2, 3), (1, 10), (9, 10), (1, 100)];
        let slow_call = self.flips(6).then(|| self.of(&[1, 1000, 3_000_000, 50_000_000]));
        let slow_call_rate = (slow_call.is_some() && self.flips(6)).then(|| self.of(&rates));
        let consecutive_failures = self.flips(4).then(|| 1 + self.below(6) as u32);
        let other = slow_call_rate.is_some() || consecutive_failures.is_some();
        let probes = self.of(&[1, 1, 2, 3, 5]);
        // A multiple of 2^12, so that one and a half times it twelve times over is exact.
        let initial = self.of(&[4_096, 4_096_000, 64_000_000, 512_000_000]);
        Plan {
            failure_rate: (!other || self.flips(6)).then(|| self.of(&rates)),
            slow_call_rate,
            slow_call,
            consecutive_failures,
            window,
            min_calls: 1 + self.below(room) as u32,
            only_on_failure: self.flips(2),
            initial,
            factor: self.of(&[(1, 1), (3, 2), (2, 1), (3, 1)]),
            max: initial * self.of(&[1, 3, 5, 100]),
            jitter: self.flips(3),
            probes,
            successes_to_close: 1 + self.below(probes.into()) as u32,
            attempt_timeout: self.of(&[0, 0, 1000, 100_000_000, 5_000_000_000]),
        }
    }

    fn jump(&mut self) -> Jump {
        let near = self.of(&[-1, 0, 0, 1]);
        match self.below(16) {
            0..5 => Jump::Nanos(self.below(100) as u32),
            5 => Jump::Nanos(self.below(20_000_000) as u32),
            6..9 => Jump::Due(near),
            9..13 => Jump::Buckets(self.of(&[1, 1, 1, 2, 3, 9, 10, 11, 30]), near),
            13..15 => Jump::SlowCall(near),
            _ => Jump::Idle(self.below(4) as u8),
        }
    }
}

/// How often each operation comes, of a sum of its own.
pub(super) struct Weights([u64; 9], [u64; 3]);

impl Weights {
    pub(super) fn draw(draw: &mut Draw) -> Self {
        let mut ops = [40, 4, 40, 6, 4, 2, 1, 2, 20];
        for weight in &mut ops {
            *weight = *weight * draw.of(&[0, 1, 1, 2, 4]) / draw.of(&[1, 1, 3]);
        }
        // Without these nothing happens.
        ops[0] += 10;
        ops[2] += 5;
        ops[8] += 2;
        let outcomes = [draw.of(&[1, 5, 20, 100]), draw.of(&[0, 1, 5, 20]), draw.of(&[0, 1, 2])];
        Self(ops, outcomes)
    }

    pub(super) fn op(&self, draw: &mut Draw) -> Op {
        let permit = draw.below(256) as u8;
        match pick(&self.0, draw) {
            0 => Op::Admit,
            1 => Op::AdmitClosed,
            2 => {
                let outcomes = [Outcome::Success, Outcome::Failure, Outcome::Ignored];
                Op::Finish(permit, outcomes[pick(&self.1, draw)])
            }
            3 => Op::Cancel(permit),
            4 => Op::ResponseStarted(permit),
            5 => Op::Start(permit),
            6 => Op::Control(draw.of(&Control::ALL)),
            7 => Op::Settle,
            _ => Op::Pass(draw.jump()),
        }
    }
}

fn pick(weights: &[u64], draw: &mut Draw) -> usize {
    let mut left = draw.below(weights.iter().sum());
    weights
        .iter()
        .position(|&weight| {
            let here = left < weight;
            left = left.saturating_sub(weight);
            here
        })
        .unwrap_or(0)
}

/// One trace; what differed, where, and what led to it.
fn trace(seed: u64) -> Result<(), String> {
    let mut draw = Draw::new(seed);
    let plan = draw.plan();
    let weights = Weights::draw(&mut draw);
    let mut pair = Pair::new(plan.clone(), seed, true);
    let mut tail = std::collections::VecDeque::new();
    for step in 0..STEPS_OF_A_TRACE {
        let op = weights.op(&mut draw);
        if tail.len() == TAIL {
            tail.pop_front();
        }
        tail.push_back(op);
        pair.step(op).map_err(|difference| {
            let ops: Vec<String> = tail.iter().map(|op| format!("    {op:?}")).collect();
            format!("seed {seed}, step {step}: {difference}\n{plan:?}\n{}", ops.join("\n"))
        })?;
    }
    Ok(())
}

/// How long it runs can be said where it is built.
fn number(said: Option<&str>) -> Option<u64> {
    said.map(|value| value.parse().unwrap())
}

#[test]
#[cfg_attr(miri, ignore = "millions of steps")]
fn long_random_traces_show_what_the_model_shows() {
    let first = number(option_env!("BREAKERBOX_SEED")).unwrap_or(0);
    let steps = number(option_env!("BREAKERBOX_STEPS")).unwrap_or(4_000_000);
    let traces = steps / STEPS_OF_A_TRACE as u64;
    for seed in first..first + traces.max(1) {
        if let Err(difference) = trace(seed) {
            panic!("{difference}");
        }
    }
    println!("{traces} traces of {STEPS_OF_A_TRACE} steps, from seed {first}");
}

#[test]
fn what_happens_does_not_depend_on_being_looked_at() {
    for seed in 0..200 / u64::from(FEWER) {
        let mut draw = Draw::new(seed);
        let plan = draw.plan();
        let weights = Weights::draw(&mut draw);
        let ops: Vec<Op> = (0..500).map(|_| weights.op(&mut draw)).collect();
        if let Err(difference) = looking_changes_nothing(&plan, seed, &ops) {
            panic!("seed {seed}: {difference}");
        }
    }
}
