//! Which calls are hit, by hand.

use crate::Timestamp;
use crate::chaos::{Chaos, Fault, FaultKind, Latency, Settings, Snapshot};
use std::time::Duration;

const START: Timestamp = Timestamp::ZERO;
const RESET: Fault = Fault { kind: Some(FaultKind::Reset), ..Fault::NONE };

fn at(nanos: u64) -> Timestamp {
    Timestamp::from_nanos(nanos)
}

fn reset() -> Settings {
    Settings { reset: true, ..Settings::default() }
}

fn chaos(settings: Settings) -> Chaos {
    Chaos::new(settings.check().unwrap(), START)
}

/// Which of so many calls in a row are hit.
fn hits(chaos: &Chaos, calls: u64) -> Vec<u64> {
    (0..calls).filter(|_| chaos.draw(START, None).is_some()).collect()
}

/// Those that another implementation of SplitMix64 found to be below 0.3.
#[test]
#[cfg_attr(miri, ignore = "a hundred thousand calls")]
fn the_seed_says_which_calls_are_hit() {
    let of_seed = |seed| hits(&chaos(Settings { fraction: 0.3, seed, ..reset() }), 40);
    assert_eq!(of_seed(0), [1, 5, 7, 14, 17, 33, 34, 36]);
    assert_eq!(of_seed(1), [6, 7, 8, 9, 12, 14, 19, 26, 27, 28, 29, 30, 34, 36]);
    assert_eq!(hits(&chaos(Settings { fraction: 0.01, seed: 7, ..reset() }), 100_000).len(), 1001);
    assert_eq!(hits(&chaos(reset()), 40).len(), 40);
    assert_eq!(hits(&chaos(Settings { fraction: 0.0, ..reset() }), 40), [0; 0]);
}

#[test]
fn the_seed_says_how_long_the_delays_are() {
    let delays = |latency| {
        let chaos = chaos(Settings { latency: Some(latency), ..Settings::default() });
        [(); 3].map(|()| chaos.draw(START, None).unwrap().delay.as_nanos())
    };
    let mean = Duration::from_secs(1);
    assert_eq!(delays(Latency::Exponential { mean }), [354_944_856, 15_073_723, 1_109_715_976]);
    let (min, max) = (Duration::from_millis(100), Duration::from_millis(300));
    assert_eq!(delays(Latency::Uniform { min, max }), [240_242_422, 297_007_864, 165_930_515]);
}

#[test]
fn the_same_key_gets_the_same_fault_whatever_is_called_before() {
    let latency = Some(Latency::Exponential { mean: Duration::from_secs(1) });
    let settings = Settings { latency, fraction: 0.3, ..reset() };
    let chaos = chaos(settings);
    let first: Vec<_> = (0..40).map(|key| chaos.draw(START, Some(key))).collect();
    let hit: Vec<_> = (0..40).filter(|key| first[*key].is_some()).collect();
    assert_eq!(hit, [0, 5, 6, 8, 19, 21, 28, 32, 37]);
    hits(&chaos, 17);
    let again: Vec<_> = (0..40).rev().map(|key| chaos.draw(START, Some(key))).collect();
    assert!(first.iter().eq(again.iter().rev()), "the delays as well");
}

#[test]
fn a_larger_fraction_hits_those_that_were_hit_and_more() {
    let mut before: Vec<u64> = Vec::new();
    for tenth in 0..=10 {
        let chaos = chaos(Settings { fraction: f64::from(tenth) / 10.0, ..reset() });
        let hit: Vec<_> = (0..1000).filter(|key| chaos.draw(START, Some(*key)).is_some()).collect();
        assert!(before.iter().all(|key| hit.binary_search(key).is_ok()), "{tenth}");
        assert!(hit.len().abs_diff(100 * tenth as usize) < 50, "{tenth}: {}", hit.len());
        before = hit;
    }
}

#[test]
fn the_cap_is_exact() {
    // The n-th hit needs n - 1 <= 0.2 x calls: calls 1, 5, 10, 15, 20. Counted from 0 here.
    let chaos = chaos(Settings { max_fraction: 0.2, ..reset() });
    assert_eq!(hits(&chaos, 20), [0, 4, 9, 14, 19]);
    let seen = chaos.snapshot(START);
    assert_eq!((seen.calls, seen.hits, seen.spared), (20, 5, 15));
}

