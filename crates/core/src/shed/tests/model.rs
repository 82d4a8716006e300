//! Against a model that keeps every call and weighs them all anew for every question.

use crate::shed::{Settings, Shed};
use crate::trials::traces;
use crate::{SplitMix64, Timestamp};
use proptest::prelude::*;
use std::time::Duration;

#[derive(Clone, Copy, Debug)]
enum Op {
    /// So many calls of an urgency, by different users.
    Calls(u8, u8),
    Waited(u8),
    /// Milliseconds.
    Pass(u16),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (0..8u8, 1..60u8).prop_map(|(urgency, calls)| Op::Calls(urgency, calls)),
        5 => prop_oneof![1 => Just(0u8), 4 => 3..100u8].prop_map(Op::Waited),
        8 => (20..120u16).prop_map(Op::Pass),
        1 => (0..2000u16).prop_map(Op::Pass),
        1 => (0..30_000u16).prop_map(Op::Pass),
    ]
}

struct Model {
    interval: i32,
    /// The interval and the priority of every call, and whether it was admitted.
    calls: Vec<(i32, usize, bool)>,
    /// The interval and the milliseconds of every wait.
    waits: Vec<(i32, u8)>,
    level: usize,
    overloaded: bool,
    unheard: u32,
}

impl Model {
    /// What calls of these priorities weigh at the end of an interval.
    fn weight(&self, end: i32, priorities: impl Fn(usize) -> bool) -> f64 {
        let calls = self.calls.iter().filter(|(_, priority, _)| priorities(*priority));
        calls.map(|(interval, ..)| 0.9_f64.powi(end - interval)).sum()
    }

    fn turn(&mut self, now: i32) {
        for over in self.interval..now {
            self.judge(over);
        }
        self.interval = now;
    }

    fn judge(&mut self, over: i32) {
        let here = |interval: i32| interval == over;
        let arrived = self.calls.iter().any(|call| here(call.0));
        let admitted = self.calls.iter().any(|call| here(call.0) && call.2);
        let waits = self.waits.iter().filter(|wait| here(wait.0));
        match waits.map(|wait| wait.1).min() {
            Some(shortest) => {
                self.overloaded = shortest > 5;
                self.unheard = 0;
            }
            None => {
                self.unheard += 1;
                if self.overloaded && self.unheard <= if admitted { 10 } else { 1 } {
                    return;
                }
                self.overloaded = false;
            }
        }
        let below = |level: usize| self.weight(over, |priority| priority < level);
        let all = below(1024);
        if self.overloaded {
            let admitted = below(self.level);
            if admitted > 0.01 {
                let fits = |level: &usize| below(*level) <= admitted * 0.95 * (1.0 + 1e-9);
                // Only just above a priority that calls have does anything change.
                let mut levels: Vec<usize> = self.calls.iter().map(|call| call.1).collect();
                levels.push(self.level);
                levels.sort_unstable();
                let largest = levels.into_iter().rev().find(|level| fits(level));
                self.level = largest.unwrap().clamp(128, self.level);
            }
        } else if !arrived {
            self.level = (self.level + 16).min(1024);
        } else {
            let from = self.level;
            let few_enough = |level: usize| {
                let between = |priority| (from..level).contains(&priority);
                let used =
                    (from..level).filter(|one| self.weight(over, |other| other == *one) > 0.01);
                used.count() <= 2 && self.weight(over, between) <= all * 0.01 * (1.0 + 1e-9)
            };
            let further = (from + 2..=from + 16).take_while(|level| few_enough(*level)).last();
            self.level = further.unwrap_or(from + 1).min(1024);
        }
    }
}

proptest! {
    #![proptest_config(traces(60))]

    #[test]
    #[cfg_attr(miri, ignore = "weighs every call anew for every question")]
    fn it_sheds_as_the_model_does(ops in prop::collection::vec(op(), 1..120), seed: u64) {
        let shed = Shed::new(Settings::default(), Timestamp::ZERO);
        let mut users = SplitMix64::new(seed);
        let mut model = Model {
            interval: 0, calls: vec![], waits: vec![], level: 1024, overloaded: false, unheard: 0,
        };
        let mut millis = 0;
        for op in ops {
            let now = Timestamp::ZERO + Duration::from_millis(millis);
            let interval = i32::try_from(millis / 100).unwrap();
            model.turn(interval);
            prop_assert_eq!(shed.level(now) as usize, model.level);
            prop_assert_eq!(shed.snapshot(now).overloaded, model.overloaded);
            match op {
                Op::Calls(urgency, calls) => for _ in 0..calls {
                    let user = users.next_u64() % 500;
                    let cohort = SplitMix64::new(user).next_u64() % 128;
                    let priority = usize::from(urgency) * 128 + cohort as usize;
                    let admitted = shed.admit(now, urgency, user);
                    prop_assert_eq!(admitted, priority < model.level);
                    prop_assert!(admitted || urgency > 0);
                    model.calls.push((interval, priority, admitted));
                },
                Op::Waited(wait) => {
                    shed.waited(now, Duration::from_millis(wait.into()));
                    model.waits.push((interval, wait));
                }
                Op::Pass(pass) => millis += u64::from(pass),
            }
        }
        let snapshot = shed.snapshot(Timestamp::ZERO + Duration::from_millis(millis));
        let admitted = model.calls.iter().filter(|call| call.2).count() as u64;
        prop_assert_eq!(snapshot.admitted.iter().sum::<u64>(), admitted);
        prop_assert_eq!(snapshot.rejected.iter().sum::<u64>(), model.calls.len() as u64 - admitted);
    }
}
