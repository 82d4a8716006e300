//! A bounded store of one value for each of many keys: a tenant, a client, a host.

#[cfg(test)]
#[cfg(not(loom))]
mod model;

use crate::Timestamp;
use crate::sync::{AtomicU64, Mutex, Ordering, lock};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// So many keys a store holds, unless it is told otherwise.
pub const DEFAULT_KEYS: usize = 10_000;
/// The most keys that a store can be told to hold.
pub const MAX_KEYS: usize = 10_000_000;

/// Stores of at least so many keys are split, so that threads meet less often.
const SPLIT_FROM: usize = 1024;
const SHARDS: usize = 16;
/// Of so many neighbours the one that is worth least is thrown out.
const CANDIDATES: usize = 8;

/// How much a value is worth keeping.
///
/// ```
/// use breakerbox_core::Timestamp;
/// use breakerbox_core::keyed::Evict;
///
/// struct Tenant { busy: bool }
/// impl Evict for Tenant {
///     fn worth(&self, _: Timestamp) -> u8 {
///         u8::from(self.busy)
///     }
/// }
/// let worth = |busy| Tenant { busy }.worth(Timestamp::ZERO);
/// assert!(worth(false) < worth(true), "those that are idle go first");
/// ```
pub trait Evict {
    /// 0 for one that a new one would be as good as. The higher, the later it is thrown out.
    fn worth(&self, now: Timestamp) -> u8;
}

/// Values for keys, at most a given number of them.
///
/// A key is a hash that the caller has made with a seed of its own, since clients choose what goes
/// into it. Two things with one hash share a value, which with 64 bits nobody will see.
///
/// When it is full, a new key takes the place of another one: of eight neighbours, which change from
/// time to time, the one that is worth least, and among equals the one that was not used for the
/// longest time. So a new key always finds a place, what is precious mostly stays, and throwing out
/// costs the same however many there are.
///
/// A store for 1,024 keys or more is in sixteen parts. Each is full by itself, so the first one is
/// thrown out a little before there are as many as there may be.
///
/// ```
/// use breakerbox_core::Timestamp;
/// use breakerbox_core::keyed::{Evict, Keyed};
///
/// struct Precious(u8);
/// impl Evict for Precious {
///     fn worth(&self, _: Timestamp) -> u8 {
///         self.0
///     }
/// }
///
/// let store = Keyed::new(2);
/// for (key, worth) in [(1, 9), (2, 0), (3, 9)] {
///     store.get_or_insert_with(key, Timestamp::ZERO, || Precious(worth));
/// }
/// assert_eq!((store.len(), store.evicted()), (2, 1));
/// assert!(store.peek(1).is_some() && store.peek(2).is_none() && store.peek(3).is_some());
/// ```
pub struct Keyed<V> {
    shards: Box<[Mutex<Shard<V>>]>,
    cap: usize,
    evicted: AtomicU64,
}

struct Shard<V> {
    /// Where the entry of a key is.
    places: BTreeMap<u64, usize>,
    entries: Vec<Entry<V>>,
    cap: usize,
    /// Where the next candidates are.
    hand: usize,
    /// Counts uses, to tell which was the earliest.
    uses: u64,
}

struct Entry<V> {
    key: u64,
    value: Arc<V>,
    used: u64,
}

impl<V: Evict> Keyed<V> {
    /// An empty store for at most so many keys: at least 1, at most [`MAX_KEYS`].
    pub fn new(cap: usize) -> Self {
        let cap = cap.clamp(1, MAX_KEYS);
        let shards = if cap < SPLIT_FROM { 1 } else { SHARDS };
        let of_shard = |number: usize| cap / shards + usize::from(number < cap % shards);
        Self {
            shards: (0..shards).map(|number| Mutex::new(Shard::new(of_shard(number)))).collect(),
            cap,
            evicted: AtomicU64::new(0),
        }
    }

    /// The value of a key; a new one if there is none.
    pub fn get_or_insert_with(&self, key: u64, now: Timestamp, make: impl FnOnce() -> V) -> Arc<V> {
        let mut shard = lock(self.shard(key));
        shard.uses += 1;
        let used = shard.uses;
        if let Some(place) = shard.places.get(&key).copied() {
            let entry = &mut shard.entries[place];
            entry.used = used;
            return Arc::clone(&entry.value);
        }
        let value = Arc::new(make());
        let entry = Entry { key, value: Arc::clone(&value), used };
        let evicted = shard.insert(entry, now);
        // What is thrown out is dropped outside the lock.
        drop(shard);
        if evicted.is_some() {
            self.evicted.fetch_add(1, Ordering::Relaxed);
        }
        value
    }

    /// The value of a key, if there is one. That is no use of it.
    pub fn peek(&self, key: u64) -> Option<Arc<V>> {
        let shard = lock(self.shard(key));
        let place = *shard.places.get(&key)?;
        Some(Arc::clone(&shard.entries[place].value))
    }

    /// Looks at all values, of one shard after the other.
    pub fn for_each(&self, mut look: impl FnMut(u64, &V)) {
        for shard in &self.shards {
            let all: Vec<_> = {
                let shard = lock(shard);
                shard.entries.iter().map(|entry| (entry.key, Arc::clone(&entry.value))).collect()
            };
            all.iter().for_each(|(key, value)| look(*key, value));
        }
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).entries.len()).sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many keys there may be.
    pub fn cap(&self) -> usize {
        self.cap
    }

    /// How many values were thrown out to make room.
    pub fn evicted(&self) -> u64 {
        self.evicted.load(Ordering::Relaxed)
    }

    fn shard(&self, key: u64) -> &Mutex<Shard<V>> {
        // The high bits: the low ones order the keys within.
        &self.shards[(key >> 32) as usize % self.shards.len()]
    }
}

