//! The policies of each upstream, shared by all cores. The rules are core's machine; here is what
//! the gateway adds: names, counts, and lines in the log.

mod answer;
mod flight;
mod kept;
pub mod metrics;
mod outcome;
pub mod view;

pub use answer::FallbackAnswer;
pub use flight::{Attempted, Flight, Over, Stopped};
pub use kept::KeptResponse;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use breakerbox::clock::{Clock as _, SystemClock};
use breakerbox::config::Retry;
use breakerbox::core::breaker::{self, Breaker, Rules, SettingsError};
use breakerbox::core::pipeline::{Pipeline, Settings};
use breakerbox::core::{Histogram, Timestamp};
use breakerbox::{Control, State, Transition};

use crate::config::{Config, Upstream};

/// The policies of all upstreams of a configuration.
#[derive(Debug)]
pub struct AllPolicies {
    upstreams: BTreeMap<String, Arc<Policies>>,
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
        Ok(Self { upstreams: upstreams.collect::<Result<_, SettingsError>>()? })
    }

    /// The policies of an upstream.
    pub fn find(&self, upstream: &str) -> Option<&Arc<Policies>> {
        self.upstreams.get(upstream)
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Policies>> {
        self.upstreams.values()
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
    retry: Option<Retry>,
    fallback: Option<FallbackAnswer>,
    counts: Counts,
    /// From the request's arrival to the headers of its response, whatever it was.
    latency: Histogram,
    /// Changes of each breaker's state, by from and to.
    transitions: Vec<[[AtomicU64; State::ALL.len()]; State::ALL.len()]>,
}

/// What became of the calls to one upstream. Each call is in one of the first seven.
#[derive(Debug, Default)]
pub struct Counts {
    /// Answered by the upstream, whatever the status.
    pub delivered: AtomicU64,
    /// Answered by the fallback, whatever the reason.
    pub fallbacks: AtomicU64,
    /// Rejected, because no breaker admitted it.
    pub breaker_open: AtomicU64,
    /// Ran into the attempt timeout.
    pub timeout: AtomicU64,
    /// Ran into the deadline before the headers of a response.
    pub deadline: AtomicU64,
    /// The upstream gave no response, or the client's own body failed.
    pub no_response: AtomicU64,
    /// The client went away before the headers of a response.
    pub cancelled: AtomicU64,
    /// All rejections by breakers, those answered by the fallback too.
    pub rejections: AtomicU64,
    /// All calls that ended by an attempt timeout.
    pub attempt_timeouts: AtomicU64,
    /// All calls that ended by a deadline, in the middle of a body too.
    pub deadlines: AtomicU64,
}

/// One more.
fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl Policies {
    fn new(name: &str, upstream: &Upstream, clock: SystemClock) -> Result<Self, SettingsError> {
        let policy = &upstream.policy;
        let rules = policy.breaker.clone().map(|settings| {
            // A probe that has not come back by then has failed.
            breaker::Settings { attempt_timeout: policy.attempt_timeout, ..settings }.check()
        });
        let rules: Option<Arc<Rules>> = rules.transpose()?.map(Arc::new);
        let settings = Settings {
            deadline: policy.deadline,
            attempt_timeout: policy.attempt_timeout,
            retry: policy.retry.as_ref().map(|retry| retry.settings.clone()),
            breaker: rules,
            endpoints: upstream.endpoints.len(),
            fallback: policy.fallback.is_some(),
        };
        let breaker = |endpoint| format!("{name}@{endpoint}");
        Ok(Self {
            name: name.to_owned(),
            breakers: upstream.endpoints.iter().map(breaker).collect(),
            pipeline: Pipeline::new(settings, clock.now(), fastrand::u64(..)),
            clock,
            retry: policy.retry.clone(),
            fallback: policy.fallback.as_ref().map(FallbackAnswer::new),
            counts: Counts::default(),
            latency: Histogram::new(),
            transitions: upstream.endpoints.iter().map(|_| Default::default()).collect(),
        })
    }

    /// The name of the upstream.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its breakers with their names, where it has any.
    pub fn breakers(&self) -> impl Iterator<Item = (&str, &Breaker)> {
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

    /// What is repeated, where anything is.
    pub fn retry(&self) -> Option<&Retry> {
        self.retry.as_ref()
    }

    /// The present, on the one clock of the gateway.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// What became of its calls.
    pub fn counts(&self) -> &Counts {
        &self.counts
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

    /// Whether a call would find an endpoint that admits it.
    pub fn admits(&self) -> bool {
        self.pipeline.endpoints().admits(self.now())
    }

    /// Reports what time has changed since the last call.
    pub fn settle(&self) {
        let now = self.now();
        for (endpoint, (_, breaker)) in self.breakers().enumerate() {
            breaker.settle(now, &mut |change| self.changed(endpoint, change));
        }
    }

    /// Does what a person says to the breaker of this name, or to all of the upstream. False if
    /// there is none.
    pub fn control(&self, name: &str, control: Control) -> bool {
        let now = self.now();
        let mut found = false;
        for (endpoint, (breaker_name, breaker)) in self.breakers().enumerate() {
            if name == self.name || name == breaker_name {
                breaker.control(control, now, &mut |change| self.changed(endpoint, change));
                found = true;
            }
        }
        found
    }

    /// A line in the log for every change of state.
    #[cold]
    fn changed(&self, endpoint: usize, change: Transition) {
        let Transition { from, to, cause, .. } = change;
        count(&self.transitions[endpoint][from as usize][to as usize]);
        let breaker = &self.breakers[endpoint];
        if to == State::Open {
            tracing::warn!(%breaker, %from, %to, %cause, "circuit breaker opened");
        } else {
            tracing::info!(%breaker, %from, %to, %cause, "circuit breaker changed");
        }
    }
}
