//! Examples worked out by hand.

use crate::Timestamp;
use crate::hedge::{Delay, HedgeDelay, Settings};
use crate::retry::BudgetSettings;
use std::time::Duration;

fn at(millis: u64) -> Timestamp {
    Timestamp::ZERO + Duration::from_millis(millis)
}

fn micros(micros: u64) -> Option<Duration> {
    Some(Duration::from_micros(micros))
}

fn record(hedge: &HedgeDelay, times: u32, millis: u64, took: u64) {
    (0..times).for_each(|_| hedge.record(at(millis), Duration::from_micros(took)));
}

#[test]
fn a_fixed_delay_needs_no_attempts() {
    let hedge = HedgeDelay::new(Delay::Fixed(Duration::from_millis(50)));
    record(&hedge, 1000, 0, 9);
    assert_eq!(hedge.delay(at(0)), micros(50_000));
    assert_eq!(hedge.snapshot(at(0)).attempts, 0);
    let short = HedgeDelay::new(Delay::Fixed(Duration::from_micros(10)));
    assert_eq!(short.delay(Timestamp::NEVER), micros(10), "only a percentile is at least 1 ms");
}

#[test]
fn a_percentile_is_that_of_all_attempts() {
    let hedge = HedgeDelay::new(Delay::Percentile(0.95));
    record(&hedge, 95, 0, 2000);
    record(&hedge, 4, 0, 10_000);
    assert_eq!(hedge.delay(at(0)), None);
    record(&hedge, 1, 0, 10_000);
    assert_eq!(hedge.delay(at(999)), None, "once per second");
    // 95 of 100 took 2,000 us, which are in the bucket from 1,984 to 2,047.
    assert_eq!(hedge.delay(at(1000)), micros(2047));
    // One more slow one, and it is the 96th of 101: 10,000 us are in the bucket from 9,728 to 10,239.
    record(&hedge, 1, 1500, 10_000);
    assert_eq!(hedge.snapshot(at(1500)).delay, micros(10_239));
    assert_eq!(hedge.delay(at(1999)), micros(2047));
    assert_eq!(hedge.delay(at(2000)), micros(10_239));
    // A thread whose clock is a little behind gets what is known.
    assert_eq!(hedge.delay(at(1999)), micros(10_239));
}

#[test]
fn a_percentile_is_at_least_a_millisecond() {
    let hedge = HedgeDelay::new(Delay::Percentile(0.5));
    record(&hedge, 100, 0, 3);
    assert_eq!(hedge.delay(at(0)), micros(1000));
}

#[test]
fn the_last_minute_is_this_part_and_the_five_before() {
    let hedge = HedgeDelay::new(Delay::Percentile(0.5));
    record(&hedge, 100, 9_999, 2000);
    record(&hedge, 100, 10_000, 4000);
    assert_eq!(hedge.snapshot(at(59_999)).attempts, 200);
    assert_eq!(hedge.delay(at(59_999)), micros(2047));
    // 4,000 us are in the bucket from 3,968 to 4,095.
    assert_eq!(hedge.snapshot(at(60_000)).attempts, 100);
    assert_eq!(hedge.delay(at(60_000)), micros(4095));
    assert_eq!(hedge.snapshot(at(69_999)).attempts, 100);
    assert_eq!(hedge.snapshot(at(70_000)).attempts, 0);
    assert_eq!(hedge.delay(at(70_000)), None);
    // Nothing is hedged after a long silence either, but for as long as the clock shows the same second.
    record(&hedge, 100, 75_000, 2000);
    assert_eq!(hedge.delay(at(75_000)), micros(2047));
    assert_eq!(hedge.delay(at(7_500_000)), None);
    // It is no different where the clock begins late.
    let late = HedgeDelay::new(Delay::Percentile(0.5));
    record(&late, 100, 86_400_000, 2000);
    assert_eq!(late.delay(at(86_459_999)), micros(2047));
    assert_eq!(late.delay(at(86_460_000)), None);
}

#[test]
fn no_duration_is_too_long() {
    let hedge = HedgeDelay::new(Delay::Percentile(0.99));
    for now in [Timestamp::NEVER, Timestamp::ZERO, Timestamp::NEVER] {
        for _ in 0..200 {
            hedge.record(now, Duration::MAX);
            hedge.record(now, Duration::ZERO);
        }
        assert!(hedge.delay(now).is_some_and(|delay| delay > Duration::from_secs(3600)));
    }
}

#[test]
fn what_makes_no_sense_is_refused() {
    let p95 = Settings::new(Delay::Percentile(0.95));
    let no_cap = Some(BudgetSettings { cap: 0.0, ..BudgetSettings::default() });
    for (settings, message) in [
        (
            Settings::new(Delay::Fixed(Duration::ZERO)),
            "`delay` is zero, so every call is made twice; give a duration, or a percentile such \
             as p95",
        ),
        (
            Settings::new(Delay::Fixed(Duration::MAX)),
            "`delay` of 18446744073709551615.999999999s is too long; give at most 1d",
        ),
        (
            Settings::new(Delay::Percentile(0.49)),
            "`delay` is the percentile 49; give one from p50 to p99.99",
        ),
        (
            Settings::new(Delay::Percentile(f64::NAN)),
            "`delay` is the percentile NaN; give one from p50 to p99.99",
        ),
        (Settings { max: 0, ..p95 }, "`max` is 0; give 1 to 10"),
        (Settings { max: 11, ..p95 }, "`max` is 11; give 1 to 10"),
        (
            Settings { budget: no_cap, ..p95 },
            "`budget.cap` is 0, so nothing is ever repeated; give at least 1",
        ),
    ] {
        assert_eq!(settings.check().unwrap_err().to_string(), message);
    }
    assert!(Settings { budget: None, max: 10, ..p95 }.check().is_ok());
}

#[test]
fn after_a_minute_without_attempts_nothing_is_known() {
    let hedge = HedgeDelay::new(Delay::Percentile(0.5));
    record(&hedge, 100, 0, 3000);
    assert!(hedge.delay(at(1000)).is_some());
    assert_eq!((hedge.delay(at(200_000)), hedge.snapshot(at(200_000)).attempts), (None, 0));
}
