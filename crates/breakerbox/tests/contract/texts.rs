//! What people read, word for word.

use crate::support::{fragile, now, seconds};
use breakerbox::clock::{ManualClock, TokioClock};
use breakerbox::{
    BlockingBreaker, Breaker, Builder, ChooseClock, Control, Error, OpenFor, Registry, Settings,
    WithTimer,
};
use std::time::Duration;

#[test]
fn rejections_say_which_circuit_why_and_until_when() {
    let clock = ManualClock::new();
    let breaker = fragile("posts").clock(clock.clone()).build().unwrap();
    breaker.permit().unwrap().failure();
    clock.advance(Duration::from_millis(5_100));
    let text = |breaker: &Breaker<ManualClock>| breaker.permit().unwrap_err().to_string();
    assert_eq!(text(&breaker), "circuit breaker `posts` is open; it may admit a call in 24.9s");
    clock.advance(seconds(60));
    let _probe = breaker.permit().unwrap();
    assert_eq!(
        text(&breaker),
        "circuit breaker `posts` is half-open and all its probes are under way; \
         it may admit a call in 30.0s"
    );
    breaker.control(Control::Isolate);
    assert_eq!(text(&breaker), "circuit breaker `posts` is isolated until it is released by hand");
}

#[tokio::test(start_paused = true)]
async fn timeouts_say_what_ran_out_and_after_how_long() {
    let builder = || Breaker::builder("posts").clock(TokioClock::new());
    for (breaker, text) in [
        (
            builder().attempt_timeout(seconds(3)).build(),
            "the attempt timed out after 3.0s in `posts`",
        ),
        (
            builder().deadline(Duration::from_millis(250)).build(),
            "the deadline was exceeded after 250.0ms in `posts`",
        ),
    ] {
        let breaker = breaker.unwrap();
        let never = async || std::future::pending::<Result<(), std::io::Error>>().await;
        let error = breaker.call(never).await.unwrap_err();
        assert_eq!(error.to_string(), text);
        assert!(std::error::Error::source(&error).is_none());
    }
}

#[test]
fn the_operations_own_error_is_shown_as_it_is_with_its_own_source() {
    #[derive(Debug)]
    struct Outer(std::num::ParseIntError);
    impl std::fmt::Display for Outer {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("not a number")
        }
    }
    impl std::error::Error for Outer {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            Some(&self.0)
        }
    }
    let breaker = BlockingBreaker::new("numbers");
    let error = breaker.call(|| "x".parse::<u8>().map_err(Outer)).unwrap_err();
    assert_eq!(error.to_string(), "not a number");
    let source = std::error::Error::source(&error).unwrap();
    assert_eq!(source.to_string(), "invalid digit found in string");
    assert_eq!(error.map_inner(|_| "mapped"), Error::Inner("mapped"));
    assert_eq!(Error::Inner(7).into_inner(), Some(7));
}

#[test]
fn settings_that_make_no_sense_are_refused_with_the_fix() {
    let plain = |set: fn(Builder) -> Builder| set(Breaker::builder("posts")).build();
    let timed = |set: fn(Builder) -> Builder<ChooseClock, WithTimer>| {
        set(Breaker::builder("posts")).build()
    };
    for (refused, expected) in [
        (plain(|it| it.failure_rate(50.0)), "`failure_rate` is more than 1; write 50 % as 0.5"),
        (
            plain(|it| it.failure_rate(0.0)),
            "`failure_rate` is 0; give a fraction above 0, at most 1",
        ),
        (
            plain(|it| it.slow_call_rate(0.5)),
            "`slow_call_rate` is given without `slow_call`; \
             say with `slow_call` how long a call may take before it is slow",
        ),
        (
            plain(|it| it.slow_call(Duration::ZERO)),
            "`slow_call` is zero, so every call is slow; give a longer duration",
        ),
        (plain(|it| it.consecutive_failures(0)), "`consecutive_failures` is 0; give at least 1"),
        (
            plain(|it| it.window(Duration::from_micros(1))),
            "`window` of 1µs is too short; give at least 1ms",
        ),
        (
            plain(|it| it.window_calls(1_000_000)),
            "`window` of 1000000 calls is larger than 65536; \
             use a smaller one, or a window by time",
        ),
        (
            plain(|it| it.window_calls(10).min_calls(20)),
            "`min_calls` is 20, but the window never holds more than 10 calls; \
             make `min_calls` smaller or the window larger, or the rates are never judged",
        ),
        (
            plain(|it| it.open_for(Duration::ZERO)),
            "`open_for` is zero, so the circuit never stays open; give a duration",
        ),
        (
            plain(|it| it.open_for(OpenFor { max: seconds(1), ..OpenFor::default() })),
            "`open_for.max` of 1s is shorter than the initial 5s; \
             make `max` at least as long as `initial`",
        ),
        (
            plain(|it| it.probes(1).successes_to_close(2)),
            "`successes_to_close` is 2, but only 1 probe is admitted; \
             raise `probes` or lower `successes_to_close`, or the circuit can never close",
        ),
        (
            plain(|it| it.settings(Settings { min_calls: Some(0), ..Settings::default() })),
            "`min_calls` is 0; give at least 1",
        ),
        (
            timed(|it| it.attempt_timeout(Duration::ZERO)),
            "`attempt_timeout` is zero, so no call can succeed; give a longer duration",
        ),
        (
            timed(|it| it.deadline(Duration::ZERO)),
            "`deadline` is zero, so no call can succeed; give a longer duration",
        ),
    ] {
        let error = refused.expect_err(expected);
        assert_eq!(error.to_string(), format!("breaker `posts`: {expected}"));
    }
}

#[test]
fn a_build_error_names_the_setting() {
    let error = Breaker::builder("posts").min_calls(0).build().unwrap_err();
    assert_eq!(error.setting().field, "min_calls");
}

#[test]
fn a_full_registry_says_what_to_do() {
    let registry = Registry::with_capacity(0);
    let error = registry.or_insert_with("posts", |it| it.build()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "there is no room for breaker `posts`: the registry holds 0 already; \
         remove some or make it with a larger capacity"
    );
    let error = registry.or_insert_with("posts", |it| it.min_calls(0).build()).unwrap_err();
    assert_eq!(error.to_string(), "breaker `posts`: `min_calls` is 0; give at least 1");
}

#[test]
fn a_breaker_says_what_it_does() {
    let breaker = Breaker::builder("posts").attempt_timeout(seconds(3)).deadline(seconds(5));
    assert_eq!(
        breaker.build().unwrap().to_string(),
        "posts: a deadline of 5s, then a circuit breaker (opens at 50 % failures of at least 20 \
         calls in 10s, for 5s growing to 60s), then an attempt timeout of 3s, then the call"
    );
    assert_eq!(
        fragile("posts").build().unwrap().to_string(),
        "posts: a circuit breaker (opens at 1 failure in a row, for 30s), then the call"
    );
}

#[test]
fn a_call_in_the_making_shows_whose_it_is() {
    let breaker = Breaker::new("shown");
    let call = breaker.call(async || Ok::<_, ()>(()));
    assert_eq!(format!("{call:?}"), "Calling { breaker: \"shown\", .. }");
    assert!(now(call).is_ok());
}
