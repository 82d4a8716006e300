//! The endpoints of one upstream, each behind a breaker of its own.

use crate::Timestamp;
use crate::breaker::{Breaker, Permit, Rejected, Rules, State, Transition};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// The endpoints of one upstream: who gets the next call.
///
/// Round robin over the endpoints whose breaker admits; only when none does is a call rejected. A
/// breaker on a whole sharded service would turn a partial outage into a total one.
#[derive(Debug)]
pub struct Endpoints {
    breakers: Option<Box<[Breaker]>>,
    count: usize,
    /// Where the next round starts.
    next: AtomicUsize,
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
        // A repetition goes on from its last endpoint. If it took a turn of its own, the calls of a
        // failing endpoint's turns would all begin there.
        let first = tried.last.map_or_else(|| self.first(), |last| last + 1) as usize;
        let round = || (first..first + self.count).map(|number| number % self.count);
        let fresh = round().filter(|endpoint| !tried.has(*endpoint));
        let again = round().filter(|endpoint| tried.has(*endpoint));
        let mut best: Option<Rejected> = None;
        for endpoint in fresh.chain(again) {
            let permit = match self.breaker(endpoint) {
                None => Ok(None),
                Some(breaker) => {
                    breaker.admit(now, &mut |change| notice(endpoint, change)).map(Some)
                }
            };
            match permit {
                Ok(permit) => return Ok(Picked { endpoint: endpoint as u32, permit }),
                Err(rejected) => best = Some(best.map_or(rejected, |best| sooner(best, rejected))),
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

/// The rejection that ends sooner.
fn sooner(one: Rejected, two: Rejected) -> Rejected {
    let wait = |rejected: &Rejected| rejected.retry_after.unwrap_or(Duration::MAX);
    if wait(&two) < wait(&one) { two } else { one }
}
