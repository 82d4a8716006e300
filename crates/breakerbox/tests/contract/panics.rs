//! Panics of the caller's code: counted as failures, passed on, nothing left behind.

use crate::support::{assert_settled, fragile, now, panic_of, pending, poll_once, seconds};
use breakerbox::clock::{ManualClock, TokioClock};
use breakerbox::{BlockingBreaker, Breaker, Error, Outcome, State};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

#[track_caller]
fn assert_one_panic<C: breakerbox::clock::Clock>(breaker: &Breaker<C>) {
    let stats = breaker.stats();
    assert_eq!((stats.started, stats.failures, stats.panics), (1, 1, 1), "{stats:?}");
    assert_eq!((stats.cancelled, stats.fallbacks), (0, 0), "{stats:?}");
    assert_settled(&stats);
}

async fn panic_after(polls: u32) -> Result<(), ()> {
    pending(polls).await;
    panic!("after {polls}")
}

#[test]
fn a_panic_at_the_first_or_a_later_poll_is_a_failure_and_goes_on() {
    for polls in 0..3 {
        let breaker = Breaker::builder("polls").clock(ManualClock::new());
        let breaker = breaker.attempt_timeout(seconds(1)).build().unwrap();
        let mut call = Box::pin(breaker.call(async || panic_after(polls).await));
        for _ in 0..polls {
            assert!(poll_once(call.as_mut()).is_pending());
        }
        assert_eq!(panic_of(|| poll_once(call.as_mut())), format!("after {polls}"));
        assert_one_panic(&breaker);
        drop(call);
        assert_one_panic(&breaker);
    }
}

#[test]
fn a_panic_in_the_closure_itself_is_a_failure_and_goes_on() {
    let breaker = Breaker::new("closure");
    let call = breaker.call(|| {
        if breaker.stats().in_flight == 1 {
            panic!("in the closure");
        }
        std::future::ready(Ok::<(), ()>(()))
    });
    assert_eq!(panic_of(|| now(call)), "in the closure");
    assert_one_panic(&breaker);
}

#[test]
fn a_panic_in_a_blocking_operation_is_a_failure_and_goes_on() {
    let breaker = BlockingBreaker::new("blocking");
    assert_eq!(panic_of(|| breaker.call(|| -> Result<(), ()> { panic!("blocking") })), "blocking");
    assert_one_panic(&breaker.to_async());
}

#[test]
fn a_panic_in_the_classifier_is_a_failure_and_goes_on() {
    let panics = |_: &Result<u8, ()>| -> Outcome { panic!("who knows") };
    let breaker = Breaker::new("async");
    let call = breaker.classify(panics).call(async || Ok(1));
    assert_eq!(panic_of(|| now(call)), "who knows");
    assert_one_panic(&breaker);

    let blocking = BlockingBreaker::new("blocking");
    assert_eq!(panic_of(|| blocking.classify(panics).call(|| Ok(1))), "who knows");
    assert_one_panic(&blocking.to_async());
}

#[test]
fn a_panic_opens_the_circuit_as_any_failure_does_and_no_fallback_replaces_it() {
    let breaker = fragile("opens").clock(ManualClock::new()).build().unwrap();
    let call = breaker.fallback(|_| 0).call(async || -> Result<u8, ()> { panic!("opens") });
    assert_eq!(panic_of(|| now(call)), "opens");
    assert_one_panic(&breaker);
    assert_eq!(breaker.state(), State::Open);
}

#[test]
fn a_panic_of_a_probe_is_a_failed_probe() {
    let clock = ManualClock::new();
    let breaker = fragile("probe").clock(clock.clone()).build_blocking().unwrap();
    assert!(breaker.call(|| Err::<(), _>(())).is_err());
    clock.advance(seconds(30));
    panic_of(|| breaker.call(|| -> Result<(), ()> { panic!("probe") }));
    assert_eq!((breaker.state(), breaker.stats().opened), (State::Open, 2));
    assert_settled(&breaker.stats());
}

