//! Classification, and what the fallback stands in for.

use crate::support::{fragile, now, seconds};
use breakerbox::clock::{ManualClock, TokioClock};
use breakerbox::{BlockingBreaker, Breaker, Control, Error, Outcome, State};
use tokio::time::Instant;

fn by_status(result: &Result<u16, &str>) -> Outcome {
    match result {
        Ok(500..) => Outcome::Failure,
        Ok(429) | Err("cancelled") => Outcome::Ignored,
        Ok(_) | Err("not found") => Outcome::Success,
        Err(_) => Outcome::Failure,
    }
}

#[test]
fn results_count_as_the_classifier_says_and_reach_the_caller_unchanged() {
    for (result, counted) in [
        (Ok(200), Outcome::Success),
        (Ok(503), Outcome::Failure),
        (Ok(429), Outcome::Ignored),
        (Err("cancelled"), Outcome::Ignored),
        (Err("not found"), Outcome::Success),
        (Err("refused"), Outcome::Failure),
    ] {
        let breaker = Breaker::new("async");
        let blocking = BlockingBreaker::new("blocking");
        let expected = result.map_err(Error::Inner);
        assert_eq!(now(breaker.classify(by_status).call(async || result)), expected);
        assert_eq!(blocking.classify(by_status).call(|| result), expected);
        for stats in [breaker.stats(), blocking.stats()] {
            let count = |outcome| u64::from(counted == outcome);
            assert_eq!(stats.successes, count(Outcome::Success), "{result:?}");
            assert_eq!(stats.failures, count(Outcome::Failure), "{result:?}");
            assert_eq!(stats.ignored, count(Outcome::Ignored), "{result:?}");
        }
    }
}

#[test]
fn a_fallback_replaces_what_was_judged_a_failure_and_nothing_else() {
    for (result, expected, replaced) in [
        (Ok(200), Ok(200), false),
        (Ok(429), Ok(429), false),
        (Err("cancelled"), Err(Error::Inner("cancelled")), false),
        (Err("not found"), Err(Error::Inner("not found")), false),
        (Err("refused"), Ok(0), true),
        // An answer can be a failure as well.
        (Ok(503), Ok(0), true),
    ] {
        let breaker = Breaker::new("async");
        let blocking = BlockingBreaker::new("blocking");
        for (answer, stats) in [
            (
                now(breaker.classify(by_status).fallback(|_| 0).call(async || result)),
                breaker.stats(),
            ),
            (blocking.fallback(|_| 0).classify(by_status).call(|| result), blocking.stats()),
        ] {
            let is_fallback = answer.as_ref().is_ok_and(breakerbox::Answer::is_fallback);
            assert_eq!(is_fallback, replaced, "{result:?}");
            assert_eq!(answer.map(breakerbox::Answer::into_inner), expected);
            assert_eq!(stats.fallbacks, u64::from(replaced));
        }
    }
}

#[test]
fn a_fallback_is_told_what_the_call_came_to() {
    let breaker = Breaker::new("told");
    let told = |result| {
        let mut told = None;
        let fallback = |came_to| {
            told = Some(came_to);
            0
        };
        let call = breaker.classify(by_status).fallback(fallback).call(async || result);
        assert!(now(call).unwrap().is_fallback());
        told.unwrap()
    };
    assert_eq!(told(Ok(503)), Ok(503));
    assert_eq!(told(Err("refused")), Err(Error::Inner("refused")));
    breaker.control(Control::Isolate);
    assert!(told(Ok(200)).unwrap_err().is_rejected());
}

#[test]
fn a_fallback_can_let_the_judged_answer_pass() {
    let blocking = BlockingBreaker::new("stale");
    let call = || blocking.classify(by_status).fallback(|result| result.unwrap_or(0));
    assert_eq!(*call().call(|| Ok(503)).unwrap(), 503);
    assert_eq!(*call().call(|| Err("refused")).unwrap(), 0);
    assert_eq!(blocking.stats().fallbacks, 2);
}

#[tokio::test(start_paused = true)]
async fn a_fallback_replaces_timeouts_and_rejections() {
    let breaker = fragile("both").clock(TokioClock::new());
    let breaker = breaker.attempt_timeout(seconds(3)).build().unwrap();
    let start = Instant::now();
    let answer = breaker
        .fallback(|result: Result<&str, Error<()>>| match result {
            Err(Error::Timeout(_)) => "too late",
            _ => "something else",
        })
        .call(async || std::future::pending().await)
        .await
        .unwrap();
    assert_eq!((*answer, answer.is_fallback()), ("too late", true));
    assert_eq!(start.elapsed(), seconds(3));
    assert_eq!(breaker.state(), State::Open);

    let mut ran = false;
    let answer = breaker
        .fallback(|result: Result<&str, Error<()>>| match result {
            Err(Error::Rejected(_)) => "not now",
            _ => "something else",
        })
        .call(async || {
            ran = true;
            Ok("ran")
        })
        .await
        .unwrap();
    assert_eq!((answer.into_inner(), ran), ("not now", false));
    let stats = breaker.stats();
    assert_eq!((stats.fallbacks, stats.failures, stats.rejected), (2, 1, 1));
}

#[test]
fn a_fallback_can_own_what_it_returns_and_borrow_from_its_caller() {
    let breaker = BlockingBreaker::new("owns");
    let stale = String::from("the last good one");
    let name = &stale;
    let answer = breaker.fallback(|_| name.clone()).call(|| Err::<String, _>("down")).unwrap();
    assert_eq!(answer.len(), stale.len());
    assert_eq!(answer.into_inner(), stale);
}

#[test]
fn the_fallback_replaces_a_failure_of_a_probe_too() {
    let clock = ManualClock::new();
    let breaker = fragile("probe").clock(clock.clone()).build_blocking().unwrap();
    assert!(breaker.call(|| Err::<u8, _>(())).is_err());
    clock.advance(seconds(30));
    assert!(breaker.fallback(|_| 7).call(|| Err::<u8, _>(())).unwrap().is_fallback());
    assert_eq!((breaker.state(), breaker.stats().opened), (State::Open, 2));
}

#[test]
fn a_fallback_needs_no_types_written_out() {
    let breaker = BlockingBreaker::new("inferred");
    breaker.control(Control::Isolate);
    let answer = breaker
        .fallback(|result| result.unwrap_or_else(|error| error.to_string()))
        .call(|| Err(std::io::Error::other("down")))
        .unwrap();
    assert_eq!(*answer, "circuit breaker `inferred` is isolated until it is released by hand");
    let wait = breaker
        .fallback(|result| result.unwrap_or_else(|error| error.retry_after()))
        .call(|| Err(()));
    assert_eq!(*wait.unwrap(), None);
}
