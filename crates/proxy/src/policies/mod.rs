//! The policies of each upstream, shared by all cores. The rules are core's machine; here is what
//! the gateway adds: names, counts, and lines in the log.

mod answer;
mod attempts;
mod counts;
mod flight;
mod kept;
mod keys;
mod memory;
pub mod metrics;
mod more_metrics;
mod outcome;
mod over;
mod process_metrics;
mod responses;
mod timer;
pub mod view;

pub use answer::FallbackAnswer;
pub use counts::{Counts, Kind};
pub use flight::{Attempt, Flight, Requests, Sent};
pub use kept::KeptResponse;
pub use keys::Keys;
pub use over::{Over, Stopped};
pub use responses::{Class, Responses};

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, Hash, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use breakerbox::clock::{Clock as _, SystemClock};
use breakerbox::config::{Policy, Retry};
use breakerbox::core::breaker::{Breaker, SettingsError};
use breakerbox::core::pipeline::{Notice, Pipeline};
use breakerbox::core::{Histogram, Timestamp};
use breakerbox::{Cause, Control, State, Transition};

use http::Method;

use crate::config::{Config, Protocol, Upstream};
use crate::process::Process;
use crate::shelf::Shelf;
use attempts::Attempts;

/// The policies of all upstreams of a configuration.
#[derive(Debug)]
pub struct AllPolicies {
    upstreams: BTreeMap<String, Arc<Policies>>,
    process: Arc<Process>,
}

impl AllPolicies {
    /// All policies in their first state.
    ///
    /// # Errors
    ///
    /// A breaker's settings are refused. [`Config::parse`] has refused them before.
    pub fn new(config: &Config) -> Result<Self, SettingsError> {
        // One clock for the whole gateway. Beside the work of a request, reading the precise one is
        // nothing, and its latencies are worth something.
        let clock = SystemClock::precise();
        let upstreams = config.upstreams.iter().map(|(name, upstream)| {
            Ok((name.clone(), Arc::new(Policies::new(name, upstream, clock)?)))
        });
        let upstreams = upstreams.collect::<Result<_, SettingsError>>()?;
        Ok(Self { upstreams, process: Arc::default() })
    }

    /// The policies of an upstream.
    pub fn find(&self, upstream: &str) -> Option<&Arc<Policies>> {
        self.upstreams.get(upstream)
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Policies>> {
        self.upstreams.values()
    }

    /// What is counted beside them.
    pub fn process(&self) -> &Arc<Process> {
        &self.process
    }

    /// Reports what time has changed in all breakers since their last calls.
    pub fn settle(&self) {
        self.iter().for_each(|policies| policies.settle());
    }
}

/// The policies of one upstream.
#[derive(Debug)]
pub struct Policies {
    name: String,
    /// `upstream@host:port` of each endpoint's breaker.
    breakers: Vec<String>,
    pipeline: Pipeline,
    clock: SystemClock,
    /// What the file says: what of it is the driver's to carry out.
    policy: Policy,
    fallback: Option<FallbackAnswer>,
    /// Clients choose what goes into keys.
    hasher: RandomState,
    /// Answers that requests can have without being sent.
    shelf: Option<Shelf>,
    counts: Counts,
    /// What clients got, by its class.
    responses: Responses,
    /// gRPC may come from it.
    speaks_http2: bool,
    /// How many attempts calls took, where it may be more than one.
    attempts: Attempts,
    /// From the request's arrival to the headers of its response, whatever it was.
    latency: Histogram,
    /// Changes of each breaker's state, by from and to.
    transitions: Vec<[[AtomicU64; State::ALL.len()]; State::ALL.len()]>,
}

impl Policies {
    fn new(name: &str, upstream: &Upstream, clock: SystemClock) -> Result<Self, SettingsError> {
        let policy = &upstream.policy;
        let settings = policy.pipeline(upstream.endpoints.len())?;
        let breaker = |endpoint| format!("{name}@{endpoint}");
        Ok(Self {
            name: name.to_owned(),
            breakers: upstream.endpoints.iter().map(breaker).collect(),
            pipeline: Pipeline::new(settings, clock.now(), fastrand::u64(..)),
            clock,
            policy: policy.clone(),
            fallback: policy
                .fallback
                .as_ref()
                .and_then(|it| it.answer.as_ref())
                .map(FallbackAnswer::new),
            hasher: RandomState::new(),
            shelf: Shelf::new(policy),
            counts: Counts::default(),
            responses: Responses::default(),
            speaks_http2: upstream.protocol == Protocol::Http2,
            attempts: Attempts::default(),
            latency: Histogram::new(),
            transitions: upstream.endpoints.iter().map(|_| Default::default()).collect(),
        })
    }