#[test]
fn a_panic_of_the_fallback_goes_on_and_the_call_has_been_counted_before() {
    let breaker = Breaker::new("fallback");
    let call = breaker.fallback(|_| panic!("no answer")).call(async || Err::<(), _>(()));
    assert_eq!(panic_of(|| now(call)), "no answer");
    let blocking = BlockingBreaker::new("fallback");
    let call = || blocking.fallback(|_| panic!("no answer")).call(|| Err::<(), _>(()));
    assert_eq!(panic_of(call), "no answer");
    for stats in [breaker.stats(), blocking.stats()] {
        assert_eq!((stats.failures, stats.panics, stats.fallbacks), (1, 0, 0));
        assert_settled(&stats);
    }
}

#[test]
fn an_operation_that_is_polled_again_after_its_panic_is_not_counted_again() {
    struct Tough(u32);
    impl Future for Tough {
        type Output = Result<(), ()>;

        fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
            self.0 += 1;
            assert!(self.0 > 1, "the first time");
            Poll::Ready(Ok(()))
        }
    }
    let breaker = Breaker::new("again");
    let mut call = Box::pin(breaker.call(|| Tough(0)));
    assert_eq!(panic_of(|| poll_once(call.as_mut())), "the first time");
    panic_of(|| poll_once(call.as_mut()));
    drop(call);
    assert_one_panic(&breaker);
}

#[test]
fn a_panic_while_an_operation_is_dropped_finds_its_call_settled() {
    struct Sore;
    impl Drop for Sore {
        fn drop(&mut self) {
            panic!("as it is dropped");
        }
    }
    impl Future for Sore {
        type Output = Result<(), ()>;

        fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
            Poll::Ready(Ok(()))
        }
    }
    let breaker = Breaker::new("sore");
    assert_eq!(panic_of(|| now(breaker.call(|| Sore))), "as it is dropped");
    let stats = breaker.stats();
    assert_eq!((stats.successes, stats.panics), (1, 0));
    assert_settled(&stats);
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_a_task_ends_the_task_and_counts_here_as_a_failure() {
    let breaker = Breaker::builder("task").clock(TokioClock::new()).build().unwrap();
    let task = tokio::spawn({
        let breaker = breaker.clone();
        async move { breaker.call(async || panic_after(2).await).await }
    });
    assert!(task.await.unwrap_err().is_panic());
    assert_one_panic(&breaker);
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_a_task_that_the_operation_waits_for_is_an_error_like_others() {
    let breaker = Breaker::builder("waits").clock(TokioClock::new()).build().unwrap();
    let result = breaker.call(|| tokio::spawn(async { panic_after(1).await })).await;
    assert!(matches!(result, Err(Error::Inner(error)) if error.is_panic()));
    let stats = breaker.stats();
    assert_eq!((stats.failures, stats.panics), (1, 0));
}

/// Runs something as it is dropped.
struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

#[test]
fn calls_made_while_the_thread_unwinds_count_as_what_they_came_to() {
    let breaker = Breaker::builder("unwinding").clock(ManualClock::new());
    let breaker = breaker.attempt_timeout(seconds(1)).build().unwrap();
    let blocking = BlockingBreaker::new("unwinding");
    let unwound = catch_unwind(AssertUnwindSafe(|| {
        let _cleaning_up = OnDrop(|| {
            let mut call = Box::pin(breaker.call(async || {
                pending(2).await;
                Ok::<_, ()>(())
            }));
            assert!(poll_once(call.as_mut()).is_pending());
            assert!(poll_once(call.as_mut()).is_pending());
            assert!(poll_once(call.as_mut()).is_ready());
            assert_eq!(blocking.call(|| Ok::<_, ()>(1)), Ok(1));
        });
        panic!("something else");
    }));
    assert!(unwound.is_err());
    for stats in [breaker.stats(), blocking.stats()] {
        assert_eq!((stats.successes, stats.failures, stats.panics), (1, 0, 0));
        assert_settled(&stats);
    }
}

#[test]
fn a_listener_that_panics_when_it_hears_of_a_panic_does_not_end_the_process() {
    let breaker = Breaker::new("both");
    breaker.on_event(|_| panic!("the listener"));
    let call = breaker.call(async || -> Result<(), ()> { panic!("the operation") });
    assert_eq!(panic_of(|| now(call)), "the operation");
    assert_one_panic(&breaker);
    assert_eq!(breaker.stats().listener_panics, 1);
}
