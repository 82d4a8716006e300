//! The circuit breaker around async operations, and its blocking twin.
//!
//! ```
//! use breakerbox::breaker::{BlockingBreaker, Control, State};
//!
//! let numbers = BlockingBreaker::new("numbers");
//! assert_eq!(numbers.call(|| "7".parse::<u32>()), Ok(7));
//!
//! // By hand, for a repair that takes a while.
//! numbers.control(Control::Isolate);
//! assert!(numbers.call(|| "7".parse::<u32>()).unwrap_err().is_rejected());
//! numbers.control(Control::Close);
//! assert_eq!(numbers.state(), State::Closed);
//! ```

mod blocking;
mod build_error;
mod builder;
mod call;
mod permit;
mod protect;
mod stats;

pub use blocking::{BlockingBreaker, BlockingProtection};
pub use build_error::BuildError;
pub use builder::{Builder, ChooseClock, NoTimer, WithTimer};
pub use call::Calling;
pub use permit::{OwnedPermit, Permit};
pub use protect::{Answer, ByResult, Classify, NoFallback, Protection, Recover};
pub use stats::Stats;

pub use breakerbox_core::breaker::{
    Cause, Control, Memory, OpenFor, Settings, SettingsError, Snapshot, State, Transition, Window,
    WindowSnapshot,
};

use crate::clock::{Clock, SystemClock};
use crate::inner::Inner;
use crate::{Error, Event, Events, Interest, ListenerId, Name, Rejection};
use breakerbox_core::pipeline::Answers;
use std::fmt;
use std::sync::{Arc, Weak};

/// A circuit breaker around async operations.
///
/// Clones share one breaker. The defaults: it opens when half of the calls of the last 10 s failed
/// and there were at least 20, stays open for 5 s (doubling up to 60 s while the other side does not
/// recover), and then lets one probe find out.
///
/// ```
/// use breakerbox::{Breaker, Error};
/// use std::time::Duration;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), breakerbox::BuildError> {
/// let posts = Breaker::builder("posts")
///     .failure_rate(0.5)
///     .min_calls(2)
///     .open_for(Duration::from_secs(30))
///     .attempt_timeout(Duration::from_secs(3))
///     .build()?;
///
/// assert_eq!(posts.call(async || Ok::<_, &str>("a post")).await, Ok("a post"));
/// // Half of two calls failed: the circuit opens, and further calls are not even run.
/// assert_eq!(posts.call(async || Err::<(), _>("down")).await, Err(Error::Inner("down")));
/// let rejected = posts.call(async || Ok::<_, &str>("never run")).await.unwrap_err();
/// assert!(rejected.is_rejected());
/// # Ok(()) }
/// ```
pub struct Breaker<C: Clock = SystemClock> {
    inner: Arc<Inner<C>>,
}

impl Breaker {
    /// A breaker with the default settings.
    pub fn new(name: &str) -> Self {
        Self::builder(name).build().expect("the default settings are valid")
    }

    /// A breaker with settings of your own.
    pub fn builder(name: &str) -> Builder {
        Builder::named(name)
    }
}

#[cfg(any(feature = "metrics", feature = "tracing"))]
impl<C: Clock> Breaker<C> {
    pub(crate) fn inner(&self) -> &Arc<Inner<C>> {
        &self.inner
    }
}

