//! Against a model that keeps every attempt with its time, and sorts them for every question.

use crate::Timestamp;
use crate::hedge::{Delay, HedgeDelay};
use crate::trials::traces;
use proptest::prelude::*;
use std::time::Duration;

const SECOND: u64 = 1_000_000_000;

#[derive(Clone, Copy, Debug)]
enum Op {
    /// So many attempts of so many microseconds.
    Record(u8, u32),
    Ask,
    /// Milliseconds.
    Pass(u32),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (1..80u8, 0..200_000u32).prop_map(|(times, micros)| Op::Record(times, micros)),
        4 => Just(Op::Ask),
        4 => (0..12_000u32).prop_map(Op::Pass),
        1 => (0..100_000u32).prop_map(Op::Pass),
    ]
}

/// Of the attempts of the last minute, the one that `fraction` of all did not exceed, in microseconds.
fn percentile(attempts: &[(u64, u64)], now: u64, fraction: f64) -> Option<u64> {
    let part = |at: u64| at / (10 * SECOND);
    let recent = attempts.iter().filter(|(at, _)| part(*at) + 5 >= part(now));
    let mut recent: Vec<u64> = recent.map(|(_, micros)| *micros).collect();
    if recent.len() < 100 {
        return None;
    }
    recent.sort_unstable();
    let rank = (fraction * recent.len() as f64).ceil() as usize;
    Some(recent[rank - 1].max(1000))
}

proptest! {
    #![proptest_config(traces(256))]

    #[test]
    fn it_is_the_percentile_of_the_model(
        ops in prop::collection::vec(op(), 1..200),
        fraction in prop_oneof![Just(0.5), Just(0.95), Just(0.999)],
        start in 0..200_000u64,
    ) {
        let hedge = HedgeDelay::new(Delay::Percentile(fraction));
        let mut attempts = Vec::new();
        let mut now = start * 1_000_000;
        let mut known = (u64::MAX, None);
        for op in ops {
            match op {
                Op::Record(times, micros) => for _ in 0..times {
                    hedge.record(Timestamp::from_nanos(now), Duration::from_micros(micros.into()));
                    attempts.push((now, u64::from(micros)));
                },
                Op::Pass(millis) => now += u64::from(millis) * 1_000_000,
                Op::Ask => {
                    if known.0 != now / SECOND {
                        known = (now / SECOND, percentile(&attempts, now, fraction));
                    }
                    let delay = hedge.delay(Timestamp::from_nanos(now));
                    let delay = delay.map(|delay| delay.as_micros() as u64);
                    prop_assert_eq!(delay.is_some(), known.1.is_some());
                    if let (Some(delay), Some(exact)) = (delay, known.1) {
                        prop_assert!(delay >= exact && delay <= exact + exact / 16, "{} {}", delay, exact);
                    }
                }
            }
        }
    }
}
