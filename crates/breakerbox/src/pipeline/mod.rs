//! All policies around one operation.

mod blocking;
mod builder;
mod calling;
mod faults;
#[cfg(feature = "config")]
mod file;
mod hints;
mod kept;
mod operation;
mod plan;
mod prepared;
mod shared;
mod stats;
#[cfg(feature = "http")]
mod streaming;
mod told;

pub use blocking::BlockingPipeline;
pub use builder::PipelineBuilder;
pub use calling::PipelineCalling;
#[cfg(feature = "tower")]
pub(crate) use calling::PipelineFuture;
#[cfg(feature = "config")]
pub use file::{FileError, Given, PipelineWithFallback};
pub use hints::{FailureKind, Hints, NoHints, RetryAfter, RetryIf};
#[cfg(feature = "tower")]
pub(crate) use operation::Operation;
pub use operation::{Once, Repeatable};
pub use plan::Alone;
#[cfg(feature = "http")]
pub(crate) use plan::{Found, Plan};
pub use prepared::{Async, Blocking, PipelineCall};
pub use shared::{Shared, SharedCalling, SharedCalls};
pub use stats::PipelineStats;
#[cfg(feature = "http")]
pub(crate) use streaming::Streaming;
#[cfg(feature = "tower")]
pub(crate) use {prepared::hash_of, told::Told};

use crate::breaker::BuildError;
use crate::clock::{Clock, SystemClock};
use crate::events::RemoveListener;
use crate::inner::Inner;
use crate::{ByResult, Event, Events, Interest, ListenerId, Name, NoFallback};
use breakerbox_core::breaker::{Control, Memory, State};
use breakerbox_core::rate_limit;
use shared::Sharing;
use std::fmt;
use std::hash::Hash;
use std::sync::{Arc, Weak};

/// All policies around async operations, in the one order that makes sense.
///
/// Clones share one pipeline. Nothing is on that the builder was not told.
///
/// ```
/// use breakerbox::{Pipeline, breaker, bulkhead, retry};
/// use std::time::Duration;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let posts = Pipeline::builder("posts")
///     .deadline(Duration::from_secs(5))
///     .retry(retry::Settings { attempts: 3, ..retry::Settings::default() })
///     .breaker(breaker::Settings::default())
///     .bulkhead(bulkhead::Settings::new(64))
///     .attempt_timeout(Duration::from_secs(1))
///     .build()?;
///
/// let mut answers = [Err("reset"), Ok("a post")].into_iter();
/// let post = posts.call(|| std::future::ready(answers.next().unwrap())).await;
/// assert_eq!((post, posts.stats().retries), (Ok("a post"), 1));
/// # Ok(()) }
/// ```
pub struct Pipeline<C: Clock = SystemClock> {
    inner: Arc<Inner<C>>,
    sharing: Sharing,
}

impl Pipeline {
    /// A pipeline of the policies that the builder is told.
    pub fn builder(name: &str) -> PipelineBuilder {
        PipelineBuilder::named(name)
    }
}

#[cfg(any(feature = "tower", feature = "metrics", feature = "tracing"))]
impl<C: Clock> Pipeline<C> {
    pub(crate) fn inner(&self) -> &Arc<Inner<C>> {
        &self.inner
    }
}

