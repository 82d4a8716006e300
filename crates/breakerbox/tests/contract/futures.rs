//! What the future of a call is: as sendable as its operation, and polled no more than needed.

use crate::support::{SECOND, Wakes, assert_settled, now, pending, poll_once, seconds};
use breakerbox::clock::{ManualClock, SystemClock, TokioClock};
use breakerbox::{Breaker, Calling, Error, Events, Outcome, Registry, Stats};
use std::cell::Cell;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

fn is_send<T: Send>(_: &T) {}
fn is_shareable<T: Send + Sync + 'static>() {}

#[test]
fn breakers_and_what_they_give_can_be_shared_between_threads() {
    is_shareable::<Breaker>();
    is_shareable::<Breaker<ManualClock>>();
    is_shareable::<Breaker<TokioClock>>();
    is_shareable::<breakerbox::BlockingBreaker>();
    is_shareable::<Registry>();
    is_shareable::<Stats>();
    is_shareable::<Events>();
    is_shareable::<Error<std::io::Error>>();
}

async fn ready_soon() -> Result<(), ()> {
    pending(1).await;
    Ok(())
}

#[test]
fn the_future_of_a_call_is_send_when_its_operation_is() {
    let system = Breaker::builder("send").attempt_timeout(SECOND).build().unwrap();
    is_send(&system.call(ready_soon));
    let classified = system.classify(|_: &Result<(), ()>| Outcome::Success);
    is_send(&classified.fallback(|_| ()).call(ready_soon));
    let manual = Breaker::builder("send").clock(ManualClock::new());
    let manual = manual.attempt_timeout(SECOND).build().unwrap();
    is_send(&manual.call(ready_soon));
}

#[test]
fn an_operation_may_be_neither_send_nor_static() {
    let breaker = Breaker::builder("local").clock(ManualClock::new());
    let breaker = breaker.attempt_timeout(SECOND).build().unwrap();
    let shared = Rc::new(Cell::new(0));
    let local = String::from("borrowed");
    let mut result = None;
    let length = now(breaker.call(async || {
        let shared = Rc::clone(&shared);
        shared.set(shared.get() + 1);
        result = Some(&local[..]);
        Ok::<_, Rc<()>>(local.len())
    }));
    assert_eq!(length, Ok(8));
    assert_eq!((shared.get(), result), (1, Some("borrowed")));
}

#[test]
fn the_type_of_a_call_can_be_named() {
    type Ready = std::future::Ready<Result<u8, ()>>;
    type Call<'a, Op> =
        Calling<'a, SystemClock, Op, Ready, breakerbox::ByResult, breakerbox::NoFallback>;
    fn call(breaker: &Breaker) -> Call<'_, fn() -> Ready> {
        breaker.call(|| std::future::ready(Ok(1)))
    }
    assert_eq!(now(call(&Breaker::new("named"))), Ok(1));
}

/// Ready after so many polls, which it counts; it wakes nobody by itself.
struct Counted<'a> {
    polls: &'a Cell<u32>,
    ready_after: u32,
}

impl Future for Counted<'_> {
    type Output = Result<(), ()>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        self.polls.set(self.polls.get() + 1);
        if self.polls.get() > self.ready_after { Poll::Ready(Ok(())) } else { Poll::Pending }
    }
}

#[test]
fn an_operation_is_polled_once_for_each_poll_of_the_call_and_nobody_wakes_himself() {
    let breaker = Breaker::builder("polls").clock(ManualClock::new());
    let breaker = breaker.attempt_timeout(SECOND).build().unwrap();
    let (polls, wakes) = (Cell::new(0), Arc::new(Wakes::default()));
    let waker = Waker::from(Arc::clone(&wakes));
    let mut cx = Context::from_waker(&waker);
    let mut call = pin!(breaker.call(|| Counted { polls: &polls, ready_after: 3 }));
    for polled in 1..=3 {
        assert!(call.as_mut().poll(&mut cx).is_pending());
        assert_eq!((polls.get(), wakes.count()), (polled, 0));
    }
    assert!(call.as_mut().poll(&mut cx).is_ready());
    assert_eq!((polls.get(), wakes.count()), (4, 0));
    assert_settled(&breaker.stats());
}

#[test]
fn a_call_that_runs_into_its_timeout_is_woken_once_and_polls_its_operation_once_more() {
    let clock = ManualClock::new();
    let breaker = Breaker::builder("woken").clock(clock.clone());
    let breaker = breaker.attempt_timeout(SECOND).deadline(seconds(2)).build().unwrap();
    let (polls, wakes) = (Cell::new(0), Arc::new(Wakes::default()));
    let waker = Waker::from(Arc::clone(&wakes));
    let mut cx = Context::from_waker(&waker);
    let mut call = Box::pin(breaker.call(|| Counted { polls: &polls, ready_after: u32::MAX }));
    assert!(call.as_mut().poll(&mut cx).is_pending());
    clock.advance(SECOND);
    assert_eq!(wakes.count(), 1);
    assert!(call.as_mut().poll(&mut cx).is_ready());
    assert_eq!(polls.get(), 2);
    clock.advance(seconds(9));
    assert_eq!(wakes.count(), 1);
}

#[test]
fn a_call_that_ended_in_time_leaves_no_timer_that_wakes_anybody() {
    let clock = ManualClock::new();
    let breaker = Breaker::builder("in time").clock(clock.clone());
    let breaker = breaker.attempt_timeout(SECOND).build().unwrap();
    let (polls, wakes) = (Cell::new(0), Arc::new(Wakes::default()));
    let waker = Waker::from(Arc::clone(&wakes));
    let mut cx = Context::from_waker(&waker);
    let mut call = Box::pin(breaker.call(|| Counted { polls: &polls, ready_after: 1 }));
    assert!(call.as_mut().poll(&mut cx).is_pending());
    assert!(call.as_mut().poll(&mut cx).is_ready());
    drop(call);
    clock.advance(seconds(9));
    assert_eq!(wakes.count(), 0);
}

#[test]
fn an_operation_is_not_even_made_before_the_first_poll() {
    let breaker = Breaker::new("lazy");
    let made = Cell::new(false);
    let mut call = pin!(breaker.call(|| {
        made.set(true);
        std::future::ready(Ok::<_, ()>(()))
    }));
    assert!(!made.get());
    assert!(poll_once(call.as_mut()).is_ready());
    assert!(made.get());
}

#[test]
fn clones_are_one_breaker() {
    let breaker = Breaker::new("clones");
    let clone = breaker.clone();
    now(breaker.call(async || Ok::<_, ()>(()))).unwrap();
    now(clone.call(async || Ok::<_, ()>(()))).unwrap();
    assert_eq!((breaker.stats().successes, clone.stats().successes), (2, 2));
}
