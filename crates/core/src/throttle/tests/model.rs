//! Against a model that keeps every request with its time and counts them anew for every question.

use crate::Timestamp;
use crate::throttle::{Settings, Throttle};
use crate::trials::traces;
use proptest::prelude::*;
use std::time::Duration;

#[derive(Clone, Copy, Debug)]
enum Op {
    Admit(u64),
    Accepted,
    Forget,
    /// Buckets, and nanoseconds more or less.
    Pass(u8, i8),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        12 => any::<u64>().prop_map(Op::Admit),
        4 => Just(Op::Accepted),
        2 => Just(Op::Forget),
        1 => (0..13u8, any::<i8>()).prop_map(|(buckets, nanos)| Op::Pass(buckets, nanos)),
    ]
}

/// The buckets of what was counted.
#[derive(Default)]
struct Model {
    requests: Vec<u64>,
    accepted: Vec<u64>,
}

impl Model {
    fn probability(&self, settings: &Settings, bucket: u64) -> f64 {
        let in_window = |all: &Vec<u64>| all.iter().filter(|at| **at + 10 > bucket).count() as f64;
        let (requests, accepted) = (in_window(&self.requests), in_window(&self.accepted));
        if requests < 5.0 * settings.window.as_secs_f64() {
            return 0.0;
        }
        let excess = (requests - settings.k * accepted) / (requests + 1.0);
        excess.max(0.0).min(settings.max)
    }
}

proptest! {
    #![proptest_config(traces(256))]

    #[test]
    fn it_counts_as_the_model_does(
        ops in prop::collection::vec(op(), 1..600),
        k in 1.0..4.0f64,
        seconds in 1..4u64,
        max in 0.1..=1.0f64,
    ) {
        let settings = Settings { k, window: Duration::from_secs(seconds), max }.check().unwrap();
        let throttle = Throttle::new(settings);
        let mut model = Model::default();
        let width = seconds * 100_000_000;
        let mut now = 0u64;
        for op in ops {
            let (time, bucket) = (Timestamp::from_nanos(now), now / width);
            let expected = model.probability(&settings, bucket);
            prop_assert_eq!(throttle.probability(time), expected);
            prop_assert!((0.0..=max).contains(&expected));
            match op {
                Op::Admit(random) => {
                    let unit = (random >> 11) as f64 / (1u64 << 53) as f64;
                    let admitted = throttle.admit(time, random);
                    if unit < expected {
                        prop_assert_eq!(admitted, Err(expected));
                    } else {
                        prop_assert_eq!(admitted, Ok(()));
                        model.requests.push(bucket);
                    }
                }
                Op::Accepted => {
                    throttle.accepted(time);
                    model.accepted.push(bucket);
                }
                Op::Forget => {
                    throttle.forget(time);
                    // Times only grow: the last one is the latest.
                    if model.requests.last().is_some_and(|at| at + 10 > bucket) {
                        model.requests.pop();
                    }
                }
                Op::Pass(buckets, nanos) => {
                    let to = now + u64::from(buckets) * width;
                    now = (to - to % width).saturating_add_signed(nanos.into()).max(now);
                }
            }
        }
    }
}
