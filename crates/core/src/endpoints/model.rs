//! Against a model that goes round in a ring, and asks the breakers, which have a model of their own,
//! whom they admit.
//!
//! Planted, and found each time: those passed over keep their turns; a repetition takes the turn of a first
//! attempt; those that were tried before those that were not; the 64th forgotten; the later of two
//! rejections; a change of state told of another endpoint; one circuit taken for all.

use super::*;
use crate::Outcome;
use crate::breaker::{Control, OpenFor, Settings};
use crate::trials::traces;
use proptest::prelude::*;

/// More than so many are many.
const FEW: usize = 6;
/// The first of many, and those around the last that is remembered.
const EDGE: [usize; 5] = [0, 1, 62, 63, 64];

#[derive(Clone, Debug)]
enum Op {
    /// A first attempt. Where it may, it goes the way that needs no time.
    Begin(bool),
    /// So many attempts, each after some at these endpoints.
    Repeat(Vec<usize>, u8),
    End(usize, Outcome),
    Command(usize, Control),
    Pass(u64),
    /// Asks about an attempt so much later.
    Ahead(u64),
}

fn op() -> impl Strategy<Value = Op> {
    let outcome = prop_oneof![
        2 => Just(Outcome::Success),
        4 => Just(Outcome::Failure),
        1 => Just(Outcome::Ignored),
    ];
    let command = prop_oneof![
        1 => Just(Control::Isolate),
        2 => Just(Control::ForceOpen),
        2 => Just(Control::Reset),
    ];
    let tried = prop::collection::vec(any::<usize>(), 1..6);
    prop_oneof![
        8 => any::<bool>().prop_map(Op::Begin),
        4 => (tried, 1..5_u8).prop_map(|(tried, times)| Op::Repeat(tried, times)),
        10 => (any::<usize>(), outcome).prop_map(|(call, outcome)| Op::End(call, outcome)),
        2 => (any::<usize>(), command).prop_map(|(endpoint, what)| Op::Command(endpoint, what)),
        3 => (0..15_u64).prop_map(Op::Pass),
        2 => (0..40_u64).prop_map(Op::Ahead),
    ]
}

fn at(millis: u64) -> Timestamp {
    Timestamp::ZERO + Duration::from_millis(millis)
}

/// Whose turn it is.
#[derive(Debug, Default)]
struct Ring {
    turn: usize,
    /// What had been tried and where it went, if the last repetition went to one that was left.
    again: Option<(Vec<usize>, usize)>,
}

impl Ring {
    /// To whom of those who admit an attempt may go.
    fn may(&self, count: usize, tried: Option<&[usize]>, admitting: &[usize]) -> Vec<usize> {
        let from = |first: usize, of: &[usize]| {
            let mut ring = (0..count).map(|step| (first + step) % count);
            ring.find(|endpoint| of.contains(endpoint)).into_iter().collect()
        };
        let Some(tried) = tried else { return from(self.turn, admitting) };
        let left = |endpoint: &usize| !tried.contains(endpoint);
        let left: Vec<usize> = admitting.iter().copied().filter(left).collect();
        match &self.again {
            // Of those that have been tried, any will do.
            _ if left.is_empty() => admitting.to_vec(),
            Some((before, last)) if before == tried => from(last + 1, &left),
            _ => left,
        }
    }

    fn went(&mut self, tried: Option<&[usize]>, to: Option<usize>) {
        match tried {
            // A call that nobody takes has had its turn as well.
            None => self.turn = to.unwrap_or(self.turn) + 1,
            Some(tried) => {
                let to = to.filter(|to| !tried.contains(to));
                self.again = to.map(|to| (tried.to_vec(), to));
            }
        }
    }
}

struct Pair {
    endpoints: Endpoints,
    probes: usize,
    ring: Ring,
    now: u64,
    /// Those under way.
    held: Vec<(usize, Permit)>,
    /// For each endpoint the number of its last change of state that was reported.
    told: Vec<u64>,
}