impl<C: Clock> Breaker<C> {
    /// Runs an operation through the breaker: `Ok` is a success and `Err` a failure.
    ///
    /// The future need not be `Send`, `'static` or boxed, and nothing is allocated. Dropping the
    /// future that this returns gives the call up: see [`Protection`] for what that counts as.
    ///
    /// # Errors
    /// [`Error::Rejected`] without running the operation, [`Error::Timeout`] when it took too long,
    /// [`Error::Inner`] with the operation's own error.
    ///
    /// # Panics
    /// Where an attempt timeout or a deadline is set, outside of a tokio runtime with its timer on.
    #[inline]
    pub fn call<Op, Fut, T, E>(
        &self,
        operation: Op,
    ) -> Calling<'_, C, Op, Fut, ByResult, NoFallback>
    where
        Op: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        self.protect().call(operation)
    }

    /// A call that can be told more: which results are failures, what to answer instead.
    #[inline]
    pub fn protect(&self) -> Protection<'_, C> {
        Protection::new(&self.inner)
    }

    /// A call whose results are judged by `classify`: an `Ok` can be a failure, an `Err` a success
    /// or ignored.
    ///
    /// ```
    /// use breakerbox::{Breaker, Outcome};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let breaker = Breaker::new("posts");
    /// let status = breaker
    ///     .classify(|answer: &Result<u16, ()>| match answer {
    ///         Ok(500..) | Err(()) => Outcome::Failure,
    ///         Ok(429) => Outcome::Ignored,
    ///         Ok(_) => Outcome::Success,
    ///     })
    ///     .call(async || Ok(503))
    ///     .await;
    /// assert_eq!(status, Ok(503));
    /// assert_eq!(breaker.stats().failures, 1);
    /// # }
    /// ```
    #[inline]
    pub fn classify<K>(&self, classify: K) -> Protection<'_, C, K> {
        self.protect().classify(classify)
    }

    /// A call that gets the value of `fallback` where it would fail, time out or be rejected.
    ///
    /// The fallback is told what the call came to, which is an error, or an `Ok` that the
    /// classification called a failure. It replaces neither ignored results nor panics.
    ///
    /// ```
    /// use breakerbox::{Breaker, Control};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let breaker = Breaker::new("posts");
    /// breaker.control(Control::Isolate);
    /// let answer = breaker
    ///     .fallback(|_came_to| "try again later")
    ///     .call(async || Ok::<_, ()>("a post"))
    ///     .await
    ///     .unwrap();
    /// assert!(answer.is_fallback());
    /// assert_eq!(answer.into_inner(), "try again later");
    /// # }
    /// ```
    #[inline]
    pub fn fallback<T, E, F>(&self, fallback: F) -> Protection<'_, C, ByResult, F>
    where
        F: FnOnce(Result<T, Error<E>>) -> T,
    {
        self.protect().fallback(fallback)
    }

    /// The right to run one call, for code that cannot be wrapped.
    ///
    /// Nothing watches its time: an attempt timeout or deadline is for the caller to keep.
    ///
    /// ```
    /// use breakerbox::Breaker;
    ///
    /// let breaker = Breaker::new("posts");
    /// let permit = breaker.permit()?;
    /// // ... the work ...
    /// permit.success();
    /// assert_eq!(breaker.stats().successes, 1);
    /// # Ok::<(), breakerbox::Rejection>(())
    /// ```
    ///
    /// # Errors
    /// The circuit is open, isolated, or half-open with all its probes under way.
    pub fn permit(&self) -> Result<Permit<'_, C>, Rejection> {
        Permit::borrowed(&self.inner)
    }

    /// The same for a call that outlives this borrow. It clones the breaker.
    ///
    /// ```
    /// use breakerbox::Breaker;
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let posts = Breaker::new("posts");
    /// let permit = posts.owned_permit()?;
    /// tokio::spawn(async move {
    ///     // ... the work ...
    ///     permit.success();
    /// }).await?;
    /// assert_eq!(posts.stats().successes, 1);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As for [`permit`](Self::permit).
    pub fn owned_permit(&self) -> Result<OwnedPermit<C>, Rejection> {
        OwnedPermit::owned(Arc::clone(&self.inner))
    }

    /// The name.
    pub fn name(&self) -> &Name {
        &self.inner.name
    }

    /// The state now, derived from the time: once the open duration has passed it is half-open,
    /// though no call has come.
    ///
    /// ```
    /// use breakerbox::{Breaker, Control, State};
    ///
    /// let breaker = Breaker::new("posts");
    /// assert_eq!(breaker.state(), State::Closed);
    /// breaker.control(Control::ForceOpen);
    /// assert_eq!(breaker.state(), State::Open);
    /// ```
    pub fn state(&self) -> State {
        self.inner.settle(self.inner.breaker());
        self.inner.breaker().state(self.inner.clock.now())
    }

    /// Counts, rates and latencies.
    pub fn stats(&self) -> Stats {
        self.inner.settle(self.inner.breaker());
        Stats::new(&self.inner, self.inner.snapshot(self.inner.breaker()))
    }

    /// Opens, isolates, closes or disables the breaker by hand.
    pub fn control(&self, control: Control) {
        self.inner.control(control);
    }

    /// Calls `listener` on every event. It runs on the thread of the call, after the change and
    /// outside any lock; if it panics the panic is counted and goes no further. Be quick.
    ///
    /// A listener may call the breaker, and then hears of what it does there: one that answers every change
    /// with a command, which is told as a change though the state stays, calls itself without end. One that owns a clone
    /// of the breaker keeps it alive until it is removed.
    ///
    /// Because of it every call reads the clock twice and makes an event. Where that is too much, ask for
    /// less: [`on_event_of`](Self::on_event_of).
    ///
    /// ```
    /// use breakerbox::{Breaker, EventKind};
    /// use std::sync::atomic::{AtomicU32, Ordering};
    ///
    /// static FAILURES: AtomicU32 = AtomicU32::new(0);
    /// let posts = Breaker::new("posts");
    /// let id = posts.on_event(|event| {
    ///     if let EventKind::Failure { .. } = event.kind {
    ///         FAILURES.fetch_add(1, Ordering::Relaxed);
    ///     }
    /// });
    /// posts.permit()?.failure();
    /// assert!(posts.remove_listener(id));
    /// posts.permit()?.failure();
    /// assert_eq!(FAILURES.load(Ordering::Relaxed), 1);
    /// # Ok::<(), breakerbox::Rejection>(())
    /// ```
    pub fn on_event(&self, listener: impl Fn(&Event) + Send + Sync + 'static) -> ListenerId {
        self.on_event_of(Interest::ALL, listener)
    }

    /// The same for some kinds of events only. Without [`Interest::OUTCOMES`] a good call costs nothing
    /// more.
    ///
    /// ```
    /// use breakerbox::{Breaker, Control, EventKind, Interest};
    /// use std::sync::atomic::{AtomicU32, Ordering};
    ///
    /// static OPENED: AtomicU32 = AtomicU32::new(0);
    /// let posts = Breaker::new("posts");
    /// posts.on_event_of(Interest::TRANSITIONS, |_| {
    ///     OPENED.fetch_add(1, Ordering::Relaxed);
    /// });
    /// posts.permit()?.success();
    /// posts.control(Control::ForceOpen);
    /// assert_eq!(OPENED.load(Ordering::Relaxed), 1);
    /// # Ok::<(), breakerbox::Rejection>(())
    /// ```
    pub fn on_event_of(
        &self,
        interest: Interest,
        listener: impl Fn(&Event) + Send + Sync + 'static,
    ) -> ListenerId {
        self.inner.listeners.add(interest, Arc::new(listener))
    }

    /// Takes a listener away. False if it was not there.
    ///
    /// ```
    /// use breakerbox::Breaker;
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicU32, Ordering};
    ///
    /// let posts = Breaker::new("posts");
    /// let told = Arc::new(AtomicU32::new(0));
    /// let count = Arc::clone(&told);
    /// let listener = posts.on_event(move |_| { count.fetch_add(1, Ordering::Relaxed); });
    /// posts.permit().unwrap().success();
    /// assert!(posts.remove_listener(listener));
    /// posts.permit().unwrap().success();
    /// assert_eq!(told.load(Ordering::Relaxed), 1);
    /// ```
    pub fn remove_listener(&self, id: ListenerId) -> bool {
        self.inner.listeners.remove(id)
    }

    /// What it would have to know to go on as it is after a restart, with what is left of the open
    /// duration.
    ///
    /// ```
    /// use breakerbox::{Breaker, Control, State};
    ///
    /// let before = Breaker::new("posts");
    /// before.control(Control::Isolate);
    /// let after = Breaker::new("posts");
    /// after.import(before.export());
    /// assert_eq!(after.state(), State::Isolated);
    /// ```
    pub fn export(&self) -> Memory {
        self.inner.breaker().export(self.inner.clock.now())
    }

    /// Brings it back to what it was. Time that has passed since is taken off with
    /// [`Memory::after`].
    pub fn import(&self, memory: Memory) {
        self.inner.import(self.inner.breaker(), memory);
    }

    /// The clock.
    pub fn clock(&self) -> &C {
        &self.inner.clock
    }
}

