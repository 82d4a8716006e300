//! Steps of each algorithm, worked out by hand.

use crate::Timestamp;
use crate::adaptive_limit::control::{Control, EXPIRES};
use crate::adaptive_limit::window::Seen;
use crate::adaptive_limit::{AdaptiveLimit, Algorithm, Sample, Settings};
use std::time::Duration;

const MILLIS: f64 = 1_000_000.0;

/// A control that is told of windows of 100 samples.
struct Rig {
    settings: Settings,
    control: Control,
    ended: u64,
}

impl Rig {
    fn new(settings: Settings) -> Self {
        let settings = settings.check().unwrap();
        Self { settings, control: Control::new(&settings), ended: 0 }
    }

    fn window(&mut self, millis: f64, most_in_flight: u64, dropped: u64) -> u64 {
        self.window_of(millis, most_in_flight, dropped, 0)
    }

    /// With so many still in flight at its end.
    fn window_of(&mut self, millis: f64, most: u64, dropped: u64, in_flight: u64) -> u64 {
        self.ended += 100;
        let seen = Seen {
            took: Some(millis * MILLIS),
            samples: 100,
            dropped,
            most_in_flight: most,
            in_flight,
            ended: self.ended,
        };
        self.control.window(&self.settings, seen);
        self.control.limit()
    }
}

#[test]
fn vegas_keeps_between_three_and_six_waiting() {
    let mut vegas = Rig::new(Settings::default());
    // The first window is the baseline: 10 ms.
    assert_eq!(vegas.window(10.0, 20, 0), 20);
    // Nothing waits: 20 x (1 - 10/10) = 0, at most 1. Six more.
    assert_eq!(vegas.window(10.0, 20, 0), 26);
    // 26 x (1 - 10/10.7) = 1.7, so 2, below 3: one more.
    assert_eq!(vegas.window(10.7, 26, 0), 27);
    // 27 x (1 - 10/12) = 4.5, so 5, between 3 and 6: stays.
    assert_eq!(vegas.window(12.0, 27, 0), 27);
    // 27 x (1 - 10/13) = 6.2, so 7, above 6: one less.
    assert_eq!(vegas.window(13.0, 27, 0), 26);
    // Less than half used, 12 of 26: stays.
    assert_eq!(vegas.window(10.0, 12, 0), 26);
    // Half used, 13 of 26: 6 more.
    assert_eq!(vegas.window(10.0, 13, 0), 32);
    // 2 of 100 dropped, whatever is used: one less. One of 100 is nothing: 6 more.
    assert_eq!(vegas.window(10.0, 0, 2), 31);
    assert_eq!(vegas.window(10.0, 31, 1), 37);
    // A new lowest latency is only noted.
    assert_eq!(vegas.window(9.0, 37, 0), 37);
}

#[test]
fn vegas_takes_larger_steps_with_larger_limits() {
    let mut vegas = Rig::new(Settings { initial: 100, ..Settings::default() });
    vegas.window(10.0, 100, 0);
    // lg 100 = 2: 6 x 2 more; dropped: 2 less.
    assert_eq!(vegas.window(10.0, 100, 0), 112);
    assert_eq!(vegas.window(10.0, 100, 100), 110);
    // 110 x (1 - 10/10.5) = 5.2, so 6, not below 6: stays. At 10.4 it is 4.2, so 5: 2 more.
    assert_eq!(vegas.window(10.5, 110, 0), 110);
    assert_eq!(vegas.window(10.4, 110, 0), 112);
}

#[test]
fn the_limit_stays_between_its_bounds() {
    let settings = Settings { initial: 4, min: 3, max: 7, ..Settings::default() };
    let mut vegas = Rig::new(settings);
    vegas.window(10.0, 4, 0);
    assert_eq!(vegas.window(10.0, 4, 0), 7);
    for expected in [6, 5, 4, 3, 3] {
        assert_eq!(vegas.window(10.0, 4, 100), expected);
    }
}

/// In flight at the end of a window are calls from before the limit fell.
#[test]
fn the_limit_falls_once_per_round_trip() {
    let mut vegas = Rig::new(Settings { initial: 300, ..Settings::default() });
    assert_eq!(vegas.window_of(10.0, 300, 100, 300), 298);
    // Of those 300 no more than 100 and 200 have ended: not again.
    assert_eq!(vegas.window_of(10.0, 298, 100, 300), 298);
    assert_eq!(vegas.window_of(10.0, 298, 100, 300), 298);
    assert_eq!(vegas.window_of(10.0, 298, 100, 300), 296);
}