impl<C: Clock> Pipeline<C> {
    /// Runs an operation through the pipeline, again where the retry settings say so: `Ok` is a
    /// success and `Err` a failure. Where a hedge is set the operation may run twice at the same time.
    ///
    /// Neither the operation nor its future need be `Send`, `'static` or boxed. A good call that does
    /// not have to wait in a queue allocates nothing; one that fails, is hedged or has to wait for its
    /// turn allocates once or twice. Dropping the future drops the operation, and then gives back what
    /// the call held. An attempt that runs out of time gives it back first, and is dropped at once.
    ///
    /// # Errors
    /// [`Error::Rejected`](crate::Error::Rejected) where a policy did not let it run, or run again;
    /// [`Error::Timeout`](crate::Error::Timeout) when it took too long;
    /// [`Error::Inner`](crate::Error::Inner) with the operation's own last error.
    ///
    /// # Panics
    /// Where it has to wait, outside of a tokio runtime with its timer on.
    #[inline(always)]
    pub fn call<Op, Fut, T, E>(
        &self,
        operation: Op,
    ) -> PipelineCalling<'_, C, Repeatable<Op>, Alone<ByResult, NoHints, NoFallback>>
    where
        Op: FnMut() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        self.protect().call(operation)
    }

    /// The same for an operation that must not be repeated: it is run once at most.
    ///
    /// ```
    /// use breakerbox::{Error, Pipeline, retry};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let payments = Pipeline::builder("payments").retry(retry::Settings::default()).build().unwrap();
    /// let paid = payments.call_once(async || Err::<(), _>("declined")).await;
    /// assert_eq!((paid, payments.stats().retries), (Err(Error::Inner("declined")), 0));
    /// # }
    /// ```
    #[inline(always)]
    pub fn call_once<Op, Fut, T, E>(
        &self,
        operation: Op,
    ) -> PipelineCalling<'_, C, Once<Op>, Alone<ByResult, NoHints, NoFallback>>
    where
        Op: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        self.protect().call_once(operation)
    }

    /// A call that can be told more: which results are failures, which are worth another attempt, how
    /// important it is, what it belongs to, what to answer instead.
    #[inline(always)]
    pub fn protect(&self) -> PipelineCall<'_, C> {
        PipelineCall::new(&self.inner)
    }

    /// The name.
    pub fn name(&self) -> &Name {
        &self.inner.name
    }

    /// The state of the breaker now, where there is one: of the breaker that calls without a key go
    /// through.
    pub fn breaker_state(&self) -> Option<State> {
        let breaker = self.inner.pipeline.endpoints().breaker(0)?;
        self.inner.settle(breaker);
        Some(breaker.state(self.inner.clock.now()))
    }

    /// The state of the breaker of a key, where it has one.
    ///
    /// ```
    /// use breakerbox::{Pipeline, State, breaker};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let settings = breaker::Settings { consecutive_failures: Some(1), ..Default::default() };
    /// let tenants = Pipeline::builder("tenants").breaker(settings).breaker_keys(1000).build().unwrap();
    /// let _ = tenants.protect().key("seven").call(async || Err::<(), _>("down")).await;
    /// assert_eq!(tenants.breaker_state_of("seven"), Some(State::Open));
    /// assert_eq!(tenants.breaker_state_of("eight"), None);
    /// assert!(tenants.protect().key("eight").call(async || Ok::<_, ()>(())).await.is_ok());
    /// # }
    /// ```
    pub fn breaker_state_of(&self, key: impl Hash) -> Option<State> {
        let breakers = self.inner.pipeline.keyed_breakers()?;
        let endpoints = breakers.peek(prepared::hash_of(self.inner.seed, key))?;
        let breaker = endpoints.breaker(0)?;
        self.inner.settle(breaker);
        Some(breaker.state(self.inner.clock.now()))
    }

    /// Opens, isolates, closes or disables the breaker by hand, and those of all keys: keys that come
    /// later are isolated, disabled or only measured as well, until that is taken back. False if there
    /// is none.
    pub fn control(&self, control: Control) -> bool {
        self.inner.control(control)
    }

    /// What the breaker would have to know to go on as it is after a restart. The breakers of keys are
    /// not in it.
    ///
    /// ```
    /// use breakerbox::{Control, Pipeline, State, breaker};
    ///
    /// let build = || Pipeline::builder("posts").breaker(breaker::Settings::default()).build().unwrap();
    /// let before = build();
    /// before.control(Control::ForceOpen);
    /// let memory = before.export().unwrap();
    ///
    /// let after = build();
    /// after.import(memory);
    /// assert_eq!(after.breaker_state(), Some(State::Open));
    /// ```
    pub fn export(&self) -> Option<Memory> {
        let breaker = self.inner.pipeline.endpoints().breaker(0)?;
        Some(breaker.export(self.inner.clock.now()))
    }

    /// Brings the breaker back to what it was. False if there is none. Time that has passed since is
    /// taken off with [`Memory::after`].
    pub fn import(&self, memory: Memory) -> bool {
        let Some(breaker) = self.inner.pipeline.endpoints().breaker(0) else { return false };
        self.inner.import(breaker, memory);
        true
    }

    /// Changes the rate limit while calls go on. What has been used up stays used up.
    ///
    /// ```
    /// use breakerbox::{Pipeline, rate_limit};
    ///
    /// let api = Pipeline::builder("api").rate_limit(rate_limit::Settings::new(10.0)).build().unwrap();
    /// assert!(api.set_rate_limit(rate_limit::Settings::new(100.0)).is_ok());
    /// let error = api.set_rate_limit(rate_limit::Settings::new(0.0)).unwrap_err();
    /// assert!(error.to_string().starts_with("pipeline `api`: `rate_limit.rate` is 0;"), "{error}");
    /// ```
    ///
    /// # Errors
    /// The settings are out of range, or the pipeline was made without a rate limit.
    pub fn set_rate_limit(&self, settings: rate_limit::Settings) -> Result<(), BuildError> {
        let refuse =
            |policy, error| BuildError::pipeline(self.name().clone(), vec![(policy, error)]);
        let settings = settings.check().map_err(|error| refuse(Some("rate_limit"), error))?;
        let Some(limit) = self.inner.pipeline.rate_limit() else {
            let error = breakerbox_core::SettingsError {
                field: "rate_limit",
                message: "cannot be changed: there is none".into(),
                fix: "give the builder a `rate_limit`, however high".into(),
            };
            return Err(refuse(None, error));
        };
        limit.set(settings, self.inner.clock.now());
        Ok(())
    }

    /// Switches chaos on or off. False if the pipeline was made without it.
    ///
    /// ```
    /// use breakerbox::{Pipeline, chaos};
    ///
    /// let faults = chaos::Settings { error: Some(503), ..chaos::Settings::default() };
    /// let posts = Pipeline::builder("posts").chaos(faults).build().unwrap();
    /// assert!(posts.set_chaos(false));
    /// assert!(!Pipeline::builder("others").build().unwrap().set_chaos(true));
    /// ```
    pub fn set_chaos(&self, on: bool) -> bool {
        let Some(chaos) = self.inner.pipeline.chaos() else { return false };
        chaos.switch(on, self.inner.clock.now());
        true
    }

    /// What every policy has seen.
    pub fn stats(&self) -> PipelineStats {
        PipelineStats::of(&self.inner)
    }

    /// Calls `listener` on every event: see [`Breaker::on_event`](crate::Breaker::on_event).
    pub fn on_event(&self, listener: impl Fn(&Event) + Send + Sync + 'static) -> ListenerId {
        self.on_event_of(Interest::ALL, listener)
    }

    /// The same for some kinds of events only. Without [`Interest::OUTCOMES`] a good call costs nothing
    /// more.
    ///
    /// ```
    /// use breakerbox::{EventKind, Interest, Pipeline, retry};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let posts = Pipeline::builder("posts").retry(retry::Settings::default()).build().unwrap();
    /// posts.on_event_of(Interest::REPETITIONS, |event| {
    ///     assert!(matches!(event.kind, EventKind::Retrying { attempts: 1, .. }));
    /// });
    /// let mut answers = [Err("reset"), Ok("a post")].into_iter();
    /// let post = posts.call(|| std::future::ready(answers.next().unwrap())).await;
    /// assert_eq!((post, posts.stats().listener_panics), (Ok("a post"), 0));
    /// # }
    /// ```
    pub fn on_event_of(
        &self,
        interest: Interest,
        listener: impl Fn(&Event) + Send + Sync + 'static,
    ) -> ListenerId {
        self.inner.listeners.add(interest, Arc::new(listener))
    }

    /// Takes a listener away. False if it was not there.
    pub fn remove_listener(&self, id: ListenerId) -> bool {
        self.inner.listeners.remove(id)
    }

    /// The clock.
    pub fn clock(&self) -> &C {
        &self.inner.clock
    }
}

