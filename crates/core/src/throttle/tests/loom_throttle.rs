//! Models of the ring: what is counted while its places pass on to later buckets.

use crate::interleavings::model;
use crate::throttle::window::Ring;
use loom::thread;
use std::sync::Arc;

/// Planted: a place that is replaced with a load and a store. Found: a lost request.
#[test]
fn no_count_is_lost_where_a_bucket_begins() {
    model("no count is lost where a bucket begins", || {
        let ring = Arc::new(Ring::new());
        ring.add(0);
        let other = ring.clone();
        // Bucket 2 takes the place of bucket 0.
        let adds = thread::spawn(move || other.add(2));
        ring.add(2);
        let seen = ring.sum(2);
        assert!(seen == 1 || seen == 2, "{seen}");
        adds.join().unwrap();
        assert_eq!(ring.sum(2), 2);
    });
}

/// Planted: the same. Found: a request of the new bucket taken for one of the old.
#[test]
fn a_count_of_an_old_bucket_never_appears_in_a_new_one() {
    model("a count of an old bucket never appears in a new one", || {
        let ring = Arc::new(Ring::new());
        ring.add(0);
        let other = ring.clone();
        let late = thread::spawn(move || other.add(0));
        ring.add(2);
        assert_eq!(ring.sum(2), 1);
        late.join().unwrap();
        assert_eq!(ring.sum(2), 1);
    });
}

/// Planted: `take_back` without its look at the lap. Found: a request of bucket 2 taken back.
#[test]
fn what_is_taken_back_late_is_not_taken_from_another_bucket() {
    model("what is taken back late is not taken from another bucket", || {
        let ring = Arc::new(Ring::new());
        ring.add(0);
        let other = ring.clone();
        let takes = thread::spawn(move || other.take_back(1));
        // Bucket 2 takes the place of bucket 0, before or after that.
        ring.add(2);
        assert_eq!(ring.sum(2), 1);
        takes.join().unwrap();
        assert_eq!(ring.sum(2), 1);
    });
}

#[test]
fn what_is_taken_back_by_two_is_taken_twice() {
    model("what is taken back by two is taken twice", || {
        let ring = Arc::new(Ring::new());
        ring.add(0);
        ring.add(0);
        ring.add(1);
        let other = ring.clone();
        let takes = thread::spawn(move || other.take_back(1));
        ring.take_back(1);
        takes.join().unwrap();
        assert_eq!(ring.sum(1), 1);
    });
}
