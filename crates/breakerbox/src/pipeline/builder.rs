//! How a pipeline is made.

use super::shared::Sharing;
use super::{BlockingPipeline, Pipeline};
use crate::Name;
use crate::breaker::{BuildError, ChooseClock, NoTimer, WithTimer};
use crate::clock::{Clock, SystemClock};
use crate::inner::Inner;
use breakerbox_core::{
    SettingsError, adaptive_limit, breaker, bulkhead, chaos, coalesce, hedge, pipeline, rate_limit,
    retry, shed, throttle,
};
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

/// Makes a [`Pipeline`] or a [`BlockingPipeline`].
///
/// Policies may be given in any order: they are put into the one that makes sense, outermost first:
/// fallback, deadline, load shedding, throttle, rate limit, cache, coalescing, hedge and retry, breaker,
/// bulkhead and adaptive limit, attempt timeout, chaos.
///
/// ```
/// use breakerbox::{Pipeline, breaker, bulkhead, retry};
/// use std::time::Duration;
///
/// let posts = Pipeline::builder("posts")
///     .attempt_timeout(Duration::from_secs(1))
///     .bulkhead(bulkhead::Settings::new(64))
///     .breaker(breaker::Settings::default())
///     .retry(retry::Settings::default())
///     .deadline(Duration::from_secs(5))
///     .build()?;
/// assert_eq!(
///     posts.to_string(),
///     "posts: a deadline of 5s, then up to 3 attempts within a budget, then a circuit breaker \
///      (opens at 50 % failures of at least 20 calls in 10s, for 5s growing to 60s), then a bulkhead \
///      of 64, then an attempt timeout of 1s, then the call"
/// );
/// # Ok::<(), breakerbox::BuildError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing is made until `build`"]
pub struct PipelineBuilder<C = ChooseClock, T = NoTimer> {
    pub(super) name: Name,
    /// All but the breaker, which has not been checked yet.
    pub(super) settings: pipeline::Settings,
    pub(super) breaker: Option<breaker::Settings>,
    pub(super) sharing: Sharing,
    latencies: bool,
    seed: Option<u64>,
    clock: C,
    timer: PhantomData<T>,
}

impl PipelineBuilder {
    pub(super) fn named(name: &str) -> Self {
        Self {
            name: Name::new(name),
            settings: pipeline::Settings::default(),
            breaker: None,
            sharing: Sharing::default(),
            latencies: false,
            seed: None,
            clock: ChooseClock,
            timer: PhantomData,
        }
    }
}

impl<C, T> PipelineBuilder<C, T> {
    fn set(mut self, set: impl FnOnce(&mut pipeline::Settings)) -> Self {
        set(&mut self.settings);
        self
    }

    /// Ends a whole call that takes longer than this, retries and waiting included. Default: none is.
    pub fn deadline(self, deadline: Duration) -> Self {
        self.set(|settings| settings.deadline = Some(deadline))
    }

    /// Sheds calls by their priority when calls wait too long for the bulkhead. Default: none is shed.
    pub fn shed(self, settings: shed::Settings) -> Self {
        self.set(|all| all.shed = Some(settings))
    }

    /// Holds calls back from another side that accepts too few of them. Default: none is.
    pub fn throttle(self, settings: throttle::Settings) -> Self {
        self.set(|all| all.throttle = Some(settings))
    }

    /// How many calls may begin per time. Default: as many as there are.
    pub fn rate_limit(self, settings: rate_limit::Settings) -> Self {
        self.set(|all| all.rate_limit = Some(settings))
    }

    /// Repeats what fails. Default: nothing is repeated.
    pub fn retry(self, settings: retry::Settings) -> Self {
        self.set(|all| all.retry = Some(settings))
    }

    /// Opens when too many attempts fail. Default: there is no breaker.
    pub fn breaker(mut self, settings: breaker::Settings) -> Self {
        self.breaker = Some(settings);
        self
    }

