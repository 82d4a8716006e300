//! A window over the last N outcomes, exact and sliding, without a lock.
//!
//! Good calls take the next place in the ring and no more; the ring holds only the bad ones, each
//! with its place. Whoever takes a place evicts the bad outcome that was recorded there one round
//! before. Where a recorder was overtaken by a whole round, one exchange on the ring's entry decides
//! which of the two takes it out of the sum, so the sum is always what the ring holds.

use super::cell::Counts;
use crate::sync::{AtomicU64, Ordering, fence};

const FAILED: u64 = 1;
const SLOW: u64 = 2;
const KINDS: u64 = FAILED | SLOW;

/// The 16 low bits of a window's generation, in the top 16 bits of each word.
const TAG_SHIFT: u32 = 48;

fn tag(window: u64) -> u64 {
    window << TAG_SHIFT
}

fn same_tag(a: u64, b: u64) -> bool {
    (a ^ b) >> TAG_SHIFT == 0
}

/// How often the tags have been through all their values.
fn tag_round(window: u64) -> u64 {
    window >> (u64::BITS - TAG_SHIFT)
}

fn untagged(word: u64) -> u64 {
    word & ((1 << TAG_SHIFT) - 1)
}

#[derive(Debug)]
pub(super) struct CallWindow {
    /// Tag, and how many outcomes were recorded: 48 bits last nine years at a million a second.
    recorded: AtomicU64,
    /// Tag, slow calls (24 bits), failures (24 bits).
    sum: AtomicU64,
    /// Tag, place (46 bits), kinds of the bad outcome recorded there (2 bits; none: evicted).
    ring: Box<[AtomicU64]>,
    /// The generation of the window, all of it.
    begun: AtomicU64,
}

fn entry(tag: u64, place: u64, kinds: u64) -> u64 {
    tag | untagged(place << 2) | kinds
}

fn place_of(entry: u64) -> u64 {
    untagged(entry) >> 2
}

/// What the kinds of an outcome are in the sum.
fn weight(kinds: u64) -> u64 {
    (kinds & FAILED) | ((kinds & SLOW) << 23)
}

impl CallWindow {
    pub(super) fn new(calls: u32) -> Self {
        Self {
            recorded: AtomicU64::new(0),
            sum: AtomicU64::new(0),
            ring: (0..calls).map(|_| AtomicU64::new(0)).collect(),
            begun: AtomicU64::new(0),
        }
    }

    /// Begins an empty window. Only one thread at a time does, and before anybody records in it.
    pub(super) fn begin(&self, window: u64) {
        let before = self.begun.load(Ordering::Relaxed);
        self.begun.store(window, Ordering::Relaxed);
        if tag_round(before) != tag_round(window) {
            // From here on tags come that were there before, and so may be entries that carry them.
            self.ring.iter().for_each(|entry| entry.store(0, Ordering::Relaxed));
        }
        self.sum.store(tag(window), Ordering::SeqCst);
        self.recorded.store(tag(window), Ordering::SeqCst);
    }

    /// Records an outcome in the window of this generation; in none if a newer one has begun.
    #[inline]
    pub(super) fn record(&self, window: u64, failed: bool, slow: bool) {
        let tag = tag(window);
        let Some(place) = self.take_place(tag) else { return };
        let kinds = (u64::from(failed) * FAILED) | (u64::from(slow) * SLOW);
        let sum = self.sum.load(Ordering::SeqCst);
        if kinds == 0 && (untagged(sum) == 0 || !same_tag(sum, tag)) {
            return;
        }
        self.record_rarely(tag, place, kinds);
    }

    fn take_place(&self, tag: u64) -> Option<u64> {
        let mut recorded = self.recorded.load(Ordering::Relaxed);
        loop {
            if !same_tag(recorded, tag) {
                return None;
            }
            let next = tag | untagged(recorded + 1);
            match self.recorded.compare_exchange_weak(
                recorded,
                next,
                Ordering::SeqCst,
                Ordering::Relaxed,
            ) {
                Ok(_) => return Some(untagged(next) - 1),
                Err(now) => recorded = now,
            }
        }
    }

