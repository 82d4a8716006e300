//! What the policies of a pipeline have seen.

use crate::clock::Clock;
use crate::inner::Inner;
use breakerbox_core::pipeline::Rejection;
use breakerbox_core::{
    Durations, adaptive_limit, breaker, bulkhead, chaos, rate_limit, shed, throttle,
};
use std::sync::atomic::{AtomicU64, Ordering};

/// What the policies of a pipeline have seen, at about one moment. A policy that is not there is
/// `None`. Counts are since the pipeline was made.
///
/// ```
/// use breakerbox::{Pipeline, breaker, bulkhead};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let posts = Pipeline::builder("posts")
///     .breaker(breaker::Settings::default())
///     .bulkhead(bulkhead::Settings::new(8))
///     .build()
///     .unwrap();
/// let _ = posts.call(async || Ok::<_, ()>("a post")).await;
///
/// let stats = posts.stats();
/// assert_eq!(stats.rejected("breaker_open"), 0);
/// assert_eq!(stats.bulkhead.unwrap().in_flight, 0);
/// assert_eq!(stats.breaker.unwrap().successes, 1);
/// # }
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct PipelineStats {
    /// The breaker that calls without a key go through. It counts attempts.
    pub breaker: Option<breaker::Snapshot>,
    /// How many keys have a breaker of their own at present, and how many breakers have been evicted.
    pub keyed_breakers: Option<(usize, u64)>,
    /// The bulkhead.
    pub bulkhead: Option<bulkhead::Snapshot>,
    /// The adaptive limit.
    pub adaptive_limit: Option<adaptive_limit::Snapshot>,
    /// The rate limit.
    pub rate_limit: Option<rate_limit::Snapshot>,
    /// What was shed.
    pub shed: Option<shed::Snapshot>,
    /// The throttle.
    pub throttle: Option<throttle::Snapshot>,
    /// What harm was done.
    pub chaos: Option<chaos::Snapshot>,
    /// Attempts that were repetitions.
    pub retries: u64,
    /// Attempts that were hedges.
    pub hedges: u64,
    /// Hedges whose answer the caller got.
    pub hedges_won: u64,
    /// Hedges that were too late, or failed.
    pub hedges_lost: u64,
    /// Repetitions and hedges that were not made because the budget was spent.
    pub refused_by_budget: u64,
    /// How many repetitions the budget has left.
    pub budget_left: Option<f64>,
    /// Calls that an attempt timeout ended.
    pub attempt_timeouts: u64,
    /// Answers that had begun and stopped coming: those of the layers for HTTP.
    pub idle_timeouts: u64,
    /// Calls that the deadline ended, but for those that got the last error of an attempt then.
    pub deadlines: u64,
    /// Calls that their callers gave up.
    pub cancelled: u64,
    /// Operations that panicked.
    pub panics: u64,
    /// Calls answered by a fallback.
    pub fallbacks: u64,
    /// Panics of listeners.
    pub listener_panics: u64,
    /// How long the calls took that came back, good or failed; `None` unless the builder was told to
    /// keep latencies.
    pub latency: Option<Durations>,
    rejected: [u64; Rejection::REASONS.len()],
}

impl PipelineStats {
    /// Calls that were rejected for this reason: `breaker_open`, `bulkhead_full`, `queue_timeout`,
    /// `rate_limited`, `shed`, `throttled`, `limit_reached` or `chaos`. 0 for any other word.
    pub fn rejected(&self, reason: &str) -> u64 {
        let reasons = Rejection::REASONS.iter().zip(self.rejected);
        reasons.filter(|(known, _)| **known == reason).map(|(_, count)| count).sum()
    }

    /// Calls that were rejected, for whatever reason.
    pub fn all_rejected(&self) -> u64 {
        self.rejected.iter().sum()
    }

    /// What time has changed is told before.
    pub(crate) fn of<C: Clock>(inner: &Inner<C>) -> Self {
        if let Some(breaker) = inner.pipeline.endpoints().breaker(0) {
            inner.settle(breaker);
        }
        let now = inner.clock.now();
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let (pipeline, rare) = (&inner.pipeline, &inner.rare);
        let (hedges, hedges_won, hedges_lost) = pipeline.hedges();
        Self {
            breaker: pipeline.endpoints().breaker(0).map(|it| inner.snapshot(it)),
            keyed_breakers: pipeline.keyed_breakers().map(|it| (it.len(), it.evicted())),
            bulkhead: pipeline.bulkhead().map(|it| it.snapshot()),
            adaptive_limit: pipeline.adaptive_limit().map(|it| it.snapshot()),
            rate_limit: pipeline.rate_limit().map(|it| it.snapshot()),
            shed: pipeline.shed().map(|it| it.snapshot(now)),
            throttle: pipeline.throttle().map(|it| it.snapshot(now)),
            chaos: pipeline.chaos().map(|it| it.snapshot(now)),
            retries: pipeline.retries(),
            hedges,
            hedges_won,
            hedges_lost,
            refused_by_budget: pipeline.refused_by_budget(),
            budget_left: pipeline.budget_left(now),
            attempt_timeouts: read(&rare.attempt_timeouts),
            idle_timeouts: read(&rare.idle_timeouts),
            deadlines: read(&rare.deadlines),
            cancelled: read(&rare.cancelled),
            panics: read(&rare.panics),
            fallbacks: read(&rare.fallbacks),
            listener_panics: inner.listeners.panics(),
            latency: inner.latency.as_ref().map(breakerbox_core::Histogram::snapshot),
            rejected: rare.rejected.each_ref().map(read),
        }
    }
}
