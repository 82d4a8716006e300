//! Coalescing: of equal calls in flight one is run, and all get what it brings.
//!
//! Nothing is kept: whoever comes after the result runs the call anew. Memory is used only for calls
//! in flight: an entry for each key with a leader, and a place for each follower.

mod group;
mod settings;
#[cfg(test)]
mod tests;
mod ticket;

pub use settings::{MAX_FOLLOWERS, Settings};
pub use ticket::{Following, Joined, Lead, Ticket};

use crate::sync::{Mutex, MutexGuard, lock};
use crate::waiter::{self, Waiter, Wakers};
use group::{Group, Verdict};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher, Hash};
use std::sync::Arc;
use std::task::Waker;

/// How many locks there are: keys that meet in one wait for each other, for moments.
const SHARDS: usize = if cfg!(loom) { 2 } else { 16 };

/// Groups of equal calls in flight, by their keys.
///
/// The first call with a key is the leader and runs; those that come while it does follow. What the
/// leader brings, a result or an error, is cloned for those who follow at that moment and for nobody
/// else (where `R` is `()`, the driver hands it on by the [round](Lead::round)). A leader that is
/// lost, because its caller went away or it panicked, is replaced by the oldest follower, and the
/// others go on waiting. Each follower is woken once.
///
/// Keys are compared, never only their hashes: no call gets the result of another one. They are
/// cloned; let them be cheap to clone, as an `Arc<str>`, and results as well.
///
/// ```
/// use breakerbox_core::coalesce::{Following, Groups, Joined, Settings};
///
/// let groups: Groups<&str, u32> = Groups::new(Settings::default());
/// let Joined::Lead(lead) = groups.join("/posts/1") else { panic!() };
/// let Joined::Follow(ticket) = groups.join("/posts/1") else { panic!() };
/// let Following::Pending(ticket) = groups.look(ticket) else { panic!() };
///
/// groups.finished(lead, 200);
/// assert!(matches!(groups.look(ticket), Following::Shared(200)));
/// // It is over: the next one runs again.
/// assert!(matches!(groups.join("/posts/1"), Joined::Lead(_)));
/// ```
#[derive(Debug)]
pub struct Groups<K, R = ()> {
    settings: Settings,
    shards: [Mutex<Shard<K, R>>; SHARDS],
}

#[derive(Debug)]
struct Shard<K, R> {
    groups: BTreeMap<K, Group<R>>,
    rounds: u64,
    counts: Counts,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    waiting: u64,
    led: u64,
    shared: u64,
    handed_over: u64,
    apart: u64,
}

/// All groups, at about one moment.
///
/// ```
/// use breakerbox_core::coalesce::{Groups, Joined, Settings, Snapshot};
///
/// let groups: Groups<&str, u32> = Groups::new(Settings::default());
/// let (lead, follow) = (groups.join("/posts/1"), groups.join("/posts/1"));
/// assert!(matches!((lead, follow), (Joined::Lead(_), Joined::Follow(_))));
/// let seen = Snapshot { groups: 1, waiting: 1, led: 1, ..Snapshot::default() };
/// assert_eq!(groups.snapshot(), seen);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Keys with a call in flight.
    pub groups: u64,
    /// Followers that wait.
    pub waiting: u64,
    /// Calls that led a group from its beginning, from the start.
    pub led: u64,
    /// Calls that got what another one brought, from the start.
    pub shared: u64,
    /// Followers that took over from a leader that was lost, from the start.
    pub handed_over: u64,
    /// Calls that ran on their own because too many were waiting, from the start.
    pub apart: u64,
}

impl<K: Clone + Ord + Hash, R: Clone> Groups<K, R> {
    /// No calls yet. The settings are those that [`Settings::check`] accepts.
    pub fn new(settings: Settings) -> Self {
        let shard = |index| {
            let groups = BTreeMap::new();
            Mutex::new(Shard { groups, rounds: index as u64, counts: Counts::default() })
        };
        Self { settings, shards: std::array::from_fn(shard) }
    }

    /// A call with this key begins.
    pub fn join(&self, key: K) -> Joined<K, R> {
        let mut shard = self.shard(&key);
        let Shard { groups, rounds, counts } = &mut *shard;
        match groups.entry(key.clone()) {
            Entry::Vacant(entry) => {
                *rounds += SHARDS as u64;
                let round = *rounds;
                entry.insert(Group::new(round));
                counts.led += 1;
                Joined::Lead(Lead { key, round })
            }
            Entry::Occupied(entry) if entry.get().len() >= self.settings.followers as usize => {
                counts.apart += 1;
                Joined::Apart
            }
            Entry::Occupied(entry) => {
                let group = entry.into_mut();
                let follower = Arc::new(Waiter::new());
                let number = group.join(follower.clone());
                counts.waiting += 1;
                Joined::Follow(Ticket { key, round: group.round, number, follower })
            }
        }
    }