    #[cold]
    fn record_rarely(&self, tag: u64, place: u64, kinds: u64) {
        let size = self.ring.len() as u64;
        let slot = &self.ring[(place % size) as usize];
        let before = slot.load(Ordering::SeqCst);
        if same_tag(before, tag) && before & KINDS != 0 && place_of(before) + size <= place {
            self.evict(slot, before);
        }
        if kinds == 0 {
            return;
        }
        self.add(tag, kinds);
        let mine = entry(tag, place, kinds);
        let mut found = slot.load(Ordering::SeqCst);
        loop {
            let window = self.recorded.load(Ordering::SeqCst);
            let overtaken = same_tag(found, tag) && place_of(found) > place;
            if overtaken || !same_tag(window, tag) {
                // Overtaken by a whole round, or by a new window: this outcome has left already.
                self.subtract(tag, kinds);
                return;
            }
            match slot.compare_exchange_weak(found, mine, Ordering::SeqCst, Ordering::Acquire) {
                Ok(_) => break,
                Err(now) => found = now,
            }
        }
        if same_tag(found, tag) && found & KINDS != 0 {
            self.subtract(tag, found & KINDS);
        }
        // The next round may have passed before the entry was there: then nobody else evicts it.
        fence(Ordering::SeqCst);
        let recorded = self.recorded.load(Ordering::SeqCst);
        if same_tag(recorded, tag) && untagged(recorded) > place + size {
            self.evict(slot, mine);
        }
    }

    /// Takes `found` out of the ring and of the sum, if it is still there.
    fn evict(&self, slot: &AtomicU64, found: u64) {
        let evicted = found & !KINDS;
        if slot.compare_exchange(found, evicted, Ordering::SeqCst, Ordering::Relaxed).is_ok() {
            self.subtract(found, found & KINDS);
        }
    }

    fn add(&self, tag: u64, kinds: u64) {
        self.change(tag, |sum| sum + weight(kinds));
    }

    fn subtract(&self, tag: u64, kinds: u64) {
        self.change(tag, |sum| sum - weight(kinds));
    }

    /// Changes the sum of this window; that of a newer one is left alone.
    fn change(&self, word: u64, change: impl Fn(u64) -> u64) {
        let tag = word >> TAG_SHIFT << TAG_SHIFT;
        let mut sum = self.sum.load(Ordering::Relaxed);
        loop {
            if !same_tag(sum, tag) {
                return;
            }
            let new = tag | change(untagged(sum));
            match self.sum.compare_exchange_weak(sum, new, Ordering::SeqCst, Ordering::Relaxed) {
                Ok(_) => return,
                Err(now) => sum = now,
            }
        }
    }

    /// What the window of this generation holds.
    pub(super) fn counts(&self, window: u64) -> Counts {
        let tag = tag(window);
        // The sum first: a bad outcome takes its place before it enters the sum.
        let sum = self.sum.load(Ordering::Acquire);
        let recorded = self.recorded.load(Ordering::Acquire);
        if !same_tag(recorded, tag) {
            return Counts::default();
        }
        let calls = untagged(recorded).min(self.ring.len() as u64);
        let sum = if same_tag(sum, tag) { untagged(sum) } else { 0 };
        // An outcome that was overtaken by a whole round is in the sum for a moment too long.
        Counts { calls, failures: (sum & 0xFF_FFFF).min(calls), slow: (sum >> 24).min(calls) }
    }

    /// The same, from the ring: nobody must be recording.
    #[cfg(all(test, loom))]
    pub(super) fn held(&self, window: u64) -> Counts {
        let size = self.ring.len() as u64;
        let recorded = self.recorded.load(Ordering::SeqCst);
        assert!(same_tag(recorded, tag(window)));
        let recorded = untagged(recorded);
        let mut held = Counts { calls: recorded.min(size), ..Counts::default() };
        for entry in &self.ring {
            let entry = entry.load(Ordering::SeqCst);
            if same_tag(entry, tag(window)) && entry & KINDS != 0 {
                assert!(place_of(entry) < recorded, "it has not come yet");
                assert!(place_of(entry) + size >= recorded, "it has left");
                held.failures += entry & FAILED;
                held.slow += (entry & SLOW) / SLOW;
            }
        }
        held
    }
}