impl Pair {
    fn new(count: usize, probes: Option<usize>) -> Self {
        let settings = Settings {
            consecutive_failures: Some(2),
            open_for: Some(OpenFor::fixed(Duration::from_millis(20))),
            // No probe is given up.
            attempt_timeout: Some(Duration::from_secs(3600)),
            probes: probes.map(|probes| probes as u32),
            ..Settings::default()
        };
        let rules = probes.map(|_| Arc::new(settings.check().unwrap()));
        let endpoints = Endpoints::new(count, rules, at(0), 7);
        let (held, told) = (Vec::new(), vec![0; count]);
        let probes = probes.unwrap_or(0);
        let mut pair = Self { endpoints, probes, ring: Ring::default(), now: 0, held, told };
        // Of many only these get calls, so that they get them often.
        let others = (0..count).filter(|it| count > FEW && !EDGE.contains(it));
        others.for_each(|it| pair.command(it, Control::Isolate));
        pair
    }

    /// One of those that something happens to.
    fn some(&self, number: usize) -> usize {
        let count = self.endpoints.count();
        if count > FEW { EDGE[number % EDGE.len()].min(count - 1) } else { number % count }
    }

    fn command(&mut self, endpoint: usize, what: Control) {
        let notice = &mut |change| Self::note(&mut self.told, endpoint, change);
        if let Some(breaker) = self.endpoints.breaker(endpoint) {
            breaker.control(what, at(self.now), notice);
        }
    }

    fn breakers(&self) -> impl Iterator<Item = &Breaker> {
        (0..self.endpoints.count()).filter_map(|it| self.endpoints.breaker(it))
    }

    /// Every change of an endpoint is reported once, and in order.
    fn note(told: &mut [u64], endpoint: usize, change: Transition) {
        assert_eq!(change.generation, told[endpoint] + 1, "of {endpoint}: {change:?}");
        told[endpoint] += 1;
    }

    /// `tried` in order, each once.
    fn pick(&mut self, tried: Option<&[usize]>, fast: bool) {
        let (now, count) = (at(self.now), self.endpoints.count());
        let admits = |it: &usize| self.endpoints.breaker(*it).is_none_or(|it| it.admits(now));
        let admitting: Vec<usize> = (0..count).filter(admits).collect();
        assert_eq!(self.endpoints.admits(now), !admitting.is_empty());
        let nobody = admitting.is_empty();
        let rejections = if nobody { self.rejections(now, now) } else { Vec::new() };
        let mut all = Tried::default();
        tried.iter().copied().flatten().for_each(|it| all.add(*it as u32));
        // Those beyond the first 64 are not remembered.
        let tried = tried.map(|tried| &tried[..tried.partition_point(|it| *it < 64)]);
        let may = self.ring.may(count, tried, &admitting);
        let told = &mut self.told;
        let notice = &mut |endpoint, change| Self::note(told, endpoint, change);
        let quick = (fast && tried.is_none()).then(|| self.endpoints.pick_closed()).flatten();
        let picked = match quick {
            Some(picked) => Ok(picked),
            None => self.endpoints.pick(now, all, notice),
        };
        let to = picked.as_ref().ok().map(|picked| picked.endpoint as usize);
        self.ring.went(tried, to);
        match picked {
            Err(rejected) => {
                assert!(may.is_empty(), "{may:?}: {rejected:?}");
                let least = rejections.iter().map(wait).min();
                assert_eq!(Some(wait(&rejected)), least);
                assert!(rejections.contains(&rejected), "{rejected:?}: {rejections:?}");
            }
            Ok(Picked { endpoint, permit }) => {
                let endpoint = endpoint as usize;
                assert!(may.contains(&endpoint), "{endpoint} of {may:?} after {tried:?}");
                assert_eq!(permit.is_some(), self.probes > 0);
                self.held.extend(permit.map(|permit| (endpoint, permit)));
                self.check(endpoint);
            }
        }
    }

