//! Models of the bulkhead: every interleaving of two or three threads, with at most two preemptions.

use super::*;
use crate::interleavings::model;
use loom::thread;

/// One slot, in use.
fn busy(queue: u32) -> Arc<Bulkhead> {
    let bulkhead = bulkhead(Settings { queue, ..Settings::new(1) });
    assert!(bulkhead.try_enter());
    bulkhead.into()
}

fn is_admitted(waits: Waits, bulkhead: &Bulkhead, now: Timestamp) -> bool {
    matches!(waits.look(bulkhead, now), Seen::Admitted(_))
}

/// The slot is free again and nobody waits.
fn check_empty(bulkhead: &Bulkhead) {
    let seen = bulkhead.snapshot();
    assert_eq!((seen.in_flight, seen.queued), (0, 0));
    assert!(bulkhead.try_enter());
}

/// Planted: `join` and `leave` that looked at the word and then wrote it. Found: a newcomer that waited
/// while the slot was free, and was not woken.
#[test]
fn whoever_comes_while_the_slot_becomes_free_gets_it() {
    model("enter, leave", || {
        let bulkhead = busy(1);
        let other = bulkhead.clone();
        let leaves = thread::spawn(move || other.leave(at(1)));
        let entered = bulkhead.enter(at(1), 3, Timestamp::NEVER);
        match entered {
            Entered::Admitted => leaves.join().unwrap(),
            Entered::Queued(ticket) => {
                let bell = Bell::new();
                let decided = bulkhead.listen(&ticket, &bell.clone().into());
                leaves.join().unwrap();
                // Woken, unless it was told that it need not be.
                assert_eq!(bell.rung(), usize::from(!decided));
                assert!(is_admitted(Waits { ticket, bell }, &bulkhead, at(2)));
            }
            Entered::Full => panic!("there was a place in the queue"),
        }
        assert!(!bulkhead.try_enter());
        bulkhead.leave(at(2));
        check_empty(&bulkhead);
    });
}

#[test]
fn one_slot_goes_to_one_of_two() {
    model("two enter", || {
        let bulkhead = Arc::new(bulkhead(Settings { queue: 1, ..Settings::new(1) }));
        let enter = |bulkhead: &Bulkhead| bulkhead.enter(at(1), 3, Timestamp::NEVER);
        let other = bulkhead.clone();
        let second = thread::spawn(move || enter(&other));
        let answers = [enter(&bulkhead), second.join().unwrap()];
        let admitted = answers.iter().filter(|answer| matches!(answer, Entered::Admitted)).count();
        assert_eq!(admitted, 1);
        bulkhead.leave(at(2));
        for answer in answers {
            if let Entered::Queued(ticket) = answer {
                assert!(is_admitted(Waits { ticket, bell: Bell::new() }, &bulkhead, at(2)));
            }
        }
        bulkhead.leave(at(3));
        check_empty(&bulkhead);
    });
}

/// Planted: `give_up` that looked at the verdict before it took the lock. Found: the slot was lost.
#[test]
fn a_slot_that_was_granted_to_one_that_gives_up_goes_to_the_next() {
    model("leave, give up", || {
        let bulkhead = busy(2);
        let (gone, next) = (queue(&bulkhead, at(0), 3), queue(&bulkhead, at(0), 3));
        let other = bulkhead.clone();
        let gives_up = thread::spawn(move || other.give_up(gone.ticket, at(1)));
        bulkhead.leave(at(1));
        gives_up.join().unwrap();
        assert_eq!(next.bell.rung(), 1);
        assert!(is_admitted(next, &bulkhead, at(1)));
        bulkhead.leave(at(2));
        check_empty(&bulkhead);
    });
}

/// Planted: `look` that said `TimedOut` to one that was not in the line any more. Found: its slot was
/// lost.
#[test]
fn at_the_instant_of_its_timeout_one_goes_on_or_leaves_the_slot_to_the_next() {
    model("leave, timeout", || {
        let bulkhead = busy(2);
        let (due, next) = (queue(&bulkhead, at(0), 3), queue(&bulkhead, at(1), 3));
        let other = bulkhead.clone();
        let bell = due.bell.clone();
        let looks = thread::spawn(move || match due.look(&other, at(100)) {
            Seen::Admitted(_) => {
                other.leave(at(100));
                1
            }
            Seen::TimedOut => 0,
            seen => panic!("{seen:?}"),
        });
        bulkhead.leave(at(100));
        assert_eq!(looks.join().unwrap(), bell.rung(), "woken for the slot only");
        assert_eq!(next.bell.rung(), 1);
        assert!(is_admitted(next, &bulkhead, at(100)));
        bulkhead.leave(at(101));
        check_empty(&bulkhead);
    });
}