    /// The name of the upstream.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its breakers with their names, where it has any that calls go through, however different their
    /// keys are.
    pub fn breakers(&self) -> impl Iterator<Item = (&str, &Breaker)> {
        self.own_breakers().filter(|_| self.pipeline.keyed_breakers().is_none())
    }

    /// The breakers of the endpoints themselves. Where each key has its own, no call goes through
    /// these: keys that come later begin isolated, disabled or only measured if these are.
    fn own_breakers(&self) -> impl Iterator<Item = (&str, &Breaker)> {
        let endpoints = self.pipeline.endpoints();
        self.breakers
            .iter()
            .enumerate()
            .filter_map(move |(number, name)| Some((name.as_str(), endpoints.breaker(number)?)))
    }

    /// The machine.
    pub fn pipeline(&self) -> &Pipeline {
        &self.pipeline
    }

    /// What the file says.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// What is repeated, where anything is.
    pub fn retry(&self) -> Option<&Retry> {
        self.policy.retry.as_ref()
    }

    /// Whether it has a policy, by its name in the file.
    pub fn has(&self, policy: &str) -> bool {
        let it = &self.policy;
        match policy {
            "breaker" => it.breaker.is_some(),
            "bulkhead" => it.bulkhead.is_some(),
            "rate_limit" => it.rate_limit.is_some(),
            "shed" => it.shed.is_some(),
            "throttle" => it.throttle.is_some(),
            "adaptive_limit" => it.adaptive_limit.is_some(),
            _ => false,
        }
    }

    /// Whether requests may have answers that others got.
    pub fn shares_answers(&self) -> bool {
        self.shelf.is_some()
    }

    /// Those answers, where there are any.
    pub fn shelf(&self) -> Option<&Shelf> {
        self.shelf.as_ref()
    }

    /// Whether doing this twice does no harm.
    pub fn may_repeat(&self, method: Option<&Method>) -> bool {
        let Some(method) = method else { return false };
        match &self.policy.retry {
            Some(retry) => retry.may_repeat(method.as_str()),
            None => Retry::idempotent().iter().any(|it| it == method.as_str()),
        }
    }

    /// A number for a key, which nobody outside can foresee.
    pub fn hash(&self, key: impl Hash) -> u64 {
        self.hasher.hash_one(key)
    }

    /// The clock of the gateway.
    pub fn clock(&self) -> SystemClock {
        self.clock
    }

    /// The present, on the one clock of the gateway.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// What became of its calls.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// What clients got, by its class.
    pub fn responses(&self) -> &Responses {
        &self.responses
    }

    /// Whether a class of responses is to be expected.
    fn expects(&self, class: Class) -> bool {
        match class {
            Class::Http(2..=5) => true,
            Class::Http(_) | Class::Other => false,
            Class::GrpcOk | Class::GrpcClientError | Class::GrpcServerError => self.speaks_http2,
        }
    }

    /// Whether a call may take more than one attempt.
    fn repeats(&self) -> bool {
        self.pipeline.repeats_at_all()
    }

