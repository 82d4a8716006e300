//! Chaos in the library: faults before, instead of, and around the operation.

use crate::support::{Script, Task, assert_settled, attempts, builder, ms, passed};
use breakerbox::chaos::{Latency, Settings};
use breakerbox::{Error, breaker};

fn always() -> Settings {
    Settings { fraction: 1.0, max_fraction: 1.0, on: true, ..Settings::default() }
}

#[test]
fn an_error_stands_in_for_the_operation() {
    let (clock, builder) = builder();
    let settings = Settings { error: Some(503), ..always() };
    let posts = builder.chaos(settings).breaker(breaker::Settings::default()).build().unwrap();
    let script = Script::new(&clock, &[(0, Ok(1))]);
    let result = Task::new(posts.call(|| script.run())).output();
    let Err(Error::Rejected(rejection)) = result else { panic!("{result:?}") };
    assert_eq!((rejection.reason(), script.runs()), ("chaos", 0));
    let stats = posts.stats();
    assert_eq!((stats.rejected("chaos"), stats.breaker.unwrap().failures), (1, 1));
}

#[test]
fn it_is_switched_while_calls_go_on() {
    let (clock, builder) = builder();
    let settings = Settings { reset: true, on: false, ..always() };
    let posts = builder.chaos(settings).retry(attempts(2, 50)).build().unwrap();
    let script = Script::new(&clock, &[(0, Ok(1))]);
    assert_eq!(Task::new(posts.call(|| script.run())).output(), Ok(1));
    assert!(posts.set_chaos(true));
    let mut task = Task::new(posts.call(|| script.run()));
    assert!(!task.is_done());
    // The repetition is spared.
    posts.set_chaos(false);
    clock.advance(ms(50));
    assert_eq!((task.output(), posts.stats().retries), (Ok(1), 1));
}

#[test]
fn a_delay_comes_before_the_operation_and_shares_its_timeout() {
    let (clock, builder) = builder();
    let settings = Settings { latency: Some(Latency::Fixed(ms(100))), ..always() };
    let posts = builder.chaos(settings).attempt_timeout(ms(150)).build().unwrap();
    let script = Script::new(&clock, &[(40, Ok(1)), (60, Ok(2))]);
    assert_eq!(Task::new(posts.call(|| script.run())).finish(&clock), Ok(1));
    assert_eq!((passed(&clock), *script.began.borrow() == [100]), (140, true));
    let second = Task::new(posts.call(|| script.run())).finish(&clock);
    assert!(second.unwrap_err().is_timeout());
    assert_eq!((passed(&clock), script.dropped.get()), (140 + 150, 1));
}

#[test]
fn a_black_hole_ends_with_the_attempt_timeout() {
    let (clock, builder) = builder();
    let settings = Settings { black_hole: true, ..always() };
    let posts = builder
        .chaos(settings)
        .attempt_timeout(ms(100))
        .breaker(breaker::Settings::default())
        .build()
        .unwrap();
    let script = Script::new(&clock, &[(0, Ok(1))]);
    let result = Task::new(posts.call(|| script.run())).finish(&clock);
    assert!(result.unwrap_err().is_timeout());
    assert_eq!((passed(&clock), script.runs()), (100, 0));
    assert_settled(&posts);
}

#[test]
fn calls_of_one_key_meet_the_same() {
    let (clock, builder) = builder();
    let settings = Settings { error: Some(503), fraction: 0.5, ..always() };
    let posts = builder.chaos(settings).build().unwrap();
    let script = Script::new(&clock, &[(0, Ok(1))]);
    let mut hit = 0;
    for key in 0..100 {
        let call = || Task::new(posts.protect().key(key).call(|| script.run())).output().is_ok();
        let first = call();
        assert!((0..5).all(|_| call() == first), "{key}");
        hit += u32::from(!first);
    }
    assert!((30..70).contains(&hit), "{hit}");
}
