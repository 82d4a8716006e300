//! Who is thrown out of a full queue.

use super::*;

fn full_of(priorities: &[u8]) -> (Bulkhead, Vec<Waits>) {
    let settings = Settings { queue: priorities.len() as u32, ..Settings::new(1) };
    let bulkhead = bulkhead(settings);
    assert!(is_admitted(&bulkhead, at(0)));
    let waits = priorities.iter().map(|priority| queue(&bulkhead, at(1), *priority)).collect();
    (bulkhead, waits)
}

fn rung(waits: &[Waits]) -> Vec<usize> {
    waits.iter().map(|waits| waits.bell.rung()).collect()
}

#[test]
fn the_youngest_of_the_least_important_goes_for_one_that_is_more_important() {
    let (bulkhead, waits) = full_of(&[5, 3, 5, 4]);
    let newcomer = queue(&bulkhead, at(2), 4);
    assert_eq!(rung(&waits), [0, 0, 1, 0]);
    let second = queue(&bulkhead, at(3), 0);
    assert_eq!(rung(&waits), [1, 0, 1, 0]);
    // Left are 3, 4 and the newcomer's 4, which is the youngest, and 0.
    let third = queue(&bulkhead, at(4), 3);
    assert_eq!((rung(&waits), newcomer.bell.rung()), (vec![1, 0, 1, 0], 1));
    assert!(matches!(newcomer.look(&bulkhead, at(4)), Seen::Evicted));
    assert_eq!((bulkhead.snapshot().evicted, bulkhead.snapshot().queued), (3, 4));
    assert_eq!(bulkhead.snapshot().full, 0);

    // In the order of arrival: 3 and 4 at 1 ms, 0 at 3 ms, 3 at 4 ms.
    let mut left = Vec::new();
    for waits in waits {
        if waits.bell.rung() == 0 {
            left.push(waits);
        } else {
            assert!(matches!(waits.look(&bulkhead, at(5)), Seen::Evicted));
        }
    }
    left.extend([second, third]);
    for waits in left {
        assert_eq!(waits.bell.rung(), 0);
        bulkhead.leave(at(6));
        assert_eq!(waits.bell.rung(), 1);
        waits.look(&bulkhead, at(6)).waited();
    }
}

#[test]
fn an_equal_or_less_important_one_is_refused() {
    let (bulkhead, waits) = full_of(&[2, 3, 1]);
    for priority in [3, 4, 7, 8, 255] {
        assert!(is_full(&bulkhead, at(2), priority), "{priority}");
    }
    assert_eq!((bulkhead.snapshot().full, bulkhead.snapshot().evicted), (5, 0));
    drop(queue(&bulkhead, at(2), 2));
    assert_eq!(rung(&waits), [0, 1, 0]);
}

#[test]
fn beyond_seven_there_is_nothing_less_important() {
    let (bulkhead, waits) = full_of(&[200]);
    assert!(is_full(&bulkhead, at(2), 7), "200 counts as 7");
    drop(queue(&bulkhead, at(2), 6));
    assert_eq!(rung(&waits), [1]);
}

#[test]
fn one_that_was_granted_its_slot_cannot_be_evicted() {
    let (bulkhead, mut waits) = full_of(&[7]);
    bulkhead.leave(at(2));
    let important = queue(&bulkhead, at(2), 0);
    assert_eq!((rung(&waits), important.bell.rung()), (vec![1], 0));
    waits.remove(0).look(&bulkhead, at(3)).waited();
}

#[test]
fn one_that_is_overdue_is_not_evicted_but_timed_out() {
    let (bulkhead, waits) = full_of(&[0, 7]);
    // Both joined at 1 ms.
    drop(queue(&bulkhead, at(102), 7));
    let seen = bulkhead.snapshot();
    assert_eq!((seen.timed_out, seen.evicted, seen.queued), (2, 0, 1));
    assert_eq!(rung(&waits), [1, 1]);
}