    /// How long requests took until the headers of their response.
    pub fn latency(&self) -> &Histogram {
        &self.latency
    }

    /// The answer for a call that came to nothing, where the file gives one.
    pub fn fallback(&self) -> Option<&FallbackAnswer> {
        self.fallback.as_ref()
    }

    /// How often the breaker of an endpoint went from one state to another.
    pub fn transitions(&self, endpoint: usize, from: State, to: State) -> u64 {
        self.transitions[endpoint][from as usize][to as usize].load(Ordering::Relaxed)
    }

    /// Whether a call would find an endpoint that admits it; where each key has a breaker of its own,
    /// what [`Keys::admits`] says.
    pub fn admits(&self) -> bool {
        match self.keys() {
            Some(keys) => keys.admits,
            None => self.pipeline.endpoints().admits(self.now()),
        }
    }

    /// Switches its chaos on or off. False if it has none.
    pub fn switch_chaos(&self, on: bool) -> bool {
        let Some(chaos) = self.pipeline.chaos() else { return false };
        chaos.switch(on, self.now());
        tracing::warn!(upstream = %self.name, on, "chaos switched by hand");
        true
    }

    /// Reports what time has changed since the last call.
    pub fn settle(&self) {
        let now = self.now();
        for (endpoint, (_, breaker)) in self.breakers().enumerate() {
            breaker.settle(now, &mut |change| self.changed(endpoint, change));
        }
    }

    /// Does what a person says to the breaker of this name, or to all of the upstream; where each key
    /// has its own, to those of all keys. False if there is none.
    pub fn control(&self, name: &str, control: Control) -> bool {
        let now = self.now();
        let mut found = false;
        for (endpoint, (breaker_name, _)) in self.own_breakers().enumerate() {
            if name == self.name || name == breaker_name {
                let notice: Notice<'_> = if self.pipeline.keyed_breakers().is_some() {
                    &mut self.told_to_keys()
                } else {
                    &mut |endpoint, change| self.changed(endpoint, change)
                };
                found |= self.pipeline.control(endpoint, control, now, notice);
            }
        }
        found
    }

    /// What is done with the changes that a person makes to the breakers of all keys: they are counted,
    /// and one line in the log is enough for them.
    fn told_to_keys(&self) -> impl FnMut(usize, Transition) {
        let mut is_said = false;
        move |endpoint, change| {
            if is_said {
                return self.count_change(endpoint, change);
            }
            // First comes that of the endpoint's own, which is the change of no key.
            if let Cause::Manual(_) = change.cause {
                is_said = true;
                let (breaker, to, cause) = (&self.breakers[endpoint], change.to, change.cause);
                tracing::info!(%breaker, %to, %cause, "circuit breakers of all keys changed");
            }
        }
    }

    /// The same as before the restart: where each key has a breaker, what was said to all of them.
    fn restored(&self, endpoint: usize, change: Transition) {
        if self.pipeline.keyed_breakers().is_none() {
            return self.changed(endpoint, change);
        }
        let (breaker, to, cause) = (&self.breakers[endpoint], change.to, change.cause);
        tracing::info!(%breaker, %to, %cause, "circuit breakers of all keys changed");
    }

    fn count_change(&self, endpoint: usize, Transition { from, to, .. }: Transition) {
        counts::count(&self.transitions[endpoint][from as usize][to as usize]);
    }

    /// A line in the log for every change of state.
    #[cold]
    fn changed(&self, endpoint: usize, change: Transition) {
        let Transition { from, to, cause, .. } = change;
        self.count_change(endpoint, change);
        let breaker = &self.breakers[endpoint];
        let of = if self.policy.breaker_key.is_some() { " of one key" } else { "" };
        if to == State::Open {
            tracing::warn!(%breaker, %from, %to, %cause, "circuit breaker{of} opened");
        } else {
            tracing::info!(%breaker, %from, %to, %cause, "circuit breaker{of} changed");
        }
    }
}
