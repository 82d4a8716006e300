//! Against a model that knows no times: of each answer it keeps how much it has left, and takes from
//! that what passes.
//!
//! Planted, and found each time: given when it is exactly as old as it may be; kept for the shorter of
//! both; the age taken the wrong way round; not fresh for a clock that is behind; no time at all let pass.

use super::*;
use crate::trials::traces;
use proptest::prelude::*;
use std::collections::BTreeMap;

#[derive(Clone, Copy, Debug)]
enum Op {
    /// A new answer for this key.
    Store(u8),
    Pass(u64),
    /// Another thread, whose reading of the clock is so much older, looks.
    Behind(u64),
    /// Whoever keeps the answers throws out what is not worth it.
    Tidy,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (0..4_u8).prop_map(Op::Store),
        6 => (0..30_u64).prop_map(Op::Pass),
        2 => (0..30_u64).prop_map(Op::Behind),
        1 => Just(Op::Tidy),
    ]
}

/// Often exactly as long as what passes; now and then for ever.
fn duration(unit: u64) -> impl Strategy<Value = Option<Duration>> {
    prop_oneof![
        1 => Just(None),
        6 => (0..60_u64).prop_map(move |count| Some(Duration::from_nanos(count * unit))),
        1 => Just(Some(Duration::MAX)),
    ]
}

fn life() -> impl Strategy<Value = (u64, Life)> {
    let unit = prop_oneof![Just(1), Just(1_000_000), Just(3_600_000_000_000)];
    unit.prop_flat_map(|unit| {
        let life = (duration(unit), duration(unit));
        (Just(unit), life.prop_map(|(ttl, stale)| Life { ttl, stale }))
    })
}

/// Nanoseconds that are left. `None`: it is never given that way.
#[derive(Clone, Copy, Debug)]
struct Left {
    fresh: Option<i128>,
    stale: Option<i128>,
}

impl Left {
    fn of(life: Life) -> Self {
        let left = |life: Duration| life.as_nanos() as i128;
        Self { fresh: life.ttl.map(left), stale: life.stale.map(left) }
    }

    fn after(self, nanos: i128) -> Self {
        let less = |left: i128| left - nanos;
        Self { fresh: self.fresh.map(less), stale: self.stale.map(less) }
    }

    fn is_given(left: Option<i128>) -> bool {
        left.is_some_and(|left| left > 0)
    }
}

struct Pair {
    life: Life,
    unit: u64,
    now: u64,
    stored: BTreeMap<u8, Timestamp>,
    left: BTreeMap<u8, Left>,
}

impl Pair {
    fn step(&mut self, op: Op) {
        match op {
            Op::Store(key) => {
                self.stored.insert(key, Timestamp::from_nanos(self.now));
                self.left.insert(key, Left::of(self.life));
            }
            Op::Pass(time) => {
                self.now += time * self.unit;
                let nanos = i128::from(time * self.unit);
                self.left.values_mut().for_each(|left| *left = left.after(nanos));
            }
            Op::Behind(time) => self.compare(time * self.unit),
            Op::Tidy => {
                let now = Timestamp::from_nanos(self.now);
                let longest = self.life.longest();
                self.stored.retain(|_, stored| longest.is_some_and(|it| now.since(*stored) < it));
                self.left
                    .retain(|_, left| Left::is_given(left.fresh) || Left::is_given(left.stale));
                assert!(self.stored.keys().eq(self.left.keys()), "{:?}", self.left);
            }
        }
        self.compare(0);
    }

    /// What somebody sees whose clock is so much behind.
    fn compare(&self, behind: u64) {
        let now = Timestamp::from_nanos(self.now - behind);
        for (key, stored) in &self.stored {
            let left = self.left[key].after(-i128::from(behind));
            let given = (Left::is_given(left.fresh), Left::is_given(left.stale));
            let seen = (self.life.is_fresh(*stored, now), self.life.is_usable(*stored, now));
            assert_eq!(seen, given, "{stored:?} at {now:?}, {left:?}");
        }
    }
}

proptest! {
    #![proptest_config(traces(1000))]

    #[test]
    fn an_answer_is_given_as_long_as_it_has_something_left(
        (unit, life) in life(),
        // Later than anybody is behind.
        start in 1_u64 << 47..1 << 60,
        ops in prop::collection::vec(op(), 0..60),
    ) {
        let zero = Some(Duration::ZERO);
        prop_assert_eq!(life.check().is_err(), life.ttl == zero || life.stale == zero);
        if life.check().is_ok() {
            let (stored, left) = (BTreeMap::new(), BTreeMap::new());
            let mut pair = Pair { life, unit, now: start, stored, left };
            ops.into_iter().for_each(|op| pair.step(op));
        }
    }
}
