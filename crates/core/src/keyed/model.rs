//! Against a plain list of the places in a row, each with its key, its worth and its last use. Which
//! eight are looked at is the store's affair: whoever goes must be the least of some eight neighbours.
//!
//! Planted, and found each time: one neighbour instead of eight; neighbours that never change; age before
//! worth; the worth of another time; a use that is not noted; somebody thrown out while there is room; the
//! key of one that went left behind, or not counted; a part of the store that nobody sees.

use super::*;
use crate::trials::{FEWER, traces};
use proptest::prelude::*;
use std::cell::Cell;
use std::rc::Rc;

/// A value that is worth something for a time, and counts as long as it is there.
struct Thing {
    number: u64,
    worth: Cell<u8>,
    until: Timestamp,
    _there: Rc<()>,
}

impl Evict for Thing {
    fn worth(&self, now: Timestamp) -> u8 {
        if now < self.until { self.worth.get() } else { 0 }
    }
}

#[derive(Clone, Copy, Debug)]
enum Op {
    /// Asks for a key. If it is new: its worth, and for how long.
    Bring(u16, u8, u64),
    Peek(u16),
    /// It becomes worth so much.
    Change(u16, u8),
    Pass(u64),
}

fn op() -> impl Strategy<Value = Op> {
    let lasts = prop_oneof![0..300_u64, 0..5000_u64];
    prop_oneof![
        12 => (any::<u16>(), 0..4_u8, lasts).prop_map(|(key, worth, lasts)| Op::Bring(key, worth, lasts)),
        2 => any::<u16>().prop_map(Op::Peek),
        1 => (any::<u16>(), 0..4_u8).prop_map(|(key, worth)| Op::Change(key, worth)),
        2 => (0..20_u64).prop_map(Op::Pass),
    ]
}

#[derive(Debug)]
struct Known {
    key: u64,
    number: u64,
    worth: u8,
    until: u64,
    used: u64,
}

impl Known {
    fn rank(&self, now: u64) -> (u8, u64) {
        (if now < self.until { self.worth } else { 0 }, self.used)
    }
}

/// A store is one of these, or sixteen; each is full by itself.
#[derive(Debug)]
struct Part {
    cap: usize,
    /// In the order of arrival. A new one takes the place of the one that goes.
    row: Vec<Known>,
    /// Who is worth least of all, and how often another one went.
    spared: (u64, usize),
}

impl Part {
    fn find(&mut self, key: u64) -> Option<&mut Known> {
        self.row.iter_mut().find(|known| known.key == key)
    }

    /// The one at this place goes. Was it right that it did?
    fn evict(&mut self, place: usize, now: u64) {
        let count = self.row.len();
        let least = |of: &mut dyn Iterator<Item = usize>| {
            of.min_by_key(|place| self.row[*place].rank(now)).unwrap()
        };
        let is_least_from = |first: usize| {
            least(&mut (0..count.min(8)).map(|step| (first + step) % count)) == place
        };
        assert!((0..count).any(is_least_from), "{place} is the least of no eight: {self:?}");
        // The neighbours change until all have been looked at, so the least of all is found.
        let last = self.row[least(&mut (0..count))].key;
        let times = if self.spared.0 == last { self.spared.1 + 1 } else { 1 };
        self.spared = if self.row[place].key == last { (0, 0) } else { (last, times) };
        assert!(self.spared.1 < count.div_ceil(8), "{last} never goes: {self:?}");
    }
}

struct Pair {
    store: Keyed<Thing>,
    parts: Vec<Part>,
    now: u64,
    uses: u64,
    evicted: u64,
    there: Rc<()>,
}

impl Pair {
    fn new(cap: usize) -> Self {
        let store = Keyed::new(cap);
        let part = |shard: &Mutex<Shard<Thing>>| Part {
            cap: lock(shard).cap,
            row: Vec::new(),
            spared: (0, 0),
        };
        let parts: Vec<Part> = store.shards.iter().map(part).collect();
        let caps = || parts.iter().map(|part| part.cap);
        assert_eq!((store.cap(), caps().sum::<usize>()), (cap, cap));
        assert!(caps().max().unwrap() - caps().min().unwrap() <= 1);
        Self { store, parts, now: 0, uses: 0, evicted: 0, there: Rc::new(()) }
    }

