//! A call in the making: what it is told before it runs.

use super::blocking;
use super::calling::PipelineCalling;
use super::hints::{FailureKind, Hints, NoHints, RetryAfter, RetryIf};
use super::operation::{Once, Repeatable};
use super::plan::Alone;
use super::told::Told;
use crate::clock::{Clock, SystemClock};
use crate::inner::Inner;
use crate::{ByResult, Classify, Error, NoFallback, Recover};
use breakerbox_core::retry::Failure;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::marker::PhantomData;
use std::time::Duration;

/// A call of a [`Pipeline`](super::Pipeline).
///
/// ```
/// use breakerbox::{Async, Pipeline, PipelineCall, clock::SystemClock};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// /// All that this program does belongs to a tenant.
/// fn of(posts: &Pipeline, tenant: u32) -> PipelineCall<'_, SystemClock, Async> {
///     posts.protect().key(tenant)
/// }
/// let posts = Pipeline::builder("posts").build().unwrap();
/// assert_eq!(of(&posts, 7).call(async || Ok::<_, ()>("a post")).await, Ok("a post"));
/// # }
/// ```
#[derive(Debug)]
pub enum Async {}

/// A call of a [`BlockingPipeline`](super::BlockingPipeline).
///
/// ```
/// use breakerbox::{Blocking, BlockingPipeline, Pipeline, PipelineCall, clock::SystemClock};
///
/// /// Whoever waits for this can wait.
/// fn report(posts: &BlockingPipeline) -> PipelineCall<'_, SystemClock, Blocking> {
///     posts.protect().priority(7)
/// }
/// let posts = Pipeline::builder("posts").build_blocking().unwrap();
/// assert_eq!(report(&posts).call(|| Ok::<_, ()>("a post")), Ok("a post"));
/// ```
#[derive(Debug)]
pub enum Blocking {}

/// A call in the making: what its results count as, how important it is, what it belongs to, and what
/// to answer instead. `M` says whether it is [`Async`] or [`Blocking`].
///
/// ```
/// use breakerbox::{Error, Outcome, Pipeline};
/// use breakerbox::retry;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # async fn fetch() -> std::io::Result<u16> { Ok(503) }
/// let posts = Pipeline::builder("posts").retry(retry::Settings::default()).build()?;
/// let status = posts
///     .protect()
///     .classify(|result: &Result<u16, _>| match result {
///         Ok(500..) | Err(_) => Outcome::Failure,
///         Ok(_) => Outcome::Success,
///     })
///     // This service never gets over an error by being asked again.
///     .retry_if(|result| result.is_err())
///     .key("tenant 7")
///     .fallback(|came_to| came_to.unwrap_or(504))
///     .call(fetch)
///     .await?;
/// assert_eq!((*status, posts.stats().retries), (503, 0));
/// # Ok(()) }
/// ```
#[must_use = "nothing runs until `call`"]
pub struct PipelineCall<
    'a,
    C: Clock = SystemClock,
    M = Async,
    K = ByResult,
    H = NoHints,
    F = NoFallback,
> {
    inner: &'a Inner<C>,
    told: Told,
    plan: Alone<K, H, F>,
    mode: PhantomData<M>,
}

impl<'a, C: Clock, M> PipelineCall<'a, C, M> {
    #[inline(always)]
    pub(super) fn new(inner: &'a Inner<C>) -> Self {
        let plan = Alone { classify: ByResult, hints: NoHints, fallback: Some(NoFallback) };
        Self { inner, told: Told::default(), plan, mode: PhantomData }
    }
}

impl<'a, C: Clock, M, F> PipelineCall<'a, C, M, ByResult, NoHints, F> {
    #[cfg(feature = "config")]
    pub(super) fn with_fallback(inner: &'a Inner<C>, fallback: Option<F>) -> Self {
        let plan = Alone { classify: ByResult, hints: NoHints, fallback };
        Self { inner, told: Told::default(), plan, mode: PhantomData }
    }
}