#[test]
fn one_that_is_found_overdue_is_woken_or_knows_by_itself() {
    model("overdue, timeout", || {
        let bulkhead = busy(1);
        let overdue = queue(&bulkhead, at(0), 3);
        let bell = overdue.bell.clone();
        let other = bulkhead.clone();
        let looks = thread::spawn(move || {
            assert!(matches!(overdue.look(&other, at(101)), Seen::TimedOut));
        });
        bulkhead.leave(at(101));
        looks.join().unwrap();
        assert!(bell.rung() <= 1);
        assert_eq!(bulkhead.snapshot().timed_out, 1);
        check_empty(&bulkhead);
    });
}

/// Planted: `join` that took the evicted one out of the word before it put the newcomer in. Found: one
/// was evicted in vain, the newcomer was admitted.
#[test]
fn one_is_evicted_or_has_just_been_granted_the_slot() {
    model("leave, evict", || {
        let bulkhead = busy(1);
        let unimportant = queue(&bulkhead, at(0), 7);
        let other = bulkhead.clone();
        let leaves = thread::spawn(move || other.leave(at(1)));
        let important = queue_in_any_case(&bulkhead);
        leaves.join().unwrap();
        assert_eq!(unimportant.bell.rung(), 1);
        let evicted = bulkhead.snapshot().evicted;
        match unimportant.look(&bulkhead, at(1)) {
            Seen::Admitted(_) => {
                assert_eq!(evicted, 0);
                bulkhead.leave(at(1));
            }
            Seen::Evicted => assert_eq!(evicted, 1),
            seen => panic!("{seen:?}"),
        }
        assert!(is_admitted(important, &bulkhead, at(1)));
        bulkhead.leave(at(2));
        check_empty(&bulkhead);
    });
}

fn queue_in_any_case(bulkhead: &Bulkhead) -> Waits {
    let Entered::Queued(ticket) = bulkhead.enter(at(1), 0, Timestamp::NEVER) else { panic!() };
    Waits { ticket, bell: Bell::new() }
}

/// Planted: `try_enter` that looked for a free slot only. Found: a hedge in the slot that was just being
/// handed over.
#[test]
fn a_hedge_never_takes_the_slot_of_one_that_waits() {
    model("leave, try", || {
        let bulkhead = busy(1);
        let waits = queue(&bulkhead, at(0), 3);
        let other = bulkhead.clone();
        let tries = thread::spawn(move || other.try_enter());
        bulkhead.leave(at(1));
        assert!(!tries.join().unwrap());
        assert_eq!(waits.bell.rung(), 1);
        assert!(is_admitted(waits, &bulkhead, at(1)));
        bulkhead.leave(at(2));
        check_empty(&bulkhead);
    });
}

#[test]
fn two_that_leave_wake_two_that_wait() {
    model("two leave", || {
        let bulkhead = Arc::new(bulkhead(Settings { queue: 2, ..Settings::new(2) }));
        assert!(bulkhead.try_enter() && bulkhead.try_enter());
        let waiting = [queue(&bulkhead, at(0), 3), queue(&bulkhead, at(0), 3)];
        let other = bulkhead.clone();
        let leaves = thread::spawn(move || other.leave(at(1)));
        bulkhead.leave(at(1));
        leaves.join().unwrap();
        for waits in waiting {
            assert_eq!(waits.bell.rung(), 1);
            assert!(is_admitted(waits, &bulkhead, at(1)));
            assert!(!bulkhead.try_enter());
        }
        bulkhead.leave(at(2));
        bulkhead.leave(at(2));
        check_empty(&bulkhead);
    });
}

#[test]
fn a_new_limit_comes_between_two_operations() {
    model("set, enter, leave", || {
        let bulkhead = busy(1);
        let other = bulkhead.clone();
        let sets = thread::spawn(move || {
            other.set(Settings { queue: 1, ..Settings::new(2) }, at(1));
        });
        let other = bulkhead.clone();
        let leaves = thread::spawn(move || other.leave(at(1)));
        match bulkhead.enter(at(1), 3, Timestamp::NEVER) {
            Entered::Admitted => {}
            Entered::Queued(ticket) => {
                let bell = Bell::new();
                let decided = bulkhead.listen(&ticket, &bell.clone().into());
                sets.join().unwrap();
                assert!(decided || bell.rung() == 1);
                assert!(is_admitted(Waits { ticket, bell }, &bulkhead, at(1)));
                leaves.join().unwrap();
                bulkhead.leave(at(2));
                return check_empty(&bulkhead);
            }
            Entered::Full => panic!("there was a place in the queue"),
        }
        sets.join().unwrap();
        leaves.join().unwrap();
        bulkhead.leave(at(2));
        assert_eq!(bulkhead.snapshot().limit, 2);
        check_empty(&bulkhead);
    });
}
