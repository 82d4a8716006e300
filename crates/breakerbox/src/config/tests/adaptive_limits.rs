//! The table `adaptive_limit`.

use std::time::Duration;

use breakerbox_core::adaptive_limit::{Algorithm, Settings};

use super::super::*;
use super::summary;

fn parsed(text: &str) -> Settings {
    read_file("f.toml", text, &adaptive_limit()).unwrap().0
}

#[test]
fn an_empty_table_has_the_defaults() {
    assert_eq!(parsed(""), Settings::default());
}

#[test]
fn every_key_is_read() {
    let settings = parsed(
        "algorithm = 'aimd'\ninitial = 5\nmin = 2\nmax = 50\ntimeout = '250ms'\nbackoff = 0.8",
    );
    let expected = Settings {
        algorithm: Algorithm::Aimd,
        initial: 5,
        min: 2,
        max: 50,
        timeout: Some(Duration::from_millis(250)),
        backoff: Some(0.8),
    };
    assert_eq!(settings, expected);
    assert_eq!(parsed("algorithm = 'gradient2'").algorithm, Algorithm::Gradient2);
}

#[test]
fn bounds_move_the_defaults_on() {
    let bounds = |text| {
        let Settings { initial, min, max, .. } = parsed(text);
        (initial, min, max)
    };
    assert_eq!(bounds("max = 10"), (10, 1, 10));
    assert_eq!(bounds("min = 30"), (30, 30, 1000));
    assert_eq!(bounds("min = 2000"), (2000, 2000, 2000));
}

#[test]
fn what_an_adaptive_limit_refuses() {
    for (text, message) in [
        (
            "algorithm = 'gradient'",
            "1:13 error: `algorithm` cannot be `gradient`; did you mean \"gradient2\"? it is one \
             of \"vegas\", \"aimd\", \"gradient2\"",
        ),
        ("min = 0", "1:7 error: `min` is 0; give an integer from 1 to 1000000"),
        (
            "min = 10\nmax = 9",
            "2:7 error: `max` of 9 is below `min`, 10; make `max` at least as large as `min`",
        ),
        ("initial = 50\nmax = 40", "1:11 error: `initial` of 50 is above `max`, 40; give 1 to 40"),
        ("timeout = '11m'", "1:11 error: `timeout` of 660s is too long; give at most 10m"),
        (
            "backoff = 0.9",
            "1:11 error: `backoff` is given, but Vegas does not use it; leave it out, or choose \
             another `algorithm`",
        ),
        (
            "algorithm = 'aimd'\nbackoff = 1",
            "2:11 error: `backoff` is 1; give a number from 0.5 to 0.99",
        ),
        (
            "limit = 5",
            "1:1 error: unknown key `limit` at the top of the file; known keys here: algorithm, \
             initial, min, max, timeout, backoff",
        ),
    ] {
        assert_eq!(summary(text, &adaptive_limit()), [message], "{text}");
    }
}

/// The texts that the schema gives as defaults are those of the core.
#[test]
fn defaults_in_the_schema_are_true() {
    let Settings { initial, max, .. } = Settings::default();
    let schema = adaptive_limit().schema();
    let described = |key: &str| schema["properties"][key]["description"].to_string();
    assert!(described("initial").contains(&format!("Default: {initial}, but within")));
    assert!(described("max").contains(&format!("Default: {max}, or")));
}
