//! What a breaker remembers over a restart.

use super::State;
use std::time::Duration;

/// The state of a breaker, for the one that takes its place after a restart: what is in its window is
/// not worth keeping, that its circuit is open is.
///
/// ```
/// use breakerbox_core::Timestamp;
/// use breakerbox_core::breaker::{Breaker, Control, Settings, State};
/// use std::time::Duration;
///
/// let at = |seconds| Timestamp::ZERO + Duration::from_secs(seconds);
/// let breaker = |now| {
///     let settings = Settings { open_for: Some(Duration::from_secs(30).into()), ..Settings::default() };
///     Breaker::new(settings.check().unwrap().into(), now, 0)
/// };
/// let before = breaker(at(0));
/// before.control(Control::ForceOpen, at(0), &mut |_| {});
/// let memory = before.export(at(10));
/// assert_eq!((memory.state, memory.left), (State::Open, Duration::from_secs(20)));
///
/// // A restart that took five seconds, and a clock that begins anew.
/// let after = breaker(at(0));
/// after.import(memory.after(Duration::from_secs(5)), at(0), &mut |_| {});
/// assert_eq!((after.state(at(14)), after.state(at(15))), (State::Open, State::HalfOpen));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// The state.
    pub state: State,
    /// How much of the open duration was left; zero where it is not open.
    pub left: Duration,
    /// How long it was open in all; zero where it is not.
    pub open_for: Duration,
    /// How long it would be open the next time, before jitter.
    pub growing: Duration,
}

impl Memory {
    /// The same when so much time has passed.
    #[must_use]
    pub fn after(self, passed: Duration) -> Self {
        Self { left: self.left.saturating_sub(passed), ..self }
    }
}
