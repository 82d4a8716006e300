//! Listeners cannot hurt: they panic, call back, come and go.

use crate::support::{Log, assert_settled, fragile, now, seconds};
use breakerbox::clock::ManualClock;
use breakerbox::{Breaker, Control, EventKind, State};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};

#[test]
fn a_listener_that_panics_is_counted_and_hurts_neither_the_call_nor_other_listeners() {
    let breaker = Breaker::builder("panics").clock(ManualClock::new()).build().unwrap();
    let before = Log::of(&breaker);
    breaker.on_event(|_| panic!("a listener"));
    let after = Log::of(&breaker);
    assert_eq!(now(breaker.call(async || Ok::<_, ()>(7))), Ok(7));
    let success = [EventKind::Success { took: seconds(0) }];
    assert_eq!((before.take(), after.take()), (success.to_vec(), success.to_vec()));
    let stats = breaker.stats();
    assert_eq!((stats.successes, stats.panics, stats.listener_panics), (1, 0, 1));
    assert_settled(&stats);
}

#[test]
fn not_even_what_a_listener_panics_with_or_leaves_behind_hurts() {
    struct Sore;
    impl Drop for Sore {
        fn drop(&mut self) {
            if !std::thread::panicking() {
                std::panic::panic_any(Sore);
            }
        }
    }
    let breaker = Breaker::new("sore");
    breaker.on_event(|_| std::panic::panic_any(Sore));
    assert_eq!(now(breaker.call(async || Ok::<_, ()>(7))), Ok(7));
    assert_eq!(breaker.stats().listener_panics, 1);

    let breaker = Breaker::new("left");
    let id = Arc::new(Mutex::new(None));
    *id.lock().unwrap() = Some(breaker.on_event({
        let (breaker, id, sore) = (breaker.clone(), Arc::clone(&id), Sore);
        move |_| {
            let _owned = &sore;
            assert!(breaker.remove_listener(id.lock().unwrap().unwrap()));
        }
    }));
    assert_eq!(now(breaker.call(async || Ok::<_, ()>(7))), Ok(7));
    assert_eq!(breaker.stats().listener_panics, 1);
}

#[test]
fn a_listener_may_call_the_breaker_back() {
    let breaker = fragile("back").clock(ManualClock::new()).build().unwrap();
    let events = Arc::new(Mutex::new(None));
    breaker.on_event({
        let (breaker, events) = (breaker.clone(), Arc::clone(&events));
        move |event| {
            assert_eq!(event.name, *breaker.name());
            let (state, stats) = (breaker.state(), breaker.stats());
            assert_eq!(state, stats.state);
            let id = breaker.on_event(|_| {});
            assert!(breaker.remove_listener(id));
            *events.lock().unwrap() = Some(breaker.events());
            // What it does itself is told as well: it must know when to stop.
            if matches!(event.kind, EventKind::Transition(change) if change.to == State::Open) {
                breaker.control(Control::Reset);
                breaker.permit().unwrap().success();
            }
        }
    });
    assert!(now(breaker.call(async || Err::<(), _>(()))).is_err());
    let stats = breaker.stats();
    assert_eq!((stats.state, stats.opened, stats.listener_panics), (State::Closed, 1, 0));
    assert_eq!((stats.failures, stats.successes), (1, 1));
    assert_settled(&stats);
}

#[test]
fn a_removed_listener_hears_no_more_and_can_be_removed_once() {
    let (breaker, other) = (Breaker::new("removed"), Breaker::new("other"));
    let heard = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&heard);
    let id = breaker.on_event(move |_| {
        count.fetch_add(1, Ordering::Relaxed);
    });
    breaker.permit().unwrap().success();
    assert_eq!(Arc::strong_count(&heard), 2);
    assert!(breaker.remove_listener(id));
    assert_eq!(Arc::strong_count(&heard), 1, "what it owned is gone");
    breaker.permit().unwrap().success();
    assert_eq!(heard.load(Ordering::Relaxed), 1);
    assert!(!breaker.remove_listener(id));
    assert!(!other.remove_listener(id));
}

#[test]
fn a_listener_may_remove_itself_and_the_others_hear_that_event_still() {
    let breaker = Breaker::builder("itself").clock(ManualClock::new()).build().unwrap();
    let id = Arc::new(Mutex::new(None));
    let times = Arc::new(AtomicU64::new(0));
    *id.lock().unwrap() = Some(breaker.on_event({
        let (breaker, id, times) = (breaker.clone(), Arc::clone(&id), Arc::clone(&times));
        move |_| {
            times.fetch_add(1, Ordering::Relaxed);
            if let Some(id) = id.lock().unwrap().take() {
                assert!(breaker.remove_listener(id));
            }
        }
    }));
    let log = Log::of(&breaker);
    breaker.permit().unwrap().success();
    breaker.permit().unwrap().success();
    assert_eq!(times.load(Ordering::Relaxed), 1);
    assert_eq!(log.take().len(), 2);
}

#[test]
fn a_listener_that_owns_a_stream_of_the_same_breaker_can_be_removed() {
    let (done, ended) = mpsc::channel();
    std::thread::spawn(move || {
        let breaker = Breaker::new("stream");
        let stream = Mutex::new(breaker.events());
        let id = breaker.on_event(move |_| drop(stream.lock().unwrap().try_next()));
        done.send(breaker.remove_listener(id))
    });
    // It is a deadlock that this would wait for.
    assert_eq!(ended.recv_timeout(seconds(60)), Ok(true));
}

#[test]
fn listeners_may_come_and_go_while_calls_run() {
    let breaker = Breaker::builder("busy").build_blocking().unwrap();
    let asynchronous = breaker.to_async();
    let heard = Arc::new(AtomicU64::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..5_000 {
                breaker.call(|| Ok::<_, ()>(())).unwrap();
            }
        });
        scope.spawn(|| {
            for _ in 0..500 {
                let heard = Arc::clone(&heard);
                let id = asynchronous.on_event(move |_| {
                    heard.fetch_add(1, Ordering::Relaxed);
                });
                assert!(asynchronous.remove_listener(id));
            }
        });
    });
    assert_eq!(Arc::strong_count(&heard), 1);
    assert_eq!(breaker.stats().successes, 5_000);
    assert_settled(&breaker.stats());
}
