//! Counts of the last ten buckets of time, kept without a lock.
//!
//! A count and the bucket that it belongs to are one word. So a bucket that has left the window
//! is replaced and counted in by one exchange, and there is no moment at which a reader or another
//! writer could meet a half-turned one.

use crate::sync::{AtomicU64, Ordering};

/// A window is this many buckets; in a model, where every step counts, fewer.
pub(super) const BUCKETS: u64 = if cfg!(loom) { 2 } else { 10 };

/// The lap of the ring that a count belongs to, in the upper half, and the count.
///
/// Laps are kept in 32 bits: with the shortest window they come round after 136 years.
#[derive(Clone, Copy)]
struct Word {
    lap: u32,
    count: u32,
}

impl Word {
    fn from_bits(bits: u64) -> Self {
        Self { lap: (bits >> 32) as u32, count: bits as u32 }
    }

    fn bits(self) -> u64 {
        u64::from(self.lap) << 32 | u64::from(self.count)
    }

    fn is_newer_than(self, lap: u32) -> bool {
        self.count > 0 && self.lap.wrapping_sub(lap).cast_signed() > 0
    }
}

/// The ring of one count. A bucket holds at most 2^32 - 1.
#[derive(Debug)]
pub(super) struct Ring([AtomicU64; BUCKETS as usize]);

impl Ring {
    pub(super) fn new() -> Self {
        Self(std::array::from_fn(|_| AtomicU64::new(0)))
    }

    /// One more in this bucket. Nothing, where its place already belongs to a later one: then it has
    /// left the window of whoever is up to date.
    #[inline]
    pub(super) fn add(&self, bucket: u64) {
        let (index, lap) = place(bucket);
        let _ = self.0[index].fetch_update(Ordering::Relaxed, Ordering::Relaxed, |bits| {
            let word = Word::from_bits(bits);
            if word.lap == lap {
                Some(Word { lap, count: word.count.saturating_add(1) }.bits())
            } else if word.is_newer_than(lap) {
                None
            } else {
                Some(Word { lap, count: 1 }.bits())
            }
        });
    }

    /// One less, in the latest bucket that has any.
    pub(super) fn take_back(&self, bucket: u64) {
        for bucket in buckets(bucket) {
            let (index, lap) = place(bucket);
            let taken = self.0[index].fetch_update(Ordering::Relaxed, Ordering::Relaxed, |bits| {
                let word = Word::from_bits(bits);
                let less = word.count.checked_sub(1).filter(|_| word.lap == lap);
                less.map(|count| Word { lap, count }.bits())
            });
            if taken.is_ok() {
                return;
            }
        }
    }

    /// How many there are in this bucket and those before it that are in its window.
    #[inline]
    pub(super) fn sum(&self, bucket: u64) -> u64 {
        let counts = buckets(bucket).map(|bucket| {
            let (index, lap) = place(bucket);
            let word = Word::from_bits(self.0[index].load(Ordering::Relaxed));
            if word.lap == lap { u64::from(word.count) } else { 0 }
        });
        counts.sum()
    }
}

/// The buckets of a window, the latest first.
#[inline]
fn buckets(latest: u64) -> impl Iterator<Item = u64> {
    (latest.saturating_sub(BUCKETS - 1)..=latest).rev()
}

#[inline]
fn place(bucket: u64) -> (usize, u32) {
    // The first lap is 1, so that what nobody has written yet belongs to none.
    ((bucket % BUCKETS) as usize, (bucket / BUCKETS).wrapping_add(1) as u32)
}
