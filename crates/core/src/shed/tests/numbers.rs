//! Examples worked out by hand.

use crate::Timestamp;
use crate::shed::control::{Control, Seen};
use crate::shed::{Settings, Shed};
use std::time::Duration;

/// One call of every priority of urgencies 3 and 7: those from 384 and from 896 on.
fn even(priority: usize) -> u64 {
    u64::from(matches!(priority / 128, 3 | 7))
}

fn new() -> Control {
    Control::new(5)
}

/// An interval with so many calls, too long a wait or not.
fn seen(overloaded: bool, arrived: u64) -> Seen {
    Seen { wait: Some(if overloaded { 100 } else { 5 }), arrived, admitted: arrived }
}

fn lowered_to(level: usize) -> Control {
    let mut control = new();
    while control.level() > level {
        control.interval(seen(true, 256), even);
    }
    control
}

#[test]
fn five_percent_less_than_was_admitted_and_one_percent_more_of_what_came() {
    let mut control = new();
    // 0.95 x 256 = 243.2: 128 of urgency 3, and 115 of urgency 7.
    control.interval(seen(true, 256), even);
    assert_eq!(control.level(), 896 + 115);
    assert_eq!(control.share(), 243.0 / 256.0);
    // 0.95 x 243 = 230.85: 102 of urgency 7.
    control.interval(seen(true, 256), even);
    assert_eq!(control.level(), 896 + 102);
    assert!(control.is_overloaded());
    // 1 % of 256 are 2.56 priorities more.
    control.interval(seen(false, 256), even);
    assert_eq!(control.level(), 896 + 104);
    assert!(!control.is_overloaded());
}

#[test]
#[cfg_attr(miri, ignore = "half a million priorities")]
fn the_most_important_are_never_shed() {
    let mut control = new();
    for _ in 0..200 {
        control.interval(seen(true, 256), even);
    }
    assert_eq!(control.level(), 384, "urgencies 0 to 2, of which none came");
    for _ in 0..200 {
        control.interval(seen(true, 1), |priority| u64::from(priority == 5));
    }
    assert_eq!(control.level(), 128);
}

#[test]
fn overload_without_calls_says_nothing() {
    let mut control = new();
    control.interval(seen(true, 0), |_| 0);
    assert_eq!((control.level(), control.is_overloaded()), (1024, true));
}

#[test]
fn what_nobody_has_is_passed_over_sixteen_at_a_time() {
    // 0.95 x 127 = 120.65.
    let mut control = lowered_to(504);
    assert_eq!(control.level(), 384 + 120);
    // Twice two priorities and once more; with the last of them go 14 of urgency 4, which nobody has.
    for expected in [506, 508, 510, 512 + 14, 542] {
        control.interval(seen(false, 256), even);
        assert_eq!(control.level(), expected);
    }
}

#[test]
fn a_priority_that_is_a_large_part_of_all_is_taken_out_and_let_in_again() {
    let mut control = new();
    let hot = |priority| if priority == 1000 { 100 } else { 0 };
    control.interval(seen(true, 100), hot);
    assert_eq!(control.level(), 1000);
    for expected in [1001, 1017, 1024, 1024] {
        control.interval(seen(false, 100), hot);
        assert_eq!(control.level(), expected);
    }
}

#[test]
fn silence_ends_an_overload() {
    let mut control = lowered_to(504);
    let nothing_heard = Seen { wait: None, arrived: 256, admitted: 100 };
    // Calls were admitted, and may all be waiting still: it stays so ten times.
    for _ in 0..10 {
        control.interval(nothing_heard, even);
        assert_eq!((control.level(), control.is_overloaded()), (504, true));
    }
    control.interval(nothing_heard, even);
    assert_eq!((control.level(), control.is_overloaded()), (506, false));
    // None was admitted: it stays so once.
    let mut control = lowered_to(504);
    let none_admitted = Seen { admitted: 0, ..nothing_heard };
    control.interval(none_admitted, even);
    assert_eq!((control.level(), control.is_overloaded()), (504, true));
    control.interval(none_admitted, even);
    assert_eq!((control.level(), control.is_overloaded()), (506, false));
}

#[test]
#[cfg_attr(miri, ignore = "a million priorities")]
fn full_recovery_takes_a_bounded_time() {
    // Calls of every priority, so many that 1 % of them is less than two.
    let mut control = new();
    for _ in 0..200 {
        control.interval(seen(true, 100), |priority| u64::from(priority < 100));
    }
    assert_eq!(control.level(), 128);
    let mut intervals = 0;
    while control.level() < 1024 {
        let nothing_heard = Seen { wait: None, arrived: 1024, admitted: 1 };
        control.interval(nothing_heard, |priority| 1 + 1000 * u64::from(priority % 2 == 0));
        intervals += 1;
    }
    assert!(intervals <= 906, "{intervals}");

    // Nothing comes: one interval as it is, then 16 of 896 each.
    let mut control = lowered_to(384);
    let mut floor = control.clone();
    floor.silence(40);
    assert_eq!(floor.level(), 384 + 39 * 16);
    floor.silence(1);
    assert_eq!(floor.level(), 1024);
    control.silence(u64::MAX);
    assert_eq!((control.level(), control.share()), (1024, 1.0));
}

