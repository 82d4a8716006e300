//! One endpoint: who waits there, and who is worked on.

use super::agenda::Id;
use super::sharing::Sharing;
use breakerbox::Timestamp;
use lru::LruCache;
use std::collections::VecDeque;

/// One endpoint of a shard of a service.
pub(super) struct Instance {
    pub(super) service: u32,
    pub(super) shard: u32,
    pub(super) endpoint: u32,
    /// The machine of its own policies, where it has such.
    pub(super) inbound: Option<u32>,
    /// The machines of the calls it makes.
    pub(super) edges: Vec<u32>,
    /// All requests that are here, in no order.
    pub(super) present: Vec<Id>,
    /// Those that wait; some may have gone away.
    pub(super) queue: VecDeque<Id>,
    pub(super) waiting: u32,
    /// Workers at work, or waiting for the calls they have made.
    pub(super) busy: u32,
    pub(super) sharing: Sharing,
    /// Work that turning requests away has made, in nanoseconds: the next to be begun pays for it.
    pub(super) debt: u64,
    pub(super) cache: Option<LruCache<u64, Timestamp>>,
    /// How many faults stall it, and how many have killed it.
    pub(super) stalled: u32,
    pub(super) killed: u32,
}

impl Instance {
    /// The next of those who wait and are still there.
    pub(super) fn next(&mut self, last_first: bool, waits: impl Fn(Id) -> bool) -> Option<Id> {
        loop {
            let next = if last_first { self.queue.pop_back() } else { self.queue.pop_front() }?;
            if waits(next) {
                self.waiting -= 1;
                return Some(next);
            }
        }
    }

    /// One of those who wait has gone away. It is passed over when it would be next.
    pub(super) fn unqueue(&mut self) {
        self.waiting -= 1;
        if self.waiting == 0 {
            self.queue.clear();
        }
    }

    /// A request has come: its place among those that are here.
    pub(super) fn enters(&mut self, id: Id) -> u32 {
        self.present.push(id);
        self.present.len() as u32 - 1
    }

    /// A request goes: which one is in its place now.
    pub(super) fn leaves(&mut self, place: u32) -> Option<Id> {
        self.present.swap_remove(place as usize);
        self.present.get(place as usize).copied()
    }
}
