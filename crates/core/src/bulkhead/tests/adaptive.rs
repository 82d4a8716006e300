//! Controlled delay with adaptive LIFO: worked out by hand.

use super::*;
use crate::bulkhead::Order;

fn adaptive(queue_timeout: Duration) -> Bulkhead {
    let settings =
        Settings { queue: 9, queue_timeout, order: Order::AdaptiveLifo, ..Settings::new(1) };
    let bulkhead = bulkhead(settings);
    assert!(is_admitted(&bulkhead, at(1000)));
    bulkhead
}

#[test]
fn newcomers_wait_the_interval_until_the_queue_was_not_empty_for_longer() {
    let bulkhead = adaptive(ms(500));
    // The queue was empty until 1000 ms.
    let waits = [1000, 1050, 1100].map(|millis| queue(&bulkhead, at(millis), 3));
    let due = waits.each_ref().map(|waits| waits.ticket.due());
    assert_eq!(due, [at(1100), at(1150), at(1200)]);
    // One nanosecond more than 100 ms: the first one's time is over as well.
    let later = at(1100) + Duration::from_nanos(1);
    let waits_little = queue(&bulkhead, later, 3);
    assert_eq!(waits_little.ticket.due(), later + ms(5));
    assert_eq!(waits.map(|waits| waits.bell.rung()), [1, 0, 0]);
}

#[test]
fn an_empty_queue_starts_afresh() {
    let bulkhead = adaptive(ms(500));
    let first = queue(&bulkhead, at(1000), 3);
    bulkhead.leave(at(1090));
    first.look(&bulkhead, at(1090)).waited();
    // It has been empty from 1090 to 2000 ms.
    let second = queue(&bulkhead, at(2000), 3);
    assert_eq!(second.ticket.due(), at(2100));
    // Empty for no time at all is empty, too.
    bulkhead.give_up(second.ticket, at(2100));
    let third = queue(&bulkhead, at(2100), 3);
    let fourth = queue(&bulkhead, at(2200), 3);
    assert_eq!((third.ticket.due(), fourth.ticket.due()), (at(2200), at(2300)));
}

#[test]
fn nobody_waits_longer_than_the_queue_timeout() {
    let bulkhead = adaptive(ms(3));
    let first = queue(&bulkhead, at(1000), 3);
    assert_eq!(first.ticket.due(), at(1003));
    let bulkhead = adaptive(ms(60));
    let waits = [1000, 1050, 1099].map(|millis| queue(&bulkhead, at(millis), 3));
    let due = waits.each_ref().map(|waits| waits.ticket.due());
    assert_eq!(due, [at(1060), at(1110), at(1159)]);
    assert_eq!(queue(&bulkhead, at(1101), 3).ticket.due(), at(1106));
}

#[test]
fn the_last_one_goes_first_while_the_queue_was_not_empty_for_longer_than_the_interval() {
    let bulkhead = adaptive(ms(500));
    let [a, b, c, d] = [1000, 1040, 1080, 1090].map(|millis| queue(&bulkhead, at(millis), 3));
    let rung = |all: [&Waits; 4]| all.map(|waits| waits.bell.rung());
    // Not empty for exactly the interval: still in the order of arrival.
    bulkhead.leave(at(1100));
    assert_eq!(rung([&a, &b, &c, &d]), [1, 0, 0, 0]);
    // Longer: the last one.
    bulkhead.leave(at(1101));
    assert_eq!(rung([&a, &b, &c, &d]), [1, 0, 0, 1]);
    let e = queue(&bulkhead, at(1102), 3);
    let f = queue(&bulkhead, at(1103), 3);
    bulkhead.leave(at(1107));
    // Both had 5 ms: the time of e is over at exactly 1107 ms, so it could still go on, but f is younger.
    assert_eq!((e.bell.rung(), f.bell.rung()), (0, 1));
    bulkhead.leave(at(1108));
    // Its time is over; the next youngest is c.
    assert_eq!(rung([&b, &c, &d, &e]), [0, 1, 1, 1]);
    assert!(matches!(e.look(&bulkhead, at(1108)), Seen::TimedOut));
    assert_eq!(c.look(&bulkhead, at(1108)).waited(), ms(28));
    bulkhead.leave(at(1108));
    assert_eq!(b.look(&bulkhead, at(1108)).waited(), ms(68));
    // The queue is empty: in the order of arrival again.
    let [g, h] = [1110, 1111].map(|millis| queue(&bulkhead, at(millis), 3));
    bulkhead.leave(at(1112));
    assert_eq!((g.bell.rung(), h.bell.rung()), (1, 0));
    assert_eq!(bulkhead.snapshot().timed_out, 1);
}

#[test]
fn in_an_overload_the_queue_is_still_evicted_by_priority() {
    let settings = Settings { queue: 2, order: Order::AdaptiveLifo, ..Settings::new(1) };
    let settings = Settings { interval: ms(50), ..settings };
    let bulkhead = bulkhead(settings);
    assert!(is_admitted(&bulkhead, at(1000)));
    let old = queue(&bulkhead, at(1000), 7);
    let young = queue(&bulkhead, at(1049), 3);
    let newcomer = queue(&bulkhead, at(1050), 0);
    assert_eq!((old.bell.rung(), young.bell.rung()), (1, 0));
    // Not empty for 51 ms: the last one first.
    bulkhead.leave(at(1051));
    assert_eq!((newcomer.bell.rung(), young.bell.rung()), (1, 0));
}

#[test]
fn under_fifo_the_same_is_in_the_order_of_arrival() {
    let bulkhead = bulkhead(Settings { queue: 9, queue_timeout: ms(500), ..Settings::new(1) });
    assert!(is_admitted(&bulkhead, at(0)));
    let [first, last] = [0, 400].map(|millis| queue(&bulkhead, at(millis), 3));
    bulkhead.leave(at(450));
    assert_eq!((first.bell.rung(), last.bell.rung()), (1, 0));
}
