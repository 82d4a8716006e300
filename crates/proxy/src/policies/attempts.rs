//! How many attempts calls took.

use std::sync::atomic::AtomicU64;

use super::counts::{count, read};

/// Up to so many attempts: the buckets of the histogram, the last of them without a bound.
pub(super) const BOUNDS: [u32; 6] = [1, 2, 3, 4, 5, 10];

/// Counts of calls by how many attempts they took; a call without any is in none.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    calls: [AtomicU64; BOUNDS.len() + 1],
    /// Attempts beyond the first of each call.
    more: AtomicU64,
}

impl Attempts {
    /// A call has ended after so many.
    pub(super) fn record(&self, attempts: u32) {
        if attempts == 0 {
            return;
        }
        count(&self.calls[BOUNDS.partition_point(|bound| *bound < attempts)]);
        if attempts > 1 {
            let more = u64::from(attempts - 1);
            self.more.fetch_add(more, std::sync::atomic::Ordering::Relaxed);
        }
    }

    /// How many calls are in each bucket.
    pub(super) fn calls(&self) -> [u64; BOUNDS.len() + 1] {
        std::array::from_fn(|bucket| read(&self.calls[bucket]))
    }

    /// Attempts beyond the first of each call.
    pub(super) fn more(&self) -> u64 {
        read(&self.more)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_counted_by_their_attempts() {
        let attempts = Attempts::default();
        [0, 1, 1, 2, 5, 6, 10, 11, 100].into_iter().for_each(|it| attempts.record(it));
        assert_eq!(attempts.calls(), [2, 1, 0, 0, 1, 2, 2]);
        assert_eq!(attempts.more(), 1 + 4 + 5 + 9 + 10 + 99);
    }
}
