//! Everything that a call needs to know when nobody waits, in one word.

use super::settings::{MAX_CONCURRENT, MAX_QUEUE, Settings};

const BITS: u32 = 21;
const MASK: u64 = (1 << BITS) - 1;
const _: () = assert!(MAX_CONCURRENT as u64 <= MASK && MAX_QUEUE as u64 <= MASK);

const QUEUED: u32 = BITS;
const LIMIT: u32 = 2 * BITS;
/// Nobody may wait.
const NO_QUEUE: u64 = 1 << (3 * BITS);

/// How many slots are in use, how many calls wait, how many slots there are, and whether calls may
/// wait at all.
///
/// While somebody waits there is no free slot, and the word is written only under the lock of the
/// queue; but for the moment in which its owner hands on a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Word(u64);

impl Word {
    pub(super) fn new(settings: &Settings) -> Self {
        Self(0).with_limits(settings)
    }

    pub(super) const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    pub(super) const fn bits(self) -> u64 {
        self.0
    }

    pub(super) const fn in_use(self) -> u64 {
        self.0 & MASK
    }

    pub(super) const fn queued(self) -> u64 {
        self.0 >> QUEUED & MASK
    }

    pub(super) const fn limit(self) -> u64 {
        self.0 >> LIMIT & MASK
    }

    pub(super) const fn has_queue(self) -> bool {
        self.0 & NO_QUEUE == 0
    }

    /// Whether a newcomer may go on at once: nobody is overtaken.
    pub(super) const fn has_room(self) -> bool {
        self.queued() == 0 && self.has_free_slot()
    }

    pub(super) const fn has_free_slot(self) -> bool {
        self.in_use() < self.limit()
    }

    /// One slot more in use.
    pub(super) const fn taken(self) -> Self {
        Self(self.0 + 1)
    }

    /// One slot less in use. A slot that nobody took cannot be given back.
    pub(super) const fn freed(self) -> Self {
        if self.in_use() == 0 { self } else { Self(self.0 - 1) }
    }

    /// One more waits.
    pub(super) const fn joined(self) -> Self {
        Self(self.0 + (1 << QUEUED))
    }

    /// So many of those that waited do not any more.
    pub(super) const fn left(self, many: u64) -> Self {
        Self(self.0 - (many << QUEUED))
    }

    /// The same under other settings.
    pub(super) fn with_limits(self, settings: &Settings) -> Self {
        let counts = self.0 & (MASK | MASK << QUEUED);
        let limit = u64::from(settings.concurrent.clamp(1, MAX_CONCURRENT)) << LIMIT;
        let no_queue = if settings.queue == 0 { NO_QUEUE } else { 0 };
        Self(counts | limit | no_queue)
    }
}
