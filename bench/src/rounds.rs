//! Many short rounds, all candidates in turn, so that a machine that slows down slows all of them.

use crate::allocations::{self, Allocated};
use crate::case::{Case, Group};
use std::time::{Duration, Instant};

/// What a round of each case takes, about.
const ROUND: Duration = Duration::from_millis(2);
/// Rounds of each case.
const ROUNDS: usize = 101;

/// What a case came to: medians of one call.
pub struct Measured {
    pub name: String,
    pub nanos: f64,
    pub allocations: f64,
    pub bytes: f64,
}

/// Measures all cases of all groups in turn.
pub fn measure(groups: &mut [Group]) -> Vec<Vec<Measured>> {
    let mut taken: Vec<Vec<Taken>> = groups
        .iter_mut()
        .map(|group| group.cases.iter_mut().map(Taken::warm_up).collect())
        .collect();
    for _ in 0..ROUNDS {
        for (group, taken) in groups.iter_mut().zip(&mut taken) {
            for (case, taken) in group.cases.iter_mut().zip(taken) {
                taken.round(case);
            }
        }
    }
    let cases = groups.iter().map(|group| &group.cases).zip(taken);
    cases
        .map(|(cases, taken)| {
            let rows = cases.iter().zip(taken);
            rows.map(|(case, taken)| taken.measured(case)).collect()
        })
        .collect()
}

/// What the rounds of one case took.
struct Taken {
    calls: u64,
    nanos: Vec<f64>,
    allocations: f64,
    bytes: f64,
}

impl Taken {
    /// Finds out how many calls make a round.
    fn warm_up(case: &mut Case) -> Self {
        let mut calls = 1_000;
        while time(case, calls) * 2 < ROUND && calls < 1_000_000 {
            calls *= 2;
        }
        Self { calls, nanos: Vec::new(), allocations: f64::MAX, bytes: f64::MAX }
    }

    fn round(&mut self, case: &mut Case) {
        let before = allocations::so_far();
        let elapsed = time(case, self.calls);
        let Allocated { allocations, bytes, .. } = allocations::so_far();
        let for_each = |total: u64| total as f64 / self.calls as f64;
        self.nanos.push(elapsed.as_nanos() as f64 / self.calls as f64);
        self.allocations = self.allocations.min(for_each(allocations - before.allocations));
        self.bytes = self.bytes.min(for_each(bytes - before.bytes));
    }

    fn measured(mut self, case: &Case) -> Measured {
        Measured {
            name: case.name.clone(),
            nanos: median(&mut self.nanos),
            allocations: self.allocations,
            bytes: self.bytes,
        }
    }
}

fn time(case: &mut Case, calls: u64) -> Duration {
    let start = Instant::now();
    case.run(calls);
    start.elapsed()
}

/// The median.
pub fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
