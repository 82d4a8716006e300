//! The endpoints of one upstream, each behind a breaker of its own.

#[cfg(test)]
#[cfg(not(loom))]
mod model;

use crate::Timestamp;
use crate::breaker::{Breaker, Permit, Rejected, Rules, State, Transition};
use crate::keyed::Evict;
use crate::sync::{AtomicUsize, Ordering};
use std::sync::Arc;
use std::time::Duration;

/// The endpoints of one upstream: who gets the next call.
///
/// Round robin over the endpoints whose breaker admits; only when none does is a call rejected. A
/// breaker on a whole sharded service would turn a partial outage into a total one.
///
/// ```
/// use breakerbox_core::Timestamp;
/// use breakerbox_core::breaker::{Control, Settings};
/// use breakerbox_core::endpoints::Endpoints;
///
/// let (rules, now) = (Settings::default().check().unwrap(), Timestamp::ZERO);
/// let two = Endpoints::new(2, Some(rules.into()), now, 0);
/// let isolate = |it| two.breaker(it).unwrap().control(Control::Isolate, now, &mut |_| {});
/// isolate(0);
/// assert!(two.admits(now), "there is another one");
/// isolate(1);
/// assert!(!two.admits(now));
/// ```
#[derive(Debug)]
pub struct Endpoints {
    breakers: Option<Box<[Breaker]>>,
    count: usize,
    /// Whose turn is next.
    next: AtomicUsize,
    /// The same for repetitions, among those that are left.
    again: AtomicUsize,
}

/// The endpoints that a call has tried: the last one, and which of the first 64.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tried {
    last: Option<u32>,
    all: u64,
}

impl Tried {
    pub(crate) fn add(&mut self, endpoint: u32) {
        self.last = Some(endpoint);
        self.all |= 1_u64.checked_shl(endpoint).unwrap_or(0);
    }

    fn has(self, endpoint: usize) -> bool {
        endpoint < 64 && self.all & (1 << endpoint) != 0
    }
}

/// A call goes to this endpoint, and holds the permit of its breaker, where there are breakers.
#[derive(Debug)]
pub(crate) struct Picked {
    pub(crate) endpoint: u32,
    pub(crate) permit: Option<Permit>,
}

