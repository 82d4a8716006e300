//! What settings are refused, and with what words.

use super::rig::ms;
use crate::breaker::{
    MAX_CALL_WINDOW, MAX_OPEN_FOR, MAX_PROBES, MAX_TIME_WINDOW, OpenFor, Settings, Window,
};
use std::time::Duration;

/// The words with which these settings are refused.
fn refusal(settings: Settings) -> String {
    settings.check().unwrap_err().to_string()
}

fn window(window: Window) -> Settings {
    Settings { window: Some(window), ..Settings::default() }
}

fn open_for(initial: Duration, factor: f64, max: Duration) -> Settings {
    let open_for = Some(OpenFor { initial, factor, max, jitter: false });
    Settings { open_for, ..Settings::default() }
}

#[test]
fn windows_out_of_range_are_refused() {
    assert_eq!(refusal(window(Window::Calls(0))), "`window` holds no call; give at least 1 call");
    assert_eq!(
        refusal(window(Window::Calls(65_537))),
        "`window` of 65537 calls is larger than 65536; use a smaller one, or a window by time"
    );
    assert_eq!(
        refusal(window(Window::Time(Duration::from_micros(999)))),
        "`window` of 999µs is too short; give at least 1ms"
    );
    assert_eq!(
        refusal(window(Window::Time(Duration::from_secs(3601)))),
        "`window` of 3601s is too long; give at most 1h"
    );
    for fits in [Window::Calls(1), Window::Calls(MAX_CALL_WINDOW), Window::Time(ms(1))] {
        assert_eq!(window(fits).check().unwrap().window(), fits);
    }
    assert!(window(Window::Time(MAX_TIME_WINDOW)).check().is_ok());
}

#[test]
fn rates_that_are_no_fractions_are_refused() {
    let slow = Some(ms(1));
    for (rate, words) in [
        (0.0, "is 0; give a fraction above 0, at most 1"),
        (-0.5, "is -0.5; give a fraction above 0, at most 1"),
        (f64::NAN, "is NaN; give a fraction above 0, at most 1"),
        (f64::INFINITY, "is inf; give a fraction above 0, at most 1"),
        (101.0, "is 101; give a fraction above 0, at most 1"),
        (50.0, "is more than 1; write 50 % as 0.5"),
        (1.5, "is more than 1; write 1.5 % as 0.015"),
        (100.0, "is more than 1; write 100 % as 1"),
    ] {
        let failure = Settings { failure_rate: Some(rate), ..Settings::default() };
        assert_eq!(refusal(failure), format!("`failure_rate` {words}"));
        let slow = Settings { slow_call_rate: Some(rate), slow_call: slow, ..Settings::default() };
        assert_eq!(refusal(slow), format!("`slow_call_rate` {words}"));
    }
    for rate in [f64::MIN_POSITIVE, 0.5, 1.0] {
        let fits = Settings { failure_rate: Some(rate), ..Settings::default() };
        assert_eq!(fits.check().unwrap().failure_rate(), Some(rate));
    }
}

#[test]
fn a_bare_duration_is_a_window_by_time() {
    assert_eq!(Window::from(ms(100)), Window::Time(ms(100)));
}

#[test]
fn slow_calls_that_make_no_sense_are_refused() {
    assert_eq!(
        refusal(Settings { slow_call: Some(Duration::ZERO), ..Settings::default() }),
        "`slow_call` is zero, so every call is slow; give a longer duration"
    );
    assert_eq!(
        refusal(Settings { slow_call_rate: Some(0.5), ..Settings::default() }),
        "`slow_call_rate` is given without `slow_call`; \
         say with `slow_call` how long a call may take before it is slow"
    );
}

#[test]
fn zeros_are_refused() {
    assert_eq!(
        refusal(Settings { consecutive_failures: Some(0), ..Settings::default() }),
        "`consecutive_failures` is 0; give at least 1"
    );
    assert_eq!(
        refusal(Settings { min_calls: Some(0), ..Settings::default() }),
        "`min_calls` is 0; give at least 1"
    );
    assert_eq!(
        refusal(Settings { probes: Some(0), ..Settings::default() }),
        "`probes` is 0; give at least 1"
    );
    assert_eq!(
        refusal(Settings { successes_to_close: Some(0), ..Settings::default() }),
        "`successes_to_close` is 0; give at least 1"
    );
}

