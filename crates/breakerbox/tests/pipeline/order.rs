//! The order of the policies, and fallbacks.

use crate::support::{HANG, Script, Task, assert_settled, attempts, builder, ms};
use breakerbox::{
    Control, Error, State, adaptive_limit, breaker, bulkhead, hedge, rate_limit, retry, throttle,
};

#[test]
fn the_order_of_the_builder_does_not_matter() {
    let (_, one) = builder();
    let one = one
        .attempt_timeout(ms(100))
        .adaptive_limit(adaptive_limit::Settings::default())
        .bulkhead(bulkhead::Settings::new(8))
        .breaker(breaker::Settings::default())
        .retry(retry::Settings::default())
        .rate_limit(rate_limit::Settings::new(100.0))
        .throttle(throttle::Settings::default())
        .deadline(ms(1000))
        .build()
        .unwrap();
    let (_, other) = builder();
    let other = other
        .deadline(ms(1000))
        .rate_limit(rate_limit::Settings::new(100.0))
        .breaker(breaker::Settings::default())
        .throttle(throttle::Settings::default())
        .bulkhead(bulkhead::Settings::new(8))
        .attempt_timeout(ms(100))
        .retry(retry::Settings::default())
        .adaptive_limit(adaptive_limit::Settings::default())
        .build()
        .unwrap();
    assert_eq!(one.to_string(), other.to_string());
    let sentence = one.to_string();
    let order = [
        "a deadline of 1s",
        "a throttle",
        "a rate limit",
        "up to 3 attempts",
        "a circuit breaker",
        "a bulkhead of 8",
        "an adaptive concurrency limit",
        "an attempt timeout of 100ms",
        "the call",
    ];
    let places: Vec<_> = order.iter().map(|part| sentence.find(part).expect(part)).collect();
    assert!(places.is_sorted(), "{sentence}");
}

#[test]
fn the_rate_limit_counts_calls_and_the_breaker_attempts() {
    let (clock, builder) = builder();
    let rate = rate_limit::Settings { burst: Some(2), ..rate_limit::Settings::new(0.001) };
    let posts = builder
        .rate_limit(rate)
        .retry(attempts(3, 50))
        .breaker(breaker::Settings::default())
        .build()
        .unwrap();
    let script = Script::new(&clock, &[(0, Err(1))]);
    for _ in 0..2 {
        let _ = Task::new(posts.call(|| script.run())).finish(&clock);
    }
    let stats = posts.stats();
    assert_eq!((script.runs(), stats.breaker.unwrap().failures), (6, 6));
    assert_eq!(stats.rate_limit.unwrap().allowed, 2);
    assert!(Task::new(posts.call(|| script.run())).output().unwrap_err().is_rejected());
    assert_eq!(script.runs(), 6);
}

#[test]
fn a_fallback_replaces_whatever_a_call_comes_to() {
    let (clock, builder) = builder();
    let posts = builder
        .deadline(ms(500))
        .attempt_timeout(ms(100))
        .breaker(breaker::Settings::default())
        .bulkhead(bulkhead::Settings::new(1))
        .build()
        .unwrap();
    let answer = |script: &Script| {
        let call = posts.protect().fallback(|_: Result<u32, Error<u32>>| 99);
        let answer = Task::new(call.call(|| script.run())).finish(&clock).unwrap();
        (*answer, answer.is_fallback())
    };
    let (good, bad) = (Script::new(&clock, &[(0, Ok(1))]), Script::new(&clock, &[(0, Err(1))]));
    let hangs = Script::new(&clock, &[(HANG, Ok(1))]);
    assert_eq!(answer(&good), (1, false));
    assert_eq!(answer(&bad), (99, true));
    assert_eq!(answer(&hangs), (99, true));
    let running = Task::new(posts.call(|| hangs.run()));
    assert_eq!(answer(&good), (99, true)); // the bulkhead is full
    drop(running);
    assert!(posts.control(Control::ForceOpen));
    assert_eq!((answer(&good), posts.breaker_state()), ((99, true), Some(State::Open)));
    assert_eq!((good.runs(), posts.stats().fallbacks), (1, 4));
    assert_settled(&posts);
}

#[test]
fn what_makes_no_sense_is_refused_all_at_once() {
    let (_, builder) = builder();
    let error = builder
        .deadline(ms(0))
        .breaker_keys(10)
        .shed(breakerbox::shed::Settings::default())
        .hedge(hedge::Settings { max: 0, ..hedge::Settings::new(hedge::Delay::Fixed(ms(5))) })
        .chaos(breakerbox::chaos::Settings {
            slow_body: Some(100),
            ..breakerbox::chaos::Settings::default()
        })
        .build()
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "pipeline `posts`: `deadline` is zero, so no call can succeed; give a longer duration\n\
         pipeline `posts`: `hedge.max` is 0; give 1 to 10\n\
         pipeline `posts`: `shed` sheds by how long calls wait in the bulkhead's queue, and there is \
         none; add `bulkhead` with a `queue`, or leave `shed` out\n\
         pipeline `posts`: `breaker_keys` has no breaker to make one of for each key; add a `breaker`\n\
         pipeline `posts`: `chaos.slow_body` is for the bodies of HTTP responses, and calls here have \
         none; leave it out"
    );
    assert_eq!(error.settings().count(), 5);
}