    /// Gives every key of [`PipelineCall::key`](super::PipelineCall::key) a breaker of its own, for so
    /// many keys at most: of more, closed and idle ones are forgotten first. Default: one breaker for
    /// all calls.
    pub fn breaker_keys(self, keys: usize) -> Self {
        self.set(|all| all.breaker_keys = Some(keys))
    }

    /// How many attempts may run at once, and how many may wait. Default: as many as there are.
    pub fn bulkhead(self, settings: bulkhead::Settings) -> Self {
        self.set(|all| all.bulkhead = Some(settings))
    }

    /// The same, found out from how long attempts take. Default: as many as there are.
    pub fn adaptive_limit(self, settings: adaptive_limit::Settings) -> Self {
        self.set(|all| all.adaptive_limit = Some(settings))
    }

    /// Does harm to calls on purpose, to see what becomes of them. Default: it does not.
    pub fn chaos(self, settings: chaos::Settings) -> Self {
        self.set(|all| all.chaos = Some(settings))
    }

    /// Lets equal calls of [`SharedCalls`](super::SharedCalls) that are under way share one answer.
    /// Default: each runs.
    pub fn coalesce(mut self, settings: coalesce::Settings) -> Self {
        self.sharing.coalesce = Some(settings);
        self
    }

    /// Keeps the good answers of [`SharedCalls`](super::SharedCalls), so many at most, and gives them
    /// instead of a call for so long. Default: none is kept.
    #[cfg(feature = "cache")]
    pub fn cache(mut self, ttl: Duration, entries: u64) -> Self {
        self.sharing.life.ttl = Some(ttl);
        self.sharing.entries = entries;
        self
    }

    /// Gives the last good answer of [`SharedCalls`](super::SharedCalls) where a call comes to nothing,
    /// if it is younger than this. Default: the error.
    #[cfg(feature = "cache")]
    pub fn stale(mut self, younger_than: Duration) -> Self {
        self.sharing.life.stale = Some(younger_than);
        self
    }

    /// Keeps a histogram of how long calls take (3.6 KiB), for percentiles. They are as fine as the
    /// clock: give [`SystemClock::precise`] to tell apart what takes less than a few milliseconds.
    /// Default: off.
    pub fn latencies(mut self, keep: bool) -> Self {
        self.latencies = keep;
        self
    }

    /// Makes everything that is random repeatable. Default: another seed for each pipeline.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Uses this clock. Default: the coarse system clock, or the precise one if a setting is shorter
    /// than ten ticks of the coarse one, or a policy goes by how long attempts take: the adaptive limit,
    /// and a hedge with a percentile.
    pub fn clock<D: Clock>(self, clock: D) -> PipelineBuilder<D, T> {
        self.with(|_| clock)
    }

    fn with<D, U>(self, clock: impl FnOnce(C) -> D) -> PipelineBuilder<D, U> {
        PipelineBuilder {
            name: self.name,
            settings: self.settings,
            breaker: self.breaker,
            sharing: self.sharing,
            latencies: self.latencies,
            seed: self.seed,
            clock: clock(self.clock),
            timer: PhantomData,
        }
    }

    #[cfg(any(feature = "config", feature = "tower"))]
    pub(crate) fn with_timer(self) -> PipelineBuilder<C, WithTimer> {
        self.with(|clock| clock)
    }

    fn make<D: Clock>(
        mut self,
        blocks: bool,
        clock: impl FnOnce(C, Duration) -> D,
    ) -> Result<Pipeline<D>, BuildError> {
        let mut problems = self.check();
        let clock = clock(self.clock, self.settings.shortest().min(self.sharing.shortest()));
        if let Some(policy) = self.settings.needs_timer()
            && !blocks
            && !clock.can_wait()
        {
            let error = SettingsError {
                field: policy,
                message: "needs a timer, and the clock has none".into(),
                fix: "turn on the feature `tokio`, or give a clock that can wait".into(),
            };
            problems.push((None, error));
        }
        if !problems.is_empty() {
            return Err(BuildError::pipeline(self.name, problems));
        }
        // Each call says whether it has one; the machine says where it would stand in.
        self.settings.fallback = true;
        self.settings.lookup = self.sharing.looks_up();
        let inner = Inner::new(self.name, clock, self.settings, self.latencies, self.seed);
        Ok(Pipeline { inner: Arc::new(inner), sharing: self.sharing })
    }

