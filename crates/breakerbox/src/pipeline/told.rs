//! What a call says of itself.

use breakerbox_core::pipeline::{DEFAULT_URGENCY, Keys, Start};
use std::time::Duration;

/// What a call says of itself, kept small: it lies in the future of the call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Told {
    pub(crate) left: Option<Duration>,
    /// The hash of what it belongs to.
    pub(crate) key: Option<u64>,
    pub(crate) weight: u32,
    pub(crate) urgency: u8,
    /// There is somewhere to look for the answer.
    pub(crate) lookup: bool,
}

impl Default for Told {
    fn default() -> Self {
        Self { left: None, key: None, weight: 1, urgency: DEFAULT_URGENCY, lookup: false }
    }
}

impl Told {
    /// The same, with no more time than this.
    #[cfg(feature = "http")]
    pub(crate) fn within(self, left: Option<Duration>) -> Self {
        Self { left: [self.left, left].into_iter().flatten().min(), ..self }
    }

    /// The same for the machine. One key stands for whatever a policy may ask.
    #[inline(always)]
    pub(crate) fn start(&self, repeatable: bool, hedgeable: bool) -> Start {
        let Self { left, key, weight, urgency, lookup } = *self;
        let keys = Keys { rate_limit: key, breaker: key, shed: key, chaos: key, spared: false };
        Start { left, repeatable, hedgeable, urgency, weight, lookup, keys }
    }
}
