//! The way of one call through all policies: who runs, who waits for what, and what the caller gets.
//!
//! A machine without I/O. Its driver (the library, the gateway, the lab) tells it what happened and
//! carries out what it answers:
//!
//! ```text
//! begin ──► Run ──► the driver starts the operation
//!            │        ├─ it ends ───────────► step(Ended)           ──► Done
//!            │        ├─ its response begins ► step(ResponseStarted) ──► Wait (the body)
//!            │        └─ the time `until` comes ► step(Time)         ──► Done, or Wait again
//!            └─ the caller goes away ───────► cancel
//! ```
//!
//! The order of the policies, outermost first: fallback, deadline, load shed, throttle, rate limit,
//! cache, coalesce, hedge and retry (one budget), breaker, bulkhead and adaptive limit, attempt timeout,
//! chaos, the call.

mod action;
mod again;
mod attempt;
mod begin;
mod call;
mod gates;
mod running;
mod sentence;
mod settings;
#[cfg(test)]
#[cfg(not(loom))]
mod tests;
mod time;

pub use action::{
    Action, DEFAULT_URGENCY, Due, End, Ending, Event, Hint, Keys, Rank, Rejection, Start,
};
pub use call::Call;
pub use sentence::Answers;
pub use settings::Settings;

use crate::adaptive_limit::AdaptiveLimit;
use crate::breaker::{Control, State, Transition};
use crate::bulkhead::Bulkhead;
use crate::chaos::Chaos;
use crate::endpoints::Endpoints;
use crate::hedge::{self, HedgeDelay};
use crate::keyed::Keyed;
use crate::rate_limit::RateLimit;
use crate::retry::{self, Budget, When};
use crate::shed::Shed;
use crate::throttle::Throttle;
use crate::{SplitMix64, Timestamp};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What is told of changes of state: the endpoint whose breaker it is, and the change.
///
/// ```
/// use breakerbox_core::Timestamp;
/// use breakerbox_core::breaker::{Settings as Breaker, State};
/// use breakerbox_core::pipeline::{Ending, Event, Pipeline, Settings, Start};
/// use std::sync::Arc;
///
/// let breaker = Breaker { consecutive_failures: Some(1), ..Breaker::default() };
/// let breaker = Some(Arc::new(breaker.check().unwrap()));
/// let pipeline = Pipeline::new(Settings { breaker, ..Settings::default() }, Timestamp::ZERO, 0);
/// let (mut call, _) = pipeline.begin(Timestamp::ZERO, Start::default(), &mut |_, _| {});
/// let mut told = Vec::new();
/// let failed = Event::ended(1, Ending::Failure);
/// call.step(&pipeline, Timestamp::ZERO, failed, &mut |endpoint, it| told.push((endpoint, it.to)));
/// assert_eq!(told, [(0, State::Open)]);
/// ```
pub type Notice<'a> = &'a mut dyn FnMut(usize, Transition);

/// The policies in front of one upstream, shared by all its calls.
///
/// ```
/// use breakerbox_core::Timestamp;
/// use breakerbox_core::pipeline::{Action, End, Event, Pipeline, Settings, Start};
/// use std::time::Duration;
///
/// let settings = Settings { deadline: Some(Duration::from_secs(5)), ..Settings::default() };
/// let pipeline = Pipeline::new(settings, Timestamp::ZERO, 0);
/// let at = |seconds| Timestamp::ZERO + Duration::from_secs(seconds);
///
/// let (mut call, action) = pipeline.begin(at(1), Start::default(), &mut |_, _| {});
/// assert_eq!(action, Action::Run { attempt: 1, endpoint: 0 });
/// assert_eq!(call.due(), at(6));
/// // The operation does not come back.
/// let action = call.step(&pipeline, at(6), Event::Time, &mut |_, _| {});
/// let end = End::DeadlineExceeded { after: Duration::from_secs(5) };
/// assert_eq!(action, Action::Done { end, fallback: false });
/// ```
#[derive(Debug)]
pub struct Pipeline {
    deadline: Option<Duration>,
    attempt_timeout: Option<Duration>,
    shed: Option<Shed>,
    throttle: Option<Throttle>,
    rate_limit: Option<RateLimit>,
    lookup: bool,
    retry: Option<retry::Settings>,
    hedge: Option<(hedge::Settings, HedgeDelay)>,
    hedge_on: When,
    budget: Option<Budget>,
    endpoints: Endpoints,
    /// Breakers of many keys.
    keyed_breakers: Option<Keyed<Endpoints>>,
    bulkhead: Option<Bulkhead>,
    adaptive_limit: Option<AdaptiveLimit>,
    chaos: Option<Chaos>,
    fallback: bool,
    /// Nothing here needs to know when a call began.
    timeless: bool,
    /// Calls pass something before their first attempt.
    gates: bool,
    /// A failure may be followed by another attempt.
    repeats: bool,
    /// How long attempts take is of interest.
    measures: bool,
    /// The state of the generator that random choices are drawn from.
    random: AtomicU64,
    counts: Counts,
}

