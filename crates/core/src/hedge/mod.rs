//! Hedging: a second attempt beside one that is slow, and the first success wins.

mod delay;
mod settings;
#[cfg(test)]
mod tests;

pub use delay::{HedgeDelay, Snapshot};
pub use settings::{Delay, MAX_DELAY, MAX_HEDGES, Settings};
