//! The table `hedge`.

use std::time::Duration;

use breakerbox_core::hedge::{Delay, Settings};
use breakerbox_core::retry::BudgetSettings;

use super::super::*;
use super::summary;

fn parsed(text: &str) -> Settings {
    read_file("f.toml", text, &hedge()).unwrap().0
}

#[test]
fn a_delay_is_a_duration_or_a_percentile() {
    for (text, delay) in [
        ("50ms", Delay::Fixed(Duration::from_millis(50))),
        ("p50", Delay::Percentile(0.5)),
        ("p95", Delay::Percentile(0.95)),
        ("p99", Delay::Percentile(0.99)),
        ("p99.9", Delay::Percentile(0.999)),
        ("p99.99", Delay::Percentile(0.9999)),
    ] {
        assert_eq!(parsed(&format!("delay = '{text}'")), Settings::new(delay), "{text}");
    }
}

#[test]
fn every_key_is_read() {
    let settings = parsed(
        "delay = 'p95'\nmax = 3\nbudget = { ratio = 0.05, start = 1, cap = 5, min_per_second = 2 }",
    );
    let budget = BudgetSettings { ratio: 0.05, start: 1.0, cap: 5.0, min_per_second: 2.0 };
    let expected = Settings { delay: Delay::Percentile(0.95), max: 3, budget: Some(budget) };
    assert_eq!(settings, expected);
    assert_eq!(parsed("delay = 'p95'\nbudget = false").budget, None);
    assert_eq!(parsed("delay = 'p95'\nbudget = {}").budget, Some(BudgetSettings::default()));
}

#[test]
fn what_hedging_refuses() {
    for (text, message) in [
        (
            "max = 1",
            "1:1 error: missing key `delay` at the top of the file; add for example `delay = \
             \"p95\"`",
        ),
        (
            "delay = 'p'",
            "1:9 error: `delay` is `p`, which is not a percentile; write one from p50 to p99.99, \
             such as `p95`",
        ),
        (
            "delay = 'p95%'",
            "1:9 error: `delay` is `p95%`, which is not a percentile; write one from p50 to \
             p99.99, such as `p95`",
        ),
        ("delay = 'p5'", "1:9 error: `delay` is the percentile 5; give one from p50 to p99.99"),
        ("delay = 'p100'", "1:9 error: `delay` is the percentile 100; give one from p50 to p99.99"),
        (
            "delay = '0s'",
            "1:9 error: `delay` is zero, so every call is made twice; give a duration, or a \
             percentile such as p95",
        ),
        ("delay = '2d'", "1:9 error: `delay` of 172800s is too long; give at most 1d"),
        (
            "delay = '95'",
            "1:9 error: `delay` is `95`, which has no unit; write `95s` for seconds or `95ms` for \
             milliseconds",
        ),
        (
            "delay = 95",
            "1:9 error: `delay` is a number without a unit; write `delay = \"95s\"` for seconds or \
             `delay = \"95ms\"` for milliseconds",
        ),
        (
            "delay = true",
            "1:9 error: `delay` must be a duration or a percentile, but it is a boolean; write for \
             example `delay = \"p95\"`",
        ),
        ("delay = 'p95'\nmax = 0", "2:7 error: `max` is 0; give an integer from 1 to 10"),
        (
            "delay = 'p95'\nbudget = true",
            "2:10 error: `budget` is true; leave `budget` out for the usual one, or write `false` \
             for none",
        ),
        (
            "delay = 'p95'\nbudget = { cap = 0 }",
            "2:18 error: `cap` is 0; give a number from 1 to 1000000",
        ),
    ] {
        assert_eq!(summary(text, &hedge()), [message], "{text}");
    }
}
