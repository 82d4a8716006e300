//! Answers that are kept, and equal calls that share one.

use crate::support::{HANG, Script, Task, builder, ms};
use breakerbox::clock::ManualClock;
use breakerbox::{Error, SharedCalls, breaker, coalesce, rate_limit};

type Calls = SharedCalls<&'static str, u32, u32, ManualClock>;

#[test]
fn a_fresh_answer_is_given_without_a_call_until_it_is_as_old_as_it_may_be() {
    let (clock, builder) = builder();
    let posts: Calls = builder.cache(ms(1000), 10).build().unwrap().shared();
    let script = Script::new(&clock, &[(0, Ok(1)), (0, Ok(2))]);
    let get = || Task::new(posts.call("/1", || script.run())).output().unwrap();
    assert_eq!((*get(), script.runs()), (1, 1));
    clock.advance(ms(999));
    let kept = get();
    assert_eq!(
        (*kept, kept.age(), kept.is_fallback(), script.runs()),
        (1, Some(ms(999)), false, 1)
    );
    clock.advance(ms(1));
    assert_eq!((*get(), script.runs()), (2, 2));
    posts.forget(&"/1");
    assert_eq!((*get(), script.runs()), (2, 3));
}

#[test]
fn errors_are_not_kept() {
    let (clock, builder) = builder();
    let posts: Calls = builder.cache(ms(1000), 10).build().unwrap().shared();
    let script = Script::new(&clock, &[(0, Err(1)), (0, Ok(2))]);
    let get = || Task::new(posts.call("/1", || script.run())).output();
    assert_eq!(get().unwrap_err(), Error::Inner(1));
    assert_eq!(*get().unwrap(), 2);
}

#[test]
fn the_last_good_answer_stands_in_and_shows_its_age() {
    let (clock, builder) = builder();
    let pipeline = builder.stale(ms(5000)).breaker(breaker::Settings::default()).build().unwrap();
    let posts: Calls = pipeline.shared();
    let script = Script::new(&clock, &[(0, Ok(1)), (0, Err(2))]);
    let get = || Task::new(posts.call("/1", || script.run())).output();
    assert!(!get().unwrap().is_fallback());
    clock.advance(ms(4999));
    let stale = get().unwrap();
    assert_eq!((*stale, stale.is_fallback(), stale.age()), (1, true, Some(ms(4999))));
    clock.advance(ms(1));
    assert_eq!(get().unwrap_err(), Error::Inner(2));
    assert_eq!(pipeline.stats().fallbacks, 1);
}

#[test]
fn without_an_answer_the_other_fallback_stands_in() {
    let (clock, builder) = builder();
    let posts: Calls = builder.stale(ms(5000)).build().unwrap().shared();
    let script = Script::new(&clock, &[(0, Err(2))]);
    let call = posts.protect().fallback(|_: Result<u32, Error<u32>>| 99);
    let answer = Task::new(call.call_shared(&posts, "/1", || script.run())).output().unwrap();
    assert_eq!((*answer, answer.is_fallback(), answer.age()), (99, true, None));
}

#[test]
fn equal_calls_share_one_run_and_each_is_woken_once() {
    let (clock, builder) = builder();
    let posts: Calls = builder.coalesce(coalesce::Settings::default()).build().unwrap().shared();
    let script = Script::new(&clock, &[(50, Ok(1)), (50, Err(2))]);
    for expected in [Ok(1), Err(Error::Inner(2))] {
        let mut tasks: Vec<_> =
            (0..5).map(|_| Task::new(posts.call("/1", || script.run()))).collect();
        clock.advance(ms(50));
        for task in &mut tasks {
            assert_eq!(task.output().map(|answer| *answer), expected);
            assert_eq!(task.polls, 2);
        }
    }
    assert_eq!(script.runs(), 2);
    assert_eq!(posts.coalesced().unwrap().shared, 8);
}

#[test]
fn other_keys_run_on_their_own() {
    let (clock, builder) = builder();
    let posts: Calls = builder.coalesce(coalesce::Settings::default()).build().unwrap().shared();
    let script = Script::new(&clock, &[(50, Ok(1))]);
    let _one = Task::new(posts.call("/1", || script.run()));
    let _two = Task::new(posts.call("/2", || script.run()));
    assert_eq!(script.runs(), 2);
}