    /// Twice as many keys as there are places, spread over 64 bits as hashes are. None is 0.
    fn key(&self, number: u16) -> u64 {
        let number = 1 + u64::from(number) % (2 * self.store.cap() as u64);
        number.wrapping_mul(0x9E37_79B9_7F4A_7C15)
    }

    /// Which part a key is in, the store says.
    fn part_of(&self, key: u64) -> usize {
        let shard = self.store.shard(key);
        self.store.shards.iter().position(|it| std::ptr::eq(it, shard)).unwrap()
    }

    fn part(&mut self, key: u64) -> &mut Part {
        let part = self.part_of(key);
        &mut self.parts[part]
    }

    /// The places of those who are no longer there.
    fn missing(&self, key: u64) -> Vec<usize> {
        let row = &self.parts[self.part_of(key)].row;
        (0..row.len()).filter(|place| self.store.peek(row[*place].key).is_none()).collect()
    }

    fn bring(&mut self, key: u64, worth: u8, lasts: u64) {
        self.uses += 1;
        let (now, uses, until) = (self.now, self.uses, self.now + lasts);
        let mut made = false;
        let thing = self.store.get_or_insert_with(key, Timestamp::from_nanos(now), || {
            made = true;
            let (worth, until) = (Cell::new(worth), Timestamp::from_nanos(until));
            Thing { number: uses, worth, until, _there: Rc::clone(&self.there) }
        });
        let missing = self.missing(key);
        let part = self.part(key);
        if let Some(known) = part.find(key) {
            known.used = uses;
            assert_eq!((made, thing.number, missing.len()), (false, known.number, 0));
            return;
        }
        assert_eq!((made, thing.number), (true, uses));
        let known = Known { key, number: uses, worth, until, used: uses };
        if part.row.len() < part.cap {
            assert_eq!(missing, [0; 0], "there was room");
            part.row.push(known);
        } else {
            assert_eq!(missing.len(), 1, "one goes for one that comes");
            part.evict(missing[0], now);
            part.row[missing[0]] = known;
            self.evicted += 1;
        }
    }

    fn step(&mut self, op: Op) {
        match op {
            Op::Bring(key, worth, lasts) => self.bring(self.key(key), worth, lasts),
            Op::Peek(key) => {
                let key = self.key(key);
                let seen = self.store.peek(key).map(|thing| thing.number);
                assert_eq!(seen, self.part(key).find(key).map(|known| known.number));
            }
            Op::Change(key, worth) => {
                let key = self.key(key);
                if let Some(known) = self.part(key).find(key) {
                    known.worth = worth;
                    self.store.peek(key).unwrap().worth.set(worth);
                }
            }
            Op::Pass(time) => self.now += time,
        }
        let count: usize = self.parts.iter().map(|part| part.row.len()).sum();
        assert_eq!((self.store.len(), self.store.is_empty()), (count, count == 0));
        assert_eq!(self.store.evicted(), self.evicted);
        // What was thrown out is gone.
        assert_eq!(Rc::strong_count(&self.there), count + 1);
    }

    /// All that there are are shown, each once.
    fn end(self) {
        let mut seen = Vec::new();
        self.store.for_each(|key, thing| seen.push((key, thing.number)));
        let known = self.parts.iter().flat_map(|part| &part.row);
        let mut known: Vec<_> = known.map(|known| (known.key, known.number)).collect();
        seen.sort_unstable();
        known.sort_unstable();
        assert_eq!(seen, known);
    }
}

proptest! {
    #![proptest_config(traces(500))]

    #[test]
    fn a_small_store_holds_what_the_list_holds(
        cap in prop_oneof![1..9_usize, 1..40_usize],
        ops in prop::collection::vec(op(), 0..300),
    ) {
        let mut pair = Pair::new(cap);
        ops.into_iter().for_each(|op| pair.step(op));
        pair.end();
    }
}

proptest! {
    #![proptest_config(traces(20))]

    #[test]
    fn and_so_does_one_that_is_split(
        cap in SPLIT_FROM..SPLIT_FROM + SHARDS,
        ops in prop::collection::vec(op(), 3000 / FEWER as usize),
    ) {
        let mut pair = Pair::new(cap);
        ops.into_iter().for_each(|op| pair.step(op));
        pair.end();
    }
}
