//! The three algorithms, fed with one window at a time.
//!
//! What they have in common: the limit grows only where at least half of it was in use; it falls at
//! most once for as many calls as were in flight when it last fell (a round trip), whatever the
//! length of a window; and the latency that they compare with is measured anew every
//! [`EXPIRES`] windows, so that no old truth holds for ever.

use super::settings::{Algorithm, Settings};
use super::window::Seen;

/// A baseline that is so many windows old is measured anew.
pub(super) const EXPIRES: u32 = 30;
/// Windows over which the long average of Gradient2 is taken.
const LONG: f64 = 600.0;
/// Its first windows are simply averaged.
const WARM_UP: u32 = 10;
/// How much slower than the long average is still good for Gradient2.
const TOLERANCE: f64 = 1.5;
/// How many calls Gradient2 lets wait.
const QUEUE: f64 = 4.0;
const SMOOTHING: f64 = 0.2;

/// The limit and what it is judged by.
#[derive(Clone, Debug)]
pub(super) struct Control {
    limit: f64,
    /// The latency without a queue, as far as known, in nanoseconds.
    baseline: Option<f64>,
    /// Windows in the long average of Gradient2, as long as they are few.
    learnt: u32,
    /// Windows since the baseline was measured.
    age: u32,
    phase: Phase,
    /// Does not fall before so many samples have ended.
    hold: u64,
}

/// Whether the baseline is being measured, which needs a while without a queue.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Phase {
    Running,
    /// The limit has been lowered from `before`; the calls of that time end until `until`.
    Draining {
        before: f64,
        until: u64,
    },
    /// This window's latency is the new baseline.
    Measuring {
        before: f64,
    },
}

