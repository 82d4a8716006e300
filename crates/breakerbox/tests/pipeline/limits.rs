//! Bulkhead, rate limit, adaptive limit, throttle and load shedding.

use crate::support::{HANG, Script, Task, assert_settled, attempts, builder, ms, passed};
use breakerbox::core::retry::Failure;
use breakerbox::{Error, adaptive_limit, breaker, bulkhead, rate_limit, shed, throttle};
use std::time::Duration;

fn reason<T>(result: &Result<T, Error<u32>>) -> &'static str {
    match result {
        Err(Error::Rejected(rejection)) => rejection.reason(),
        _ => "not rejected",
    }
}

#[test]
fn who_waits_for_the_bulkhead_is_polled_when_it_can_go_on() {
    let (clock, builder) = builder();
    let settings = bulkhead::Settings { queue: 2, ..bulkhead::Settings::new(1) };
    let posts = builder.bulkhead(settings).build().unwrap();
    let script = Script::new(&clock, &[(10, Ok(1)), (0, Ok(2)), (0, Ok(3))]);
    let mut first = Task::new(posts.call(|| script.run()));
    let mut second = Task::new(posts.call(|| script.run()));
    let mut third = Task::new(posts.call(|| script.run()));
    assert_eq!((script.runs(), posts.stats().bulkhead.unwrap().queued), (1, 2));
    clock.advance(ms(10));
    assert_eq!(first.output(), Ok(1));
    // Each in its turn, when the one before has ended, and polled once for it.
    third.run();
    assert!(!third.is_done());
    assert_eq!((second.output(), third.output()), (Ok(2), Ok(3)));
    assert_eq!((second.polls, third.polls), (2, 2));
    assert_settled(&posts);
}

#[test]
fn waiting_has_an_end() {
    let (clock, builder) = builder();
    let settings =
        bulkhead::Settings { queue: 1, queue_timeout: ms(100), ..bulkhead::Settings::new(1) };
    let posts = builder.bulkhead(settings).attempt_timeout(ms(1000)).build().unwrap();
    let script = Script::new(&clock, &[(HANG, Ok(1))]);
    let mut first = Task::new(posts.call(|| script.run()));
    let second = Task::new(posts.call(|| script.run())).finish(&clock);
    assert_eq!((reason(&second), passed(&clock)), ("queue_timeout", 100));
    // The attempt timeout of the first goes on.
    clock.advance(ms(900));
    assert!(first.output().unwrap_err().is_timeout());
    assert_settled(&posts);
}

#[test]
fn waiting_is_not_the_other_sides_slowness() {
    let (clock, builder) = builder();
    let settings =
        bulkhead::Settings { queue: 1, queue_timeout: ms(500), ..bulkhead::Settings::new(1) };
    let rules = breaker::Settings {
        slow_call: Some(ms(200)),
        slow_call_rate: Some(0.5),
        ..Default::default()
    };
    let posts = builder.bulkhead(settings).attempt_timeout(ms(150)).breaker(rules).build().unwrap();
    let script = Script::new(&clock, &[(140, Ok(1))]);
    let mut first = Task::new(posts.call(|| script.run()));
    let mut second = Task::new(posts.call(|| script.run()));
    clock.advance(ms(140));
    assert_eq!(first.output(), Ok(1));
    second.run();
    clock.advance(ms(140));
    assert_eq!(second.output(), Ok(1));
    assert_eq!(posts.stats().breaker.unwrap().slow, 0);
}

#[test]
fn the_more_important_call_takes_the_place() {
    let (clock, builder) = builder();
    let settings = bulkhead::Settings { queue: 1, ..bulkhead::Settings::new(1) };
    let posts = builder.bulkhead(settings).build().unwrap();
    let script = Script::new(&clock, &[(50, Ok(1)), (0, Ok(2))]);
    let mut running = Task::new(posts.call(|| script.run()));
    let mut batch = Task::new(posts.protect().priority(6).call(|| script.run()));
    let mut checkout = Task::new(posts.protect().priority(0).call(|| script.run()));
    assert_eq!(reason(&batch.output()), "bulkhead_full");
    clock.advance(ms(50));
    assert_eq!((running.output(), checkout.output()), (Ok(1), Ok(2)));
}