impl Endpoints {
    /// So many endpoints, at least one, with a breaker each where there are rules for one. `seed`
    /// makes their jitter repeatable, each one's its own.
    pub fn new(count: usize, rules: Option<Arc<Rules>>, now: Timestamp, seed: u64) -> Self {
        // More than fit into 32 bits there are not.
        let count = count.clamp(1, u32::MAX as usize);
        let breaker = |rules: &Arc<Rules>, endpoint: usize| {
            Breaker::new(Arc::clone(rules), now, seed.wrapping_add(endpoint as u64))
        };
        Self {
            breakers: rules.map(|rules| (0..count).map(|it| breaker(&rules, it)).collect()),
            count,
            next: AtomicUsize::new(0),
            again: AtomicUsize::new(0),
        }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The breaker of an endpoint, where it has one.
    pub fn breaker(&self, endpoint: usize) -> Option<&Breaker> {
        self.breakers.as_ref()?.get(endpoint)
    }

    /// Whether a call would find an endpoint now.
    pub fn admits(&self, now: Timestamp) -> bool {
        match &self.breakers {
            None => true,
            Some(breakers) => breakers.iter().any(|breaker| breaker.admits(now)),
        }
    }

    /// The rejection of an attempt at `then`, told `now`, if it is certain: every circuit will still be
    /// open.
    pub(crate) fn open_at(&self, then: Timestamp, now: Timestamp) -> Option<Rejected> {
        let open = |breaker: &Breaker| {
            let state = breaker.state(then);
            let retry_after = || breaker.snapshot(now).retry_after;
            matches!(state, State::Open | State::Isolated)
                .then(|| Rejected { state, retry_after: retry_after() })
        };
        let breakers = self.breakers.as_ref()?;
        let rejected = breakers.iter().map(open).collect::<Option<Vec<_>>>()?;
        rejected.into_iter().reduce(sooner)
    }

    /// The endpoint of the next attempt; one that is not among `tried`, if one of those admits it.
    ///
    /// # Errors
    /// No breaker admits it. The rejection says when the first of them may.
    #[inline]
    pub(crate) fn pick(
        &self,
        now: Timestamp,
        tried: Tried,
        notice: &mut dyn FnMut(usize, Transition),
    ) -> Result<Picked, Rejected> {
        if self.count == 1 {
            let permit = match self.breaker(0) {
                None => None,
                Some(breaker) => Some(breaker.admit(now, &mut |change| notice(0, change))?),
            };
            return Ok(Picked { endpoint: 0, permit });
        }
        self.pick_of_many(now, tried, notice)
    }

    fn pick_of_many(
        &self,
        now: Timestamp,
        tried: Tried,
        notice: &mut dyn FnMut(usize, Transition),
    ) -> Result<Picked, Rejected> {
        let repetition = tried.last.is_some();
        let all = 0..self.count;
        let fresh = all.clone().filter(|endpoint| !tried.has(*endpoint));
        let untried = if repetition { fresh.clone().count() } else { self.count };
        // A repetition takes no turn of a first attempt; its turns are those of the endpoints that are
        // left, so that none of them gets more of a failing one's calls than the others.
        let turn = if repetition { &self.again } else { &self.next };
        let first = turn.fetch_add(1, Ordering::Relaxed) % untried.max(1);
        let fresh = fresh.clone().skip(first).chain(fresh.take(first));
        let again = all.filter(|endpoint| tried.has(*endpoint));
        let mut passed_over = 0;
        let mut best: Option<Rejected> = None;
        for endpoint in fresh.chain(again) {
            let permit = match self.breaker(endpoint) {
                None => Ok(None),
                Some(breaker) => {
                    breaker.admit(now, &mut |change| notice(endpoint, change)).map(Some)
                }
            };
            match permit {
                Ok(permit) => {
                    if passed_over > 0 {
                        // Else the one behind those that reject would have their turns as well.
                        turn.fetch_add(passed_over, Ordering::Relaxed);
                    }
                    return Ok(Picked { endpoint: endpoint as u32, permit });
                }
                Err(rejected) => {
                    passed_over += 1;
                    best = Some(best.map_or(rejected, |best| sooner(best, rejected)));
                }
            }
        }
        // There is at least one endpoint, so at least one has answered.
        Err(best.unwrap_or(Rejected { state: State::Open, retry_after: None }))
    }

    /// The same where nothing needs the time: one endpoint, and its circuit is closed.
    #[inline(always)]
    pub(crate) fn pick_closed(&self) -> Option<Picked> {
        match self.breakers.as_deref() {
            None => Some(Picked { endpoint: self.first(), permit: None }),
            Some([breaker]) => {
                let permit = Some(breaker.admit_closed(Timestamp::ZERO)?);
                Some(Picked { endpoint: 0, permit })
            }
            Some(_) => None,
        }
    }

    #[inline]
    fn first(&self) -> u32 {
        if self.count == 1 {
            return 0;
        }
        (self.next.fetch_add(1, Ordering::Relaxed) % self.count) as u32
    }
}

impl Evict for Endpoints {
    /// Closed circuits with nothing in them are worth least, open ones most: what they know would be
    /// found out again at the cost of calls that fail.
    fn worth(&self, now: Timestamp) -> u8 {
        let worth = |breaker: &Breaker| match breaker.state(now) {
            State::Closed if breaker.is_idle(now) => 0,
            State::Closed => 1,
            _ => 2,
        };
        self.breakers.iter().flatten().map(worth).max().unwrap_or(0)
    }
}

/// The rejection that ends sooner.
fn sooner(one: Rejected, two: Rejected) -> Rejected {
    let wait = |rejected: &Rejected| rejected.retry_after.unwrap_or(Duration::MAX);
    if wait(&two) < wait(&one) { two } else { one }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;
    use crate::breaker::{Control, Settings};

    fn endpoints(count: usize) -> Endpoints {
        let rules = Settings::default().check().unwrap();
        Endpoints::new(count, Some(rules.into()), Timestamp::ZERO, 0)
    }

    fn spread(endpoints: &Endpoints, tried: Tried, calls: usize) -> Vec<usize> {
        let mut spread = vec![0; endpoints.count()];
        for _ in 0..calls {
            let picked = endpoints.pick(Timestamp::ZERO, tried, &mut |_, _| {}).unwrap();
            let breaker = endpoints.breaker(picked.endpoint as usize).unwrap();
            breaker.cancel(picked.permit.unwrap(), Timestamp::ZERO, &mut |_| {});
            spread[picked.endpoint as usize] += 1;
        }
        spread
    }

    #[test]
    fn the_neighbour_of_an_open_endpoint_gets_no_more_than_the_others() {
        let endpoints = endpoints(4);
        let open = |endpoint: usize| {
            let breaker = endpoints.breaker(endpoint).unwrap();
            breaker.control(Control::Isolate, Timestamp::ZERO, &mut |_| {});
        };
        open(2);
        assert_eq!(spread(&endpoints, Tried::default(), 300), [100, 100, 0, 100]);
        open(3);
        let spread = spread(&endpoints, Tried::default(), 300);
        assert!(spread[..2].iter().all(|calls| (149..=151).contains(calls)), "{spread:?}");
    }

    #[test]
    fn the_repetitions_of_a_failing_endpoint_are_spread_over_the_others() {
        let endpoints = endpoints(4);
        let mut tried = Tried::default();
        tried.add(2);
        assert_eq!(spread(&endpoints, tried, 300), [100, 100, 0, 100]);
        // They have taken nobody's turn.
        assert_eq!(endpoints.next.load(Ordering::Relaxed), 0);
        (0..4).for_each(|endpoint| tried.add(endpoint));
        assert_eq!(spread(&endpoints, tried, 1).iter().sum::<usize>(), 1);
    }

    #[test]
    fn without_breakers_all_are_taken_in_turn() {
        let endpoints = Endpoints::new(3, None, Timestamp::ZERO, 0);
        assert!(endpoints.admits(Timestamp::ZERO) && endpoints.breaker(0).is_none());
        let turns: Vec<_> = (0..4).map(|_| endpoints.pick_closed().unwrap().endpoint).collect();
        assert_eq!(turns, [0, 1, 2, 0]);
        let one = Endpoints::new(1, None, Timestamp::ZERO, 0);
        assert_eq!(
            [one.pick_closed().unwrap().endpoint, one.pick_closed().unwrap().endpoint],
            [0, 0]
        );
    }

    #[test]
    fn the_time_is_needed_where_there_are_several_or_the_circuit_is_not_closed() {
        let (one, two) = (endpoints(1), endpoints(2));
        let picked = one.pick_closed().unwrap();
        one.breaker(0).unwrap().cancel(picked.permit.unwrap(), Timestamp::ZERO, &mut |_| {});
        one.breaker(0).unwrap().control(Control::Isolate, Timestamp::ZERO, &mut |_| {});
        assert!(one.pick_closed().is_none() && two.pick_closed().is_none());
    }

    #[test]
    fn what_has_nothing_to_tell_is_worth_least_and_an_open_circuit_most() {
        let now = Timestamp::ZERO;
        assert_eq!(Endpoints::new(2, None, now, 0).worth(now), 0);
        let endpoints = endpoints(2);
        assert_eq!(endpoints.worth(now), 0);
        let breaker = endpoints.breaker(1).unwrap();
        let permit = breaker.admit(now, &mut |_| {}).unwrap();
        assert_eq!(endpoints.worth(now), 1);
        breaker.cancel(permit, now, &mut |_| {});
        breaker.control(Control::ForceOpen, now, &mut |_| {});
        assert_eq!(endpoints.worth(now), 2);
    }
}

#[cfg(all(test, loom))]
mod loom_endpoints {
    use super::*;
    use crate::Outcome;
    use crate::breaker::{Control, OpenFor, Settings};
    use crate::interleavings::model;
    use crate::slot;
    use loom::thread;

