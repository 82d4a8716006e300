//! Many short rounds, all candidates in turn, so that a machine that slows down slows all of them.

use crate::allocations;
use std::time::Instant;

/// Calls of one round.
const CALLS: u64 = 100_000;
/// Rounds of each case.
const ROUNDS: usize = 101;

/// Something to be measured: its name, and a round of calls.
pub struct Case {
    name: String,
    round: Box<dyn FnMut(u64)>,
}

impl Case {
    /// A case; `round` makes so many calls.
    pub fn new(name: &str, round: impl FnMut(u64) + 'static) -> Self {
        Self { name: name.to_owned(), round: Box::new(round) }
    }
}

/// What a case came to: medians of one call.
pub struct Measured {
    pub name: String,
    pub nanos: f64,
    pub allocations: f64,
}

/// Measures all cases.
pub fn measure(cases: &mut [Case]) -> Vec<Measured> {
    let mut nanos: Vec<Vec<f64>> = vec![Vec::new(); cases.len()];
    let mut allocated = vec![f64::MAX; cases.len()];
    for round in 0..=ROUNDS {
        for (index, case) in cases.iter_mut().enumerate() {
            let before = allocations::so_far();
            let start = Instant::now();
            (case.round)(CALLS);
            let elapsed = start.elapsed().as_nanos() as f64 / CALLS as f64;
            // The first round warms up.
            if round > 0 {
                let count = (allocations::so_far() - before) as f64 / CALLS as f64;
                nanos[index].push(elapsed);
                allocated[index] = allocated[index].min(count);
            }
        }
    }
    let rows = cases.iter().zip(&mut nanos).zip(allocated);
    rows.map(|((case, nanos), allocations)| Measured {
        name: case.name.clone(),
        nanos: median(nanos),
        allocations,
    })
    .collect()
}

/// The median.
pub fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