fn at(millis: u64) -> Timestamp {
    Timestamp::ZERO + Duration::from_millis(millis)
}

/// Everybody of two urgencies.
fn all(shed: &Shed, millis: u64) -> [usize; 2] {
    [3, 7].map(|urgency| (0..1000).filter(|user| shed.admit(at(millis), urgency, *user)).count())
}

#[test]
fn an_interval_is_overloaded_when_its_shortest_wait_is_longer_than_the_target() {
    let millis = Duration::from_millis;
    for (waits, overloaded) in [
        (&[20, 6, 9][..], true),
        (&[20, 5, 9], false),
        (&[20, 0], false),
        (&[20, u64::MAX / 2], true),
        (&[], false),
    ] {
        let shed = Shed::new(Settings::default(), at(0));
        assert_eq!(all(&shed, 0), [1000, 1000]);
        for wait in waits {
            shed.waited(at(99), millis(*wait));
        }
        // Looking derives it from the time, and changes nothing.
        assert_eq!(shed.snapshot(at(99)).level, 1024);
        assert_eq!(shed.snapshot(at(100)).overloaded, overloaded, "{waits:?}");
        assert_eq!(shed.level(at(100)) < 1024, overloaded);
        assert_eq!(shed.snapshot(at(99)).level, 1024);
        let [critical, sheddable] = all(&shed, 100);
        assert_eq!(critical, 1000);
        assert_eq!(sheddable < 1000, overloaded);
        let snapshot = shed.snapshot(at(100));
        assert_eq!(snapshot.admitted[3], 2000);
        assert_eq!(snapshot.admitted[7] + snapshot.rejected[7], 2000);
        assert_eq!(snapshot.rejected[7], 1000 - sheddable as u64);
    }
}

#[test]
fn the_same_are_shed_again() {
    let shed = Shed::new(Settings::default(), at(0));
    for interval in 0..5 {
        all(&shed, interval * 100);
        shed.waited(at(interval * 100 + 50), Duration::from_secs(1));
    }
    let passed = |user| shed.admit(at(500), 7, user);
    let first: Vec<_> = (0..1000).map(passed).collect();
    assert!(first.contains(&true) && first.contains(&false));
    assert_eq!((0..1000).map(passed).collect::<Vec<_>>(), first);
    // An urgency that does not exist is the last.
    assert_eq!((0..1000).map(|user| shed.admit(at(500), 99, user)).collect::<Vec<_>>(), first);
}

#[test]
fn no_time_is_too_far() {
    let tiny = Settings { interval: Duration::from_millis(1), ..Settings::default() };
    let shed = Shed::new(tiny, at(0));
    for now in [at(86_400_000), Timestamp::NEVER, at(0), Timestamp::NEVER] {
        assert!(shed.admit(now, 7, 1));
        shed.waited(now, Duration::MAX);
        assert!(shed.level(now) >= 128);
    }
}

#[test]
fn what_makes_no_sense_is_refused() {
    let good = Settings::default;
    let many = (0..=100).map(|number| (format!("class-{number}"), 1)).collect();
    for (settings, message) in [
        (
            Settings { target: Duration::ZERO, ..good() },
            "`target` is zero, so any wait at all is too long; give a duration, such as 5ms",
        ),
        (
            Settings { target: Duration::from_secs(61), ..good() },
            "`target` of 61s is too long; give at most 1m",
        ),
        (
            Settings { interval: Duration::from_micros(999), ..good() },
            "`interval` of 999µs is too short; give at least 1ms",
        ),
        (
            Settings { interval: Duration::from_secs(61), ..good() },
            "`interval` of 61s is too long; give at most 1m",
        ),
        (Settings { classes: many, ..good() }, "`classes` has 101 names; give at most 100"),
        (
            Settings { classes: [("last".to_owned(), 8)].into(), ..good() },
            "`classes` has `last` at urgency 8; give 0 (never shed) to 7 (shed first)",
        ),
    ] {
        assert_eq!(settings.check().unwrap_err().to_string(), message);
    }
}

#[test]
fn a_class_has_the_urgency_it_was_given_and_others_have_none() {
    let settings = Settings { classes: [("batch".to_owned(), 6)].into(), ..Settings::default() };
    assert_eq!((settings.urgency("batch"), settings.urgency("CRITICAL")), (Some(6), None));
}