#[test]
fn the_cap_counts_in_decimals() {
    // As floating-point numbers 0.29 x 100 is less than 29 and 0.07 x 100 more than 7.
    for (max_fraction, percent) in [(0.29, 29), (0.07, 7), (0.58, 58), (0.01, 1), (1.0, 100)] {
        let chaos = chaos(Settings { max_fraction, ..reset() });
        let mut hit = 0;
        for call in 1..=1000 {
            hit += u64::from(chaos.draw(START, None).is_some());
            // As many as the rule allows, and no more.
            assert_eq!(hit, (percent * call / 100 + 1).min(call), "{max_fraction}: {call}");
        }
    }
}

#[test]
fn the_cap_comes_before_the_key() {
    let chaos = chaos(Settings { max_fraction: 0.5, ..reset() });
    let faults = [(); 4].map(|()| chaos.draw(START, Some(3)));
    assert_eq!(faults, [Some(RESET), Some(RESET), None, Some(RESET)]);
}

#[test]
fn it_ends_exactly_after_its_time() {
    let lasts = Some(Duration::from_nanos(100));
    let chaos = Chaos::new(Settings { lasts, ..reset() }, at(50));
    assert_eq!(chaos.draw(at(149), None), Some(RESET));
    assert_eq!(chaos.snapshot(at(149)).left, Some(Duration::from_nanos(1)));
    assert_eq!(chaos.draw(at(150), None), None);
    assert_eq!(chaos.snapshot(at(150)), Snapshot { on: false, left: None, ..seen(1) });
    // Switched on again it lasts as long again.
    chaos.switch(true, at(1000));
    assert_eq!(chaos.draw(at(1099), None), Some(RESET));
    assert_eq!(chaos.draw(at(1100), None), None);
}

/// So many calls, all of them reset.
fn seen(calls: u64) -> Snapshot {
    Snapshot { calls, hits: calls, reset: calls, ..Snapshot::default() }
}

#[test]
fn switching_on_what_is_on_renews_the_time_and_goes_on_with_the_sequence() {
    let lasts = Some(Duration::from_nanos(100));
    let chaos = chaos(Settings { lasts, max_fraction: 0.5, ..reset() });
    assert_eq!(hits(&chaos, 2), [0, 1]);
    chaos.switch(true, at(99));
    // Anew it would be hit: the cap would begin anew as well.
    assert_eq!(chaos.draw(at(198), None), None);
    assert_eq!(chaos.draw(at(198), None), Some(RESET));
    assert!(!chaos.is_on(at(199)));
}

#[test]
fn the_sequence_begins_anew_with_each_switching_on() {
    let chaos = chaos(Settings { fraction: 0.3, on: false, ..reset() });
    assert_eq!(hits(&chaos, 40), [0; 0]);
    for _ in 0..3 {
        chaos.switch(true, START);
        assert_eq!(hits(&chaos, 40), [1, 5, 7, 14, 17, 33, 34, 36]);
        chaos.switch(false, START);
    }
    let seen = chaos.snapshot(START);
    assert_eq!((seen.calls, seen.hits, seen.on), (120, 24, false), "while off nothing is counted");
}

#[test]
fn new_settings_leave_the_switch_unless_they_say_otherwise() {
    let error = Settings { error: Some(500), ..Settings::default() };
    let off = |settings: &Settings| Settings { on: false, ..settings.clone() };
    // Off by hand stays off, also with another time limit.
    let chaos = chaos(reset());
    chaos.switch(false, START);
    chaos.set(error.clone(), START);
    let limited = Settings { lasts: Some(Duration::from_secs(1)), ..error.clone() };
    chaos.set(limited.clone(), START);
    assert!(!chaos.is_on(START));
    // On by hand stays on.
    chaos.set(off(&limited), START);
    assert!(!chaos.is_on(START));
    chaos.switch(true, START);
    chaos.set(off(&error), START);
    assert!(chaos.is_on(START) && chaos.snapshot(START).left.is_none());
    // `on` changes: that is a word.
    chaos.set(off(&reset()), START);
    chaos.set(reset(), START);
    chaos.set(off(&reset()), START);
    assert!(!chaos.is_on(START));
    chaos.set(reset(), START);
    assert!(chaos.is_on(START));
}