#[test]
fn more_minimum_calls_than_the_window_holds_are_refused() {
    let ten = |min_calls| Settings { min_calls: Some(min_calls), ..window(Window::Calls(10)) };
    assert_eq!(
        refusal(ten(11)),
        "`min_calls` is 11, but the window never holds more than 10 calls; \
         make `min_calls` smaller or the window larger, or the rates are never judged"
    );
    assert_eq!(ten(10).check().unwrap().min_calls(), 10);
    let by_time = Settings { min_calls: Some(u32::MAX), ..Settings::default() };
    assert_eq!(by_time.check().unwrap().min_calls(), u32::MAX);
}

#[test]
fn open_durations_that_make_no_sense_are_refused() {
    let year = MAX_OPEN_FOR;
    for (settings, words) in [
        (
            open_for(Duration::ZERO, 1.0, ms(1)),
            "`open_for` is zero, so the circuit never stays open; give a duration",
        ),
        (
            open_for(year + ms(1), 1.0, year + ms(1)),
            "`open_for` is longer than a year; isolate the breaker instead",
        ),
        (
            open_for(ms(1), 1.0, year + ms(1)),
            "`open_for.max` is longer than a year; isolate the breaker instead",
        ),
        (open_for(ms(1), 0.99, ms(1)), "`open_for.factor` is 0.99; give a number from 1 to 1000"),
        (
            open_for(ms(1), f64::NAN, ms(1)),
            "`open_for.factor` is NaN; give a number from 1 to 1000",
        ),
        (open_for(ms(1), 1001.0, ms(1)), "`open_for.factor` is 1001; give a number from 1 to 1000"),
        (
            open_for(ms(2000), 1.0, ms(1500)),
            "`open_for.max` of 1.5s is shorter than the initial 2s; \
             make `max` at least as long as `initial`",
        ),
    ] {
        assert_eq!(refusal(settings), words);
    }
    assert!(open_for(year, 1000.0, year).check().is_ok());
    assert!(open_for(Duration::from_nanos(1), 1.0, Duration::from_nanos(1)).check().is_ok());
}

#[test]
fn probes_that_can_never_close_the_circuit_are_refused() {
    let probing = |probes, successes_to_close| Settings {
        probes: Some(probes),
        successes_to_close: Some(successes_to_close),
        ..Settings::default()
    };
    assert_eq!(
        refusal(probing(2, 3)),
        "`successes_to_close` is 3, but only 2 probes are admitted; \
         raise `probes` or lower `successes_to_close`, or the circuit can never close"
    );
    assert_eq!(
        refusal(probing(1, 2)),
        "`successes_to_close` is 2, but only 1 probe is admitted; \
         raise `probes` or lower `successes_to_close`, or the circuit can never close"
    );
    assert_eq!(refusal(probing(MAX_PROBES + 1, 1)), "`probes` is 10001; give at most 10000");
    let many = Settings { successes_to_close: Some(MAX_PROBES + 1), ..Settings::default() };
    assert_eq!(refusal(many), "`successes_to_close` is 10001; give at most 10000");
    assert!(probing(MAX_PROBES, MAX_PROBES).check().is_ok());
}

#[test]
fn a_refusal_names_the_setting_apart_from_the_words() {
    let error = window(Window::Calls(0)).check().unwrap_err();
    assert_eq!(
        (error.field, &*error.message, &*error.fix),
        ("window", "holds no call", "give at least 1 call")
    );
}

#[test]
fn what_is_not_said_has_its_default() {
    let rules = Settings::default().check().unwrap();
    assert_eq!(rules.failure_rate(), Some(0.5));
    assert_eq!((rules.slow_call(), rules.slow_call_rate()), (None, None));
    assert_eq!(rules.consecutive_failures(), None);
    assert_eq!(rules.window(), Window::Time(ms(10_000)));
    assert_eq!(rules.min_calls(), 20);
    let open_for = OpenFor { initial: ms(5000), factor: 2.0, max: ms(60_000), jitter: true };
    assert_eq!(rules.open_for(), open_for);
    assert_eq!((rules.probes(), rules.successes_to_close()), (1, 1));
}