#[test]
fn the_rate_limit_rejects_or_makes_wait() {
    let (clock, builder) = builder();
    let settings = rate_limit::Settings { burst: Some(1), ..rate_limit::Settings::new(1.0) };
    let rejecting = builder.rate_limit(settings).build().unwrap();
    let script = Script::new(&clock, &[(0, Ok(1))]);
    assert_eq!(Task::new(rejecting.call(|| script.run())).output(), Ok(1));
    let second = Task::new(rejecting.call(|| script.run())).output();
    assert_eq!(second.as_ref().unwrap_err().retry_after(), Some(Duration::from_secs(1)));

    let (clock, builder) = crate::support::builder();
    let waits = rate_limit::Settings { wait: Some(ms(5000)), ..settings };
    let waiting = builder.rate_limit(waits).deadline(ms(2500)).build().unwrap();
    let script = Script::new(&clock, &[(0, Ok(1))]);
    assert_eq!(Task::new(waiting.call(|| script.run())).output(), Ok(1));
    let mut second = Task::new(waiting.call(|| script.run()));
    let mut third = Task::new(waiting.call(|| script.run()));
    // The turn of a fourth would come after its deadline.
    let fourth = Task::new(waiting.call(|| script.run())).output();
    assert_eq!(reason(&fourth), "rate_limited");
    clock.advance(ms(1000));
    assert_eq!(second.output(), Ok(1));
    clock.advance(ms(1000));
    assert_eq!(third.output(), Ok(1));
    assert_eq!((second.polls, third.polls), (2, 2));
}

#[test]
fn who_leaves_the_line_moves_the_others_up() {
    let (clock, builder) = builder();
    let settings = rate_limit::Settings {
        burst: Some(1),
        wait: Some(ms(5000)),
        ..rate_limit::Settings::new(1.0)
    };
    let posts = builder.rate_limit(settings).build().unwrap();
    let script = Script::new(&clock, &[(0, Ok(1))]);
    let _ = Task::new(posts.call(|| script.run())).output();
    let second = Task::new(posts.call(|| script.run()));
    let mut third = Task::new(posts.call(|| script.run()));
    drop(second);
    third.run();
    clock.advance(ms(1000));
    assert_eq!((third.output(), passed(&clock)), (Ok(1), 1000));
}

#[test]
fn every_key_has_a_rate_of_its_own_and_weights_count() {
    let (clock, builder) = builder();
    let settings = rate_limit::Settings { burst: Some(2), ..rate_limit::Settings::new(2.0) };
    let posts = builder.rate_limit(settings).build().unwrap();
    let script = Script::new(&clock, &[(0, Ok(1))]);
    let call = |key: &str, weight| {
        Task::new(posts.protect().key(key).weight(weight).call(|| script.run())).output()
    };
    assert_eq!(call("seven", 2), Ok(1));
    assert_eq!(reason(&call("seven", 1)), "rate_limited");
    assert_eq!(call("eight", 1), Ok(1));
    // More than ever fits.
    let never = call("nine", 3).unwrap_err();
    assert_eq!((never.retry_after(), never.is_rejected()), (None, true));
}

#[test]
fn the_rate_changes_while_calls_go_on() {
    let (clock, builder) = builder();
    let settings = rate_limit::Settings { burst: Some(1), ..rate_limit::Settings::new(1.0) };
    let posts = builder.rate_limit(settings).build().unwrap();
    let script = Script::new(&clock, &[(0, Ok(1))]);
    let call = || Task::new(posts.call(|| script.run())).output();
    assert_eq!(call(), Ok(1));
    assert_eq!(reason(&call()), "rate_limited");
    posts.set_rate_limit(rate_limit::Settings { rate: 1000.0, ..settings }).unwrap();
    clock.advance(ms(1));
    assert_eq!(call(), Ok(1));
    let error = posts.set_rate_limit(rate_limit::Settings { rate: 0.0, ..settings }).unwrap_err();
    assert!(error.to_string().starts_with("pipeline `posts`: `rate_limit.rate` "), "{error}");
}

#[test]
fn the_adaptive_limit_turns_away_what_is_above_it() {
    let (clock, builder) = builder();
    let settings = adaptive_limit::Settings { initial: 1, min: 1, max: 1, ..Default::default() };
    let posts = builder.adaptive_limit(settings).build().unwrap();
    let script = Script::new(&clock, &[(10, Ok(1))]);
    let mut first = Task::new(posts.call(|| script.run()));
    assert_eq!(reason(&Task::new(posts.call(|| script.run())).output()), "limit_reached");
    clock.advance(ms(10));
    assert_eq!((first.output(), script.runs()), (Ok(1), 1));
    assert_settled(&posts);
}