    const NOW: Timestamp = Timestamp::ZERO;

    fn endpoints(count: usize, settings: Settings) -> Arc<Endpoints> {
        let rules = settings.check().unwrap();
        Arc::new(Endpoints::new(count, Some(rules.into()), NOW, 0))
    }

    fn pick(endpoints: &Endpoints, now: Timestamp) -> Result<Picked, Rejected> {
        endpoints.pick(now, Tried::default(), &mut |_, _| {})
    }

    /// Planted: the turn taken with a load and a store. Found: both with one endpoint.
    #[test]
    fn two_callers_get_two_endpoints() {
        model("two callers get two endpoints", || {
            let two = Arc::new(Endpoints::new(2, None, NOW, 0));
            let other = two.clone();
            let theirs = thread::spawn(move || pick(&other, NOW).unwrap().endpoint);
            let mine = pick(&two, NOW).unwrap().endpoint;
            assert_ne!(mine, theirs.join().unwrap());
        });
    }

    /// Planted: `pick_of_many` that gave up at the first rejection. Found: both rejected, or none of the
    /// two the probe.
    #[test]
    fn one_of_two_callers_finds_the_one_probe_that_there_is() {
        model("one of two callers finds the one probe that there is", || {
            slot::assume(1);
            let open_for = Some(OpenFor::fixed(Duration::from_secs(1)));
            let two = endpoints(2, Settings { open_for, ..Settings::default() });
            let control = |endpoint, control| {
                two.breaker(endpoint).unwrap().control(control, NOW, &mut |_| {});
            };
            control(0, Control::Isolate);
            control(1, Control::ForceOpen);
            let then = NOW + Duration::from_secs(1);
            let other = two.clone();
            let theirs = thread::spawn(move || {
                slot::assume(2);
                pick(&other, then)
            });
            let mine = pick(&two, then);
            let theirs = theirs.join().unwrap();
            assert_eq!(u32::from(mine.is_ok()) + u32::from(theirs.is_ok()), 1);
            let rejected = mine.as_ref().err().or(theirs.as_ref().err()).unwrap();
            assert_eq!(
                rejected.state,
                State::HalfOpen,
                "not the one that only a person can release"
            );
            let probe = mine.or(theirs).unwrap();
            assert_eq!(probe.endpoint, 1);
            let breaker = two.breaker(1).unwrap();
            breaker.finish(probe.permit.unwrap(), then, Outcome::Success, &mut |_| {});
            assert_eq!(breaker.state(then), State::Closed);
            assert_eq!(pick(&two, then).unwrap().endpoint, 1);
        });
    }
}
