//! What the settings refuse: each bound, from both sides.

use crate::retry::{Backoff, BudgetSettings, MAX_DELAY, Settings};
use std::time::Duration;

/// The setting that is refused, if one is.
fn refused(settings: Settings) -> Option<String> {
    settings.check().err().map(|error| error.field.to_string())
}

#[test]
fn attempts_are_one_to_a_hundred() {
    let attempts = |attempts| refused(Settings { attempts, ..Settings::default() });
    assert_eq!((attempts(1), attempts(100)), (None, None));
    let is_wrong = Some("attempts".to_owned());
    assert_eq!((attempts(0), attempts(101)), (is_wrong.clone(), is_wrong));
}

#[test]
fn delays_are_at_most_a_day_and_no_shorter_than_the_first() {
    assert_eq!(MAX_DELAY, Duration::from_secs(86_400));
    let second = Duration::from_secs(1);
    let delays = |initial, max| {
        let backoff = Backoff { initial, max, ..Backoff::default() };
        refused(Settings { backoff, ..Settings::default() })
    };
    assert_eq!(delays(second, second), None);
    assert_eq!(delays(second, MAX_DELAY), None);
    assert_eq!(delays(second, second * 9 / 10), Some("backoff.max".to_owned()));
    assert_eq!(delays(second, MAX_DELAY + second), Some("backoff.max".to_owned()));
    assert_eq!(delays(Duration::ZERO, second), Some("backoff.initial".to_owned()));
}

#[test]
fn a_budget_has_room_for_one() {
    let budget = |cap| {
        let budget = Some(BudgetSettings { cap, ..BudgetSettings::default() });
        refused(Settings { budget, ..Settings::default() })
    };
    assert_eq!((budget(1.0), budget(1_000_000.0)), (None, None));
    let is_wrong = Some("budget.cap".to_owned());
    assert_eq!((budget(0.9), budget(1_000_001.0)), (is_wrong.clone(), is_wrong));
}

#[test]
fn delays_grow_and_by_no_more_than_a_thousand() {
    let factor = |factor| {
        let backoff = Backoff { factor, ..Backoff::default() };
        refused(Settings { backoff, ..Settings::default() })
    };
    assert_eq!((factor(1.0), factor(1000.0)), (None, None));
    for wrong in [0.9, 1000.1, f64::NAN] {
        assert_eq!(factor(wrong), Some("backoff.factor".to_owned()), "{wrong}");
    }
}