#[test]
fn another_trip_takes_the_place_of_the_default_failure_rate() {
    let consecutive = Settings { consecutive_failures: Some(5), ..Settings::default() };
    assert_eq!(consecutive.check().unwrap().failure_rate(), None);
    let slow =
        Settings { slow_call: Some(ms(1)), slow_call_rate: Some(0.5), ..Settings::default() };
    assert_eq!(slow.check().unwrap().failure_rate(), None);
    let both =
        Settings { failure_rate: Some(0.9), consecutive_failures: Some(5), ..Settings::default() };
    assert_eq!(both.check().unwrap().failure_rate(), Some(0.9));
    // A duration beyond which calls are slow is no trip of its own.
    let slow_only = Settings { slow_call: Some(ms(1)), ..Settings::default() };
    assert_eq!(slow_only.check().unwrap().failure_rate(), Some(0.5));
}

#[test]
fn the_shortest_duration_is_that_which_a_clock_must_tell_apart() {
    let shortest = |settings: Settings| settings.check().unwrap().shortest();
    assert_eq!(shortest(Settings::default()), ms(1000), "a bucket of the window");
    assert_eq!(shortest(Settings { slow_call: Some(ms(300)), ..Settings::default() }), ms(300));
    assert_eq!(shortest(window(Window::Calls(100))), ms(5000), "the open duration");
}

#[test]
fn the_largest_settings_are_what_their_messages_say() {
    use crate::breaker::{MAX_OPEN_FOR, MAX_TIME_WINDOW};
    let hour = Duration::from_secs(3600);
    assert_eq!((MAX_TIME_WINDOW, MAX_OPEN_FOR), (hour, hour * 24 * 365));
    assert!(window(Window::Time(hour)).check().is_ok());
    let open_for = Some(OpenFor::from(MAX_OPEN_FOR));
    let rules = Settings { open_for, ..Settings::default() }.check().unwrap();
    assert_eq!(rules.open_for(), OpenFor::fixed(MAX_OPEN_FOR), "a bare duration is fixed");
    let open_for = Some(OpenFor { max: MAX_OPEN_FOR + ms(1), ..OpenFor::fixed(MAX_OPEN_FOR) });
    let refused = Settings { open_for, ..Settings::default() }.check().unwrap_err();
    assert_eq!(refused.field, "open_for.max", "what is too long is named");
}

#[test]
fn what_was_set_can_be_read() {
    let open_for = OpenFor { initial: ms(7), factor: 3.0, max: ms(70), jitter: true };
    let settings = Settings {
        slow_call: Some(ms(300)),
        slow_call_rate: Some(0.9),
        consecutive_failures: Some(5),
        open_for: Some(open_for),
        probes: Some(4),
        successes_to_close: Some(3),
        ..Settings::default()
    };
    let rules = settings.check().unwrap();
    assert_eq!((rules.slow_call(), rules.slow_call_rate()), (Some(ms(300)), Some(0.9)));
    assert_eq!((rules.consecutive_failures(), rules.open_for()), (Some(5), open_for));
    assert_eq!((rules.probes(), rules.successes_to_close()), (4, 3));
}

#[test]
fn rules_are_a_clause() {
    let clause = |settings: Settings| settings.check().unwrap().to_string();
    let all = Settings {
        failure_rate: Some(0.07),
        slow_call: Some(ms(300)),
        slow_call_rate: Some(0.9),
        consecutive_failures: Some(5),
        window: Some(Window::Calls(100)),
        min_calls: Some(10),
        ..Settings::default()
    };
    let expected = "opens at 7 % failures or 90 % slower than 300ms of at least 10 calls in the last 100 \
                    or 5 failures in a row, for 5s growing to 60s";
    assert_eq!(clause(all), expected);
    let one_in_row = Settings { consecutive_failures: Some(1), ..Settings::default() };
    for (factor, max, lasts) in
        [(2.0, 9000, "for 1s growing to 9s"), (1.0, 9000, "for 1s"), (2.0, 1000, "for 1s")]
    {
        let open_for = Some(OpenFor { initial: ms(1000), factor, max: ms(max), jitter: false });
        let clause = clause(Settings { open_for, ..one_in_row.clone() });
        assert_eq!(clause, format!("opens at 1 failure in a row, {lasts}"));
    }
}
