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
//! The order of the policies, outermost first: fallback, deadline, retry, breaker, attempt timeout,
//! call.

mod call;
#[cfg(test)]
#[cfg(not(loom))]
mod tests;

pub use call::{Action, Call, End, Ending, Event, Hint, Rejection, Start};

use crate::SplitMix64;
use crate::Timestamp;
use crate::breaker::{Rules, Transition};
use crate::endpoints::Endpoints;
use crate::retry::{self, Budget};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What a pipeline can be told.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// How long a whole call may take. Default: as long as it likes.
    pub deadline: Option<Duration>,
    /// How long one attempt may take. Default: as long as it likes.
    pub attempt_timeout: Option<Duration>,
    /// What is repeated. Default: nothing.
    pub retry: Option<retry::Settings>,
    /// The breaker of each endpoint. Default: none.
    pub breaker: Option<Arc<Rules>>,
    /// How many endpoints there are; 0 counts as 1.
    pub endpoints: usize,
    /// Whether the driver has another answer for a call that comes to nothing.
    pub fallback: bool,
}

/// What is told of changes of state: the endpoint whose breaker it is, and the change.
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
    retry: Option<retry::Settings>,
    budget: Option<Budget>,
    /// The state of the generator that jitter is drawn from.
    random: AtomicU64,
    counts: Counts,
    fallback: bool,
    /// Nothing here needs to know when a call began.
    timeless: bool,
    endpoints: Endpoints,
}

/// What a pipeline has done of its own.
#[derive(Debug, Default)]
struct Counts {
    retries: AtomicU64,
    refused_by_budget: AtomicU64,
}

impl Counts {
    #[cold]
    fn retried(&self) {
        self.retries.fetch_add(1, Ordering::Relaxed);
    }

    #[cold]
    fn refused_by_budget(&self) {
        self.refused_by_budget.fetch_add(1, Ordering::Relaxed);
    }
}

impl Pipeline {
    /// A pipeline in its first state. `seed` makes its random choices repeatable.
    pub fn new(settings: Settings, now: Timestamp, seed: u64) -> Self {
        let Settings { deadline, attempt_timeout, retry, breaker, endpoints, fallback } = settings;
        let slow = breaker.as_ref().is_some_and(|rules| rules.slow_call().is_some());
        Self {
            deadline,
            attempt_timeout,
            budget: retry.as_ref().and_then(|retry| Some(Budget::new(retry.budget?, now))),
            timeless: deadline.is_none() && attempt_timeout.is_none() && retry.is_none() && !slow,
            retry,
            random: AtomicU64::new(seed),
            counts: Counts::default(),
            fallback,
            endpoints: Endpoints::new(endpoints, breaker, now, seed),
        }
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

    /// How many attempts were repetitions.
    pub fn retries(&self) -> u64 {
        self.counts.retries.load(Ordering::Relaxed)
    }

    /// How many repetitions were not made because the budget was spent.
    pub fn refused_by_budget(&self) -> u64 {
        self.counts.refused_by_budget.load(Ordering::Relaxed)
    }

    /// How many repetitions the budget has left, where there is one.
    pub fn budget_left(&self, now: Timestamp) -> Option<f64> {
        self.budget.as_ref().map(|budget| budget.left(now))
    }

    /// The delay before a repetition.
    fn delay(&self, retry: &retry::Settings, repetition: u32, before: Duration) -> Duration {
        // Every call draws from a stream of its own, so that none waits for another.
        let stream = self.random.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
        retry.backoff.delay(repetition, before, &mut SplitMix64::new(stream))
    }

    /// Begins a call.
    #[inline]
    pub fn begin(&self, now: Timestamp, start: Start, notice: Notice<'_>) -> (Call, Action) {
        let mut call = Call::new(now, self.deadline, start);
        let action = call.begin(self, now, notice);
        (call, action)
    }

    /// Begins a call without the time, where it goes through and nothing needs to know when it
    /// began; else [`begin`](Self::begin) is to be asked. It saves reading the clock.
    #[inline(always)]
    pub fn begin_timeless(&self) -> Option<(Call, Action)> {
        if !self.timeless {
            return None;
        }
        Some(Call::picked(self.endpoints.pick_closed()?))
    }
}

impl fmt::Display for Pipeline {
    /// The pipeline as a sentence.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        if self.fallback {
            parts.push("a fallback".to_owned());
        }
        if let Some(deadline) = self.deadline {
            parts.push(format!("a deadline of {deadline:?}"));
        }
        if let Some(retry) = &self.retry {
            let budget = if retry.budget.is_some() { " within a budget" } else { "" };
            parts.push(format!("up to {} attempts{budget}", retry.attempts));
        }
        if let Some(breaker) = self.endpoints.breaker(0) {
            let each = if self.endpoints.count() > 1 { " for each endpoint" } else { "" };
            parts.push(format!("a circuit breaker{each} ({})", breaker.rules()));
        }
        if let Some(timeout) = self.attempt_timeout {
            parts.push(format!("an attempt timeout of {timeout:?}"));
        }
        if parts.is_empty() {
            return f.write_str("the call, with no policy");
        }
        write!(f, "{}, then the call", parts.join(", then "))
    }
}