#[test]
fn a_leader_that_gives_up_hands_over() {
    let (clock, builder) = builder();
    let posts: Calls = builder.coalesce(coalesce::Settings::default()).build().unwrap().shared();
    let script = Script::new(&clock, &[(HANG, Ok(1)), (0, Ok(2))]);
    let leader = Task::new(posts.call("/1", || script.run()));
    let mut followers: Vec<_> =
        (0..3).map(|_| Task::new(posts.call("/1", || script.run()))).collect();
    assert_eq!(script.runs(), 1);
    drop(leader);
    for follower in &mut followers {
        assert_eq!(*follower.output().unwrap(), 2);
    }
    assert_eq!(script.runs(), 2);
}

#[test]
fn a_leader_that_runs_out_of_time_hands_over_too() {
    let (clock, builder) = builder();
    let pipeline =
        builder.deadline(ms(1000)).coalesce(coalesce::Settings::default()).build().unwrap();
    let posts: Calls = pipeline.shared();
    let script = Script::new(&clock, &[(HANG, Ok(1)), (0, Ok(2))]);
    let hurried = posts.protect().time_left(ms(100));
    let mut leader = Task::new(hurried.call_shared(&posts, "/1", || script.run()));
    let mut follower = Task::new(posts.call("/1", || script.run()));
    clock.advance(ms(100));
    assert!(leader.output().unwrap_err().is_timeout());
    drop(leader);
    assert_eq!(*follower.output().unwrap(), 2);
}

#[test]
fn the_deadline_of_one_that_follows_is_its_own() {
    let (clock, builder) = builder();
    let posts: Calls = builder.coalesce(coalesce::Settings::default()).build().unwrap().shared();
    let script = Script::new(&clock, &[(500, Ok(1))]);
    let mut leader = Task::new(posts.call("/1", || script.run()));
    let hurried = posts.protect().time_left(ms(100));
    let mut follower = Task::new(hurried.call_shared(&posts, "/1", || script.run()));
    clock.advance(ms(100));
    assert!(follower.output().unwrap_err().is_timeout());
    clock.advance(ms(400));
    assert_eq!(*leader.output().unwrap(), 1);
}

#[test]
fn the_rate_limit_stands_before_the_cache() {
    let (clock, builder) = builder();
    let rate = rate_limit::Settings { burst: Some(1), ..rate_limit::Settings::new(0.001) };
    let pipeline = builder.cache(ms(1000), 10).rate_limit(rate).build().unwrap();
    let posts: Calls = pipeline.shared();
    let script = Script::new(&clock, &[(0, Ok(1))]);
    assert_eq!(*Task::new(posts.call("/1", || script.run())).output().unwrap(), 1);
    assert!(Task::new(posts.call("/1", || script.run())).output().unwrap_err().is_rejected());
}

#[test]
fn one_that_is_over_holds_up_nobody_however_long_its_future_is_kept() {
    let (clock, builder) = builder();
    let posts: Calls = builder.coalesce(coalesce::Settings::default()).build().unwrap().shared();
    let script = Script::new(&clock, &[(HANG, Ok(1)), (0, Ok(2))]);
    let hurried = || posts.protect().time_left(ms(100));
    let mut leader = Task::new(hurried().call_shared(&posts, "/1", || script.run()));
    let mut impatient = Task::new(hurried().call_shared(&posts, "/1", || script.run()));
    let mut follower = Task::new(posts.call("/1", || script.run()));
    clock.advance(ms(100));
    assert!(impatient.output().unwrap_err().is_timeout());
    assert!(leader.output().unwrap_err().is_timeout());
    // Both futures are still there.
    assert_eq!(*follower.output().unwrap(), 2);
}

#[test]
fn an_answer_that_cannot_be_cloned_leaves_no_key_behind() {
    #[derive(Debug)]
    struct Fragile(std::rc::Rc<std::cell::Cell<bool>>);
    impl Clone for Fragile {
        fn clone(&self) -> Self {
            assert!(!self.0.get(), "it breaks");
            Self(std::rc::Rc::clone(&self.0))
        }
    }
    let (_, builder) = builder();
    let pipeline = builder.coalesce(coalesce::Settings::default()).build().unwrap();
    let posts: SharedCalls<&str, u32, Fragile, ManualClock> = pipeline.shared();
    let breaks = std::rc::Rc::new(std::cell::Cell::new(true));
    let fails = || std::future::ready(Err(Fragile(std::rc::Rc::clone(&breaks))));
    let unwound = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        Task::new(posts.call("/1", fails)).is_done()
    }));
    assert!(unwound.is_err());
    breaks.set(false);
    assert!(Task::new(posts.call("/1", fails)).is_done());
    assert_eq!(posts.coalesced().unwrap().groups, 0);
}
