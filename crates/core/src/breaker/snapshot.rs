//! What a breaker looks like at one moment.

use super::state::State;
use std::time::Duration;

/// A breaker at one moment. Taking it changes nothing.
///
/// The counts are since the breaker was made, and always add up:
/// `started = successes + failures + ignored + late + in_flight`. While calls run on other threads
/// they are read one after the other, so they may be apart by the calls of that moment.
///
/// ```
/// use breakerbox_core::breaker::{Breaker, Settings};
/// use breakerbox_core::{Outcome, Timestamp};
///
/// let rules = Settings::default().check().unwrap();
/// let (breaker, now) = (Breaker::new(rules.into(), Timestamp::ZERO, 0), Timestamp::ZERO);
/// let (one, _two) = (breaker.admit(now, &mut |_| {}).unwrap(), breaker.admit(now, &mut |_| {}));
/// breaker.finish(one, now, Outcome::Failure, &mut |_| {});
/// let seen = breaker.snapshot(now);
/// assert_eq!((seen.started, seen.failures, seen.in_flight), (2, 1, 1));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// The state, derived from the time: once the open duration has passed it reads half-open
    /// though no call has come.
    pub state: State,
    /// How long until a call may be admitted; `None` where only a person can tell (isolated).
    pub retry_after: Option<Duration>,
    /// Calls admitted, those that passed a disabled breaker not among them.
    pub started: u64,
    /// Calls that did not fail.
    pub successes: u64,
    /// Calls that failed.
    pub failures: u64,
    /// Calls whose outcome says nothing.
    pub ignored: u64,
    /// Results that came after the state they were admitted in had ended. They never act.
    pub late: u64,
    /// Calls, good or failed, that took longer than `slow_call`.
    pub slow: u64,
    /// Calls admitted that have not ended.
    pub in_flight: u64,
    /// Calls that were not admitted.
    pub rejected: u64,
    /// Calls that passed while the breaker was disabled. They count nowhere else.
    pub unrecorded: u64,
    /// How often the circuit opened.
    pub opened: u64,
    /// How often a probe did not come back in time.
    pub leases_expired: u64,
    /// How long it has been in each state, in the order of [`State::ALL`].
    pub time_in: [Duration; State::ALL.len()],
    /// The window that the rates are taken over. While the circuit is open it is what opened it.
    pub window: WindowSnapshot,
}

/// The outcomes in the window.
///
/// ```
/// use breakerbox_core::breaker::{Breaker, Settings, WindowSnapshot};
/// use breakerbox_core::{Outcome, Timestamp};
///
/// let rules = Settings { min_calls: Some(2), ..Settings::default() }.check().unwrap();
/// let (breaker, now) = (Breaker::new(rules.into(), Timestamp::ZERO, 0), Timestamp::ZERO);
/// let permit = breaker.admit(now, &mut |_| {}).unwrap();
/// breaker.finish(permit, now, Outcome::Failure, &mut |_| {});
/// let one_failure = WindowSnapshot { calls: 1, failures: 1, ..WindowSnapshot::default() };
/// assert_eq!(breaker.snapshot(now).window, one_failure, "too few calls for a rate");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct WindowSnapshot {
    /// Outcomes in the window.
    pub calls: u64,
    /// Failures among them.
    pub failures: u64,
    /// Slow ones among them.
    pub slow: u64,
    /// The failure rate; `None` with fewer than `min_calls` outcomes.
    pub failure_rate: Option<f64>,
    /// The slow-call rate; `None` with fewer than `min_calls` outcomes.
    pub slow_call_rate: Option<f64>,
}
