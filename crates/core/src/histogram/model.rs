//! Against a list of all durations that were recorded, sorted for every question.
//!
//! Planted, and found each time: a rank rounded down, or of a fraction beyond 0 and 1; the bottom of a
//! bucket for its top; no last bucket; a duration of exactly the limit left out, or rounded up; counts or
//! the sum of earlier ones kept.

use super::*;
use crate::trials::traces;
use proptest::prelude::*;

/// What is longer is in the last bucket with this: 2^32 microseconds, some 71 minutes.
const LONGEST: u64 = (1 << 32) - 1;

#[derive(Clone, Copy, Debug)]
enum Op {
    /// So many durations of so many nanoseconds.
    Record(u8, u64),
    Snapshot,
    /// What was recorded since one of the snapshots: the duration of this fraction, in 4096ths, and
    /// how many were at most so long.
    Ask(usize, i16, u64),
}

/// Nanoseconds of every magnitude, up to a year; and those around the edges of doublings.
fn duration() -> impl Strategy<Value = u64> {
    let year = 365 * 24 * 60 * 60 * 1_000_000_000_u64;
    prop_oneof![
        4 => (0..55_u32, any::<u64>()).prop_map(move |(bits, more)| ((1 << bits) | (more & ((1 << bits) - 1))).min(year)),
        2 => (0..34_u32, 0..3_u64).prop_map(|(bits, more)| ((1_u64 << bits) + more - 1) * 1000),
        1 => 0..40_000_u64,
    ]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (1..20_u8, duration()).prop_map(|(times, nanos)| Op::Record(times, nanos)),
        1 => Just(Op::Snapshot),
        4 => (any::<usize>(), -100..4200_i16, duration()).prop_map(|(since, fraction, limit)| Op::Ask(since, fraction, limit)),
    ]
}

/// Compares what was recorded with the list of it, in microseconds.
fn compare(durations: &Durations, micros: &[u64], fraction: i16, limit: u64) {
    let (count, sum) = (micros.len() as u64, micros.iter().sum::<u64>());
    assert_eq!((durations.count(), durations.sum()), (count, Duration::from_micros(sum)));
    let mean = (count > 0).then(|| Duration::from_micros(sum) / count as u32);
    assert_eq!(durations.mean(), mean);
    let mut sorted: Vec<u64> = micros.iter().map(|micros| (*micros).min(LONGEST)).collect();
    sorted.sort_unstable();
    // 4096ths are exact as numbers with a point, so the rank is no matter of rounding.
    let quantile = durations.quantile(f64::from(fraction) / 4096.0);
    let rank = (fraction.clamp(0, 4096) as usize * sorted.len()).div_ceil(4096).max(1);
    let exact = sorted.get(rank - 1).copied();
    assert_eq!(quantile.is_some(), exact.is_some());
    if let (Some(quantile), Some(exact)) = (quantile, exact) {
        let quantile = quantile.as_micros() as u64;
        assert!(quantile >= exact && quantile <= exact + exact / 16, "{quantile} for {exact}");
    }
    // A bucket counts when all of it is within: those just below the limit may be missing.
    let at_most = durations.at_most(Duration::from_nanos(limit));
    let within = |top: &dyn Fn(u64) -> u64| {
        sorted.iter().filter(|micros| top(**micros) <= limit / 1000).count() as u64
    };
    let (all, sure) = (within(&|micros| micros), within(&|micros| micros + micros / 16));
    assert!(at_most <= all && at_most >= sure, "{at_most} of {all} up to {limit} ns");
}

proptest! {
    #![proptest_config(traces(500))]

    #[test]
    fn it_shows_what_the_sorted_list_shows(ops in prop::collection::vec(op(), 0..150)) {
        let histogram = Histogram::new();
        let mut all = Vec::new();
        // With how many had been recorded by then.
        let mut snapshots = vec![(0, histogram.snapshot())];
        for op in ops {
            match op {
                Op::Record(times, nanos) => for _ in 0..times {
                    histogram.record(Duration::from_nanos(nanos));
                    all.push(nanos / 1000);
                },
                Op::Snapshot => snapshots.push((all.len(), histogram.snapshot())),
                Op::Ask(since, fraction, limit) => {
                    let now = histogram.snapshot();
                    compare(&now, &all, fraction, limit);
                    let (before, earlier) = &snapshots[since % snapshots.len()];
                    compare(&now.since(earlier), &all[*before..], fraction, limit);
                    // It does not change any more, and nothing is less than nothing.
                    compare(earlier, &all[..*before], fraction, limit);
                    compare(&earlier.since(&now), &[], fraction, limit);
                }
            }
        }
    }
}
