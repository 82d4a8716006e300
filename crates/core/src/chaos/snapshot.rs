//! What chaos has done so far.

use super::fault::{Fault, FaultKind};
use std::time::Duration;

/// What chaos has done so far. The counts are since it was made; new settings and the switch do not
/// reset them.
///
/// A call that is hit by two faults, a delay and an error say, is one hit and counts for both kinds.
///
/// ```
/// use breakerbox_core::Timestamp;
/// use breakerbox_core::chaos::{Chaos, Settings};
///
/// let settings = Settings { reset: true, ..Settings::default() }.check().unwrap();
/// let chaos = Chaos::new(settings, Timestamp::ZERO);
/// assert!(chaos.draw(Timestamp::ZERO, None).is_some());
/// let seen = chaos.snapshot(Timestamp::ZERO);
/// assert_eq!((seen.on, seen.calls, seen.hits, seen.reset), (true, 1, 1, 1));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Whether calls can be hit.
    pub on: bool,
    /// How long until it ends by itself; `None` while it is off or where it has no time limit.
    pub left: Option<Duration>,
    /// Calls that asked while it was on.
    pub calls: u64,
    /// Calls that were hit.
    pub hits: u64,
    /// Calls that would have been hit, had the cap not been reached.
    pub spared: u64,
    /// Calls that were delayed.
    pub latency: u64,
    /// Calls that ended with a status.
    pub error: u64,
    /// Calls that ended with a reset.
    pub reset: u64,
    /// Calls that got no answer.
    pub black_hole: u64,
    /// Calls whose body was slowed down.
    pub slow_body: u64,
    /// Calls whose body was cut off.
    pub truncate_body: u64,
}

impl Snapshot {
    /// The hits of each kind, with the name that the metrics give it.
    ///
    /// ```
    /// use breakerbox_core::chaos::Snapshot;
    ///
    /// let snapshot = Snapshot { reset: 7, ..Snapshot::default() };
    /// assert_eq!(snapshot.by_kind()[2], ("reset", 7));
    /// ```
    pub fn by_kind(&self) -> [(&'static str, u64); 6] {
        [
            ("latency", self.latency),
            ("error", self.error),
            ("reset", self.reset),
            ("black_hole", self.black_hole),
            ("slow_body", self.slow_body),
            ("truncate_body", self.truncate_body),
        ]
    }

    pub(super) fn count(&mut self, fault: &Fault) {
        self.hits += 1;
        self.latency += u64::from(!fault.delay.is_zero());
        match fault.kind {
            Some(FaultKind::Error(_)) => self.error += 1,
            Some(FaultKind::Reset) => self.reset += 1,
            Some(FaultKind::BlackHole) => self.black_hole += 1,
            None => {}
        }
        self.slow_body += u64::from(fault.slow_body.is_some());
        self.truncate_body += u64::from(fault.truncate_body.is_some());
    }
}
