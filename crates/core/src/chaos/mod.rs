//! Faults on purpose: delays, errors, resets and silence for some of the calls, to see whether what
//! stands around them holds.
//!
//! While it is off, as it should be most of the time, a call costs one load. While it is on, each call
//! takes a lock for a moment: the sequence of faults is then the same for the same order of calls, and
//! the cap holds exactly.

mod fault;
mod latency;
mod settings;
mod snapshot;
#[cfg(test)]
mod tests;

pub use fault::{Fault, FaultKind};
pub use latency::Latency;
pub use settings::{MAX_LATENCY, Settings};
pub use snapshot::Snapshot;

use crate::sync::{AtomicU64, Mutex, Ordering, lock};
use crate::{SplitMix64, Timestamp};

/// The billionths that fractions are counted in where they must be exact.
const WHOLE: u128 = 1_000_000_000;

/// Decides which calls are hit by a fault, and by which.
///
/// The questions that such tools answer differently, and the answers here:
///
/// - *Is it repeatable?* The same settings and the same order of calls give the same faults on every
///   machine. The sequence begins anew whenever it is switched on.
/// - *Does a retry see the same fault?* With a key, yes: the same key gets the same verdict and the
///   same delay, whatever else is called. With a larger `fraction` those that were hit still are.
/// - *Which calls does the cap count?* Those that asked since it was switched on. A call is hit only
///   if the hits, with this one, are at most `max_fraction` of the calls, with this one, plus one.
///   The cap comes before the key: a key that should be hit is spared where the cap is reached.
/// - *When does the time limit begin?* When it is switched on, by the settings or by hand. At exactly
///   its end no call is hit any more. Switched on while it is on, the limit begins anew, and the
///   sequence goes on.
/// - *What do new settings do to the switch?* They leave it as it is, unless their `on` differs from
///   the `on` before. A new time limit counts from then. The same settings again change nothing.
///
/// ```
/// use breakerbox_core::Timestamp;
/// use breakerbox_core::chaos::{Chaos, FaultKind, Latency, Settings};
/// use std::time::Duration;
///
/// let start = Timestamp::ZERO;
/// let settings = Settings {
///     latency: Some(Latency::Fixed(Duration::from_millis(200))),
///     error: Some(503),
///     lasts: Some(Duration::from_secs(60)),
///     ..Settings::default()
/// };
/// let chaos = Chaos::new(settings.check().unwrap(), start);
///
/// let fault = chaos.draw(start, None).unwrap();
/// assert_eq!(fault.kind, Some(FaultKind::Error(503)));
/// assert_eq!(fault.to_string(), "a delay of 200ms, then status 503");
/// // It ends by itself.
/// assert_eq!(chaos.draw(start + Duration::from_secs(60), None), None);
/// ```
#[derive(Debug)]
pub struct Chaos {
    /// When it ends, in nanoseconds: 0 while it is off, the end of time without a limit. Written
    /// under the lock only.
    until: AtomicU64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    settings: Settings,
    /// Calls since the sequence began.
    calls: u64,
    /// Those of them that were hit.
    hits: u64,
    /// What was counted since this was made.
    counts: Snapshot,
}

impl Chaos {
    /// On or off as the settings say, from `now` on.
    pub fn new(settings: Settings, now: Timestamp) -> Self {
        let until = if settings.on { settings.end(now) } else { Timestamp::ZERO };
        let state = State { settings, calls: 0, hits: 0, counts: Snapshot::default() };
        Self { until: AtomicU64::new(until.as_nanos()), state: Mutex::new(state) }
    }

    /// The fault for a call that begins now, if it is to have one. Calls with the same `key` get the
    /// same one; without a key each call stands for itself.
    ///
    /// ```
    /// use breakerbox_core::Timestamp;
    /// use breakerbox_core::chaos::{Chaos, Settings};
    ///
    /// let settings = Settings { reset: true, fraction: 0.5, ..Settings::default() };
    /// let chaos = Chaos::new(settings.check().unwrap(), Timestamp::ZERO);
    /// for key in 0..100 {
    ///     let first = chaos.draw(Timestamp::ZERO, Some(key));
    ///     assert_eq!(chaos.draw(Timestamp::ZERO, Some(key)), first);
    /// }
    /// ```
    #[inline]
    pub fn draw(&self, now: Timestamp, key: Option<u64>) -> Option<Fault> {
        if self.is_on(now) { self.draw_locked(now, key) } else { None }
    }

    fn draw_locked(&self, now: Timestamp, key: Option<u64>) -> Option<Fault> {
        let mut state = lock(&self.state);
        // It may have been switched off meanwhile.
        if self.is_on(now) { state.draw(key) } else { None }
    }

