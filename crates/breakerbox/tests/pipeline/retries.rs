//! Retry, and what stands around it.

use crate::support::{HANG, Script, Task, assert_settled, attempts, builder, ms, passed};
use breakerbox::core::pipeline::Hint;
use breakerbox::{
    Error, EventKind, Hints, Outcome, Pipeline, TimeoutKind, breaker, bulkhead, retry,
};
use std::cell::Cell;
use std::sync::{Arc, Mutex};
use std::time::Duration;

#[test]
fn a_second_attempt_comes_after_the_delay() {
    let (clock, builder) = builder();
    let posts = builder.retry(attempts(3, 50)).build().unwrap();
    let script = Script::new(&clock, &[(10, Err(1)), (10, Ok(2))]);
    assert_eq!(Task::new(posts.call(|| script.run())).finish(&clock), Ok(2));
    // 10 ms for the first, 50 ms of waiting, 10 ms for the second.
    assert_eq!((passed(&clock), posts.stats().retries), (70, 1));
    assert_eq!(*script.began.borrow(), [0, 60]);
}

#[test]
fn the_last_error_is_delivered() {
    let (clock, builder) = builder();
    let posts = builder.retry(attempts(3, 50)).build().unwrap();
    let script = Script::new(&clock, &[(0, Err(1)), (0, Err(2)), (0, Err(3)), (0, Ok(4))]);
    let result = Task::new(posts.call(|| script.run())).finish(&clock);
    assert_eq!((result, script.runs()), (Err(Error::Inner(3)), 3));
}

#[test]
fn an_attempt_that_times_out_is_dropped_and_repeated() {
    let (clock, builder) = builder();
    let posts = builder.retry(attempts(3, 50)).attempt_timeout(ms(100)).build().unwrap();
    let script = Script::new(&clock, &[(HANG, Ok(0))]);
    let result = Task::new(posts.call(|| script.run())).finish(&clock);
    let Err(Error::Timeout(timeout)) = result else { panic!("{result:?}") };
    assert_eq!((timeout.kind(), timeout.after()), (TimeoutKind::Attempt, ms(100)));
    // Three times 100 ms, and 50 ms between them.
    assert_eq!((passed(&clock), script.runs(), script.dropped.get()), (400, 3, 3));
}

#[test]
fn the_deadline_ends_it_with_the_last_real_error() {
    let (clock, builder) = builder();
    let posts = builder.retry(attempts(5, 50)).deadline(ms(120)).build().unwrap();
    let script = Script::new(&clock, &[(10, Err(1)), (HANG, Ok(0))]);
    let result = Task::new(posts.call(|| script.run())).finish(&clock);
    // The second attempt began at 60 ms and is cut off at 120 ms; what came before is the answer.
    assert_eq!((result, passed(&clock)), (Err(Error::Inner(1)), 120));
    assert_eq!((script.runs(), script.dropped.get()), (2, 1));
}

#[test]
fn a_delay_that_does_not_fit_the_deadline_is_not_waited_for() {
    let (clock, builder) = builder();
    let posts = builder.retry(attempts(5, 50)).deadline(ms(55)).build().unwrap();
    let script = Script::new(&clock, &[(10, Err(1))]);
    let result = Task::new(posts.call(|| script.run())).finish(&clock);
    assert_eq!((result, passed(&clock), script.runs()), (Err(Error::Inner(1)), 10, 1));
}

#[test]
fn an_open_breaker_ends_the_retries_at_once() {
    let (clock, builder) = builder();
    let settings = breaker::Settings { consecutive_failures: Some(2), ..Default::default() };
    let posts = builder.retry(attempts(5, 50)).breaker(settings).build().unwrap();
    let script = Script::new(&clock, &[(0, Err(1))]);
    let result = Task::new(posts.call(|| script.run())).finish(&clock);
    let Err(Error::Rejected(rejection)) = result else { panic!("{result:?}") };
    assert_eq!((rejection.reason(), script.runs()), ("breaker_open", 2));
    // It did not wait another 50 ms to find out.
    assert_eq!((passed(&clock), posts.stats().rejected("breaker_open")), (50, 1));
    assert_settled(&posts);
}