    /// Everything that is out of range, or makes no sense together.
    fn check(&mut self) -> Vec<(Option<&'static str>, SettingsError)> {
        let mut problems = Vec::new();
        if let Some(breaker) = &self.breaker {
            let attempt_timeout = self.settings.attempt_timeout.or(breaker.attempt_timeout);
            match (breaker::Settings { attempt_timeout, ..breaker.clone() }).check() {
                Ok(rules) => self.settings.breaker = Some(rules.into()),
                Err(error) => problems.push((Some("breaker"), error)),
            }
        }
        problems.extend(self.settings.check());
        problems.extend(self.sharing.check());
        if self.breaker.is_none() && self.settings.breaker_keys.is_some() {
            let error = SettingsError {
                field: "breaker_keys",
                message: "has no breaker to make one of for each key".into(),
                fix: "add a `breaker`".into(),
            };
            problems.push((None, error));
        }
        if let Some(chaos) = &self.settings.chaos {
            let body = [
                ("slow_body", chaos.slow_body.is_some()),
                ("truncate_body", chaos.truncate_body.is_some()),
            ];
            for (field, _) in body.into_iter().filter(|(_, set)| *set) {
                let error = SettingsError {
                    field,
                    message: "is for the bodies of HTTP responses, and calls here have none".into(),
                    fix: "leave it out".into(),
                };
                problems.push((Some("chaos"), error));
            }
        }
        problems
    }
}

/// Stopping an operation needs a timer: a runtime's, or that of a clock of one's own.
macro_rules! timers {
    ($clock:ty $(, $bound:ident)?) => {
        impl<$($bound: Clock,)? T> PipelineBuilder<$clock, T> {
            /// Stops an attempt that takes longer than this, as a failure. Default: none is.
            pub fn attempt_timeout(self, timeout: Duration) -> PipelineBuilder<$clock, WithTimer> {
                self.set(|settings| settings.attempt_timeout = Some(timeout)).with(|clock| clock)
            }

            /// Begins another attempt beside one that takes long, and takes the first success. Default:
            /// none.
            pub fn hedge(self, settings: hedge::Settings) -> PipelineBuilder<$clock, WithTimer> {
                self.set(|all| all.hedge = Some(settings)).with(|clock| clock)
            }
        }
    };
}

#[cfg(feature = "tokio")]
timers!(ChooseClock);
timers!(C, C);

impl<T> PipelineBuilder<ChooseClock, T> {
    /// Makes the pipeline.
    ///
    /// # Errors
    /// All settings that are out of range, or make no sense together.
    pub fn build(self) -> Result<Pipeline, BuildError> {
        self.make(false, |ChooseClock, shortest| SystemClock::for_durations_from(shortest))
    }
}

impl PipelineBuilder<ChooseClock, NoTimer> {
    /// Makes a pipeline for blocking operations.
    ///
    /// # Errors
    /// As [`build`](Self::build).
    pub fn build_blocking(self) -> Result<BlockingPipeline, BuildError> {
        let make = |ChooseClock, shortest| SystemClock::for_durations_from(shortest);
        self.make(true, make).map(BlockingPipeline::of)
    }
}

impl<C: Clock, T> PipelineBuilder<C, T> {
    /// Makes the pipeline.
    ///
    /// # Errors
    /// All settings that are out of range, or make no sense together.
    pub fn build(self) -> Result<Pipeline<C>, BuildError> {
        self.make(false, |clock, _| clock)
    }
}

impl<C: Clock> PipelineBuilder<C, NoTimer> {
    /// Makes a pipeline for blocking operations.
    ///
    /// # Errors
    /// As [`build`](Self::build).
    pub fn build_blocking(self) -> Result<BlockingPipeline<C>, BuildError> {
        self.make(true, |clock, _| clock).map(BlockingPipeline::of)
    }
}
