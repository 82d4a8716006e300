//! Models of the counting, and of the end of an interval.

use crate::Timestamp;
use crate::interleavings::model;
use crate::shed::{Settings, Shed};
use loom::thread;
use std::sync::Arc;
use std::time::Duration;

fn at(millis: u64) -> Timestamp {
    Timestamp::ZERO + Duration::from_millis(millis)
}

fn shed() -> Arc<Shed> {
    Arc::new(Shed::new(Settings::default(), at(0)))
}

/// Planted: `turn_on` without its second look at the interval. Found: an overload taken for silence.
#[test]
fn an_interval_is_judged_once() {
    model("an interval is judged once", || {
        let shed = shed();
        for urgency in [6, 7] {
            assert!(shed.admit(at(0), urgency, 0));
        }
        shed.waited(at(0), Duration::from_secs(1));
        let other = shed.clone();
        let theirs = thread::spawn(move || other.admit(at(100), 0, 0));
        assert!(shed.admit(at(100), 0, 0));
        assert!(theirs.join().unwrap());
        // In a model an urgency has one cohort. 0.95 of 2 is 1: 7 is out, once.
        let snapshot = shed.snapshot(at(100));
        assert_eq!((snapshot.level, snapshot.overloaded), (7, true));
        assert_eq!(snapshot.admitted, [2, 0, 0, 0, 0, 0, 1, 1]);
    });
}

/// Planted: the rejection counted after the arrival. Found: more admitted than were.
#[test]
fn nobody_sees_more_admitted_than_were() {
    model("nobody sees more admitted than were", || {
        let shed = shed();
        for urgency in [6, 7] {
            assert!(shed.admit(at(0), urgency, 0));
        }
        shed.waited(at(0), Duration::from_secs(1));
        assert!(!shed.admit(at(100), 7, 0));
        let other = shed.clone();
        let theirs = thread::spawn(move || other.admit(at(100), 7, 0));
        assert!(shed.snapshot(at(100)).admitted[7] <= 1);
        assert!(!theirs.join().unwrap());
        assert_eq!(shed.snapshot(at(100)).rejected[7], 2);
    });
}

/// Planted: the shortest wait stored without a comparison. Found: overload where a call did not wait.
#[test]
fn the_shortest_wait_is_kept() {
    model("the shortest wait is kept", || {
        let shed = shed();
        assert!(shed.admit(at(0), 7, 0));
        let other = shed.clone();
        let theirs = thread::spawn(move || other.waited(at(0), Duration::from_secs(1)));
        shed.waited(at(0), Duration::ZERO);
        theirs.join().unwrap();
        assert!(!shed.snapshot(at(100)).overloaded);
    });
}