/// The service has become twice as slow for good: that is learnt, without taking the queue for it.
#[test]
fn vegas_measures_its_baseline_anew() {
    let mut vegas = Rig::new(Settings { max: 20, ..Settings::default() });
    vegas.window(10.0, 20, 0);
    // 20 x (1 - 10/14) = 5.7, so 6: stays.
    for _ in 1..EXPIRES {
        assert_eq!(vegas.window_of(14.0, 20, 0, 20), 20);
    }
    // Now it is 30 windows old. By 10/14 less: 14.28, so 14.
    assert_eq!(vegas.window_of(14.0, 20, 0, 150), 14);
    assert!(vegas.control.is_probing());
    // 150 were in flight: the next window is not yet free of them, the one after begins free.
    assert_eq!(vegas.window(99.0, 14, 0), 14);
    assert_eq!(vegas.window(99.0, 14, 0), 14);
    assert_eq!(vegas.window(12.0, 14, 0), 20);
    assert!(!vegas.control.is_probing());
    assert_eq!(vegas.control.baseline(), Some(12.0 * MILLIS));
}

#[test]
fn a_probe_lowers_the_limit_by_half_at_most_and_not_at_all_where_nothing_waits() {
    let mut vegas = Rig::new(Settings { min: 2, ..Settings::default() });
    vegas.window(10.0, 20, 0);
    let mut limit = 20;
    for _ in 1..EXPIRES {
        limit = vegas.window(200.0, 20, 0);
    }
    // Down by one each window until six wait, of six: 6 x (1 - 10/200) = 5.7, so 6.
    assert_eq!(limit, 6);
    assert_eq!(vegas.window(200.0, 6, 0), 3);
    assert_eq!(vegas.window(200.0, 3, 0), 3);
    assert_eq!(vegas.window(200.0, 3, 0), 6);
    assert_eq!(vegas.control.baseline(), Some(200.0 * MILLIS));
    // From then on a service that nobody fills is only looked at.
    for _ in 0..2 * EXPIRES {
        assert_eq!(vegas.window(210.0, 2, 0), 6);
        assert!(!vegas.control.is_probing());
    }
    assert_eq!(vegas.control.baseline(), Some(210.0 * MILLIS));
}

#[test]
fn a_drop_ends_a_probe() {
    let mut vegas = Rig::new(Settings { max: 20, ..Settings::default() });
    vegas.window(10.0, 20, 0);
    for _ in 0..EXPIRES {
        vegas.window(14.0, 20, 0);
    }
    assert!(vegas.control.is_probing());
    // What was lowered is 14; what falls is 20.
    assert_eq!(vegas.window(10.0, 14, 50), 19);
    assert!(!vegas.control.is_probing());
}

#[test]
fn aimd_adds_round_trips_and_falls_by_a_tenth() {
    let mut aimd = Rig::new(Settings { algorithm: Algorithm::Aimd, ..Settings::default() });
    // 100 samples at 20: five round trips, but at most 2, a tenth of 20.
    assert_eq!(aimd.window(500.0, 20, 0), 22);
    // Half of 22 is 11.
    assert_eq!(aimd.window(500.0, 10, 0), 22);
    assert_eq!(aimd.window(500.0, 11, 0), 24);
    // 24 x 0.9 = 21.6.
    assert_eq!(aimd.window(500.0, 24, 2), 21);
    let mut slow = Rig::new(Settings { initial: 200, ..aimd.settings });
    // 100 samples at 200 are not even one round trip: one more all the same.
    assert_eq!(slow.window(500.0, 200, 0), 201);
    let mut small = Rig::new(Settings { initial: 1, backoff: Some(0.5), ..aimd.settings });
    assert_eq!(small.window(500.0, 1, 0), 2);
    assert_eq!(small.window(500.0, 1, 99), 1);
    assert_eq!(small.window(500.0, 1, 99), 1);
}

#[test]
fn gradient2_follows_the_long_average() {
    let settings = Settings { algorithm: Algorithm::Gradient2, ..Settings::default() };
    let mut gradient = Rig::new(settings);
    // As fast as ever: 0.8 x 20 + 0.2 x (20 + 4) = 20.8.
    assert_eq!(gradient.window(10.0, 19, 0), 20);
    // 0.8 x 20.8 + 0.2 x 24.8 = 21.6.
    assert_eq!(gradient.window(10.0, 19, 0), 21);
    // Less than half used.
    assert_eq!(gradient.window(10.0, 10, 0), 21);
    // The average of 10, 10, 10 and 50 is 20; 1.5 x 20 / 50 = 0.6.
    // 0.8 x 21.6 + 0.2 x (21.6 x 0.6 + 4) = 17.28 + 3.392 = 20.672.
    assert_eq!(gradient.window(50.0, 21, 0), 20);
    // Dropped: 20.672 x 0.9 = 18.6.
    assert_eq!(gradient.window(50.0, 1, 3), 18);
}