#[test]
fn a_full_bulkhead_is_not_asked_again() {
    let (clock, builder) = builder();
    let posts =
        builder.retry(attempts(5, 50)).bulkhead(bulkhead::Settings::new(1)).build().unwrap();
    let script = Script::new(&clock, &[(1000, Ok(1))]);
    let mut first = Task::new(posts.call(|| script.run()));
    let second = Task::new(posts.call(|| script.run())).output();
    assert!(matches!(second, Err(Error::Rejected(ref why)) if why.reason() == "bulkhead_full"));
    assert_eq!((script.runs(), passed(&clock)), (1, 0));
    clock.advance(ms(1000));
    assert_eq!(first.output(), Ok(1));
    assert_settled(&posts);
}

#[test]
fn a_place_in_the_bulkhead_is_free_while_a_retry_waits() {
    let (clock, builder) = builder();
    let posts =
        builder.retry(attempts(2, 50)).bulkhead(bulkhead::Settings::new(1)).build().unwrap();
    let script = Script::new(&clock, &[(0, Err(1)), (0, Ok(2)), (0, Ok(3))]);
    let mut first = Task::new(posts.call(|| script.run()));
    assert!(!first.is_done());
    assert_eq!(Task::new(posts.call(|| script.run())).output(), Ok(2));
    clock.advance(ms(50));
    assert_eq!(first.output(), Ok(3));
}

#[test]
fn what_must_not_be_repeated_is_not() {
    let (clock, builder) = builder();
    let posts = builder.retry(attempts(5, 50)).build().unwrap();
    let runs = Cell::new(0);
    let result = Task::new(posts.call_once(|| {
        runs.set(runs.get() + 1);
        std::future::ready(Err::<(), _>("declined"))
    }));
    assert_eq!((result.finish(&clock), runs.get()), (Err(Error::Inner("declined")), 1));
}

#[test]
fn the_caller_may_know_better_what_is_worth_it() {
    let (clock, builder) = builder();
    let posts = builder.retry(attempts(5, 50)).build().unwrap();
    let script = Script::new(&clock, &[(0, Err(503)), (0, Err(400)), (0, Ok(1))]);
    let call = posts.protect().retry_if(|result: &Result<u32, u32>| *result == Err(503));
    let result = Task::new(call.call(|| script.run())).finish(&clock);
    assert_eq!((result, script.runs()), (Err(Error::Inner(400)), 2));
}

#[test]
fn an_ok_can_be_worth_another_attempt() {
    let (clock, builder) = builder();
    let posts = builder.retry(attempts(5, 50)).build().unwrap();
    let script = Script::new(&clock, &[(0, Ok(202)), (0, Ok(200))]);
    let call = posts
        .protect()
        .classify(|result: &Result<u32, u32>| match result {
            Ok(200) => Outcome::Success,
            _ => Outcome::Failure,
        })
        .retry_if(|_| true);
    assert_eq!(Task::new(call.call(|| script.run())).finish(&clock), Ok(200));
    assert_eq!(script.runs(), 2);
}

#[test]
fn the_other_side_may_say_when() {
    let (clock, builder) = builder();
    let posts = builder.retry(attempts(5, 50)).build().unwrap();
    // It asks for 2 s, then for less than the delay, then for more than is ever waited.
    let script = Script::new(&clock, &[(0, Err(2000)), (0, Err(1)), (0, Err(60_000)), (0, Ok(1))]);
    let call = posts
        .protect()
        .retry_after(|result: &Result<u32, u32>| result.err().map(|wish| ms(u64::from(wish))));
    assert_eq!(Task::new(call.call(|| script.run())).finish(&clock), Ok(1));
    // 2 s; 50 ms, the delay; 10 s, the longest delay there is.
    assert_eq!(*script.began.borrow(), [0, 2000, 2050, 12_050]);
}