/// What a pipeline has done of its own.
#[derive(Debug, Default)]
struct Counts {
    retries: AtomicU64,
    hedges: AtomicU64,
    hedges_won: AtomicU64,
    hedges_lost: AtomicU64,
    refused_by_budget: AtomicU64,
}

impl Counts {
    #[cold]
    fn retried(&self) {
        self.retries.fetch_add(1, Ordering::Relaxed);
    }

    #[cold]
    fn hedged(&self) {
        self.hedges.fetch_add(1, Ordering::Relaxed);
    }

    #[cold]
    fn hedge_ended(&self, won: bool) {
        let counter = if won { &self.hedges_won } else { &self.hedges_lost };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    #[cold]
    fn refused_by_budget(&self) {
        self.refused_by_budget.fetch_add(1, Ordering::Relaxed);
    }
}

impl Pipeline {
    /// A pipeline in its first state. `seed` makes its random choices repeatable.
    pub fn new(settings: Settings, now: Timestamp, seed: u64) -> Self {
        let breaker = settings.breaker;
        let slow = breaker.as_ref().is_some_and(|rules| rules.slow_call().is_some());
        // Retries and hedges share one budget.
        let budget = match (&settings.retry, &settings.hedge) {
            (Some(retry), _) => retry.budget,
            (None, Some(hedge)) => hedge.budget,
            (None, None) => None,
        };
        let mut pipeline = Self {
            deadline: settings.deadline,
            attempt_timeout: settings.attempt_timeout,
            shed: settings.shed.map(|it| Shed::new(it, now)),
            throttle: settings.throttle.map(Throttle::new),
            rate_limit: settings.rate_limit.map(|it| RateLimit::new(it, now)),
            lookup: settings.lookup,
            budget: budget.map(|it| Budget::new(it, now)),
            retry: settings.retry,
            hedge: settings.hedge.map(|it| (it, HedgeDelay::new(it.delay))),
            hedge_on: settings.hedge_on,
            keyed_breakers: breaker.as_ref().and(settings.breaker_keys).map(Keyed::new),
            endpoints: Endpoints::new(settings.endpoints, breaker, now, seed),
            bulkhead: settings.bulkhead.map(Bulkhead::new),
            adaptive_limit: settings.adaptive_limit.map(|it| AdaptiveLimit::new(it, now)),
            chaos: settings.chaos.map(|it| Chaos::new(it, now)),
            fallback: settings.fallback,
            timeless: false,
            gates: false,
            repeats: false,
            measures: false,
            random: AtomicU64::new(seed),
            counts: Counts::default(),
        };
        pipeline.repeats = pipeline.retry.is_some() || pipeline.hedge.is_some();
        pipeline.measures = pipeline.adaptive_limit.is_some() || pipeline.hedge.is_some();
        let keyed_chaos = pipeline.chaos.is_some();
        pipeline.gates = pipeline.keyed_breakers.is_some()
            || pipeline.shed.is_some()
            || pipeline.throttle.is_some()
            || pipeline.rate_limit.is_some()
            || pipeline.lookup
            || keyed_chaos;
        pipeline.timeless = pipeline.deadline.is_none()
            && pipeline.attempt_timeout.is_none()
            && pipeline.bulkhead.is_none()
            && !(pipeline.repeats || pipeline.measures || pipeline.gates || slow);
        pipeline
    }

    /// Its endpoints and their breakers.
    pub fn endpoints(&self) -> &Endpoints {
        &self.endpoints
    }

    /// How long a whole call may take.
    pub fn deadline(&self) -> Option<Duration> {
        self.deadline
    }

    /// How long one attempt may take.
    pub fn attempt_timeout(&self) -> Option<Duration> {
        self.attempt_timeout
    }

    /// The breakers of single keys, where it has such: those that calls with a key go through.
    pub fn keyed_breakers(&self) -> Option<&Keyed<Endpoints>> {
        self.keyed_breakers.as_ref()
    }

    /// What it sheds, where it does.
    pub fn shed(&self) -> Option<&Shed> {
        self.shed.as_ref()
    }

    /// Its throttle, where it has one.
    pub fn throttle(&self) -> Option<&Throttle> {
        self.throttle.as_ref()
    }

    /// Its rate limit, where it has one.
    pub fn rate_limit(&self) -> Option<&RateLimit> {
        self.rate_limit.as_ref()
    }

    /// Its bulkhead, where it has one.
    pub fn bulkhead(&self) -> Option<&Bulkhead> {
        self.bulkhead.as_ref()
    }

    /// Its adaptive limit, where it has one.
    pub fn adaptive_limit(&self) -> Option<&AdaptiveLimit> {
        self.adaptive_limit.as_ref()
    }

    /// The chaos it makes, where it does.
    pub fn chaos(&self) -> Option<&Chaos> {
        self.chaos.as_ref()
    }

    /// What is repeated, where anything is.
    pub fn retry(&self) -> Option<&retry::Settings> {
        self.retry.as_ref()
    }

