//! Breakers by name.

use crate::support::{SECOND, seconds};
use breakerbox::clock::ManualClock;
use breakerbox::{Breaker, Control, DEFAULT_CAPACITY, Registry, RegistryError, State};
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};

#[test]
fn a_breaker_is_made_once_and_found_again() {
    let registry = Registry::new();
    assert!(registry.is_empty() && registry.find("posts").is_none());
    let made = registry.or_insert_with("posts", |it| it.open_for(SECOND).build()).unwrap();
    let same = registry.or_insert_with("posts", |_| unreachable!("it is there")).unwrap();
    made.control(Control::Isolate);
    assert_eq!(same.state(), State::Isolated);
    assert_eq!(registry.find("posts").unwrap().state(), State::Isolated);
    assert_eq!((registry.len(), &**made.name()), (1, "posts"));
}

#[test]
fn breakers_are_shown_by_name() {
    let registry = Registry::new();
    for name in ["users", "comments", "posts"] {
        registry.or_insert_with(name, |it| it.build()).unwrap();
    }
    let names: Vec<_> = registry.iter().map(|breaker| breaker.name().to_string()).collect();
    assert_eq!(names, ["comments", "posts", "users"]);
    let shown = format!("{registry:?}");
    assert!(shown.starts_with("[Breaker { name: \"comments\", state: Closed }, "), "{shown}");
}

#[test]
fn a_full_registry_refuses_one_more_until_one_is_removed() {
    let registry = Registry::with_capacity(2);
    for name in ["one", "two"] {
        registry.or_insert_with(name, |it| it.build()).unwrap();
    }
    let refused = registry.or_insert_with("three", |it| it.build()).unwrap_err();
    assert_eq!(refused, RegistryError::Full { name: "three".into(), capacity: 2 });
    assert!(registry.or_insert_with("two", |it| it.build()).is_ok(), "what is there is found");
    let one = registry.remove("one").unwrap();
    assert!(registry.remove("one").is_none());
    assert!(registry.or_insert_with("three", |it| it.build()).is_ok());
    // Those who hold it can go on using it.
    one.permit().unwrap().success();
    assert_eq!(registry.len(), 2);
    assert_eq!(DEFAULT_CAPACITY, 1024);
}

#[test]
fn settings_that_are_refused_leave_the_registry_as_it_was() {
    let registry = Registry::new();
    let refused = registry.or_insert_with("posts", |it| it.failure_rate(2.0).build()).unwrap_err();
    assert!(matches!(refused, RegistryError::Build(_)));
    assert!(registry.is_empty());
}

#[test]
fn threads_that_ask_at_the_same_time_get_the_same_breaker() {
    const THREADS: usize = 8;
    for round in 0..50 {
        let registry = Registry::new();
        let (barrier, made) = (Barrier::new(THREADS), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    barrier.wait();
                    let breaker = registry.or_insert_with("posts", |it| {
                        made.fetch_add(1, Ordering::Relaxed);
                        it.build()
                    });
                    breaker.unwrap().permit().unwrap().success();
                });
            }
        });
        assert_eq!(registry.len(), 1);
        let successes = registry.find("posts").unwrap().stats().successes;
        assert_eq!(successes, THREADS as u64, "round {round}");
        assert!(made.into_inner() >= 1);
    }
}

#[test]
fn one_that_is_being_made_does_not_keep_others_out() {
    let registry = Registry::new();
    registry
        .or_insert_with("outer", |it| {
            registry.or_insert_with("inner", |it| it.build()).map_err(|_| ()).unwrap();
            it.build()
        })
        .unwrap();
    assert_eq!(registry.len(), 2);
}

#[test]
fn a_registry_can_have_a_clock_of_its_own() {
    let clock = ManualClock::new();
    let registry = Registry::new();
    let breaker = registry
        .or_insert_with("posts", |it| it.open_for(seconds(30)).clock(clock.clone()).build())
        .unwrap();
    breaker.control(Control::ForceOpen);
    clock.advance(seconds(30));
    let states: Vec<_> = registry.iter().map(|breaker: Breaker<_>| breaker.state()).collect();
    assert_eq!(states, [State::HalfOpen]);
}

#[test]
fn a_breaker_is_not_kept_under_another_name() {
    let registry = Registry::new();
    let error =
        registry.or_insert_with("right", |_| Breaker::builder("wrong").build()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "breaker `wrong` was made where `right` was asked for: make it with the builder that is \
         handed in"
    );
    assert!(registry.is_empty());
}