impl<C: Clock + Send + Sync + 'static> Breaker<C> {
    /// The events from now on, as a stream.
    pub fn events(&self) -> Events {
        self.events_of(Interest::ALL)
    }

    /// Those of some kinds: see [`Interest`].
    pub fn events_of(&self, interest: Interest) -> Events {
        let owner: Weak<Inner<C>> = Arc::downgrade(&self.inner);
        Events::listen(&self.inner.listeners, interest, owner)
    }
}

impl<C: Clock> Clone for Breaker<C> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<C: Clock> fmt::Debug for Breaker<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.inner.breaker().state(self.inner.clock.now());
        f.debug_struct("Breaker").field("name", self.name()).field("state", &state).finish()
    }
}

impl<C: Clock> fmt::Display for Breaker<C> {
    /// What it does, as a sentence.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.inner.sentence(&Answers::default()))
    }
}

/// What a call comes to, for those who name it.
///
/// ```
/// use breakerbox::{BlockingBreaker, CallResult, Error};
///
/// fn port(text: &str, config: &BlockingBreaker) -> CallResult<u16, std::num::ParseIntError> {
///     config.call(|| text.parse())
/// }
/// let config = BlockingBreaker::new("config");
/// assert_eq!(port("80", &config), Ok(80));
/// assert!(matches!(port("http", &config), Err(Error::Inner(_))));
/// ```
pub type CallResult<T, E> = Result<T, Error<E>>;
