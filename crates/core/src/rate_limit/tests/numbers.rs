//! Exact numbers, worked out by hand.

use super::super::*;
use crate::keyed::Evict;
use std::sync::atomic::AtomicUsize;
use std::task::Wake;

fn at(millis: u64) -> Timestamp {
    Timestamp::ZERO + Duration::from_millis(millis)
}

fn millis(millis: u64) -> Option<Duration> {
    Some(Duration::from_millis(millis))
}

/// Ten a second, three at once; who may wait, waits for `wait`.
fn limit(wait: Option<Duration>) -> RateLimit {
    let settings = Settings { burst: Some(3), wait, ..Settings::new(10.0) };
    RateLimit::new(settings.check().unwrap(), at(0))
}

fn ask(limit: &RateLimit, now: u64) -> Asked {
    limit.ask(at(now), None, 1, Timestamp::NEVER)
}

fn refused(asked: Asked) -> Option<Duration> {
    match asked {
        Asked::Limited { retry_after } => retry_after,
        other => panic!("{other:?}"),
    }
}

fn turn(limit: &RateLimit, now: u64) -> Ticket {
    match ask(limit, now) {
        Asked::Wait(ticket) => ticket,
        other => panic!("{other:?}"),
    }
}

fn allowed(asked: &Asked) -> bool {
    matches!(asked, Asked::Allowed)
}

struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn three_at_once_and_then_one_each_interval() {
    let limit = limit(None);
    for _ in 0..3 {
        assert!(allowed(&ask(&limit, 0)));
    }
    assert_eq!(refused(ask(&limit, 0)), millis(100));
    assert_eq!(refused(ask(&limit, 99)), millis(1));
    assert!(allowed(&ask(&limit, 100)));
    assert_eq!(refused(ask(&limit, 100)), millis(100));
    // After 250 ms two more are there, and half of a third.
    assert!(allowed(&ask(&limit, 350)));
    assert!(allowed(&ask(&limit, 350)));
    assert_eq!(refused(ask(&limit, 350)), millis(50));
    // However long the pause, no more than three.
    assert_eq!((0..9).filter(|_| allowed(&ask(&limit, 100_000))).count(), 3);
    let seen = limit.snapshot();
    assert_eq!((seen.allowed, seen.limited, seen.waited), (9, 10, 0));
}

#[test]
fn what_is_left_is_shown_and_a_heavy_call_takes_more() {
    let limit = limit(None);
    assert_eq!(limit.remaining(at(0), None), 3);
    assert!(allowed(&limit.ask(at(0), None, 2, Timestamp::NEVER)));
    assert_eq!(limit.remaining(at(0), None), 1);
    assert_eq!(refused(limit.ask(at(0), None, 2, Timestamp::NEVER)), millis(100));
    assert_eq!(refused(limit.ask(at(0), None, 4, Timestamp::NEVER)), None, "it never fits");
    assert!(allowed(&limit.ask(at(0), None, 1, Timestamp::NEVER)));
    assert_eq!(limit.remaining(at(250), None), 2);
}

#[test]
fn turns_come_in_order_and_a_wait_of_exactly_the_longest_is_allowed() {
    let limit = limit(millis(200));
    for _ in 0..3 {
        assert!(allowed(&ask(&limit, 0)));
    }
    let (first, second) = (turn(&limit, 0), turn(&limit, 0));
    assert_eq!((limit.due(&first), limit.due(&second)), (at(100), at(200)));
    assert_eq!(refused(ask(&limit, 0)), millis(300));
    let first = limit.look(first, at(99)).unwrap_err();
    assert!(limit.look(first, at(100)).is_ok());
    // The one behind is not woken for that, and nobody overtakes it.
    let third = turn(&limit, 100);
    assert_eq!(limit.due(&third), at(300));
    assert!(limit.look(second, at(250)).is_ok());
    assert!(limit.look(third, at(300)).is_ok());
}

#[test]
fn a_turn_that_does_not_come_before_the_deadline_is_refused_at_once() {
    let limit = limit(millis(1000));
    for _ in 0..3 {
        assert!(allowed(&ask(&limit, 0)));
    }
    assert_eq!(refused(limit.ask(at(0), None, 1, at(100))), millis(100));
    assert!(matches!(limit.ask(at(0), None, 1, at(101)), Asked::Wait(_)));
}

#[test]
fn those_behind_one_who_gives_up_move_up_and_are_told_once() {
    let limit = limit(millis(1000));
    for _ in 0..3 {
        assert!(allowed(&ask(&limit, 0)));
    }
    let tickets: Vec<_> = (0..4).map(|_| turn(&limit, 0)).collect();
    let counts: Vec<_> = (0..4).map(|_| Arc::new(Count(AtomicUsize::new(0)))).collect();
    for (ticket, count) in tickets.iter().zip(&counts) {
        assert!(!limit.listen(ticket, &Waker::from(Arc::clone(count))));
    }
    let [first, second, third, fourth] = <[Ticket; 4]>::try_from(tickets).unwrap();
    limit.give_up(second, at(0));
    let woken: Vec<_> = counts.iter().map(|count| count.0.load(Ordering::Relaxed)).collect();
    assert_eq!(woken, [0, 0, 1, 1]);
    let due = [&first, &third, &fourth].map(|ticket| limit.due(ticket));
    assert_eq!(due, [at(100), at(200), at(300)]);
    // Who asks to be told after it has moved is told that it has.
    assert!(limit.listen(&third, &Waker::from(Arc::clone(&counts[2]))));
    let third = limit.look(third, at(50)).unwrap_err();
    assert!(!limit.listen(&third, &Waker::from(Arc::clone(&counts[2]))));
    // The last turn is free again.
    let fifth = turn(&limit, 50);
    assert_eq!(limit.due(&fifth), at(400));
    limit.give_up(fifth, at(50));
    limit.give_up(fourth, at(50));
    assert_eq!(limit.due(&turn(&limit, 50)), at(300));
    drop((first, third));
}