#[test]
fn the_throttle_holds_back_what_would_not_be_accepted() {
    let (clock, builder) = builder();
    let posts = builder.throttle(throttle::Settings::default()).build().unwrap();
    let script = Script::new(&clock, &[(0, Err(503))]);
    let mut held = 0;
    for _ in 0..1000 {
        let call = posts.protect().failure_kind(|_: &Result<u32, u32>| Failure::Status(503));
        let result = Task::new(call.call(|| script.run())).output();
        held += u32::from(reason(&result) == "throttled");
    }
    assert_eq!(script.runs() + held, 1000);
    // With nothing accepted the probability is requests / (requests + 1), but 0.9 at most, and only
    // what was admitted counts: about nine of ten are held back.
    assert!((850..=950).contains(&held), "{held}");
    assert_eq!(posts.stats().rejected("throttled"), u64::from(held));
}

#[test]
fn the_throttle_lets_errors_pass_that_say_nothing_of_overload() {
    let (clock, builder) = builder();
    let posts = builder.throttle(throttle::Settings::default()).build().unwrap();
    let script = Script::new(&clock, &[(0, Err(404))]);
    for _ in 0..1000 {
        let call = posts.protect().failure_kind(|_: &Result<u32, u32>| Failure::Status(404));
        let _ = Task::new(call.call(|| script.run())).output();
    }
    assert_eq!(script.runs(), 1000);
}

#[test]
fn the_least_important_calls_are_shed_first() {
    let (clock, builder) = builder();
    let waits = bulkhead::Settings {
        queue: 64,
        queue_timeout: Duration::from_secs(60),
        ..bulkhead::Settings::new(1)
    };
    let posts = builder.bulkhead(waits).shed(shed::Settings::default()).build().unwrap();
    let script = Script::new(&clock, &[(20, Ok(1))]);
    // Calls come twice as fast as they can be worked on: all wait longer and longer.
    let mut tasks = Vec::new();
    let mut shed = [0, 0];
    for round in 0..2000_u32 {
        let urgency = if round % 2 == 0 { 7 } else { 0 };
        let mut task = Task::new(posts.protect().priority(urgency).call(|| script.run()));
        if task.is_done() && reason(&task.output()) == "shed" {
            shed[usize::from(urgency == 0)] += 1;
        } else {
            tasks.push(task);
        }
        clock.advance(ms(10));
        tasks.iter_mut().for_each(Task::run);
        tasks.retain(|task| !task.is_done());
    }
    let [least, most] = shed;
    assert!(least > 400 && most == 0, "{shed:?}");
}

#[test]
fn a_waker_that_panics_hurts_only_its_own() {
    use std::sync::Arc;
    use std::task::{Context, Wake, Waker};
    struct Bad;
    impl Wake for Bad {
        fn wake(self: Arc<Self>) {
            panic!("a waker that panics");
        }
    }
    let (clock, builder) = builder();
    let settings = bulkhead::Settings { queue: 4, ..bulkhead::Settings::new(1) };
    let posts = builder.bulkhead(settings).build().unwrap();
    let script = Script::new(&clock, &[(10, Ok(1)), (0, Ok(2)), (0, Ok(3))]);
    let mut first = Task::new(posts.call(|| script.run()));
    let mut second = Box::pin(posts.call(|| script.run()));
    let bad = Waker::from(Arc::new(Bad));
    assert!(second.as_mut().poll(&mut Context::from_waker(&bad)).is_pending());
    let mut third = Task::new(posts.call(|| script.run()));
    clock.advance(ms(10));
    assert_eq!(first.output(), Ok(1));
    assert!(second.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready());
    assert_eq!(third.output(), Ok(3));
    assert_settled(&posts);
}

#[test]
fn the_throttle_hears_of_the_attempt_before_one_that_was_turned_away() {
    let (clock, builder) = builder();
    let rules = breaker::Settings { consecutive_failures: Some(1), ..Default::default() };
    let posts = builder
        .throttle(throttle::Settings::default())
        .retry(attempts(2, 10))
        .breaker(rules)
        .build()
        .unwrap();
    let script = Script::new(&clock, &[(0, Err(503))]);
    let call = || {
        let kind = |_: &Result<u32, u32>| Failure::Status(503);
        Task::new(posts.protect().failure_kind(kind).call(|| script.run())).finish(&clock)
    };
    let result = call();
    // Its only failure has opened the circuit.
    assert_eq!((reason(&result), script.runs()), ("breaker_open", 1));
    let seen = posts.stats().throttle.unwrap();
    assert_eq!((seen.requests, seen.accepted), (1, 0));
    // This one never comes as far.
    let result = call();
    assert_eq!((reason(&result), posts.stats().throttle.unwrap().requests), ("breaker_open", 1));
}
