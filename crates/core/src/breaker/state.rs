//! The states of a circuit breaker, and how one leads to another.

use crate::Timestamp;
use std::fmt;
use std::num::NonZeroU64;
use std::time::Duration;

/// The state of a circuit breaker.
///
/// ```
/// use breakerbox_core::breaker::State;
///
/// assert_eq!(State::HalfOpen.to_string(), "half_open");
/// assert!(State::ALL.iter().enumerate().all(|(number, state)| *state as usize == number));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum State {
    /// Calls pass and their outcomes are judged.
    Closed = 0,
    /// Calls are rejected until the open duration has passed.
    Open = 1,
    /// A few calls pass, to find out whether the other side works again.
    HalfOpen = 2,
    /// Calls are rejected until somebody releases the breaker.
    Isolated = 3,
    /// All calls pass and nothing is recorded.
    Disabled = 4,
    /// All calls pass; outcomes are recorded and never open the circuit.
    MetricsOnly = 5,
}

impl State {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 6] = [
        Self::Closed,
        Self::Open,
        Self::HalfOpen,
        Self::Isolated,
        Self::Disabled,
        Self::MetricsOnly,
    ];

    /// The name in files, metrics and logs: `half_open`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
            Self::Isolated => "isolated",
            Self::Disabled => "disabled",
            Self::MetricsOnly => "metrics_only",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a person can do to a breaker by hand.
///
/// ```
/// use breakerbox_core::breaker::Control;
///
/// let found = Control::ALL.into_iter().find(|control| control.name() == "force_open");
/// assert_eq!(found, Some(Control::ForceOpen));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Control {
    /// Open it as if it had tripped: it is half-open after the open duration.
    ForceOpen,
    /// Reject all calls until it is released by `Close`, `Enable` or `Reset`.
    Isolate,
    /// Close it, with an empty window.
    Close,
    /// Let all calls pass and record nothing.
    Disable,
    /// Take up normal work again after any of the others: closed, with an empty window.
    Enable,
    /// Let all calls pass and record their outcomes.
    MetricsOnly,
    /// As new: closed, with an empty window. Counts since the start are kept.
    Reset,
}

impl Control {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::ForceOpen,
        Self::Isolate,
        Self::Close,
        Self::Disable,
        Self::Enable,
        Self::MetricsOnly,
        Self::Reset,
    ];

    /// The name in files and addresses: `force_open`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ForceOpen => "force_open",
            Self::Isolate => "isolate",
            Self::Close => "close",
            Self::Disable => "disable",
            Self::Enable => "enable",
            Self::MetricsOnly => "metrics_only",
            Self::Reset => "reset",
        }
    }
}

impl fmt::Display for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a breaker went from one state to another.
///
/// ```
/// use breakerbox_core::breaker::{Cause, Control};
///
/// assert_eq!(Cause::FailureRate.to_string(), "failure rate");
/// assert_eq!(Cause::Manual(Control::Isolate).to_string(), "isolate by hand");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// The failure rate reached its threshold.
    FailureRate,
    /// The slow-call rate reached its threshold.
    SlowCallRate,
    /// There were so many failures in a row.
    ConsecutiveFailures,
    /// The open duration passed.
    OpenElapsed,
    /// Enough probes succeeded.
    ProbesSucceeded,
    /// A probe failed, or was slow where slow calls open the circuit.
    ProbeFailed,
    /// A probe did not come back in time.
    LeaseExpired,
    /// It is as it was before a restart.
    Restored,
    /// Somebody did it by hand.
    Manual(Control),
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FailureRate => "failure rate",
            Self::SlowCallRate => "slow-call rate",
            Self::ConsecutiveFailures => "consecutive failures",
            Self::OpenElapsed => "open duration elapsed",
            Self::ProbesSucceeded => "probes succeeded",
            Self::ProbeFailed => "probe failed",
            Self::LeaseExpired => "probe lease expired",
            Self::Restored => "as before the restart",
            Self::Manual(control) => return write!(f, "{control} by hand"),
        })
    }
}

