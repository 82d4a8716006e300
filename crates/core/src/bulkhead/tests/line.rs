//! First come, first served, and how long one waits.

use super::*;
use crate::bulkhead::Snapshot;

/// One slot, in use, and a queue of so many.
fn busy(queue: u32) -> Bulkhead {
    let bulkhead = bulkhead(Settings { queue, ..Settings::new(1) });
    assert!(is_admitted(&bulkhead, at(0)));
    bulkhead
}

#[test]
fn without_a_queue_a_call_is_admitted_or_refused() {
    let bulkhead = bulkhead(Settings::new(2));
    assert!(is_admitted(&bulkhead, at(0)) && bulkhead.try_enter());
    assert!(is_full(&bulkhead, at(0), 0), "not even the most important one waits");
    assert!(!bulkhead.try_enter());
    bulkhead.leave(at(1));
    assert!(is_admitted(&bulkhead, at(1)));
    let seen = bulkhead.snapshot();
    // What `try_enter` refuses is not counted.
    let expected = Snapshot { limit: 2, in_flight: 2, full: 1, ..Snapshot::default() };
    assert_eq!(seen, expected);
}

#[test]
fn those_who_wait_go_on_in_the_order_of_their_arrival_whatever_their_priority() {
    let bulkhead = busy(3);
    let first = queue(&bulkhead, at(10), 7);
    let second = queue(&bulkhead, at(20), 0);
    let third = queue(&bulkhead, at(30), 3);
    assert_eq!((bulkhead.snapshot().in_flight, bulkhead.snapshot().queued), (1, 3));

    bulkhead.leave(at(50));
    // Handed over: never free in between.
    assert_eq!((bulkhead.snapshot().in_flight, bulkhead.snapshot().queued), (1, 2));
    assert_eq!([first.bell.rung(), second.bell.rung(), third.bell.rung()], [1, 0, 0]);
    assert_eq!(first.look(&bulkhead, at(52)).waited(), ms(42));
    let second = second.look(&bulkhead, at(60)).pending();
    bulkhead.leave(at(60));
    bulkhead.leave(at(70));
    assert_eq!((second.bell.rung(), third.bell.rung()), (1, 1));
    assert_eq!(third.look(&bulkhead, at(70)).waited(), ms(40));
    assert_eq!(second.look(&bulkhead, at(75)).waited(), ms(55));

    bulkhead.leave(at(80));
    bulkhead.leave(at(80));
    assert_eq!(bulkhead.snapshot(), Snapshot { limit: 1, ..Snapshot::default() });
}

#[test]
fn nobody_overtakes() {
    let bulkhead = busy(2);
    let waits = queue(&bulkhead, at(0), 3);
    bulkhead.leave(at(10));
    // The slot is the other one's, though that has not looked yet.
    assert!(!bulkhead.try_enter());
    let behind = queue(&bulkhead, at(10), 0);
    waits.look(&bulkhead, at(10)).waited();
    assert!(!bulkhead.try_enter(), "somebody waits");
    bulkhead.leave(at(11));
    assert_eq!(behind.look(&bulkhead, at(11)).waited(), ms(1));
}

#[test]
fn a_slot_that_becomes_free_at_the_instant_of_the_timeout_goes_to_the_one_that_waits() {
    let bulkhead = busy(1);
    let waits = queue(&bulkhead, at(5), 3);
    assert_eq!((waits.ticket.since(), waits.ticket.due()), (at(5), at(105)));
    bulkhead.leave(at(105));
    assert_eq!(waits.bell.rung(), 1);
    assert_eq!(waits.look(&bulkhead, at(105)).waited(), ms(100));
}

#[test]
fn a_slot_that_becomes_free_a_nanosecond_later_does_not() {
    let bulkhead = busy(2);
    let late = queue(&bulkhead, at(5), 3);
    let next = queue(&bulkhead, at(6), 3);
    bulkhead.leave(at(105) + Duration::from_nanos(1));
    // It is told that it is too late, rather than left to its timer.
    assert_eq!((late.bell.rung(), next.bell.rung()), (1, 1));
    assert!(matches!(late.look(&bulkhead, at(200)), Seen::TimedOut));
    assert_eq!(next.look(&bulkhead, at(106)).waited(), ms(100));
    assert_eq!((bulkhead.snapshot().timed_out, bulkhead.snapshot().in_flight), (1, 1));
}

#[test]
fn without_a_grant_the_time_is_over_at_its_instant() {
    let bulkhead = busy(1);
    let waits = queue(&bulkhead, at(5), 3);
    let waits = waits.look(&bulkhead, at(105) - Duration::from_nanos(1)).pending();
    let bell = waits.bell.clone();
    assert!(matches!(waits.look(&bulkhead, at(105)), Seen::TimedOut));
    assert_eq!(bell.rung(), 0, "it knows by itself");
    assert_eq!((bulkhead.snapshot().timed_out, bulkhead.snapshot().queued), (1, 0));
    // And its place is free.
    drop(queue(&bulkhead, at(105), 3));
}

#[test]
fn a_granted_slot_waits_for_a_call_that_looks_late() {
    let bulkhead = busy(1);
    let waits = queue(&bulkhead, at(0), 3);
    bulkhead.leave(at(99));
    assert_eq!(waits.look(&bulkhead, at(5000)).waited(), ms(5000));
}