impl<V: Evict> Shard<V> {
    fn new(cap: usize) -> Self {
        Self { places: BTreeMap::new(), entries: Vec::new(), cap, hand: 0, uses: 0 }
    }

    /// Puts an entry in; gives back the one that had to go.
    fn insert(&mut self, entry: Entry<V>, now: Timestamp) -> Option<Entry<V>> {
        if self.entries.len() < self.cap {
            self.places.insert(entry.key, self.entries.len());
            self.entries.push(entry);
            return None;
        }
        let place = self.least(now);
        self.places.insert(entry.key, place);
        let evicted = std::mem::replace(&mut self.entries[place], entry);
        self.places.remove(&evicted.key);
        Some(evicted)
    }

    /// Which of the next few entries is worth least.
    fn least(&mut self, now: Timestamp) -> usize {
        let count = self.entries.len();
        let candidates = (0..CANDIDATES.min(count)).map(|step| (self.hand + step) % count);
        let rank = |place: &usize| {
            let entry = &self.entries[*place];
            (entry.value.worth(now), entry.used)
        };
        // There is at least one: a store holds at least one.
        let place = candidates.min_by_key(rank).unwrap_or(0);
        self.hand = (self.hand + CANDIDATES) % count;
        place
    }
}

impl<V> fmt::Debug for Keyed<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyed").field("cap", &self.cap).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    struct Worth(u8);

    impl Evict for Worth {
        fn worth(&self, _: Timestamp) -> u8 {
            self.0
        }
    }

    fn put(store: &Keyed<Worth>, key: u64, worth: u8) {
        store.get_or_insert_with(key, Timestamp::ZERO, || Worth(worth));
    }

    #[test]
    fn a_key_keeps_its_value() {
        let store = Keyed::new(10);
        assert_eq!(format!("{store:?}"), "Keyed { cap: 10, .. }");
        put(&store, 7, 1);
        let again = store.get_or_insert_with(7, Timestamp::ZERO, || Worth(2));
        assert_eq!((again.0, store.len(), store.is_empty(), store.cap()), (1, 1, false, 10));
    }

    #[test]
    fn among_equals_the_one_that_was_not_used_for_longest_goes() {
        let store = Keyed::new(3);
        (1..=3).for_each(|key| put(&store, key, 0));
        put(&store, 1, 0);
        put(&store, 4, 0);
        assert!(store.peek(2).is_none() && store.peek(1).is_some());
        assert_eq!(store.evicted(), 1);
    }

    #[test]
    fn a_store_full_of_precious_ones_still_takes_a_new_one() {
        let store = Keyed::new(2);
        (1..=5).for_each(|key| put(&store, key, 9));
        assert!(store.peek(5).is_some());
        assert_eq!((store.len(), store.evicted()), (2, 3));
    }

    #[test]
    #[cfg_attr(miri, ignore = "a million keys")]
    fn millions_of_keys_take_no_more_room_and_the_precious_few_stay() {
        let store = Keyed::new(5000);
        let spread = |key: u64| key.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        (0..100).for_each(|key| put(&store, spread(key), 2));
        (100..1_000_000).for_each(|key| put(&store, spread(key), 0));
        assert!(store.len() <= 5000, "{}", store.len());
        let precious = (0..100).filter(|key| store.peek(spread(*key)).is_some()).count();
        assert_eq!(precious, 100);
        let mut seen = 0;
        store.for_each(|_, _| seen += 1);
        assert_eq!(seen, store.len());
    }
}

#[cfg(all(test, loom))]
mod loom_keyed {
    use super::*;
    use crate::interleavings::model;
    use loom::thread;

    struct Worth(u8);

    impl Evict for Worth {
        fn worth(&self, _: Timestamp) -> u8 {
            self.0
        }
    }

    fn get(store: &Keyed<Worth>, key: u64, worth: u8) -> Arc<Worth> {
        store.get_or_insert_with(key, Timestamp::ZERO, || Worth(worth))
    }

    /// Planted: the lock given back between the look and the insertion. Found: two values for one key.
    #[test]
    fn two_that_bring_one_key_share_one_value() {
        model("two that bring one key share one value", || {
            let store = Arc::new(Keyed::new(2));
            let other = Arc::clone(&store);
            let theirs = thread::spawn(move || get(&other, 7, 1));
            let mine = get(&store, 7, 2);
            let theirs = theirs.join().unwrap();
            assert!(Arc::ptr_eq(&mine, &theirs));
            assert!(Arc::ptr_eq(&mine, &store.peek(7).unwrap()));
            assert_eq!((store.len(), store.evicted()), (1, 0));
        });
    }

    /// Planted: `evicted` counted with a load and a store. Found: one of two.
    #[test]
    fn two_that_bring_new_keys_to_a_full_store_throw_out_two() {
        model("two that bring new keys to a full store throw out two", || {
            let store = Arc::new(Keyed::new(1));
            get(&store, 1, 0);
            let other = Arc::clone(&store);
            let theirs = thread::spawn(move || get(&other, 2, 0).0);
            get(&store, 3, 0);
            let mut seen = 0;
            store.for_each(|_, _| seen += 1);
            assert_eq!(seen, 1, "it is full at every moment");
            theirs.join().unwrap();
            assert_eq!((store.len(), store.evicted()), (1, 2));
            assert!(store.peek(1).is_none());
            assert!(store.peek(2).is_some() ^ store.peek(3).is_some());
        });
    }
}
