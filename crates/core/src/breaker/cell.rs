//! The counts of one thread, and its part of a window by time.
//!
//! A cell has one writer at a time, so counting is a load and a store, not a locked instruction.
//! Readers sum all cells. The window is kept as a ring of what the totals were when each of the
//! last ten buckets began: its counts are a subtraction, whatever it holds.

use crate::sync::{AtomicU32, AtomicU64, Ordering, fence};

/// A window by time is this many buckets; in a model, where every step counts, a few less.
pub(super) const BUCKETS: u64 = if cfg!(loom) { 2 } else { 10 };

/// How often a reader tries again while the owner turns the window on.
const PATIENCE: usize = if cfg!(loom) { 2 } else { 8 };

/// A count that one thread writes and all may read.
#[derive(Debug)]
pub(super) struct Count(AtomicU64);

impl Count {
    fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// One more. Only for the writer.
    #[inline(always)]
    pub(super) fn bump(&self) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
    }

    #[inline]
    pub(super) fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Outcomes that are in a window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) calls: u64,
    pub(super) failures: u64,
    pub(super) slow: u64,
}

impl std::ops::Add for Counts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            calls: self.calls + other.calls,
            failures: self.failures + other.failures,
            slow: self.slow + other.slow,
        }
    }
}

/// What the totals were when a bucket began. Failures and slow calls wrap around: only differences
/// are used, and 2^32 of them do not fit into the longest window of one thread.
#[derive(Debug)]
struct Start {
    successes: AtomicU64,
    failures: AtomicU32,
    slow: AtomicU32,
}

/// The counts of one thread since the breaker was made, and its part of the window.
///
/// On cache lines of its own, so that two threads do not fight over one.
#[derive(Debug)]
#[repr(align(64))]
pub(super) struct Cell {
    pub(super) started: Count,
    pub(super) successes: Count,
    pub(super) failures: Count,
    pub(super) ignored: Count,
    pub(super) late: Count,
    pub(super) slow: Count,
    pub(super) rejected: Count,
    /// The generation of the state whose outcomes the window holds.
    window: AtomicU64,
    /// The instant at which the current bucket ends.
    end: AtomicU64,
    /// Odd while the owner turns the window on.
    sequence: AtomicU64,
    /// Which of `starts` is the current bucket's.
    current: AtomicU32,
    pub(super) unrecorded: Count,
    starts: [Start; BUCKETS as usize],
}

impl Cell {
    pub(super) fn new() -> Self {
        let start = || Start { successes: 0.into(), failures: 0.into(), slow: 0.into() };
        Self {
            started: Count::new(),
            successes: Count::new(),
            failures: Count::new(),
            ignored: Count::new(),
            late: Count::new(),
            slow: Count::new(),
            rejected: Count::new(),
            window: AtomicU64::new(0),
            end: AtomicU64::new(0),
            sequence: AtomicU64::new(0),
            current: AtomicU32::new(0),
            unrecorded: Count::new(),
            starts: std::array::from_fn(|_| start()),
        }
    }

    /// Turns the window on to the bucket of `now`, where it is not there yet. True if it did: then
    /// older outcomes may have left, and the rates are to be judged anew. Only for the writer.
    #[inline(always)]
    pub(super) fn turn(&self, window: u64, now: u64, width: u64) -> bool {
        let current =
            window == self.window.load(Ordering::Relaxed) && now < self.end.load(Ordering::Relaxed);
        if !current {
            self.turn_on(window, now / width, width);
        }
        !current
    }

    #[cold]
    fn turn_on(&self, window: u64, bucket: u64, width: u64) {
        self.rewrite(|| {
            let passed = if self.window.load(Ordering::Relaxed) == window {
                let end = self.end.load(Ordering::Relaxed);
                (bucket + 1).saturating_sub(end / width).min(BUCKETS)
            } else {
                self.window.store(window, Ordering::Relaxed);
                BUCKETS
            };
            let mut current = u64::from(self.current.load(Ordering::Relaxed));
            for _ in 0..passed {
                current = (current + 1) % BUCKETS;
                self.begin_bucket(&self.starts[current as usize]);
            }
            self.current.store(current as u32, Ordering::Relaxed);
            self.end.store((bucket + 1).saturating_mul(width), Ordering::Relaxed);
        });
    }

