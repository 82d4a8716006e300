//! Attempts that chaos holds up.

use breakerbox_core::Timestamp;
use breakerbox_core::chaos::{Fault, FaultKind};

/// The attempts of one call that wait for what chaos does to them. Mostly none.
#[derive(Debug, Default)]
pub(super) struct Faults(Vec<Held>);

#[derive(Debug)]
struct Held {
    attempt: u32,
    until: Timestamp,
    kind: Option<FaultKind>,
}

impl Faults {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn add(&mut self, attempt: u32, fault: Fault, now: Timestamp) {
        let until = match fault.kind {
            Some(FaultKind::BlackHole) => Timestamp::NEVER,
            _ => now + fault.delay,
        };
        self.0.push(Held { attempt, until, kind: fault.kind });
    }

    /// When the next of them goes on.
    pub(super) fn next(&self) -> Timestamp {
        self.0.iter().map(|held| held.until).min().unwrap_or(Timestamp::NEVER)
    }

    /// One that goes on now: its number, and how it ends instead of being made.
    pub(super) fn take_due(&mut self, now: Timestamp) -> Option<(u32, Option<FaultKind>)> {
        let due = |held: &Held| held.until <= now && held.until != Timestamp::NEVER;
        let place = self.0.iter().position(due)?;
        let held = self.0.swap_remove(place);
        Some((held.attempt, held.kind))
    }

    pub(super) fn keep(&mut self, runs: impl Fn(u32) -> bool) {
        self.0.retain(|held| runs(held.attempt));
    }
}