impl<'a, C: Clock, M, K, H, F> PipelineCall<'a, C, M, K, H, F> {
    /// Judges results by `classify`. Default: `Ok` is a success, `Err` a failure.
    pub fn classify<L>(self, classify: L) -> PipelineCall<'a, C, M, L, H, F> {
        let Alone { hints, fallback, .. } = self.plan;
        self.inner.call(self.told, Alone { classify, hints, fallback })
    }

    /// Whether a result that is not a success is worth another attempt, in place of what the retry
    /// settings say. Of a local rejection and of an attempt timeout there is no result: whether those are
    /// repeated the settings say. What must not be done twice is for [`call_once`](Self::call_once), or for
    /// settings [without](crate::retry::When::without) timeouts.
    pub fn retry_if<T, E, R>(self, again: R) -> PipelineCall<'a, C, M, K, RetryIf<H, R>, F>
    where
        R: Fn(&Result<T, E>) -> bool,
    {
        self.with_hints(|hints| RetryIf(hints, again))
    }

    /// When the other side wants to be asked again, as a `Retry-After` says. It is honoured within the
    /// delay that would have been and the longest there is.
    ///
    /// ```
    /// use breakerbox::{Pipeline, retry};
    /// use std::time::Duration;
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let posts = Pipeline::builder("posts").retry(retry::Settings::default()).build().unwrap();
    /// let mut answers = [Err(Duration::from_millis(60)), Ok("a post")].into_iter();
    /// let call = posts.protect().retry_after(|result| result.err());
    /// let post = call.call(|| std::future::ready(answers.next().unwrap())).await;
    /// assert_eq!(post, Ok("a post"));
    /// # }
    /// ```
    pub fn retry_after<T, E, R>(self, after: R) -> PipelineCall<'a, C, M, K, RetryAfter<H, R>, F>
    where
        R: Fn(&Result<T, E>) -> Option<Duration>,
    {
        self.with_hints(|hints| RetryAfter(hints, after))
    }

    /// What kind of failure it is, for the retry settings, the throttle and the adaptive limit: the
    /// latter two need to know whether a failure says that the other side is overloaded. Default:
    /// [`Failure::Other`], of which nothing is known.
    pub fn failure_kind<T, E, R>(self, kind: R) -> PipelineCall<'a, C, M, K, FailureKind<H, R>, F>
    where
        R: Fn(&Result<T, E>) -> Failure,
    {
        self.with_hints(|hints| FailureKind(hints, kind))
    }

    /// All that is known of results at once, in place of what was said before.
    pub fn hints<I>(self, hints: I) -> PipelineCall<'a, C, M, K, I, F> {
        self.with_hints(|_| hints)
    }

    pub(super) fn into_parts(self) -> (&'a Inner<C>, Told, Alone<K, H, F>) {
        (self.inner, self.told, self.plan)
    }

    fn with_hints<I>(self, with: impl FnOnce(H) -> I) -> PipelineCall<'a, C, M, K, I, F> {
        let Alone { classify, hints, fallback } = self.plan;
        self.inner.call(self.told, Alone { classify, hints: with(hints), fallback })
    }

    /// Answers with `fallback` where the call would fail, time out or be rejected. It is told what
    /// the call came to: an error, or an `Ok` that was judged a failure. Neither an ignored result
    /// nor a panic is replaced.
    pub fn fallback<T, E, G>(self, fallback: G) -> PipelineCall<'a, C, M, K, H, G>
    where
        G: FnOnce(Result<T, Error<E>>) -> T,
    {
        let Alone { classify, hints, .. } = self.plan;
        self.inner.call(self.told, Alone { classify, hints, fallback: Some(fallback) })
    }

    /// How important it is, from 0, the most important, to 7: which calls are shed first, and which
    /// wait first. Default: 3.
    pub fn priority(mut self, urgency: u8) -> Self {
        self.told.urgency = urgency.min(7);
        self
    }

    /// How much of the rate limit it takes. Default: 1.
    pub fn weight(mut self, weight: u32) -> Self {
        self.told.weight = weight;
        self
    }

    /// What it belongs to: a host, a tenant, a user. Each key has a rate limit of its own, and a
    /// breaker of its own where the builder was told [`breaker_keys`]; calls of one key are shed
    /// together, and meet the same chaos. Default: all calls belong together.
    ///
    /// [`breaker_keys`]: super::PipelineBuilder::breaker_keys
    pub fn key(mut self, key: impl Hash) -> Self {
        self.told.key = Some(hash_of(self.inner.seed, key));
        self
    }

    /// How long its caller will wait. Where that is less than the deadline of the pipeline, the
    /// caller's own deadline ends the call, which then counts as given up, not as failed.
    ///
    /// ```
    /// use breakerbox::{Error, Pipeline, TimeoutKind};
    /// use std::time::Duration;
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let posts = Pipeline::builder("posts").deadline(Duration::from_secs(5)).build().unwrap();
    /// let call = posts.protect().time_left(Duration::from_millis(1));
    /// let Err(Error::Timeout(timeout)) = call.call(std::future::pending::<Result<(), ()>>).await
    /// else { panic!() };
    /// assert_eq!(timeout.kind(), TimeoutKind::Deadline);
    /// # }
    /// ```
    pub fn time_left(mut self, left: Duration) -> Self {
        self.told.left = Some(left);
        self
    }
}

