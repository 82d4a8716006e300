//! Hedges: a second attempt beside the first.

use crate::support::{HANG, Script, Task, assert_settled, attempts, builder, ms, passed};
use breakerbox::hedge::{Delay, Settings};
use breakerbox::{Error, breaker, bulkhead, retry};

fn after(milliseconds: u64) -> Settings {
    Settings::new(Delay::Fixed(ms(milliseconds)))
}

#[test]
fn the_first_success_wins_and_the_other_is_dropped() {
    let (clock, builder) = builder();
    let posts = builder.hedge(after(50)).build().unwrap();
    let script = Script::new(&clock, &[(HANG, Ok(1)), (10, Ok(2))]);
    assert_eq!(Task::new(posts.call(|| script.run())).finish(&clock), Ok(2));
    let stats = posts.stats();
    assert_eq!((passed(&clock), script.runs(), script.dropped.get()), (60, 2, 1));
    assert_eq!((stats.hedges, stats.hedges_won, stats.hedges_lost), (1, 1, 0));
}

#[test]
fn the_first_attempt_may_still_win() {
    let (clock, builder) = builder();
    let posts = builder.hedge(after(50)).build().unwrap();
    let script = Script::new(&clock, &[(70, Ok(1)), (100, Ok(2))]);
    assert_eq!(Task::new(posts.call(|| script.run())).finish(&clock), Ok(1));
    let stats = posts.stats();
    assert_eq!((passed(&clock), script.runs(), script.dropped.get()), (70, 2, 1));
    assert_eq!((stats.hedges_won, stats.hedges_lost), (0, 1));
}

#[test]
fn a_quick_call_is_not_hedged() {
    let (clock, builder) = builder();
    let posts = builder.hedge(after(50)).build().unwrap();
    let script = Script::new(&clock, &[(49, Ok(1))]);
    assert_eq!(Task::new(posts.call(|| script.run())).finish(&clock), Ok(1));
    assert_eq!(script.runs(), 1);
}

#[test]
fn hedges_stay_within_the_budget() {
    let (clock, builder) = builder();
    let budget = retry::BudgetSettings { ratio: 0.0, start: 1.0, cap: 1.0, min_per_second: 0.0 };
    let posts = builder.hedge(Settings { budget: Some(budget), ..after(50) }).build().unwrap();
    let script = Script::new(&clock, &[(100, Ok(1))]);
    for _ in 0..3 {
        assert_eq!(Task::new(posts.call(|| script.run())).finish(&clock), Ok(1));
    }
    let stats = posts.stats();
    assert_eq!((script.runs(), stats.hedges, stats.refused_by_budget), (4, 1, 2));
}

#[test]
fn retries_and_hedges_draw_on_one_budget() {
    let (clock, builder) = builder();
    let budget = retry::BudgetSettings { ratio: 0.0, start: 1.0, cap: 1.0, min_per_second: 0.0 };
    let settings = retry::Settings { budget: Some(budget), ..attempts(3, 50) };
    let posts = builder.retry(settings).hedge(after(50)).build().unwrap();
    // A hedge at 50 ms takes what there is; when both have failed no retry is left.
    let script = Script::new(&clock, &[(80, Err(1)), (50, Err(2)), (0, Ok(3))]);
    let result = Task::new(posts.call(|| script.run())).finish(&clock);
    assert_eq!((result, script.runs(), passed(&clock)), (Err(Error::Inner(2)), 2, 100));
}

#[test]
fn a_failure_brings_the_hedge_at_once() {
    let (clock, builder) = builder();
    let posts = builder.retry(attempts(3, 1000)).hedge(after(50)).build().unwrap();
    let script = Script::new(&clock, &[(10, Err(1)), (10, Ok(2))]);
    assert_eq!(Task::new(posts.call(|| script.run())).finish(&clock), Ok(2));
    assert_eq!((passed(&clock), *script.began.borrow() == [0, 10]), (20, true));
}

#[test]
fn a_hedge_takes_no_probe() {
    let (clock, builder) = builder();
    let settings = breaker::Settings {
        consecutive_failures: Some(1),
        open_for: Some(ms(1000).into()),
        probes: Some(2),
        ..Default::default()
    };
    let posts = builder.hedge(after(50)).breaker(settings).build().unwrap();
    let failing = Script::new(&clock, &[(0, Err(1))]);
    let _ = Task::new(posts.call_once(|| failing.run())).finish(&clock);
    clock.advance(ms(1000));
    let script = Script::new(&clock, &[(100, Ok(1))]);
    assert_eq!(Task::new(posts.call(|| script.run())).finish(&clock), Ok(1));
    assert_eq!((script.runs(), posts.stats().hedges), (1, 0));
}

#[test]
fn a_hedge_does_not_wait_for_the_bulkhead() {
    let (clock, builder) = builder();
    let settings = bulkhead::Settings { queue: 8, ..bulkhead::Settings::new(1) };
    let posts = builder.hedge(after(50)).bulkhead(settings).build().unwrap();
    let script = Script::new(&clock, &[(100, Ok(1))]);
    assert_eq!(Task::new(posts.call(|| script.run())).finish(&clock), Ok(1));
    assert_eq!((script.runs(), posts.stats().hedges), (1, 0));
    assert_settled(&posts);
}

#[test]
fn what_must_not_be_repeated_is_not_hedged() {
    let (clock, builder) = builder();
    let posts = builder.hedge(after(50)).build().unwrap();
    let script = Script::new(&clock, &[(100, Ok(1))]);
    assert_eq!(Task::new(posts.call_once(|| script.run())).finish(&clock), Ok(1));
    assert_eq!(script.runs(), 1);
}

#[test]
fn who_comes_after_the_deadline_begins_no_hedge() {
    for timeout in [None, Some(50)] {
        let (clock, builder) = builder();
        let builder = builder.deadline(ms(60)).hedge(after(55));
        let posts = match timeout {
            Some(timeout) => builder.attempt_timeout(ms(timeout)).build().unwrap(),
            None => builder.build().unwrap(),
        };
        let script = Script::new(&clock, &[(HANG, Ok(1)), (0, Ok(2))]);
        let mut call = Task::new(posts.call(|| script.run()));
        clock.advance(ms(1000));
        assert!(call.output().unwrap_err().is_timeout());
        assert_eq!((script.runs(), posts.stats().hedges), (1, 0));
    }
}

#[test]
fn the_loser_is_dropped_though_the_future_of_the_call_is_kept() {
    let (clock, builder) = builder();
    let posts = builder.hedge(after(50)).build().unwrap();
    let script = Script::new(&clock, &[(70, Ok(1)), (HANG, Ok(2))]);
    let mut task = Task::new(posts.call(|| script.run()));
    while !task.is_done() {
        clock.advance(ms(1));
        task.run();
    }
    assert_eq!((script.runs(), script.dropped.get()), (2, 1));
    drop(task);
}
