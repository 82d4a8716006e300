//! The table `throttle`.

use std::time::Duration;

use breakerbox_core::throttle::Settings;

use super::super::*;
use super::summary;

fn parsed(text: &str) -> Settings {
    read_file("f.toml", text, &throttle()).unwrap().0
}

#[test]
fn an_empty_table_has_the_defaults() {
    assert_eq!(parsed(""), Settings::default());
}

#[test]
fn every_key_is_read() {
    let expected = Settings { k: 1.5, window: Duration::from_secs(30), max: 1.0 };
    assert_eq!(parsed("k = 1.5\nwindow = '30s'\nmax = 1"), expected);
}

#[test]
fn what_a_throttle_refuses() {
    for (text, message) in [
        ("k = 0.9", "1:5 error: `k` is 0.9; give a number from 1 to 100"),
        ("window = '900ms'", "1:10 error: `window` of 900ms is too short; give at least 1s"),
        ("window = '2h'", "1:10 error: `window` of 7200s is too long; give at most 1h"),
        (
            "window = 10",
            "1:10 error: `window` is a number without a unit; write `window = \"10s\"` for seconds \
             or `window = \"10ms\"` for milliseconds",
        ),
        ("max = 90", "1:7 error: `max` is 90; rates are fractions: write 0.9"),
        ("max = 0", "1:7 error: `max` is 0; give a fraction above 0, at most 1"),
        (
            "K = 2",
            "1:1 error: unknown key `K` at the top of the file; did you mean `k`? known keys here: \
             k, window, max",
        ),
    ] {
        assert_eq!(summary(text, &throttle()), [message], "{text}");
    }
}
