//! Chaos against a model that keeps every call and counts anew for each question.

use crate::chaos::{Chaos, Fault, FaultKind, Settings};
use crate::trials::traces;
use crate::{SplitMix64, Timestamp};
use proptest::prelude::*;
use std::time::Duration;

/// Settings in whole numbers: thousandths and nanoseconds.
#[derive(Clone, Debug, PartialEq)]
struct Plan {
    status: u16,
    fraction: u64,
    max_fraction: u64,
    seed: u64,
    lasts: Option<u64>,
    on: bool,
}

impl Plan {
    fn settings(&self) -> Settings {
        let settings = Settings {
            error: Some(self.status),
            fraction: self.fraction as f64 / 1000.0,
            max_fraction: self.max_fraction as f64 / 1000.0,
            seed: self.seed,
            lasts: self.lasts.map(Duration::from_nanos),
            on: self.on,
            ..Settings::default()
        };
        settings.check().unwrap()
    }
}

struct Model {
    plan: Plan,
    switched: (bool, u64),
    /// For each call of the sequence whether it was hit.
    sequence: Vec<bool>,
    hits: u64,
    calls: u64,
    spared: u64,
}

impl Model {
    fn new(plan: Plan, now: u64) -> Self {
        let switched = (plan.on, now);
        Self { plan, switched, sequence: Vec::new(), hits: 0, calls: 0, spared: 0 }
    }

    fn is_on(&self, now: u64) -> bool {
        let (on, since) = self.switched;
        on && self.plan.lasts.is_none_or(|lasts| now - since < lasts)
    }

    fn switch(&mut self, on: bool, now: u64) {
        if on && !self.is_on(now) {
            self.sequence.clear();
        }
        self.switched = (on, now);
    }

    fn set(&mut self, plan: Plan, now: u64) {
        if plan == self.plan {
            return;
        }
        let (is_on, before) = (self.is_on(now), std::mem::replace(&mut self.plan, plan));
        self.sequence.clear();
        if self.plan.on != before.on && self.plan.on != is_on {
            self.switched = (self.plan.on, now);
        } else if self.plan.lasts != before.lasts {
            self.switched = (is_on, now);
        }
    }

    fn draw(&mut self, now: u64, key: Option<u64>) -> Option<Fault> {
        if !self.is_on(now) {
            return None;
        }
        self.calls += 1;
        let mut bases = SplitMix64::new(self.plan.seed);
        let bases = [bases.next_u64(), bases.next_u64()];
        let start = match key {
            Some(key) => bases[1].wrapping_add(key),
            None => bases[0].wrapping_add(self.sequence.len() as u64),
        };
        let chosen = SplitMix64::new(start).next_unit() < self.plan.fraction as f64 / 1000.0;
        let hits = self.sequence.iter().filter(|hit| **hit).count() as u64;
        let calls = self.sequence.len() as u64 + 1;
        let fits = 1000 * (hits + 1) <= self.plan.max_fraction * calls + 1000;
        self.sequence.push(chosen && fits);
        self.spared += u64::from(chosen && !fits);
        self.hits += u64::from(chosen && fits);
        let kind = Some(FaultKind::Error(self.plan.status));
        (chosen && fits).then_some(Fault { kind, ..Fault::NONE })
    }
}

#[derive(Clone, Debug)]
enum Step {
    Draw(Option<u64>),
    Pass(u64),
    Switch(bool),
    Set(Plan),
}

fn plan() -> impl Strategy<Value = Plan> {
    let fraction = prop_oneof![Just(1000_u64), 0..=1000_u64];
    let max_fraction = prop_oneof![Just(1000_u64), 1..=1000_u64];
    let lasts = prop_oneof![Just(None), (1..50_u64).prop_map(Some)];
    (500..502_u16, fraction, max_fraction, 0..3_u64, lasts, any::<bool>()).prop_map(
        |(status, fraction, max_fraction, seed, lasts, on)| Plan {
            status,
            fraction,
            max_fraction,
            seed,
            lasts,
            on,
        },
    )
}

/// One of few plans, so that one comes again.
fn steps() -> impl Strategy<Value = (Plan, Vec<Step>)> {
    prop::collection::vec(plan(), 1..4).prop_flat_map(|plans| {
        let first = plans[0].clone();
        let pass = prop_oneof![0..20_u64, Just(86_400_000_000_000)];
        let step = prop_oneof![
            20 => prop::option::of(0..20_u64).prop_map(Step::Draw),
            4 => pass.prop_map(Step::Pass),
            2 => any::<bool>().prop_map(Step::Switch),
            1 => prop::sample::select(plans).prop_map(Step::Set),
        ];
        (Just(first), prop::collection::vec(step, 1..300))
    })
}

proptest! {
    #![proptest_config(traces(500))]

    #[test]
    fn chaos_does_what_the_model_does((first, steps) in steps(), start in 0..1000_u64) {
        let mut now = start;
        let at = Timestamp::from_nanos;
        let chaos = Chaos::new(first.settings(), at(now));
        let mut model = Model::new(first, now);
        for step in steps {
            match step {
                Step::Draw(key) => prop_assert_eq!(chaos.draw(at(now), key), model.draw(now, key)),
                Step::Pass(nanos) => now += nanos,
                Step::Switch(on) => {
                    chaos.switch(on, at(now));
                    model.switch(on, now);
                }
                Step::Set(plan) => {
                    chaos.set(plan.settings(), at(now));
                    model.set(plan, now);
                }
            }
            prop_assert_eq!(chaos.is_on(at(now)), model.is_on(now));
        }
        let seen = chaos.snapshot(at(now));
        prop_assert_eq!((seen.calls, seen.hits, seen.spared), (model.calls, model.hits, model.spared));
        prop_assert_eq!((seen.on, seen.error), (model.is_on(now), model.hits));
    }
}