#[test]
fn gradient2_learns_nothing_from_a_window_in_which_the_limit_was_reached() {
    let settings = Settings { algorithm: Algorithm::Gradient2, max: 20, ..Settings::default() };
    let mut gradient = Rig::new(settings);
    for _ in 0..10 {
        gradient.window(10.0, 9, 0);
    }
    assert_eq!(gradient.control.baseline(), Some(10.0 * MILLIS));
    gradient.window(14.0, 20, 0);
    assert_eq!(gradient.control.baseline(), Some(10.0 * MILLIS));
    // 10 + (16.01 - 10) x 2/601 = 10.02.
    gradient.window(16.01, 9, 0);
    let learnt = gradient.control.baseline().unwrap() / MILLIS;
    assert!((learnt - 10.02).abs() < 1e-9, "{learnt}");
    // More than twice as fast as the average: that falls by a twentieth.
    gradient.window(5.0, 20, 0);
    let learnt = gradient.control.baseline().unwrap() / MILLIS;
    assert!((learnt - 10.02 * 0.95).abs() < 1e-9, "{learnt}");
}

/// 50 samples and a second; or 30 seconds and 10.
#[test]
fn a_window_ends_when_it_is_long_enough_and_has_enough_samples() {
    let at = |millis| Timestamp::ZERO + Duration::from_millis(millis);
    let limit = AdaptiveLimit::new(Settings::default(), at(0));
    let sample = |millis, times| {
        for _ in 0..times {
            let slot = limit.try_acquire().unwrap();
            limit.release(at(millis), slot, Sample::Took(Duration::from_millis(10)));
        }
        limit.snapshot().windows
    };
    // It begins at 5 s, with its first sample.
    assert_eq!(sample(5000, 49), 0);
    assert_eq!(sample(6000, 0), 0);
    assert_eq!(sample(6000, 1), 1);
    // The second begins at 7 s.
    assert_eq!(sample(7000, 100), 1);
    assert_eq!(sample(7999, 1), 1);
    assert_eq!(sample(8000, 1), 2);
    // The third: not enough for a while.
    assert_eq!(sample(9000, 9), 2);
    assert_eq!(sample(38_999, 1), 2);
    assert_eq!(sample(39_000, 1), 3);
    // The fourth begins an hour later, and then patience begins anew; nothing of it is lost.
    assert_eq!(sample(3_600_000, 5), 3);
    assert_eq!(sample(3_630_000, 4), 3);
    assert_eq!(sample(3_630_000, 1), 4);
    assert_eq!(limit.snapshot().baseline, Some(Duration::from_millis(10)));
}

#[test]
fn what_is_ignored_says_nothing_and_a_timeout_is_a_drop() {
    let at = |millis| Timestamp::ZERO + Duration::from_millis(millis);
    let timeout = Some(Duration::from_millis(100));
    let limit = AdaptiveLimit::new(Settings { timeout, ..Settings::default() }, at(0));
    let sample = |millis, sample| {
        let slot = limit.try_acquire().unwrap();
        limit.release(at(millis), slot, sample);
    };
    (0..100).for_each(|_| sample(0, Sample::Ignored));
    sample(2000, Sample::Ignored);
    assert_eq!(limit.snapshot().windows, 0);
    // Exactly the timeout is in time.
    (0..49).for_each(|_| sample(3000, Sample::Took(Duration::from_millis(100))));
    sample(4000, Sample::Took(Duration::from_nanos(100_000_001)));
    // One of 50 is 2 %.
    assert_eq!((limit.limit(), limit.snapshot().windows), (19, 1));
    assert_eq!(limit.in_flight(), 0);
}

#[test]
fn no_duration_is_too_long() {
    let limit = AdaptiveLimit::new(Settings::default(), Timestamp::NEVER);
    for now in [Timestamp::ZERO, Timestamp::NEVER, Timestamp::from_nanos(5)] {
        for took in [Duration::ZERO, Duration::MAX] {
            for _ in 0..100 {
                let slot = limit.try_acquire().unwrap();
                limit.release(now, slot, Sample::Took(took));
            }
        }
    }
    assert!((1..=1000).contains(&limit.limit()));
}
