//! Against a model that keeps every sample of the window, with AIMD, whose rule is short; and what
//! holds with every algorithm.

use crate::Timestamp;
use crate::adaptive_limit::{AdaptiveLimit, Algorithm, Sample, Settings, Slot};
use crate::trials::{FEWER, traces};
use proptest::prelude::*;
use std::time::Duration;

/// Steps of a trace: a window has 50 samples.
const LONGEST: usize = 200 + 4000 / FEWER as usize;

#[derive(Clone, Copy, Debug)]
enum Op {
    Acquire,
    /// Which of the slots (modulo how many there are), and what came of it: milliseconds, dropped, or
    /// nothing.
    Release(u8, u8),
    Pass(u16),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        10 => Just(Op::Acquire),
        10 => any::<(u8, u8)>().prop_map(|(slot, sample)| Op::Release(slot, sample)),
        2 => (0..200u16).prop_map(Op::Pass),
        1 => (0..20_000u16).prop_map(Op::Pass),
    ]
}

fn sample(code: u8) -> Sample {
    match code {
        0..=2 => Sample::Dropped,
        3..=9 => Sample::Ignored,
        millis => Sample::Took(Duration::from_millis(u64::from(millis))),
    }
}

struct Model {
    settings: Settings,
    limit: u64,
    in_flight: u64,
    /// When each sample of this window came, how many were in flight when it began, whether it was
    /// dropped.
    window: Vec<(u64, u64, bool)>,
    ended: u64,
    hold: u64,
}

impl Model {
    fn release(&mut self, now: u64, in_flight: u64, sample: Sample) {
        self.in_flight -= 1;
        if sample == Sample::Ignored {
            return;
        }
        self.window.push((now, in_flight, sample == Sample::Dropped));
        self.ended += 1;
        let (passed, samples) = (now - self.window[0].0, self.window.len() as u64);
        let ready = passed >= 1000 && samples >= 50 || passed >= 30_000 && samples >= 10;
        if !ready {
            return;
        }
        let dropped = self.window.iter().filter(|sample| sample.2).count() as u64;
        let most = self.window.iter().map(|sample| sample.1).max().unwrap();
        self.window.clear();
        if dropped * 100 > samples {
            if self.ended >= self.hold {
                self.hold = self.ended + self.in_flight;
                self.limit = (self.limit as f64 * 0.9) as u64;
            }
        } else if 2 * most >= self.limit {
            self.limit += (samples / self.limit).min(self.limit / 10).max(1);
        }
        let (min, max) = (u64::from(self.settings.min), u64::from(self.settings.max));
        self.limit = self.limit.clamp(min, max);
    }
}

fn run(
    settings: Settings,
    ops: Vec<Op>,
    mut judge: impl FnMut(&AdaptiveLimit, &Model) -> Result<(), TestCaseError>,
) -> Result<(), TestCaseError> {
    let real = AdaptiveLimit::new(settings, Timestamp::ZERO);
    let limit = u64::from(settings.initial);
    let mut model = Model { settings, limit, in_flight: 0, window: vec![], ended: 0, hold: 0 };
    let mut slots: Vec<Slot> = Vec::new();
    let mut now = 0;
    for op in ops {
        match op {
            Op::Acquire => {
                let room = real.in_flight() < real.limit();
                let slot = real.try_acquire();
                prop_assert_eq!(slot.is_some(), room);
                if let Some(slot) = slot {
                    model.in_flight += 1;
                    prop_assert_eq!(slot.in_flight(), model.in_flight);
                    slots.push(slot);
                }
            }
            Op::Release(index, code) if !slots.is_empty() => {
                let slot = slots.swap_remove(usize::from(index) % slots.len());
                model.release(now, slot.in_flight(), sample(code));
                real.release(Timestamp::ZERO + Duration::from_millis(now), slot, sample(code));
            }
            Op::Release(..) => {}
            Op::Pass(millis) => now += u64::from(millis),
        }
        prop_assert_eq!(u64::from(real.in_flight()), model.in_flight);
        prop_assert!((settings.min..=settings.max).contains(&real.limit()));
        judge(&real, &model)?;
    }
    Ok(())
}

proptest! {
    #![proptest_config(traces(256))]

    #[test]
    fn aimd_does_what_the_model_does(
        ops in prop::collection::vec(op(), 1..LONGEST),
        initial in 1..30u32,
        spread in 0..30u32,
    ) {
        let settings = Settings {
            algorithm: Algorithm::Aimd,
            initial,
            min: initial.saturating_sub(spread).max(1),
            max: initial + spread,
            ..Settings::default()
        };
        run(settings.check().unwrap(), ops, |real, model| {
            prop_assert_eq!(u64::from(real.limit()), model.limit);
            Ok(())
        })?;
    }

    #[test]
    fn no_algorithm_leaves_its_bounds(
        ops in prop::collection::vec(op(), 1..LONGEST),
        algorithm in prop_oneof![Just(Algorithm::Vegas), Just(Algorithm::Gradient2)],
        min in 1..5u32,
        max in 5..40u32,
    ) {
        let settings = Settings { algorithm, initial: 5, min, max, ..Settings::default() };
        run(settings.check().unwrap(), ops, |_, _| Ok(()))?;
    }
}