#[test]
fn those_who_are_overdue_do_not_fill_the_queue() {
    let bulkhead = busy(2);
    let overdue = [queue(&bulkhead, at(0), 0), queue(&bulkhead, at(1), 0)];
    assert!(is_full(&bulkhead, at(100), 3), "both could still be granted a slot");
    // At 101 ms the time of the first is over, that of the second not quite.
    let newcomer = queue(&bulkhead, at(101), 3);
    assert!(is_full(&bulkhead, at(101), 3));
    assert_eq!(overdue.map(|waits| waits.bell.rung()), [1, 0]);
    assert_eq!(newcomer.bell.rung(), 0);
    let seen = bulkhead.snapshot();
    assert_eq!((seen.queued, seen.full, seen.timed_out), (2, 2, 1));
}

#[test]
fn whoever_gives_up_is_gone_and_hands_on_what_it_was_granted() {
    let bulkhead = busy(3);
    let [first, second, third] = [10, 20, 30].map(|millis| queue(&bulkhead, at(millis), 3));
    bulkhead.give_up(second.ticket, at(40));
    assert_eq!((second.bell.rung(), bulkhead.snapshot().queued), (0, 2));
    bulkhead.leave(at(50));
    assert_eq!((first.bell.rung(), third.bell.rung()), (1, 0));
    // It was granted the slot, and nobody is there to use it.
    bulkhead.give_up(first.ticket, at(60));
    assert_eq!((third.bell.rung(), bulkhead.snapshot().in_flight), (1, 1));
    bulkhead.give_up(third.ticket, at(60));
    assert_eq!(bulkhead.snapshot(), Snapshot { limit: 1, ..Snapshot::default() });
}

#[test]
fn a_call_without_time_left_is_admitted_but_does_not_wait() {
    let bulkhead = bulkhead(Settings { queue: 9, ..Settings::new(1) });
    assert!(matches!(bulkhead.enter(at(10), 3, at(10)), Entered::Admitted));
    assert!(matches!(bulkhead.enter(at(10), 3, at(10)), Entered::Full));
    assert!(matches!(bulkhead.enter(at(10), 3, at(9)), Entered::Full));
    let Entered::Queued(ticket) = bulkhead.enter(at(10), 3, at(11)) else { panic!() };
    // Its deadline is watched by others.
    assert_eq!(ticket.due(), at(110));
}

#[test]
fn who_has_been_decided_about_is_told_when_it_listens() {
    let bulkhead = busy(1);
    let Entered::Queued(ticket) = bulkhead.enter(at(0), 3, Timestamp::NEVER) else { panic!() };
    bulkhead.leave(at(1));
    let bell = Bell::new();
    assert!(bulkhead.listen(&ticket, &bell.clone().into()));
    assert_eq!(bell.rung(), 0);
    bulkhead.give_up(ticket, at(1));
}

#[test]
fn a_higher_limit_admits_those_who_wait_and_a_lower_one_is_reached_as_calls_leave() {
    let bulkhead = busy(4);
    let settings = |concurrent| Settings { queue: 4, ..Settings::new(concurrent) };
    let waits: Vec<_> = (1..=4).map(|millis| queue(&bulkhead, at(millis), 3)).collect();
    let rung = || waits.iter().map(|waits| waits.bell.rung()).collect::<Vec<_>>();
    bulkhead.set(settings(3), at(10));
    assert_eq!(rung(), [1, 1, 0, 0]);
    assert_eq!((bulkhead.snapshot().in_flight, bulkhead.snapshot().queued), (3, 2));
    bulkhead.set(settings(2), at(10));
    bulkhead.leave(at(20));
    assert_eq!(rung(), [1, 1, 0, 0], "two are enough");
    bulkhead.leave(at(20));
    assert_eq!(rung(), [1, 1, 1, 0]);
    assert_eq!((bulkhead.snapshot().in_flight, bulkhead.snapshot().queued), (2, 1));
    // A shorter queue: whoever is in it stays, nobody joins it.
    bulkhead.set(Settings::new(2), at(30));
    assert!(is_full(&bulkhead, at(30), 0));
    bulkhead.leave(at(40));
    assert_eq!(rung(), [1, 1, 1, 1]);
    bulkhead.leave(at(50));
    assert!(is_admitted(&bulkhead, at(50)));
}

#[test]
fn times_as_long_as_can_be_do_no_harm() {
    let settings = Settings { queue: 2, queue_timeout: Duration::MAX, ..Settings::new(1) };
    let bulkhead = bulkhead(settings);
    assert!(is_admitted(&bulkhead, Timestamp::NEVER));
    let Entered::Queued(ticket) = bulkhead.enter(at(1), 255, Timestamp::NEVER) else { panic!() };
    assert_eq!(ticket.due(), Timestamp::NEVER);
    let Waiting::Pending(ticket) = bulkhead.look(ticket, at(1)) else { panic!() };
    // Time that runs back.
    bulkhead.leave(at(0));
    let Waiting::Admitted { waited } = bulkhead.look(ticket, at(0)) else { panic!() };
    assert_eq!(waited, Duration::ZERO);
    bulkhead.leave(at(0));
    bulkhead.leave(at(0));
    assert_eq!(bulkhead.snapshot().in_flight, 0, "a slot that nobody has cannot be given back");
}