    fn begin_bucket(&self, start: &Start) {
        start.successes.store(self.successes.read(), Ordering::Relaxed);
        start.failures.store(self.failures.read() as u32, Ordering::Relaxed);
        start.slow.store(self.slow.read() as u32, Ordering::Relaxed);
    }

    /// Changes what a reader must see as a whole: it tries again if this was under way.
    fn rewrite(&self, change: impl FnOnce()) {
        let sequence = self.sequence.load(Ordering::Relaxed);
        self.sequence.store(sequence.wrapping_add(1), Ordering::Relaxed);
        fence(Ordering::Release);
        change();
        self.sequence.store(sequence.wrapping_add(2), Ordering::Release);
    }

    /// One more good call.
    #[inline(always)]
    pub(super) fn success(&self) {
        self.successes.bump();
    }

    /// One more call that was failed, or slow, or both. The call is counted before its slowness, so
    /// that a reader never sees more slow calls than calls.
    pub(super) fn bad(&self, failed: bool, slow: bool) {
        if failed {
            self.failures.bump();
        } else {
            self.successes.bump();
        }
        if slow {
            self.slow.0.store(self.slow.read().wrapping_add(1), Ordering::Release);
        }
    }

    /// One more call that is in no window, a probe: every bucket begins one later.
    #[cold]
    pub(super) fn outside(&self, failed: bool, slow: bool) {
        self.rewrite(|| {
            self.bad(failed, slow);
            for start in &self.starts {
                if failed {
                    one_more(&start.failures);
                } else {
                    let successes = start.successes.load(Ordering::Relaxed);
                    start.successes.store(successes.wrapping_add(1), Ordering::Relaxed);
                }
                if slow {
                    one_more(&start.slow);
                }
            }
        });
    }

    /// What this cell adds to `window` as it is in `bucket`; nothing if the owner is just turning it
    /// on and did not finish while we looked.
    pub(super) fn counts(&self, window: u64, bucket: u64, width: u64) -> Option<Counts> {
        for _ in 0..PATIENCE {
            let sequence = self.sequence.load(Ordering::Acquire);
            if sequence % 2 == 1 {
                std::hint::spin_loop();
                continue;
            }
            let counts = self.difference(window, bucket, width);
            fence(Ordering::Acquire);
            if self.sequence.load(Ordering::Relaxed) == sequence {
                return Some(counts);
            }
        }
        None
    }

    fn difference(&self, window: u64, bucket: u64, width: u64) -> Counts {
        let end = self.end.load(Ordering::Relaxed);
        if self.window.load(Ordering::Relaxed) != window || end == 0 {
            return Counts::default();
        }
        // The window is the bucket of now and the nine before: how many of ours are among them?
        let behind = (bucket + 1).saturating_sub(end / width);
        if behind >= BUCKETS {
            return Counts::default();
        }
        let back = BUCKETS - 1 - behind;
        let current = u64::from(self.current.load(Ordering::Relaxed));
        let start = &self.starts[((current + BUCKETS - back) % BUCKETS) as usize];
        let (successes, failures, slow) = (
            start.successes.load(Ordering::Relaxed),
            start.failures.load(Ordering::Relaxed),
            start.slow.load(Ordering::Relaxed),
        );
        // Slowness before calls: see `bad`.
        let slow = (self.slow.0.load(Ordering::Acquire) as u32).wrapping_sub(slow);
        let failures = (self.failures.read() as u32).wrapping_sub(failures);
        let successes = self.successes.read().wrapping_sub(successes);
        let failures = u64::from(failures);
        // While the window is turned on this may be any number; nobody will see it.
        let calls = successes.wrapping_add(failures);
        Counts { calls, failures, slow: u64::from(slow) }
    }
}

fn one_more(count: &AtomicU32) {
    count.store(count.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
}