#[test]
fn a_new_time_limit_counts_from_now_and_an_old_one_goes_on() {
    let lasts = |nanos| Settings { lasts: Some(Duration::from_nanos(nanos)), ..reset() };
    let chaos = chaos(lasts(100));
    chaos.set(lasts(100), at(60));
    assert!(chaos.is_on(at(99)) && !chaos.is_on(at(100)), "the same settings change nothing");
    chaos.set(Settings { fraction: 0.5, ..lasts(100) }, at(70));
    assert!(chaos.is_on(at(99)) && !chaos.is_on(at(100)), "another fraction, the same limit");
    chaos.set(lasts(50), at(80));
    assert!(chaos.is_on(at(129)) && !chaos.is_on(at(130)));
    chaos.set(lasts(500), at(130));
    assert!(!chaos.is_on(at(130)), "it had ended");
}

#[test]
fn the_same_settings_again_do_not_disturb_the_sequence() {
    let settings = Settings { max_fraction: 0.5, ..reset() };
    let chaos = chaos(settings.clone());
    assert_eq!(hits(&chaos, 2), [0, 1]);
    chaos.set(settings.clone(), START);
    assert_eq!(chaos.draw(START, None), None);
    chaos.set(Settings { seed: 1, ..settings }, START);
    assert_eq!(chaos.draw(START, None), Some(RESET));
}

#[test]
fn every_kind_is_counted() {
    let delay = Duration::from_millis(1);
    let latency = Some(Latency::Fixed(delay));
    let kinds = [
        Settings { latency, error: Some(500), ..Settings::default() },
        Settings { latency, ..reset() },
        Settings { black_hole: true, ..Settings::default() },
        Settings { slow_body: Some(9), truncate_body: Some(0), ..Settings::default() },
    ];
    let chaos = chaos(kinds[0].clone());
    let mut said = Vec::new();
    for settings in kinds {
        chaos.set(settings.check().unwrap(), START);
        said.push(chaos.draw(START, None).unwrap().to_string());
    }
    assert_eq!(
        said,
        [
            "a delay of 1ms, then status 500",
            "a delay of 1ms, then a reset",
            "no answer",
            "a body of 9 bytes per second, cut off after 0 bytes",
        ]
    );
    let seen = chaos.snapshot(START);
    assert_eq!((seen.calls, seen.hits), (4, 4));
    assert_eq!(
        seen.by_kind(),
        [
            ("latency", 2),
            ("error", 1),
            ("reset", 1),
            ("black_hole", 1),
            ("slow_body", 1),
            ("truncate_body", 1),
        ]
    );
    assert_eq!(Fault::NONE.to_string(), "no fault");
    let cut = Fault { delay, truncate_body: Some(3), ..Fault::NONE };
    assert_eq!(cut.to_string(), "a delay of 1ms, then a body cut off after 3 bytes");
}

#[test]
fn time_at_its_ends() {
    let day = Duration::from_secs(86_400);
    let chaos = Chaos::new(Settings { lasts: Some(Duration::MAX), ..reset() }, at(5));
    assert!(chaos.is_on(START), "time that ran backwards does not end it");
    assert!(chaos.is_on(Timestamp::NEVER));
    let chaos = Chaos::new(Settings { lasts: Some(day), ..reset() }, START);
    assert!(!chaos.is_on(START + day) && !chaos.is_on(Timestamp::NEVER));
    chaos.switch(true, Timestamp::NEVER);
    assert!(chaos.is_on(Timestamp::NEVER));
    // What `check` refuses does no harm either.
    for number in [f64::NAN, f64::INFINITY, -1.0, 2.0] {
        let settings = Settings { fraction: number, max_fraction: number, ..reset() };
        let lasts = Some(Duration::ZERO);
        let chaos = Chaos::new(settings.clone(), START);
        chaos.draw(START, None);
        chaos.set(Settings { lasts, ..settings }, START);
        assert_eq!(chaos.draw(START, Some(1)), None);
    }
}