impl Control {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            limit: f64::from(settings.initial),
            baseline: None,
            learnt: 0,
            age: 0,
            phase: Phase::Running,
            hold: 0,
        }
    }

    /// How many calls may be in flight.
    pub(super) fn limit(&self) -> u64 {
        self.limit as u64
    }

    pub(super) fn baseline(&self) -> Option<f64> {
        self.baseline
    }

    pub(super) fn is_probing(&self) -> bool {
        self.phase != Phase::Running
    }

    /// A window is over.
    pub(super) fn window(&mut self, settings: &Settings, seen: Seen) {
        if is_dropped(&seen) {
            self.end_probe();
            let less = match settings.algorithm {
                Algorithm::Vegas => self.limit - magnitude(self.limit),
                Algorithm::Aimd => (self.limit * settings.backoff()).floor(),
                Algorithm::Gradient2 => self.limit * settings.backoff(),
            };
            return self.fall(settings, less, &seen);
        }
        let Some(took) = seen.took.filter(|took| *took > 0.0) else { return };
        match self.phase {
            Phase::Draining { before, until } => {
                if seen.ended >= until {
                    self.phase = Phase::Measuring { before };
                }
            }
            Phase::Measuring { .. } => {
                self.measured(took);
                self.end_probe();
            }
            Phase::Running => match settings.algorithm {
                Algorithm::Aimd => self.aimd(settings, &seen),
                Algorithm::Vegas => self.vegas(settings, took, &seen),
                Algorithm::Gradient2 => self.gradient2(settings, took, &seen),
            },
        }
    }

    /// One more for every round trip that the window had, but never more than a tenth at once.
    fn aimd(&mut self, settings: &Settings, seen: &Seen) {
        if self.is_half_used(seen) {
            let round_trips = (seen.samples as f64 / self.limit).floor();
            let most = (self.limit / 10.0).floor();
            self.set(settings, self.limit + round_trips.min(most).max(1.0));
        }
    }

    fn vegas(&mut self, settings: &Settings, took: f64, seen: &Seen) {
        self.age = self.age.saturating_add(1);
        let Some(baseline) = self.baseline.filter(|baseline| took >= *baseline) else {
            return self.measured(took);
        };
        if self.age >= EXPIRES && self.probe(settings, baseline, took, seen) {
            return;
        }
        if !self.is_half_used(seen) {
            return;
        }
        let step = magnitude(self.limit);
        let waiting = (self.limit * (1.0 - baseline / took)).ceil();
        if waiting <= step {
            self.set(settings, self.limit + 6.0 * step);
        } else if waiting < 3.0 * step {
            self.set(settings, self.limit + step);
        } else if waiting > 6.0 * step {
            self.fall(settings, self.limit - step, seen);
        }
    }

    /// The guard: a window in which the limit was reached teaches the long average nothing, for its
    /// latency is as much that of the queue we allow. Else the average follows the latency, the
    /// limit the average, and in lasting overload both grow without end.
    fn gradient2(&mut self, settings: &Settings, took: f64, seen: &Seen) {
        let reached = seen.most_in_flight >= self.limit();
        let mut long = self.baseline.unwrap_or(took);
        if self.learnt < WARM_UP {
            self.learnt += 1;
            long += (took - long) / f64::from(self.learnt);
        } else if !reached {
            long += (took - long) * 2.0 / (LONG + 1.0);
        }
        if long > 2.0 * took {
            long *= 0.95;
        }
        self.baseline = Some(long);
        self.age = if reached { self.age.saturating_add(1) } else { 0 };
        if self.age >= EXPIRES && self.probe(settings, long, took, seen) {
            return;
        }
        if !self.is_half_used(seen) {
            return;
        }
        let gradient = (TOLERANCE * long / took).clamp(0.5, 1.0);
        let target = self.limit * gradient + QUEUE;
        let limit = self.limit * (1.0 - SMOOTHING) + target * SMOOTHING;
        if limit < self.limit {
            self.fall(settings, limit, seen);
        } else {
            self.set(settings, limit);
        }
    }

    /// Begins to measure the baseline anew: the limit is lowered by as many calls as seem to wait,
    /// at most by half, until those in flight have ended and one window more. Where none waits the
    /// window that has just ended will do.
    fn probe(&mut self, settings: &Settings, baseline: f64, took: f64, seen: &Seen) -> bool {
        let share = (baseline / took).clamp(0.5, 1.0);
        let lowered = (self.limit * share).floor().max(f64::from(settings.min));
        if !self.is_half_used(seen) || lowered >= self.limit.floor() {
            self.measured(took);
            return false;
        }
        let until = seen.ended.wrapping_add(seen.in_flight);
        self.phase = Phase::Draining { before: self.limit, until };
        self.limit = lowered;
        true
    }

    fn measured(&mut self, took: f64) {
        self.baseline = Some(took);
        self.age = 0;
    }

    fn end_probe(&mut self) {
        if let Phase::Draining { before, .. } | Phase::Measuring { before } = self.phase {
            self.limit = before;
            self.age = 0;
            self.phase = Phase::Running;
        }
    }

    fn is_half_used(&self, seen: &Seen) -> bool {
        2 * seen.most_in_flight >= self.limit()
    }

    /// Lowers the limit, unless calls from before it last fell may be the reason.
    fn fall(&mut self, settings: &Settings, limit: f64, seen: &Seen) {
        if seen.ended >= self.hold {
            self.hold = seen.ended.saturating_add(seen.in_flight);
            self.set(settings, limit);
        }
    }

    fn set(&mut self, settings: &Settings, limit: f64) {
        self.limit = limit.clamp(f64::from(settings.min), f64::from(settings.max));
    }
}

/// A window counts as dropped when more than one in a hundred of its samples was: a few timeouts are
/// always there, and would bring any limit to its minimum.
fn is_dropped(seen: &Seen) -> bool {
    seen.dropped.saturating_mul(100) > seen.samples
}

/// The step of Vegas: 1 below a limit of 100, 2 below 1,000, and so on. Compared, as logarithms may
/// differ from machine to machine.
fn magnitude(limit: f64) -> f64 {
    let (mut step, mut next) = (1.0, 100.0);
    while limit >= next {
        (step, next) = (step + 1.0, next * 10.0);
    }
    step
}
