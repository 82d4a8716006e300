//! Models of the budget: what threads take out of it and put into it at once.

use crate::Timestamp;
use crate::interleavings::model;
use crate::retry::{Budget, BudgetSettings};
use loom::thread;
use std::sync::Arc;
use std::time::Duration;

fn at(seconds: u64) -> Timestamp {
    Timestamp::ZERO + Duration::from_secs(seconds)
}

fn budget(settings: BudgetSettings) -> Arc<Budget> {
    Arc::new(Budget::new(settings, at(0)))
}

/// Nothing is added but by hand: one for each call.
fn one_each(start: f64, cap: f64) -> BudgetSettings {
    BudgetSettings { ratio: 1.0, start, cap, min_per_second: 0.0 }
}

/// Planted: `withdraw` with a load and a store. Found: two repetitions for one.
#[test]
fn two_ask_for_the_last_repetition() {
    model("two ask for the last repetition", || {
        let budget = budget(one_each(1.0, 10.0));
        let other = budget.clone();
        let theirs = thread::spawn(move || other.withdraw(at(0)));
        let mine = budget.withdraw(at(0));
        assert!(mine ^ theirs.join().unwrap());
        assert_eq!(budget.left(at(0)), 0.0);
    });
}

/// Planted: `add` with a load and a store. Found: a repetition that was taken and yet still there, and
/// a call that added nothing.
#[test]
fn what_is_added_given_back_and_taken_adds_up() {
    model("what is added given back and taken adds up", || {
        let budget = budget(one_each(1.0, 10.0));
        let other = budget.clone();
        let calls = thread::spawn(move || other.deposit());
        let other = budget.clone();
        let gives_up = thread::spawn(move || {
            let taken = other.withdraw(at(0));
            if taken {
                other.refund();
            }
            taken
        });
        let mine = budget.withdraw(at(0));
        calls.join().unwrap();
        let theirs = gives_up.join().unwrap();
        assert!(mine || theirs, "there was one for somebody");
        assert_eq!(budget.left(at(0)), if mine { 1.0 } else { 2.0 });
    });
}

/// Planted: `add` without its cap. Found: three where two are the most.
#[test]
fn two_that_fill_it_do_not_overfill_it() {
    model("two that fill it do not overfill it", || {
        let budget = budget(one_each(1.0, 2.0));
        let other = budget.clone();
        let calls = thread::spawn(move || other.deposit());
        budget.refund();
        calls.join().unwrap();
        let taken = (0..3).filter(|_| budget.withdraw(at(0))).count();
        assert_eq!(taken, 2);
    });
}

/// Planted: `fill` with a store where it exchanges. Found: two seconds' worth for one second.
///
/// Whoever comes while another adds what is due may be refused it for that moment: never the other way
/// round, and it is there for the next one.
#[test]
fn what_time_adds_is_added_once() {
    model("what time adds is added once", || {
        let settings = BudgetSettings { ratio: 0.0, start: 0.0, cap: 10.0, min_per_second: 1.0 };
        let budget = budget(settings);
        let other = budget.clone();
        // Their clock is behind by a second.
        let theirs = thread::spawn(move || other.withdraw(at(2)));
        let mine = budget.withdraw(at(3));
        let theirs = theirs.join().unwrap();
        assert!(mine || theirs);
        let taken = u32::from(mine) + u32::from(theirs);
        assert_eq!(budget.left(at(3)), f64::from(3 - taken));
        let rest = (0..4).filter(|_| budget.withdraw(at(3))).count();
        assert_eq!(rest, 3 - taken as usize);
    });
}
