//! The right to run one call.

use super::state::{State, Word};
use crate::Timestamp;

/// The right to run one call, and the duty to say how it ended.
///
/// Give it back to the breaker it came from, with [`finish`](super::Breaker::finish) or
/// [`cancel`](super::Breaker::cancel). Core knows no clock, so it cannot do that when a permit is
/// dropped: a dropped permit stays in flight for ever, and a dropped probe until its lease runs out.
///
/// ```
/// use breakerbox_core::breaker::{Breaker, Settings, State};
/// use breakerbox_core::{Outcome, Timestamp};
///
/// let rules = Settings::default().check().unwrap();
/// let breaker = Breaker::new(rules.into(), Timestamp::ZERO, 0);
/// let permit = breaker.admit(Timestamp::ZERO, &mut |_| {}).unwrap();
/// assert_eq!((permit.state(), permit.started()), (State::Closed, Timestamp::ZERO));
/// breaker.finish(permit, Timestamp::ZERO, Outcome::Success, &mut |_| {});
/// assert_eq!(breaker.snapshot(Timestamp::ZERO).in_flight, 0);
/// ```
#[must_use = "a permit must be given back with `finish` or `cancel`, or the call stays in flight"]
#[derive(Debug, PartialEq, Eq)]
pub struct Permit {
    pub(super) word: Word,
    pub(super) started: Timestamp,
}

impl Permit {
    /// The state of the breaker when it admitted the call. Half-open: this call is a probe.
    pub fn state(&self) -> State {
        self.word.state()
    }

    /// The generation of that state. Results of an older generation than the breaker's never act.
    pub fn generation(&self) -> u64 {
        self.word.generation()
    }

    /// From when on the duration of the call is measured: by default from its admission.
    pub fn started(&self) -> Timestamp {
        self.started
    }

    /// The operation starts only now, after waiting in a queue of ours for instance: that is not the
    /// other side's slowness.
    pub fn start(&mut self, now: Timestamp) {
        self.started = now;
    }
}