    /// Whether the operation of a call may be run more than once.
    pub fn repeats_at_all(&self) -> bool {
        self.repeats
    }

    /// Whether it hedges.
    pub fn hedges_at_all(&self) -> bool {
        self.hedge.is_some()
    }

    /// How many attempts were repetitions.
    pub fn retries(&self) -> u64 {
        self.counts.retries.load(Ordering::Relaxed)
    }

    /// How many attempts were hedges: all, those whose answer the caller got, and those that were too
    /// late or failed. What is missing still runs.
    pub fn hedges(&self) -> (u64, u64, u64) {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let (won, lost) = (read(&self.counts.hedges_won), read(&self.counts.hedges_lost));
        (read(&self.counts.hedges), won, lost)
    }

    /// How many repetitions and hedges were not made because the budget was spent.
    pub fn refused_by_budget(&self) -> u64 {
        self.counts.refused_by_budget.load(Ordering::Relaxed)
    }

    /// How many repetitions the budget has left, where there is one.
    pub fn budget_left(&self, now: Timestamp) -> Option<f64> {
        self.budget.as_ref().map(|budget| budget.left(now))
    }

    /// Begins a call.
    #[inline]
    pub fn begin(&self, now: Timestamp, start: Start, notice: Notice<'_>) -> (Call, Action) {
        let mut call = Call::NEW;
        let action = self.begin_in(&mut call, now, &start, notice);
        (call, action)
    }

    /// Begins a call where it lies, from [`Call::NEW`]: moving one costs as much as what it does.
    #[inline]
    pub fn begin_in(
        &self,
        call: &mut Call,
        now: Timestamp,
        start: &Start,
        notice: Notice<'_>,
    ) -> Action {
        call.set(now, self.deadline, start);
        call.begin(self, now, start, notice)
    }

    /// Begins a call without the time, where it goes through and nothing needs to know when it
    /// began; else [`begin`](Self::begin) is to be asked. It saves reading the clock.
    #[inline(always)]
    pub fn begin_timeless(&self, call: &mut Call) -> Option<Action> {
        if !self.timeless {
            return None;
        }
        Some(call.picked(self.endpoints.pick_closed()?))
    }

    /// Does what a person says to the breaker of an endpoint, and to those of all its keys. Keys that
    /// come later are isolated, disabled or only measured as well, until that is taken back.
    ///
    /// False if there is no breaker.
    pub fn control(
        &self,
        endpoint: usize,
        control: Control,
        now: Timestamp,
        notice: Notice<'_>,
    ) -> bool {
        let Some(breaker) = self.endpoints.breaker(endpoint) else { return false };
        breaker.control(control, now, &mut |change| notice(endpoint, change));
        if let Some(keyed) = &self.keyed_breakers {
            keyed.for_each(|_, endpoints| {
                if let Some(breaker) = endpoints.breaker(endpoint) {
                    breaker.control(control, now, &mut |change| notice(endpoint, change));
                }
            });
        }
        true
    }

    /// The endpoints of a key that is new.
    #[cold]
    fn new_endpoints(&self, key: u64, now: Timestamp) -> Endpoints {
        let rules = self.endpoints.breaker(0).map(|breaker| Arc::clone(breaker.rules()));
        let endpoints = Endpoints::new(self.endpoints.count(), rules, now, key);
        for endpoint in 0..endpoints.count() {
            let both = self.endpoints.breaker(endpoint).zip(endpoints.breaker(endpoint));
            let Some((shared, new)) = both else { continue };
            let control = match shared.state(now) {
                State::Isolated => Control::Isolate,
                State::Disabled => Control::Disable,
                State::MetricsOnly => Control::MetricsOnly,
                State::Closed | State::Open | State::HalfOpen => continue,
            };
            new.control(control, now, &mut |_| {});
        }
        endpoints
    }

    /// The delay before a repetition.
    fn delay(&self, retry: &retry::Settings, repetition: u32, before: Duration) -> Duration {
        retry.backoff.delay(repetition, before, &mut SplitMix64::new(self.stream()))
    }

    /// Every choice draws from a stream of its own, so that no call waits for another.
    fn stream(&self) -> u64 {
        self.random.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed)
    }

    /// A random number.
    fn draw(&self) -> u64 {
        SplitMix64::new(self.stream()).next_u64()
    }

    /// What is worth another attempt.
    fn on(&self) -> &When {
        self.retry.as_ref().map_or(&self.hedge_on, |retry| &retry.on)
    }

    #[inline(always)]
    fn timeout_from(&self, now: Timestamp) -> Timestamp {
        self.attempt_timeout.map_or(Timestamp::NEVER, |timeout| now + timeout)
    }

    /// An attempt has its place in the bulkhead, after waiting so long.
    #[inline(always)]
    fn waited(&self, now: Timestamp, waited: Duration) {
        if let Some(shed) = &self.shed {
            shed.waited(now, waited);
        }
    }
}
