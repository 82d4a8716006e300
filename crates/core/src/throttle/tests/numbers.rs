//! Examples worked out by hand.

use crate::Timestamp;
use crate::throttle::{Settings, Throttle};
use std::time::Duration;

/// The largest random number: rejected by no probability below 1.
const LUCKY: u64 = u64::MAX;
/// The smallest: rejected by any above 0.
const UNLUCKY: u64 = 0;

fn at(millis: u64) -> Timestamp {
    Timestamp::ZERO + Duration::from_millis(millis)
}

fn throttle() -> Throttle {
    Throttle::new(Settings::default().check().unwrap())
}

fn admit(throttle: &Throttle, times: u32, millis: u64) {
    (0..times).for_each(|_| throttle.admit(at(millis), LUCKY).unwrap());
}

fn accept(throttle: &Throttle, times: u32, millis: u64) {
    (0..times).for_each(|_| throttle.accepted(at(millis)));
}

#[test]
fn half_of_the_requests_may_fail() {
    let throttle = throttle();
    admit(&throttle, 100, 0);
    accept(&throttle, 50, 0);
    // 100 - 2 x 50 = 0.
    assert_eq!(throttle.probability(at(0)), 0.0);
    throttle.admit(at(0), UNLUCKY).unwrap();
    // (101 - 100) / 102.
    assert_eq!(throttle.admit(at(0), UNLUCKY), Err(1.0 / 102.0));
    assert_eq!(throttle.snapshot(at(0)).requests, 101);
    assert_eq!(throttle.rejected(), 1);
}

#[test]
fn below_five_per_second_nothing_is_rejected() {
    let throttle = throttle();
    // 10 s x 5 = 50 requests.
    admit(&throttle, 49, 0);
    assert_eq!(throttle.probability(at(0)), 0.0);
    throttle.admit(at(0), UNLUCKY).unwrap();
    // 50 / 51 is above the highest, 0.9.
    assert_eq!(throttle.probability(at(0)), 0.9);
}

#[test]
fn a_random_number_is_rejected_below_the_probability_and_not_at_it() {
    let throttle = throttle();
    admit(&throttle, 63, 0);
    accept(&throttle, 8, 0);
    // (63 - 16) / 64 = 0.734375, which binary fractions have exactly.
    let probability = 0.734_375_f64;
    assert_eq!(throttle.probability(at(0)), probability);
    let exactly = (probability * (1u64 << 53) as f64) as u64;
    assert_eq!(throttle.admit(at(0), (exactly - 1) << 11), Err(probability));
    assert_eq!(throttle.admit(at(0), exactly << 11), Ok(()));
}

#[test]
fn the_window_is_the_current_bucket_and_the_nine_before() {
    let throttle = throttle();
    admit(&throttle, 60, 999);
    admit(&throttle, 70, 1000);
    assert_eq!(throttle.snapshot(at(9_999)).requests, 130);
    // At 10 s the bucket from 0 to 1 s is out.
    assert_eq!(throttle.snapshot(at(10_000)).requests, 70);
    assert_eq!(throttle.snapshot(at(10_999)).requests, 70);
    assert_eq!(throttle.snapshot(at(11_000)).requests, 0);
    // Its place is taken by a new one.
    admit(&throttle, 1, 10_000);
    assert_eq!(throttle.snapshot(at(10_000)).requests, 71);
}

#[test]
fn what_never_reached_the_upstream_is_not_counted() {
    let throttle = throttle();
    admit(&throttle, 55, 500);
    admit(&throttle, 5, 1500);
    // Five from the bucket of now, which is empty then, and one from the bucket before.
    (0..6).for_each(|_| throttle.forget(at(1500)));
    assert_eq!(throttle.snapshot(at(1500)).requests, 54);
    // What has left the window cannot be taken back.
    throttle.forget(at(60_000));
    assert_eq!(throttle.snapshot(at(60_000)).requests, 0);
}

#[test]
fn a_thread_that_is_a_window_late_counts_nothing() {
    let throttle = throttle();
    admit(&throttle, 7, 20_000);
    // Bucket 10 has the place of bucket 20.
    admit(&throttle, 3, 10_000);
    assert_eq!(throttle.snapshot(at(20_000)).requests, 7);
    // A little late is in time.
    admit(&throttle, 3, 19_000);
    assert_eq!(throttle.snapshot(at(20_000)).requests, 10);
}

#[test]
fn no_time_is_too_far() {
    let throttle = throttle();
    for now in [Timestamp::NEVER, Timestamp::ZERO, Timestamp::NEVER, at(86_400_000)] {
        throttle.admit(now, LUCKY).unwrap();
        throttle.accepted(now);
        throttle.forget(now);
        assert_eq!(throttle.probability(now), 0.0);
    }
}

#[test]
fn what_makes_no_sense_is_refused() {
    let good = Settings::default();
    for (settings, message) in [
        (Settings { k: 0.99, ..good }, "`k` is 0.99; give a number from 1 to 100, mostly 2"),
        (Settings { k: f64::NAN, ..good }, "`k` is NaN; give a number from 1 to 100, mostly 2"),
        (
            Settings { window: Duration::from_millis(999), ..good },
            "`window` of 999ms is too short; give at least 1s",
        ),
        (
            Settings { window: Duration::MAX, ..good },
            "`window` of 18446744073709551615.999999999s is too long; give at most 1h",
        ),
        (Settings { max: 0.0, ..good }, "`max` is 0; give a fraction above 0, at most 1"),
        (Settings { max: 1.01, ..good }, "`max` is 1.01; give a fraction above 0, at most 1"),
    ] {
        assert_eq!(settings.check().unwrap_err().to_string(), message);
    }
}