impl<C: Clock + Send + Sync + 'static> Pipeline<C> {
    /// The events from now on, as a stream.
    ///
    /// ```
    /// use breakerbox::{EventKind, Pipeline, bulkhead};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let posts = Pipeline::builder("posts").bulkhead(bulkhead::Settings::new(1)).build().unwrap();
    /// let mut events = posts.events();
    /// posts.call(async || Ok::<_, ()>("a post")).await.unwrap();
    /// assert!(matches!(events.try_next().unwrap().kind, EventKind::Success { .. }));
    /// # }
    /// ```
    pub fn events(&self) -> Events {
        self.events_of(Interest::ALL)
    }

    /// Those of some kinds: see [`Interest`].
    pub fn events_of(&self, interest: Interest) -> Events {
        let owner: Weak<dyn RemoveListener + Send + Sync> = Arc::downgrade(&self.inner) as _;
        Events::listen(&self.inner.listeners, interest, owner)
    }
}

impl<C: Clock> Clone for Pipeline<C> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner), sharing: self.sharing }
    }
}

impl<C: Clock> fmt::Debug for Pipeline<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pipeline").field("name", self.name()).finish_non_exhaustive()
    }
}

impl<C: Clock> fmt::Display for Pipeline<C> {
    /// What it does, as a sentence.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.inner.sentence(&self.sharing.answers()))
    }
}