/// One change of state.
///
/// ```
/// use breakerbox_core::Timestamp;
/// use breakerbox_core::breaker::{Breaker, Cause, Control, Settings, State};
///
/// let rules = Settings::default().check().unwrap();
/// let breaker = Breaker::new(rules.into(), Timestamp::ZERO, 0);
/// let mut log = Vec::new();
/// breaker.control(Control::ForceOpen, Timestamp::ZERO, &mut |change| log.push(change));
/// assert_eq!((log[0].from, log[0].to), (State::Closed, State::Open));
/// assert_eq!((log[0].at, log[0].cause), (Timestamp::ZERO, Cause::Manual(Control::ForceOpen)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transition {
    /// The state before.
    pub from: State,
    /// The state after.
    pub to: State,
    /// When it was due. A change made by time is reported later, at the next operation or read.
    pub at: Timestamp,
    /// Why.
    pub cause: Cause,
    /// The generation that it began. Transitions of one breaker, reported by several threads, are
    /// in order by this.
    pub generation: u64,
}

/// Why a breaker did not admit a call.
///
/// ```
/// use breakerbox_core::Timestamp;
/// use breakerbox_core::breaker::{Breaker, Control, Rejected, Settings, State};
///
/// let rules = Settings::default().check().unwrap();
/// let breaker = Breaker::new(rules.into(), Timestamp::ZERO, 0);
/// breaker.control(Control::Isolate, Timestamp::ZERO, &mut |_| {});
/// let rejected = breaker.admit(Timestamp::ZERO, &mut |_| {}).unwrap_err();
/// assert_eq!(rejected, Rejected { state: State::Isolated, retry_after: None });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// The state that rejected it: open, half-open with all probes under way, or isolated.
    pub state: State,
    /// How long until a call may be admitted; `None` where only a person can tell (isolated).
    pub retry_after: Option<Duration>,
}

/// What all may read at once: the state, its generation, and whether a half-open episode has
/// admitted all its probes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Word(NonZeroU64);

const STATE_BITS: u32 = 3;
const STATE: u64 = (1 << STATE_BITS) - 1;
const FLAG: u64 = 1 << STATE_BITS;
const GENERATION_SHIFT: u32 = STATE_BITS + 1;
/// Always set: an optional permit takes no more room than a permit.
const PRESENT: u64 = 1 << 63;

impl Word {
    pub(super) const fn new(state: State, generation: u64, full: bool) -> Self {
        let flag = if full { FLAG } else { 0 };
        Self::from_bits(state as u64 | flag | generation << GENERATION_SHIFT)
    }

    #[inline]
    pub(super) const fn from_bits(bits: u64) -> Self {
        match NonZeroU64::new(bits | PRESENT) {
            Some(bits) => Self(bits),
            None => unreachable!(),
        }
    }

    #[inline]
    pub(super) const fn bits(self) -> u64 {
        self.0.get()
    }

    #[inline]
    pub(super) const fn state(self) -> State {
        State::ALL[(self.bits() & STATE) as usize]
    }

    #[inline]
    pub(super) const fn is_closed(self) -> bool {
        self.bits() & STATE == State::Closed as u64
    }

    #[inline]
    pub(super) const fn generation(self) -> u64 {
        (self.bits() & !PRESENT) >> GENERATION_SHIFT
    }

    /// In the breaker's word: no more probes. In a permit's: its success has been counted.
    pub(super) const fn flag(self) -> bool {
        self.bits() & FLAG != 0
    }

    pub(super) const fn flagged(self) -> Self {
        Self::from_bits(self.bits() | FLAG)
    }

    pub(super) const fn unflagged(self) -> Self {
        Self::from_bits(self.bits() & !FLAG)
    }
}

impl fmt::Debug for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.state(), self.generation())?;
        f.write_str(if self.flag() { "!" } else { "" })
    }
}