#[test]
fn retries_stay_within_their_budget() {
    let (clock, builder) = builder();
    let budget = retry::BudgetSettings { ratio: 0.0, start: 2.0, cap: 2.0, min_per_second: 0.0 };
    let settings = retry::Settings { budget: Some(budget), ..attempts(5, 50) };
    let posts = builder.retry(settings).build().unwrap();
    let script = Script::new(&clock, &[(0, Err(1))]);
    for _ in 0..10 {
        let _ = Task::new(posts.call(|| script.run())).finish(&clock);
    }
    // Ten calls, and the two repetitions that there are in all.
    let stats = posts.stats();
    assert_eq!((script.runs(), stats.retries, stats.budget_left), (12, 2, Some(0.0)));
    // The third wish of the first call, and one of each of the others.
    assert_eq!(stats.refused_by_budget, 10);
}

#[test]
fn a_retry_that_is_given_up_gives_its_budget_back() {
    let (clock, builder) = builder();
    let budget = retry::BudgetSettings { ratio: 0.0, start: 2.0, cap: 2.0, min_per_second: 0.0 };
    let settings = retry::Settings { budget: Some(budget), ..attempts(5, 50) };
    let posts = builder.retry(settings).build().unwrap();
    let script = Script::new(&clock, &[(0, Err(1))]);
    let task = Task::new(posts.call(|| script.run()));
    assert_eq!(posts.stats().budget_left, Some(1.0));
    drop(task);
    let stats = posts.stats();
    assert_eq!((stats.budget_left, stats.retries, stats.cancelled), (Some(2.0), 0, 1));
}

#[test]
fn a_caller_with_less_time_ends_it_earlier() {
    let (clock, builder) = builder();
    let posts = builder.deadline(ms(500)).breaker(breaker::Settings::default()).build().unwrap();
    let script = Script::new(&clock, &[(HANG, Ok(1))]);
    let call = posts.protect().time_left(ms(200)).call(|| script.run());
    let result = Task::new(call).finish(&clock);
    let Err(Error::Timeout(timeout)) = result else { panic!("{result:?}") };
    assert_eq!((timeout.kind(), timeout.after()), (TimeoutKind::Deadline, ms(200)));
    // That says nothing about the other side; the deadline of the pipeline would.
    let breaker = posts.stats().breaker.unwrap();
    assert_eq!((breaker.ignored, breaker.failures), (1, 0));
    let _ = Task::new(posts.call(|| script.run())).finish(&clock);
    assert_eq!(posts.stats().breaker.unwrap().failures, 1);
}

#[test]
fn a_panic_is_a_failure_and_goes_on() {
    let (_, builder) = builder();
    let posts = builder
        .retry(attempts(5, 50))
        .breaker(breaker::Settings::default())
        .bulkhead(bulkhead::Settings::new(1))
        .build()
        .unwrap();
    let call = || async { if posts.name().is_empty() { Ok(()) } else { panic!("a fault") } };
    let unwound = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        Task::new(posts.call::<_, _, (), ()>(call)).is_done()
    }));
    assert!(unwound.is_err());
    let stats = posts.stats();
    assert_eq!((stats.panics, stats.breaker.as_ref().unwrap().failures, stats.retries), (1, 1, 0));
    assert_settled(&posts);
}