    /// What each would say to an attempt at `then`, now.
    fn rejections(&self, then: Timestamp, now: Timestamp) -> Vec<Rejected> {
        let rejected = |it: &Breaker| Rejected {
            state: it.state(then),
            retry_after: it.snapshot(now).retry_after,
        };
        self.breakers().map(rejected).collect()
    }

    /// What is under way there is what was picked and has not ended, and no more probes than may be.
    fn check(&self, endpoint: usize) {
        let held = || self.held.iter().filter(|(at, _)| *at == endpoint).map(|(_, permit)| permit);
        let Some(breaker) = self.endpoints.breaker(endpoint) else { return };
        assert_eq!(breaker.snapshot(at(self.now)).in_flight, held().count() as u64);
        let probes = |permit: &&Permit| {
            permit.state() == State::HalfOpen && permit.generation() == self.told[endpoint]
        };
        assert!(held().filter(probes).count() <= self.probes, "{:?}", self.held);
    }

    fn worth(&self) -> u8 {
        let now = at(self.now);
        let all_closed = self.breakers().all(|it| it.state(now) == State::Closed);
        let all_idle = self.breakers().all(|it| it.is_idle(now));
        u8::from(!(all_closed && all_idle)) + u8::from(!all_closed)
    }

    fn end(&mut self, call: usize, outcome: Outcome) {
        let (endpoint, permit) = self.held.swap_remove(call);
        let notice = &mut |change| Self::note(&mut self.told, endpoint, change);
        let breaker = self.endpoints.breaker(endpoint).unwrap();
        breaker.finish(permit, at(self.now), outcome, notice);
        self.check(endpoint);
    }

    fn step(&mut self, op: Op) {
        match op {
            Op::Begin(fast) => self.pick(None, fast),
            Op::Repeat(tried, times) => {
                let mut tried: Vec<usize> = tried.into_iter().map(|it| self.some(it)).collect();
                tried.sort_unstable();
                tried.dedup();
                (0..times).for_each(|_| self.pick(Some(&tried), false));
            }
            Op::End(call, outcome) if !self.held.is_empty() => {
                self.end(call % self.held.len(), outcome);
            }
            Op::Command(endpoint, what) => self.command(self.some(endpoint), what),
            Op::Pass(millis) => self.now += millis,
            Op::Ahead(millis) => {
                let (now, then) = (at(self.now), at(self.now + millis));
                let certain = self.rejections(then, now);
                let shut = |it: &Rejected| matches!(it.state, State::Open | State::Isolated);
                let open = self.probes > 0 && certain.iter().all(shut);
                let seen = self.endpoints.open_at(then, now);
                assert_eq!(seen.is_some(), open);
                assert_eq!(
                    seen.as_ref().map(wait),
                    certain.iter().map(wait).min().filter(|_| open)
                );
                assert!(seen.is_none_or(|seen| certain.contains(&seen)));
            }
            Op::End(..) => {}
        }
        assert_eq!(self.endpoints.worth(at(self.now)), self.worth());
    }
}

fn wait(rejected: &Rejected) -> Duration {
    rejected.retry_after.unwrap_or(Duration::MAX)
}

proptest! {
    #![proptest_config(traces(500))]

    #[test]
    fn attempts_go_where_the_ring_says(
        count in prop_oneof![9 => 1..FEW, 1 => 63..66_usize],
        probes in prop_oneof![1 => Just(None), 5 => (1..4_usize).prop_map(Some)],
        ops in prop::collection::vec(op(), 0..120),
    ) {
        let mut pair = Pair::new(count, probes);
        ops.into_iter().for_each(|op| pair.step(op));
        while !pair.held.is_empty() {
            pair.end(0, Outcome::Ignored);
        }
        (0..count).for_each(|endpoint| pair.check(endpoint));
    }
}
