//! Scripted runs on a clock that moves only when told to, and what is published of them.

use crate::recorder::Shown;
use breakerbox::clock::ManualClock;
use breakerbox::metrics::Exporter;
use breakerbox::retry::{Backoff, Growth, Jitter};
use breakerbox::{
    Breaker, Control, Error, OpenFor, Pipeline, adaptive_limit, breaker, bulkhead, chaos, hedge,
    rate_limit, retry, shed, throttle,
};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// Runs a call to its end, on time that passes when it waits.
fn finish<F: Future>(clock: &ManualClock, future: F) -> F::Output {
    let (mut future, mut context) = (pin!(future), Context::from_waker(Waker::noop()));
    for _ in 0..10_000 {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
        clock.advance(ms(1));
    }
    panic!("it does not end")
}

/// An operation that takes this long.
async fn takes<T>(clock: &ManualClock, time: Duration, result: T) -> T {
    clock.advance(time);
    result
}

#[test]
fn a_breaker_tells_its_state_its_calls_and_how_long_they_took() {
    let clock = ManualClock::new();
    let breaker = Breaker::builder("posts")
        .min_calls(4)
        .slow_call(ms(40))
        .open_for(OpenFor::fixed(Duration::from_secs(10)))
        .attempt_timeout(Duration::from_secs(1))
        .latencies(true)
        .clock(clock.clone())
        .build()
        .unwrap();
    let exporter = Exporter::new().with(&breaker);

    for (time, result) in [(2, Ok(())), (30, Ok(())), (50, Err(())), (20, Err(()))] {
        let _ = finish(&clock, breaker.call(|| takes(&clock, ms(time), result)));
    }
    // Half of four: open. Then rejected, with a fallback and without.
    assert!(finish(&clock, breaker.call(async || Ok::<_, ()>(()))).is_err());
    let fallback = breaker.fallback(|_| ()).call(async || Ok::<_, ()>(()));
    assert!(finish(&clock, fallback).unwrap().is_fallback());
    // Half-open, and the probe runs out of time.
    clock.advance(Duration::from_secs(10));
    let timeout = finish(&clock, breaker.call(std::future::pending::<Result<(), ()>>));
    assert!(matches!(timeout, Err(Error::Timeout(_))));
    // Half-open again, by time alone.
    clock.advance(Duration::from_secs(12));
    let published = Shown::of(|| exporter.publish());
    assert_eq!(
        published.counted(),
        r#"
breakerbox_breaker_calls_total{name="posts",kind="failure"} 3
breakerbox_breaker_calls_total{name="posts",kind="success"} 2
breakerbox_breaker_failure_rate{name="posts"} NaN
breakerbox_breaker_opened_total{name="posts"} 2
breakerbox_breaker_rejected_total{name="posts"} 2
breakerbox_breaker_slow_call_rate{name="posts"} NaN
breakerbox_breaker_slow_total{name="posts"} 2
breakerbox_breaker_state_seconds_total{name="posts",state="closed"} 0.102
breakerbox_breaker_state_seconds_total{name="posts",state="half_open"} 3
breakerbox_breaker_state_seconds_total{name="posts",state="open"} 20
breakerbox_breaker_state{name="posts",state="half_open"} 1
breakerbox_breaker_transitions_total{name="posts",from="closed",to="open"} 1
breakerbox_breaker_transitions_total{name="posts",from="half_open",to="open"} 1
breakerbox_breaker_transitions_total{name="posts",from="open",to="half_open"} 2
breakerbox_call_duration_seconds_bucket{name="posts",le="+Inf"} 4
breakerbox_call_duration_seconds_bucket{name="posts",le="0.0025"} 1
breakerbox_call_duration_seconds_bucket{name="posts",le="0.005"} 1
breakerbox_call_duration_seconds_bucket{name="posts",le="0.01"} 1
breakerbox_call_duration_seconds_bucket{name="posts",le="0.025"} 2
breakerbox_call_duration_seconds_bucket{name="posts",le="0.05"} 3
breakerbox_call_duration_seconds_bucket{name="posts",le="0.1"} 4
breakerbox_call_duration_seconds_bucket{name="posts",le="0.25"} 4
breakerbox_call_duration_seconds_bucket{name="posts",le="0.5"} 4
breakerbox_call_duration_seconds_bucket{name="posts",le="1"} 4
breakerbox_call_duration_seconds_bucket{name="posts",le="10"} 4
breakerbox_call_duration_seconds_bucket{name="posts",le="2.5"} 4
breakerbox_call_duration_seconds_count{name="posts"} 4
breakerbox_call_duration_seconds_sum{name="posts"} 0.102
breakerbox_fallbacks_total{name="posts"} 1
breakerbox_rejections_total{name="posts",policy="breaker",reason="breaker_open"} 2
breakerbox_timeouts_total{name="posts",kind="attempt"} 1
"#
        .trim_start()
    );

    // Its gauges end with it, and its counters stay.
    drop(breaker);
    let gone = Shown::of(|| exporter.publish());
    // What is summed up is a number still, and a level that is 0 would look like a bad one.
    for line in gone.lines() {
        let counts = line.contains("_state{") || line.contains("_in_flight{");
        assert!(line.ends_with(if counts { " 0" } else { " NaN" }), "{line}");
        assert!(!line.contains("_total{") && !line.contains("_sum{"), "{line}");
    }
    let open = "breakerbox_breaker_state{name=\"posts\",state=\"open\"}";
    assert_eq!(gone.value(open), Some(0.0));
    assert_eq!(gone.value("breakerbox_breaker_opened_total{name=\"posts\"}"), None);
    assert!(Shown::of(|| exporter.publish()).lines().is_empty(), "once");
}

