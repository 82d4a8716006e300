//! What settings refuse.

use crate::chaos::{Latency, Settings};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

fn refused(settings: Settings) -> String {
    let error = settings.check().unwrap_err();
    format!("{} {}; {}", error.field, error.message, error.fix)
}

fn latency(latency: Latency) -> Settings {
    Settings { latency: Some(latency), ..Settings::default() }
}

fn error() -> Settings {
    Settings { error: Some(503), ..Settings::default() }
}

#[test]
fn a_call_ends_only_once() {
    let fix = "keep one of `error`, `reset` and `black_hole`";
    let with = |first: &str| format!("is given with `{first}`, and a call ends only once; {fix}");
    let (black_hole, reset) = (true, true);
    assert_eq!(refused(Settings { reset, ..error() }), format!("reset {}", with("error")));
    assert_eq!(
        refused(Settings { black_hole, ..error() }),
        format!("black_hole {}", with("error"))
    );
    let both = Settings { reset, black_hole, ..Settings::default() };
    assert_eq!(refused(both), format!("black_hole {}", with("reset")));
    let all = Settings { reset, black_hole, ..error() };
    assert_eq!(refused(all), format!("reset {}", with("error")));
}

#[test]
fn a_body_needs_an_answer() {
    assert_eq!(
        refused(Settings { slow_body: Some(1), ..error() }),
        "slow_body is given with `error`, which leaves no body; leave out `slow_body` or `error`"
    );
    let cut = Settings { truncate_body: Some(1), black_hole: true, ..Settings::default() };
    assert_eq!(
        refused(cut),
        "truncate_body is given with `black_hole`, which leaves no body; leave out \
         `truncate_body` or `black_hole`"
    );
    assert_eq!(
        refused(Settings { slow_body: Some(0), ..Settings::default() }),
        "slow_body is 0, so no body ever ends; give at least 1 byte per second, or use \
         `black_hole`"
    );
}

#[test]
fn without_a_fault_there_is_nothing_to_do() {
    assert_eq!(
        refused(Settings::default()),
        "latency is not given, nor is any other fault; give at least one of `latency`, `error`, \
         `reset`, `black_hole`, `slow_body` and `truncate_body`"
    );
    let each = [
        error(),
        latency(Latency::Fixed(SECOND)),
        Settings { reset: true, ..Settings::default() },
        Settings { black_hole: true, ..Settings::default() },
        Settings { slow_body: Some(1), ..Settings::default() },
        Settings { truncate_body: Some(0), ..Settings::default() },
        Settings { latency: Some(Latency::Fixed(SECOND)), ..error() },
        Settings { slow_body: Some(1), ..latency(Latency::Fixed(SECOND)) },
    ];
    for settings in each {
        assert_eq!(settings.clone().check(), Ok(settings));
    }
}

#[test]
fn statuses_are_those_of_errors() {
    for status in [399, 600] {
        let settings = Settings { error: Some(status), ..Settings::default() };
        let message = format!("error is {status}; give a status from 400 to 599");
        assert_eq!(refused(settings), message);
    }
    for status in [400, 599] {
        assert!(Settings { error: Some(status), ..Settings::default() }.check().is_ok());
    }
}

#[test]
fn delays_have_an_end() {
    let (zero, hour) = (Duration::ZERO, 3600 * SECOND);
    let beyond = hour + Duration::from_nanos(1);
    for (given, message) in [
        (Latency::Fixed(zero), "latency is zero; give a duration"),
        (Latency::Uniform { min: zero, max: zero }, "latency.max is zero; give a duration"),
        (Latency::Exponential { mean: zero }, "latency.mean is zero; give a duration"),
        (Latency::Fixed(beyond), "latency of 3600.000000001s is too long; give at most 1h"),
        (
            Latency::Uniform { min: 2 * SECOND, max: SECOND },
            "latency.max of 1s is shorter than the minimum 2s; make `max` at least as long as `min`",
        ),
        (
            Latency::Exponential { mean: Duration::MAX },
            "latency.mean of 18446744073709551615.999999999s is too long; give at most 1h",
        ),
    ] {
        assert_eq!(refused(latency(given)), message);
    }
    assert!(latency(Latency::Fixed(hour)).check().is_ok());
    assert!(latency(Latency::Uniform { min: SECOND, max: SECOND }).check().is_ok());
}

#[test]
fn fractions_are_fractions() {
    for fraction in [-0.1, 1.1, 50.0, f64::NAN] {
        assert_eq!(
            refused(Settings { fraction, ..error() }),
            format!("fraction is {fraction}; write 50 % as 0.5")
        );
    }
    for max_fraction in [-0.1, 0.0, 1.1, f64::NAN] {
        assert_eq!(
            refused(Settings { max_fraction, ..error() }),
            format!(
                "max_fraction is {max_fraction}; give a fraction above 0, at most 1; `on = false` \
                 hits nothing"
            )
        );
    }
    assert!(Settings { fraction: 0.0, max_fraction: 1e-9, ..error() }.check().is_ok());
    assert_eq!(
        refused(Settings { lasts: Some(Duration::ZERO), ..error() }),
        "for is zero; give a duration, or leave it out"
    );
}