#[test]
fn listeners_hear_of_it_in_order() {
    let (clock, builder) = builder();
    let settings = breaker::Settings { consecutive_failures: Some(2), ..Default::default() };
    let posts = builder.retry(attempts(3, 50)).breaker(settings).build().unwrap();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&heard);
    posts.on_event(move |event| log.lock().unwrap().push(event.kind.clone()));
    let script = Script::new(&clock, &[(0, Err(1))]);
    let _ = Task::new(posts.call(|| script.run())).finish(&clock);
    let heard = heard.lock().unwrap();
    assert!(matches!(heard[0], EventKind::Retrying { attempts: 1, after } if after == ms(50)));
    assert!(matches!(heard[1], EventKind::Transition(_)), "{heard:?}");
    assert!(matches!(heard[2], EventKind::Rejected(_)), "{heard:?}");
    assert_eq!(heard.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn it_follows_the_paused_time_of_tokio() {
    let clock = breakerbox::clock::TokioClock::new();
    let posts = Pipeline::builder("posts")
        .clock(clock)
        .retry(attempts(3, 50))
        .attempt_timeout(ms(100))
        .build()
        .unwrap();
    let began = tokio::time::Instant::now();
    let result = posts.call(std::future::pending::<Result<(), ()>>).await;
    assert!(result.unwrap_err().is_timeout());
    assert_eq!(began.elapsed(), Duration::from_millis(400));
}

#[test]
fn a_repetition_that_finds_no_place_is_no_failure_of_the_other_side() {
    let (clock, builder) = builder();
    // The time its first attempt had is over when the second one asks for a place.
    let posts = builder
        .retry(attempts(2, 100))
        .attempt_timeout(ms(50))
        .breaker(breaker::Settings { consecutive_failures: Some(2), ..Default::default() })
        .bulkhead(bulkhead::Settings::new(1))
        .build()
        .unwrap();
    let failing = Script::new(&clock, &[(0, Err(1))]);
    let hangs = Script::new(&clock, &[(40, Ok(1))]);
    let mut rejected = Task::new(posts.call(|| failing.run()));
    clock.advance(ms(90));
    let running = Task::new(posts.call(|| hangs.run()));
    clock.advance(ms(10));
    rejected.run();
    assert!(
        matches!(rejected.output(), Err(Error::Rejected(why)) if why.reason() == "bulkhead_full")
    );
    let seen = posts.stats().breaker.unwrap();
    assert_eq!((seen.failures, seen.ignored, failing.runs()), (1, 1, 1));
    assert_eq!(posts.breaker_state(), Some(breakerbox::State::Closed));
    drop(running);
    assert_settled(&posts);
}

#[test]
fn a_repetition_given_up_while_it_is_queued_is_no_failure_of_the_other_side() {
    let (clock, builder) = builder();
    let posts = builder
        .retry(attempts(2, 100))
        .attempt_timeout(ms(150))
        .breaker(breaker::Settings::default())
        .bulkhead(bulkhead::Settings { queue: 1, ..bulkhead::Settings::new(1) })
        .build()
        .unwrap();
    let failing = Script::new(&clock, &[(0, Err(1))]);
    let hangs = Script::new(&clock, &[(500, Ok(1))]);
    let mut given_up = Task::new(posts.call(|| failing.run()));
    clock.advance(ms(90));
    let running = Task::new(posts.call(|| hangs.run()));
    clock.advance(ms(10));
    given_up.run();
    assert!(!given_up.is_done());
    clock.advance(ms(60));
    drop(given_up);
    let seen = posts.stats().breaker.unwrap();
    assert_eq!((seen.failures, seen.ignored, failing.runs()), (1, 1, 1));
    drop(running);
    assert_settled(&posts);
}

/// A failure of which it is known that it was never sent may be repeated whatever it is. An operation
/// that is gone after its first run cannot.
struct NeverSent;

impl Hints<u32, u32> for NeverSent {
    fn hint(&self, _: &Result<u32, u32>) -> Hint {
        Hint { never_sent: true, ..Hint::NONE }
    }
}

#[test]
fn an_operation_that_can_run_once_is_not_repeated_though_it_was_never_sent() {
    let (clock, builder) = builder();
    let posts = builder.retry(attempts(3, 50)).build().unwrap();
    let script = Script::new(&clock, &[(0, Err(1)), (0, Ok(2))]);
    let call = posts.protect().hints(NeverSent).call_once(|| script.run());
    assert_eq!(Task::new(call).finish(&clock), Err(Error::Inner(1)));

    let blocking = Pipeline::builder("posts").retry(attempts(3, 1)).build_blocking().unwrap();
    let result = blocking.protect().hints(NeverSent).call_once(|| Err(1));
    assert_eq!(result, Err(Error::Inner(1)));
}

#[test]
fn an_operation_that_can_run_again_is_repeated_if_it_was_never_sent() {
    let (clock, builder) = builder();
    let posts = builder.retry(attempts(3, 50)).build().unwrap();
    let script = Script::new(&clock, &[(0, Err(1)), (0, Ok(2))]);
    let call = posts.protect().hints(NeverSent).call(|| script.run());
    assert_eq!(Task::new(call).finish(&clock), Ok(2));
}
