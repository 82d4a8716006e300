//! The table `retry`.

use std::time::Duration;

use breakerbox_core::retry::{BudgetSettings, Failure, Growth, Jitter, Settings, When};

use super::super::*;
use super::summary;

fn wrong(text: &str) -> Vec<String> {
    summary(text, &policy())
}

fn parsed(table: &str) -> Retry {
    Policy::parse("f.toml", &format!("retry = {table}")).unwrap().0.retry.unwrap()
}

#[test]
fn an_empty_retry_table_has_the_defaults() {
    let retry = parsed("{}");
    assert_eq!(retry.settings, Settings { on: When::http(), ..Settings::default() });
    assert_eq!(retry.max_body, 64 * 1024);
    for method in ["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"] {
        assert!(retry.may_repeat(method), "{method}");
    }
    for method in ["POST", "PATCH", "CONNECT", "get"] {
        assert!(!retry.may_repeat(method), "{method}");
    }
}

#[test]
fn every_key_of_a_retry_is_read() {
    let retry = parsed(
        "{ attempts = 5, backoff = { kind = 'linear', initial = '10ms', factor = 3, max = '1s', \
         jitter = 'none' }, budget = { ratio = 0.2, start = 5, cap = 50, min_per_second = 1.5 }, \
         max_elapsed = '9s', on = ['connect', 503, '4xx', 'UNAVAILABLE'], methods = ['post'], \
         max_body = 9 }",
    );
    let Settings { attempts, backoff, budget, max_elapsed, on } = retry.settings.clone();
    assert_eq!((attempts, max_elapsed), (5, Some(Duration::from_secs(9))));
    assert_eq!(
        (backoff.growth, backoff.jitter, backoff.factor),
        (Growth::Linear, Jitter::None, 3.0)
    );
    assert_eq!(backoff.initial, Duration::from_millis(10));
    assert_eq!(backoff.max, Duration::from_secs(1));
    let wanted = BudgetSettings { ratio: 0.2, start: 5.0, cap: 50.0, min_per_second: 1.5 };
    assert_eq!(budget, Some(wanted));
    for (failure, repeated) in [
        (Failure::Connect, true),
        (Failure::Reset, false),
        (Failure::Status(503), true),
        (Failure::Status(502), false),
        (Failure::Status(404), true),
        (Failure::Grpc(14), true),
        (Failure::Grpc(13), false),
        (Failure::Other, false),
    ] {
        assert_eq!(on.repeats(failure, true), repeated, "{failure:?}");
    }
    assert!(retry.may_repeat("POST") && !retry.may_repeat("GET"));
    assert_eq!(retry.max_body, 9);
    assert_eq!(parsed("{ budget = false }").settings.budget, None);
}

#[test]
fn a_longer_first_delay_moves_the_default_maximum_on() {
    let backoff = parsed("{ backoff = { initial = '5s' } }").settings.backoff;
    assert_eq!((backoff.initial, backoff.max), (Duration::from_secs(5), Duration::from_secs(5)));
}

#[test]
fn what_is_repeated_is_written_in_upper_or_lower_case() {
    let on = |entries: &str| parsed(&format!("{{ on = [{entries}] }}")).settings.on;
    for (one, other) in [
        ("'connect'", "'Connect'"),
        ("'refused_stream'", "'REFUSED_STREAM'"),
        ("'5xx'", "'5XX'"),
        ("'unavailable'", "'UNAVAILABLE'"),
        ("503", "'503'"),
    ] {
        assert_eq!(on(one), on(other), "{other}");
    }
}

#[test]
fn a_status_is_three_digits_or_one_and_xx() {
    for entry in
        ["+503", "+5xx", "0503", "000503", "-503", "50", "5x", "05xx", "599x", "600", "099"]
    {
        let errors = wrong(&format!("retry.on = ['{entry}']"));
        let start = format!("1:13 error: `on[0]` is `{entry}`; write a kind such as \"connect\"");
        assert!(errors.len() == 1 && errors[0].starts_with(&start), "{entry}: {errors:?}");
    }
}

#[test]
fn what_a_retry_refuses() {
    for (table, message) in [
        ("{ attempts = 0 }", "1:22 error: `attempts` is 0; give an integer from 1 to 100"),
        (
            "{ budget = true }",
            "1:20 error: `budget` is true; leave `budget` out for the usual one, or write `false` \
             for none",
        ),
        (
            "{ backoff = { initial = '2s', max = '1s' } }",
            "1:45 error: `backoff.max` of 1s is shorter than the initial 2s; make `max` at least \
             as long as `initial`",
        ),
        (
            "{ on = ['conect'] }",
            "1:17 error: `on[0]` is `conect`; did you mean \"connect\"? write a kind such as \"connect\", a status such as \
             503 or \"5xx\", or a gRPC code such as \"unavailable\"",
        ),
        ("{ on = [99] }", "1:17 error: `on[0]` is 99; give an integer from 100 to 599"),
        (
            "{ on = ['6xx'] }",
            "1:17 error: `on[0]` is `6xx`; write a kind such as \"connect\", a \
             status such as 503 or \"5xx\", or a gRPC code such as \"unavailable\"",
        ),
        (
            "{ on = ['Unavailible'] }",
            "1:17 error: `on[0]` is `Unavailible`; did you mean \"unavailable\"? write a kind such as \
             \"connect\", a status such as 503 or \"5xx\", or a gRPC code such as \"unavailable\"",
        ),
        (
            "{ methods = ['G E T'] }",
            "1:22 error: `methods[0]` is `G E T`; write a method such as \"POST\"",
        ),
    ] {
        assert_eq!(wrong(&format!("retry = {table}")), [message], "{table}");
    }
}