    /// Wakes `waker`, and no earlier one of this ticket, when something has been decided about it.
    /// True if that has happened already: nobody will be woken, look at once.
    pub fn listen(&self, ticket: &Ticket<K, R>, waker: &Waker) -> bool {
        ticket.follower.listen(waker)
    }

    /// What has become of a follower. The ticket comes back if it goes on waiting.
    pub fn look(&self, ticket: Ticket<K, R>) -> Following<K, R> {
        match ticket.follower.take() {
            None => Following::Pending(ticket),
            Some(Verdict::Shared(result)) => Following::Shared(result),
            Some(Verdict::Lead) => Following::Lead(Lead { key: ticket.key, round: ticket.round }),
        }
    }

    /// The leader has a result, or an error: all that follow at this moment are woken and get it.
    /// Says how many they are. Whoever joins later begins a new round.
    pub fn finished(&self, lead: Lead<K>, result: R) -> usize {
        // What is cloned may panic: then the leader is lost, as by any other panic.
        let mut leading = Leading { groups: self, lead: Some(lead) };
        let mut copies = Vec::new();
        let followers: Vec<_> = loop {
            let Some(lead) = &leading.lead else { return 0 };
            let mut shard = self.shard(&lead.key);
            let waiting = shard.groups.get(&lead.key).map_or(0, Group::len);
            if waiting <= copies.len() {
                // It is there: a group ends with its leader, and there is one at a time.
                let group = shard.groups.remove(&lead.key);
                shard.counts.waiting -= waiting as u64;
                shard.counts.shared += waiting as u64;
                break group.map(Group::into_followers).into_iter().flatten().collect();
            }
            drop(shard);
            copies.resize_with(waiting, || result.clone());
        };
        leading.lead = None;
        for (follower, copy) in followers.iter().zip(copies) {
            // Nobody holds a lock here, so each is woken as soon as it has its result.
            if let Some(waker) = follower.decide(Verdict::Shared(copy)) {
                waiter::wake(waker);
            }
        }
        followers.len()
    }

    /// The leader will have no result: the oldest follower is woken and leads, the others go on
    /// waiting.
    pub fn lost(&self, lead: Lead<K>) {
        let mut wakers = Wakers::default();
        let mut shard = self.shard(&lead.key);
        shard.replace_leader(&lead.key, &mut wakers);
        drop(shard);
        wakers.wake();
    }

    /// A follower does not wait any longer. If it had become the leader meanwhile, the next one
    /// leads.
    pub fn give_up(&self, ticket: Ticket<K, R>) {
        let mut wakers = Wakers::default();
        let mut shard = self.shard(&ticket.key);
        let Shard { groups, counts, .. } = &mut *shard;
        let group = groups.get_mut(&ticket.key).filter(|group| group.round == ticket.round);
        // A result that nobody wants any more is dropped after the lock.
        let mut unwanted = None;
        if group.is_some_and(|group| group.remove(ticket.number)) {
            counts.waiting -= 1;
        } else {
            unwanted = ticket.follower.take();
            if matches!(unwanted, Some(Verdict::Lead)) {
                shard.replace_leader(&ticket.key, &mut wakers);
            }
        }
        drop(shard);
        drop(unwanted);
        wakers.wake();
    }

    /// What they look like now.
    pub fn snapshot(&self) -> Snapshot {
        let mut seen = Snapshot::default();
        for shard in &self.shards {
            let shard = lock(shard);
            let Counts { waiting, led, shared, handed_over, apart } = shard.counts;
            seen.groups += shard.groups.len() as u64;
            seen.waiting += waiting;
            seen.led += led;
            seen.shared += shared;
            seen.handed_over += handed_over;
            seen.apart += apart;
        }
        seen
    }

    fn shard(&self, key: &K) -> MutexGuard<'_, Shard<K, R>> {
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(key);
        lock(&self.shards[hash as usize % SHARDS])
    }
}

/// A leader that is about to hand on what it brings.
struct Leading<'a, K: Clone + Ord + Hash, R: Clone> {
    groups: &'a Groups<K, R>,
    lead: Option<Lead<K>>,
}

impl<K: Clone + Ord + Hash, R: Clone> Drop for Leading<'_, K, R> {
    fn drop(&mut self) {
        if let Some(lead) = self.lead.take() {
            self.groups.lost(lead);
        }
    }
}

impl<K: Ord, R> Shard<K, R> {
    fn replace_leader(&mut self, key: &K, wakers: &mut Wakers) {
        let Some(group) = self.groups.get_mut(key) else { return };
        match group.next_leader() {
            Some(follower) => {
                self.counts.waiting -= 1;
                self.counts.handed_over += 1;
                wakers.add(follower.decide(Verdict::Lead));
            }
            None => {
                self.groups.remove(key);
            }
        }
    }
}
