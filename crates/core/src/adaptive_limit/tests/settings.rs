//! What is refused, and in which words.

use crate::adaptive_limit::{Algorithm, Settings};
use std::time::Duration;

#[test]
fn what_makes_no_sense_is_refused() {
    let good = Settings::default();
    let aimd = Settings { algorithm: Algorithm::Aimd, ..good };
    for (settings, message) in [
        (
            Settings { min: 0, ..good },
            "`min` is 0, so nothing might ever be admitted again; give at least 1",
        ),
        (Settings { max: 1_000_001, ..good }, "`max` is 1000001; give at most 1000000"),
        (
            Settings { min: 10, max: 9, ..good },
            "`max` of 9 is below `min`, 10; make `max` at least as large as `min`",
        ),
        (Settings { min: 21, ..good }, "`initial` of 20 is below `min`, 21; give 21 to 1000"),
        (Settings { max: 19, ..good }, "`initial` of 20 is above `max`, 19; give 1 to 19"),
        (
            Settings { timeout: Some(Duration::ZERO), ..good },
            "`timeout` is zero, so every call counts as dropped; give a longer duration",
        ),
        (
            Settings { timeout: Some(Duration::from_secs(601)), ..good },
            "`timeout` of 601s is too long; give at most 10m",
        ),
        (
            Settings { backoff: Some(0.9), ..good },
            "`backoff` is given, but Vegas does not use it; leave it out, or choose another \
             `algorithm`",
        ),
        (Settings { backoff: Some(1.0), ..aimd }, "`backoff` is 1; give a number from 0.5 to 0.99"),
        (
            Settings { backoff: Some(f64::NAN), ..aimd },
            "`backoff` is NaN; give a number from 0.5 to 0.99",
        ),
    ] {
        assert_eq!(settings.check().unwrap_err().to_string(), message);
    }
    assert!(Settings { backoff: Some(0.5), ..aimd }.check().is_ok());
    assert!(Settings { min: 5, max: 5, initial: 5, ..good }.check().is_ok());
}
