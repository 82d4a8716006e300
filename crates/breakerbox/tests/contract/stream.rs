//! The events as a stream.

use crate::support::{Wakes, fragile, poll_once, seconds};
use breakerbox::clock::ManualClock;
use breakerbox::{Breaker, Event, EventKind, Events, STREAM_CAPACITY, State};
use futures_core::Stream;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

fn breaker(name: &str) -> Breaker<ManualClock> {
    let breaker = Breaker::builder(name).clock(ManualClock::new()).build();
    breaker.expect("the default settings are valid")
}

fn poll_next(events: &mut Events, waker: &Waker) -> Poll<Option<Event>> {
    Pin::new(events).poll_next(&mut Context::from_waker(waker))
}

#[test]
fn a_stream_tells_what_happens_from_its_beginning_on() {
    let breaker = breaker("from now on");
    breaker.permit().unwrap().failure();
    let mut events = breaker.events();
    assert_eq!(events.try_next(), None);
    breaker.permit().unwrap().success();
    breaker.permit().unwrap().ignore();
    let event = events.try_next().unwrap();
    assert_eq!(event.name, *breaker.name());
    assert_eq!(event.kind, EventKind::Success { took: seconds(0) });
    assert_eq!(events.try_next().unwrap().kind, EventKind::Ignored);
    assert_eq!(events.try_next(), None);
}

#[test]
fn a_stream_holds_1024_events_and_drops_and_counts_the_oldest() {
    let clock = ManualClock::new();
    let breaker = Breaker::builder("slow reader").clock(clock.clone()).build().unwrap();
    let mut events = breaker.events();
    assert_eq!(STREAM_CAPACITY, 1024);
    for number in 0..1034 {
        let permit = breaker.permit().unwrap();
        clock.advance(std::time::Duration::from_nanos(number));
        permit.success();
        assert_eq!(events.dropped(), number.saturating_sub(1023));
    }
    let took: Vec<_> = std::iter::from_fn(|| events.try_next())
        .map(|event| match event.kind {
            EventKind::Success { took } => took.as_nanos(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(took, (10..1034).collect::<Vec<_>>());
    assert_eq!(events.dropped(), 10);
}

#[test]
fn each_stream_has_its_own_place_and_its_own_losses() {
    let breaker = breaker("two");
    let mut early = breaker.events();
    for _ in 0..10 {
        breaker.permit().unwrap().ignore();
    }
    let mut late = breaker.events();
    for _ in 0..STREAM_CAPACITY {
        breaker.permit().unwrap().ignore();
    }
    assert_eq!((early.dropped(), late.dropped()), (10, 0));
    let count = |events: &mut Events| std::iter::from_fn(|| events.try_next()).count();
    assert_eq!((count(&mut early), count(&mut late)), (STREAM_CAPACITY, STREAM_CAPACITY));
}

#[test]
fn a_stream_ends_when_the_breaker_is_gone_after_what_was_left() {
    let breaker = breaker("gone");
    let mut events = breaker.events();
    let clone = breaker.clone();
    breaker.permit().unwrap().ignore();
    let wakes = Arc::new(Wakes::default());
    let waker = Waker::from(Arc::clone(&wakes));
    drop(breaker);
    assert!(matches!(poll_next(&mut events, &waker), Poll::Ready(Some(_))));
    assert!(poll_next(&mut events, &waker).is_pending(), "a clone is left");
    clone.permit().unwrap().ignore();
    assert_eq!(wakes.count(), 1);
    drop(clone);
    assert!(matches!(poll_next(&mut events, &waker), Poll::Ready(Some(_))));
    for _ in 0..2 {
        assert!(matches!(poll_next(&mut events, &waker), Poll::Ready(None)));
    }
    assert_eq!(events.try_next(), None);
}

#[test]
fn a_reader_that_waits_is_woken_once_by_an_event_and_by_the_end() {
    let breaker = breaker("waits");
    let mut events = breaker.events();
    let wakes = Arc::new(Wakes::default());
    let waker = Waker::from(Arc::clone(&wakes));
    for _ in 0..3 {
        assert!(poll_next(&mut events, &waker).is_pending());
    }
    assert_eq!(wakes.count(), 0);
    breaker.permit().unwrap().ignore();
    breaker.permit().unwrap().ignore();
    assert_eq!(wakes.count(), 1, "the second finds nobody waiting");
    while poll_next(&mut events, &waker).is_ready() {}
    drop(breaker);
    assert_eq!(wakes.count(), 2);
}

#[tokio::test]
async fn next_waits_for_the_next_event_and_is_none_at_the_end() {
    let breaker = fragile("next").clock(ManualClock::new()).build().unwrap();
    let mut events = breaker.events();
    let reader = tokio::spawn(async move {
        let mut kinds = Vec::new();
        while let Some(event) = events.next().await {
            kinds.push(event.kind);
        }
        kinds
    });
    tokio::task::yield_now().await;
    breaker.permit().unwrap().failure();
    drop(breaker);
    let kinds = reader.await.unwrap();
    assert_eq!(kinds[0], EventKind::Failure { took: seconds(0) });
    assert!(matches!(kinds[1], EventKind::Transition(change) if change.to == State::Open));
    assert_eq!(kinds.len(), 2);
}

#[test]
fn a_next_that_is_given_up_loses_no_event() {
    let breaker = breaker("given up");
    let mut events = breaker.events();
    {
        let next = pin!(events.next());
        assert!(poll_once(next).is_pending());
    }
    breaker.permit().unwrap().ignore();
    assert_eq!(events.try_next().unwrap().kind, EventKind::Ignored);
}

#[test]
fn a_stream_can_be_read_on_another_thread_and_outlive_the_breaker() {
    let breaker = breaker("thread");
    let mut events = breaker.events();
    let writer = std::thread::spawn(move || {
        for _ in 0..100 {
            breaker.permit().unwrap().ignore();
        }
    });
    let reader = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut count = 0;
            while events.next().await.is_some() {
                count += 1;
            }
            count
        })
    });
    writer.join().unwrap();
    assert_eq!(reader.join().unwrap(), 100);
}