#[test]
fn each_key_has_a_limit_of_its_own() {
    let settings = Settings { burst: Some(1), keys: 2, ..Settings::new(1.0) };
    let limit = RateLimit::new(settings.check().unwrap(), at(0));
    let ask = |key| allowed(&limit.ask(at(0), Some(key), 1, Timestamp::NEVER));
    assert!(ask(1) && ask(2) && !ask(1) && !ask(2));
    assert!(allowed(&limit.ask(at(0), None, 1, Timestamp::NEVER)), "that of all is another one");
    assert_eq!((limit.remaining(at(0), Some(1)), limit.remaining(at(0), Some(9))), (0, 1));
    assert!(ask(3));
    let seen = limit.snapshot();
    assert_eq!((seen.keys, seen.evicted), (2, 1));
}

#[test]
fn other_settings_keep_what_was_paid_and_the_order() {
    let limit = limit(millis(1000));
    for _ in 0..3 {
        assert!(allowed(&ask(&limit, 0)));
    }
    let (first, second) = (turn(&limit, 0), turn(&limit, 0));
    // Half the interval: what was owed, three calls, is paid in 150 ms.
    limit.set(Settings { burst: Some(3), wait: millis(1000), ..Settings::new(20.0) }, at(0));
    assert_eq!((limit.due(&first), limit.due(&second)), (at(50), at(100)));
    assert_eq!(limit.due(&turn(&limit, 0)), at(150));
}

#[test]
fn rates_that_do_not_divide_a_second_are_kept_to_the_nanosecond() {
    let limit = RateLimit::new(Settings { burst: Some(1), ..Settings::new(3.0) }, at(0));
    let mut admitted = 0;
    let mut now = Timestamp::ZERO;
    let end = Timestamp::ZERO + Duration::from_secs(1000);
    while now < end {
        match limit.ask(now, None, 1, Timestamp::NEVER) {
            Asked::Allowed => admitted += 1,
            Asked::Limited { retry_after: Some(wait) } => now = now + wait,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(admitted, 3001);
}

#[test]
fn the_ends_of_time_do_no_harm() {
    let limit = limit(Some(Duration::from_secs(3600)));
    let far = Timestamp::from_nanos(u64::MAX - 1);
    for _ in 0..5 {
        let _ = limit.ask(far, None, 3, Timestamp::NEVER);
        let _ = limit.ask(at(0), None, u32::MAX, Timestamp::NEVER);
        let _ = limit.ask(at(0), Some(1), 1, Timestamp::ZERO);
    }
    assert_eq!(limit.remaining(at(0), None), 0);
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let of = |settings: Settings| settings.check().unwrap_err().to_string();
    let one = Settings::new(1.0);
    assert_eq!(of(Settings { rate: f64::NAN, ..one }), "`rate` is NaN; give a number above 0");
    assert_eq!(
        of(Settings { per: Duration::ZERO, ..one }),
        "`per` is 0ns; give a duration above 0, at most 1d"
    );
    assert_eq!(of(Settings { burst: Some(0), ..one }), "`burst` is 0; give 1 to 1000000");
    assert_eq!(
        of(Settings { wait: millis(7_200_000), ..one }),
        "`wait` of 7200s is too long; give at most 1h"
    );
    assert_eq!(
        of(Settings::new(2e9)),
        "`rate` is more than a billion per second; give a smaller rate, or a longer `per`"
    );
    assert_eq!(
        of(Settings { per: Duration::from_secs(86_400), ..Settings::new(0.9) }),
        "`rate` of 0.9 in 86400s is less than one a day; give a larger rate, or a shorter `per`"
    );
    assert_eq!(of(Settings { keys: 0, ..one }), "`keys` is 0; give 1 to 10000000");
    assert_eq!(Settings::new(2.5).burst(), 3);
}

#[test]
fn a_limit_that_owes_nothing_is_worth_least_and_one_that_is_waited_for_most() {
    let limit = limit(millis(1000));
    assert_eq!(limit.all.worth(at(0)), 0);
    (0..3).for_each(|_| assert!(allowed(&ask(&limit, 0))));
    assert_eq!(limit.all.worth(at(0)), 1);
    let ticket = turn(&limit, 0);
    assert_eq!(limit.all.worth(at(0)), 2);
    limit.give_up(ticket, at(0));
    assert_eq!((limit.all.worth(at(0)), limit.all.worth(at(1000))), (1, 0));
}
