//! What faults do at a moment.

use super::World;
use crate::simulate::scenario::{Caller, Effect, Fault};

/// What all faults together do to the work of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Effects {
    /// Work takes so many times as long, and then so many seconds longer.
    pub(super) slow: f64,
    pub(super) slow_by: f64,
    pub(super) capacity: f64,
    /// How many requests fail, and the status.
    pub(super) errors: f64,
    pub(super) status: u16,
    pub(super) black_hole: bool,
}

impl Effects {
    const NONE: Self = Self {
        slow: 1.0,
        slow_by: 0.0,
        capacity: 1.0,
        errors: 0.0,
        status: 503,
        black_hole: false,
    };
}

/// What all faults together do to messages.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Weather {
    pub(super) latency: f64,
    pub(super) loss: f64,
}

impl World<'_> {
    fn faults(&self) -> impl Iterator<Item = (&Fault, f64)> {
        let now = self.seconds();
        let active = self.active_faults.iter();
        active
            .map(move |fault| &self.scenario.faults[*fault as usize])
            .map(move |fault| (fault, fault.strength(now)))
    }

    /// What is done to an endpoint now.
    pub(super) fn effects(&self, instance: u32) -> Effects {
        let mut effects = Effects::NONE;
        if self.active_faults.is_empty() {
            return effects;
        }
        let hit = |fault: &Fault| self.is_hit(fault, instance);
        for (fault, strength) in self.faults().filter(|(fault, _)| hit(fault)) {
            match fault.effect {
                Effect::Slow(times) => effects.slow *= 1.0 + (times - 1.0) * strength,
                Effect::SlowBy(seconds) => effects.slow_by += seconds * strength,
                Effect::Capacity(left) => effects.capacity *= 1.0 - (1.0 - left) * strength,
                Effect::Errors { share, status } => {
                    effects.errors = 1.0 - (1.0 - effects.errors) * (1.0 - share * strength);
                    effects.status = status;
                }
                Effect::BlackHole => effects.black_hole = true,
                Effect::Stall
                | Effect::Kill
                | Effect::FlushCache
                | Effect::Latency(_)
                | Effect::Loss(_) => {}
            }
        }
        effects
    }

    /// Whether a fault is one of this endpoint.
    pub(super) fn is_hit(&self, fault: &Fault, instance: u32) -> bool {
        let it = &self.instances[instance as usize];
        fault.service == it.service as usize
            && fault.endpoint.is_none_or(|endpoint| endpoint == it.endpoint)
            && fault.shard.is_none_or(|shard| shard == it.shard)
    }

    /// What is done to messages between a caller and an endpoint now.
    pub(super) fn weather(&self, caller: Caller, instance: u32) -> Weather {
        let mut weather = Weather { latency: 0.0, loss: 0.0 };
        if self.active_faults.is_empty() {
            return weather;
        }
        let hit = |fault: &Fault| {
            fault.from.is_none_or(|from| from == caller) && self.is_hit(fault, instance)
        };
        for (fault, strength) in self.faults().filter(|(fault, _)| hit(fault)) {
            match fault.effect {
                Effect::Latency(seconds) => weather.latency += seconds * strength,
                Effect::Loss(share) => {
                    weather.loss = 1.0 - (1.0 - weather.loss) * (1.0 - share * strength);
                }
                _ => {}
            }
        }
        weather
    }
}