#[test]
fn a_pipeline_tells_what_each_of_its_policies_did() {
    let clock = ManualClock::new();
    let backoff = Backoff {
        growth: Growth::Fixed,
        initial: ms(10),
        jitter: Jitter::None,
        ..Backoff::default()
    };
    let pipeline = Pipeline::builder("all")
        .deadline(Duration::from_secs(1))
        .shed(shed::Settings::default())
        .throttle(throttle::Settings::default())
        .rate_limit(rate_limit::Settings { burst: Some(6), ..rate_limit::Settings::new(1.0) })
        .retry(retry::Settings { attempts: 2, backoff, ..retry::Settings::default() })
        .hedge(hedge::Settings::new(hedge::Delay::Fixed(ms(50))))
        .breaker(breaker::Settings {
            consecutive_failures: Some(4),
            ..breaker::Settings::default()
        })
        .breaker_keys(10)
        .bulkhead(bulkhead::Settings { queue: 4, ..bulkhead::Settings::new(4) })
        .adaptive_limit(adaptive_limit::Settings::default())
        .attempt_timeout(ms(200))
        .chaos(chaos::Settings { error: Some(503), on: false, ..chaos::Settings::default() })
        .seed(7)
        .clock(clock.clone())
        .build()
        .unwrap();
    let exporter = Exporter::new().with(&pipeline);

    // A good one, one that is repeated, one whose hedge wins.
    assert_eq!(finish(&clock, pipeline.call(async || Ok::<_, ()>(1))), Ok(1));
    let mut answers = [Err(()), Ok(2)].into_iter();
    assert_eq!(
        finish(&clock, pipeline.call(|| std::future::ready(answers.next().unwrap()))),
        Ok(2)
    );
    let mut hangs = [true, false].into_iter();
    let hedged = pipeline.call(|| {
        let hang = hangs.next().unwrap();
        async move {
            if hang {
                std::future::pending::<()>().await;
            }
            Ok::<_, ()>(3)
        }
    });
    assert_eq!(finish(&clock, hedged), Ok(3));
    // A key whose breaker opens, with a fallback; one that chaos meets; one that is given up.
    for _ in 0..2 {
        let red = pipeline.protect().key("red").fallback(|_| 4);
        let answer = finish(&clock, red.call(async || Err::<u8, _>(())));
        assert!(answer.unwrap().is_fallback());
    }
    pipeline.set_chaos(true);
    assert!(finish(&clock, pipeline.call(async || Ok::<_, ()>(5))).is_err());
    pipeline.set_chaos(false);
    {
        let mut given_up = pin!(pipeline.call(std::future::pending::<Result<u8, ()>>));
        assert!(given_up.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        let under_way = Shown::of(|| exporter.publish());
        assert_eq!(under_way.value("breakerbox_bulkhead_in_flight{name=\"all\"}"), Some(1.0));
    }
    // And one that is too much.
    while finish(&clock, pipeline.call(async || Ok::<_, ()>(6))).is_ok() {}
    pipeline.control(Control::Isolate);

    let published = Shown::of(|| exporter.publish());
    assert_eq!(
        published.counted(),
        r#"
breakerbox_adaptive_limit_limit{name="all"} 20
breakerbox_breaker_calls_total{name="all",kind="failure"} 4
breakerbox_breaker_calls_total{name="all",kind="ignored"} 2
breakerbox_breaker_calls_total{name="all",kind="success"} 4
breakerbox_breaker_failure_rate{name="all"} NaN
breakerbox_breaker_keys_transitions_total{name="all",from="closed",to="open"} 1
breakerbox_breaker_keys{name="all"} 1
breakerbox_breaker_slow_call_rate{name="all"} NaN
breakerbox_breaker_state_seconds_total{name="all",state="closed"} 0.07
breakerbox_breaker_state{name="all",state="isolated"} 1
breakerbox_breaker_transitions_total{name="all",from="closed",to="isolated"} 1
breakerbox_breaker_window_calls{name="all"} 8
breakerbox_bulkhead_limit{name="all"} 4
breakerbox_cancelled_total{name="all"} 1
breakerbox_chaos_calls_total{name="all"} 3
breakerbox_chaos_hit_total{name="all",kind="error"} 3
breakerbox_fallbacks_total{name="all"} 2
breakerbox_hedge_lost_total{name="all"} 2
breakerbox_hedge_started_total{name="all"} 4
breakerbox_hedge_won_total{name="all"} 2
breakerbox_keyed_breakers{name="all",state="isolated"} 1
breakerbox_rate_limit_allowed_total{name="all"} 8
breakerbox_rate_limit_keys{name="all"} 1
breakerbox_rate_limit_rejected_total{name="all"} 1
breakerbox_rejections_total{name="all",policy="breaker",reason="breaker_open"} 1
breakerbox_rejections_total{name="all",policy="chaos",reason="chaos"} 3
breakerbox_rejections_total{name="all",policy="rate_limit",reason="rate_limited"} 1
breakerbox_retry_attempts_total{name="all"} 2
breakerbox_retry_budget_left{name="all"} 4.9
breakerbox_shed_level{name="all"} 1024
"#
        .trim_start()
    );
}

#[test]
fn where_each_key_has_a_breaker_none_is_shown_for_the_whole() {
    let clock = ManualClock::new();
    let settings =
        breaker::Settings { consecutive_failures: Some(1), ..breaker::Settings::default() };
    let tenants = Pipeline::builder("tenants").breaker(settings).breaker_keys(10);
    let tenants = tenants.clock(clock.clone()).build().unwrap();
    let exporter = Exporter::new();
    exporter.add(&tenants);
    for key in 0..3 {
        let call = tenants.protect().key(key).call(async || Err::<(), _>("down"));
        assert!(finish(&clock, call).is_err());
    }
    let published = Shown::of(|| exporter.publish());
    let opened =
        r#"breakerbox_breaker_keys_transitions_total{name="tenants",from="closed",to="open"}"#;
    assert_eq!(published.value(opened), Some(3.0));
    assert_eq!(
        published.value(r#"breakerbox_keyed_breakers{name="tenants",state="open"}"#),
        Some(3.0)
    );
    for line in published.lines() {
        assert!(!line.starts_with("breakerbox_breaker_state{"), "{line}");
        assert!(!line.starts_with("breakerbox_breaker_calls_total{"), "{line}");
    }
    // Until there are calls without one.
    assert_eq!(finish(&clock, tenants.call(async || Ok::<_, ()>(1))), Ok(1));
    let published = Shown::of(|| exporter.publish());
    let closed = r#"breakerbox_breaker_state{name="tenants",state="closed"}"#;
    assert_eq!(published.value(closed), Some(1.0));
}