    /// Whether calls can be hit at this moment.
    ///
    /// ```
    /// use breakerbox_core::Timestamp;
    /// use breakerbox_core::chaos::{Chaos, Settings};
    ///
    /// let settings = Settings { black_hole: true, on: false, ..Settings::default() };
    /// let chaos = Chaos::new(settings.check().unwrap(), Timestamp::ZERO);
    /// assert!(!chaos.is_on(Timestamp::ZERO));
    /// chaos.switch(true, Timestamp::ZERO);
    /// assert!(chaos.is_on(Timestamp::ZERO));
    /// ```
    #[inline]
    pub fn is_on(&self, now: Timestamp) -> bool {
        let until = Timestamp::from_nanos(self.until.load(Ordering::Acquire));
        now < until || until == Timestamp::NEVER
    }

    /// Switches it on or off by hand. The time limit of the settings counts from `now`.
    pub fn switch(&self, on: bool, now: Timestamp) {
        self.turn(&mut lock(&self.state), on, now);
    }

    /// Exchanges the settings. Counts stay; the sequence begins anew.
    ///
    /// ```
    /// use breakerbox_core::Timestamp;
    /// use breakerbox_core::chaos::{Chaos, Fault, FaultKind, Settings};
    ///
    /// let now = Timestamp::ZERO;
    /// let error = |status| Settings { error: Some(status), ..Settings::default() };
    /// let chaos = Chaos::new(error(500), now);
    /// chaos.set(error(503), now);
    /// let kind = Some(FaultKind::Error(503));
    /// assert_eq!(chaos.draw(now, None), Some(Fault { kind, ..Fault::NONE }));
    /// // What was switched off by hand stays off.
    /// chaos.switch(false, now);
    /// chaos.set(error(500), now);
    /// assert!(!chaos.is_on(now));
    /// ```
    pub fn set(&self, settings: Settings, now: Timestamp) {
        let mut state = lock(&self.state);
        if state.settings == settings {
            return;
        }
        let was_on = self.is_on(now);
        let on = if settings.on == state.settings.on { was_on } else { settings.on };
        let other_end = settings.lasts != state.settings.lasts;
        state.settings = settings;
        state.begin();
        if on != was_on || other_end {
            self.turn(&mut state, on, now);
        }
    }

    /// What it has done. Looking changes nothing.
    ///
    /// ```
    /// use breakerbox_core::Timestamp;
    /// use breakerbox_core::chaos::{Chaos, Settings};
    ///
    /// let settings = Settings { error: Some(500), ..Settings::default() };
    /// let chaos = Chaos::new(settings.check().unwrap(), Timestamp::ZERO);
    /// chaos.draw(Timestamp::ZERO, None);
    /// let seen = chaos.snapshot(Timestamp::ZERO);
    /// assert_eq!((seen.on, seen.calls, seen.hits, seen.error), (true, 1, 1, 1));
    /// ```
    pub fn snapshot(&self, now: Timestamp) -> Snapshot {
        let state = lock(&self.state);
        let until = Timestamp::from_nanos(self.until.load(Ordering::Relaxed));
        let on = self.is_on(now);
        let left = (on && until != Timestamp::NEVER).then(|| until.since(now));
        Snapshot { on, left, ..state.counts.clone() }
    }

    fn turn(&self, state: &mut State, on: bool, now: Timestamp) {
        if on && !self.is_on(now) {
            state.begin();
        }
        let until = if on { state.settings.end(now) } else { Timestamp::ZERO };
        self.until.store(until.as_nanos(), Ordering::Release);
    }
}

impl State {
    /// Begins the sequence anew.
    fn begin(&mut self) {
        (self.calls, self.hits) = (0, 0);
    }

    fn draw(&mut self, key: Option<u64>) -> Option<Fault> {
        let mut random = self.random(key);
        self.calls += 1;
        self.counts.calls += 1;
        if random.next_unit() >= self.settings.fraction {
            return None;
        }
        if self.is_capped() {
            self.counts.spared += 1;
            return None;
        }
        self.hits += 1;
        let fault = self.settings.fault(random.next_u64());
        self.counts.count(&fault);
        Some(fault)
    }

    /// The numbers of one call: by its place in the sequence, or by its key. They are drawn from
    /// there and not from one generator for all, so that no call moves those of another.
    fn random(&self, key: Option<u64>) -> SplitMix64 {
        let mut seed = SplitMix64::new(self.settings.seed);
        let of_sequence = seed.next_u64();
        SplitMix64::new(match key {
            None => of_sequence.wrapping_add(self.calls),
            Some(key) => seed.next_u64().wrapping_add(key),
        })
    }

    /// Whether one hit more would be more than the cap allows: `max_fraction` of the calls, this one
    /// among them, plus one.
    fn is_capped(&self) -> bool {
        let share = (self.settings.max_fraction * WHOLE as f64).round() as u128;
        u128::from(self.hits) * WHOLE > share.min(WHOLE) * u128::from(self.calls)
    }
}