impl<'a, C: Clock, K, H, F> PipelineCall<'a, C, Async, K, H, F> {
    /// Runs the operation: see [`Pipeline::call`](super::Pipeline::call).
    #[inline(always)]
    pub fn call<Op, Fut, T, E>(
        self,
        operation: Op,
    ) -> PipelineCalling<'a, C, Repeatable<Op>, Alone<K, H, F>>
    where
        Op: FnMut() -> Fut,
        Fut: Future<Output = Result<T, E>>,
        K: Classify<T, E>,
        H: Hints<T, E>,
        F: Recover<T, E>,
    {
        PipelineCalling::new(self.inner, Repeatable(operation), self.plan, self.told)
    }

    /// Runs an operation that must not be repeated: see
    /// [`Pipeline::call_once`](super::Pipeline::call_once).
    #[inline(always)]
    pub fn call_once<Op, Fut, T, E>(
        self,
        operation: Op,
    ) -> PipelineCalling<'a, C, Once<Op>, Alone<K, H, F>>
    where
        Op: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
        K: Classify<T, E>,
        H: Hints<T, E>,
        F: Recover<T, E>,
    {
        PipelineCalling::new(self.inner, Once(Some(operation)), self.plan, self.told)
    }
}

impl<C: Clock, K, H, F> PipelineCall<'_, C, Blocking, K, H, F> {
    /// Runs the operation: see [`BlockingPipeline::call`](super::BlockingPipeline::call).
    ///
    /// # Errors
    /// As there, unless the fallback answers.
    #[inline]
    pub fn call<T, E>(self, operation: impl FnMut() -> Result<T, E>) -> Result<F::Answer, Error<E>>
    where
        K: Classify<T, E>,
        H: Hints<T, E>,
        F: Recover<T, E>,
    {
        blocking::call(self.inner, self.told, true, self.plan, operation)
    }

    /// Runs an operation that must not be repeated.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    #[inline]
    pub fn call_once<T, E>(
        self,
        operation: impl FnOnce() -> Result<T, E>,
    ) -> Result<F::Answer, Error<E>>
    where
        K: Classify<T, E>,
        H: Hints<T, E>,
        F: Recover<T, E>,
    {
        let mut operation = Some(operation);
        blocking::call(self.inner, self.told, false, self.plan, || {
            let operation = operation.take();
            operation.expect("the machine repeats nothing that it was told not to repeat")()
        })
    }
}

impl<C: Clock> Inner<C> {
    fn call<M, K, H, F>(
        &self,
        told: Told,
        plan: Alone<K, H, F>,
    ) -> PipelineCall<'_, C, M, K, H, F> {
        PipelineCall { inner: self, told, plan, mode: PhantomData }
    }
}

/// Clients choose keys: by a hash without a seed they could choose whom to collide with.
pub(crate) fn hash_of(seed: u64, key: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    seed.hash(&mut hasher);
    key.hash(&mut hasher);
    hasher.finish()
}

impl<C: Clock, M, K, H, F> fmt::Debug for PipelineCall<'_, C, M, K, H, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("PipelineCall");
        shown.field("pipeline", &self.inner.name).field("told", &self.told).finish_non_exhaustive()
    }
}
