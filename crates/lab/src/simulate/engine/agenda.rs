//! What happens when.

use breakerbox::Timestamp;
use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// One of many equal things, which may be gone and another one in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Id {
    pub(super) slot: u32,
    pub(super) generation: u32,
}

/// Something that happens at a certain time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// An endpoint has done its work on a request; the number says for the how manieth time it was begun.
    Worked(Id, u32),
    /// The request that shares an endpoint's cores and is done first is done.
    Shared { instance: u32, epoch: u32 },
    /// A request comes to an endpoint.
    Comes(Id),
    /// Its answer comes back.
    Answer(Id),
    /// The endpoint hears that nobody waits for it any more.
    Unwanted(Id),
    /// A fault begins or ends.
    Fault { fault: u32, begins: bool },
    /// Chaos has held a request up for as long as it should.
    Sent { call: Id, attempt: u32 },
    /// Something falls due for the call in this place.
    Due(u32),
    /// A user has waited long enough.
    GivesUp(Id),
    /// The next call of a client comes.
    Arrival(u32),
    /// A user has thought.
    User { client: u32 },
    /// A second is over.
    Second,
}

/// At one instant what is lower comes first: operations end, then what falls due has its order, then new
/// calls come.
pub(super) mod rank {
    pub(in super::super) const ENDS: u8 = 0;
    /// To this the rank of what falls due is added.
    pub(in super::super) const DUE: u8 = 1;
    pub(in super::super) const COMES: u8 = 6;
    pub(in super::super) const SECOND: u8 = 7;
}

struct Entry {
    at: u64,
    /// The rank, then the order in which they were entered.
    order: u64,
    event: Event,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.order) == (other.at, other.order)
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    /// The earliest is the greatest, for that is what a heap gives.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.order).cmp(&(self.at, self.order))
    }
}

/// Everything that will happen, as far as it is known.
#[derive(Default)]
pub(super) struct Agenda {
    heap: BinaryHeap<Entry>,
    entered: u64,
}

impl Agenda {
    pub(super) fn enter(&mut self, at: Timestamp, rank: u8, event: Event) {
        if at == Timestamp::NEVER {
            return;
        }
        self.entered += 1;
        let order = u64::from(rank) << 56 | self.entered;
        self.heap.push(Entry { at: at.as_nanos(), order, event });
    }

    pub(super) fn next(&mut self) -> Option<(Timestamp, Event)> {
        let entry = self.heap.pop()?;
        Some((Timestamp::from_nanos(entry.at), entry.event))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_the_order_of_time_then_rank_then_entry() {
        let mut agenda = Agenda::default();
        let at = Timestamp::from_nanos;
        agenda.enter(at(5), rank::COMES, Event::Arrival(1));
        agenda.enter(at(5), rank::COMES, Event::Arrival(2));
        agenda.enter(at(5), rank::ENDS, Event::Due(3));
        agenda.enter(at(4), rank::SECOND, Event::Second);
        agenda.enter(Timestamp::NEVER, rank::ENDS, Event::Second);
        let order: Vec<_> = std::iter::from_fn(|| agenda.next()).map(|(_, event)| event).collect();
        assert_eq!(order, [Event::Second, Event::Due(3), Event::Arrival(1), Event::Arrival(2)]);
    }
}
