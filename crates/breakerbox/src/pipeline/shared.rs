//! Calls with a key that share their answers: equal calls under way, and answers that are kept.

use super::calling::PipelineCalling;
use super::hints::{Hints, NoHints};
use super::operation::Repeatable;
use super::plan::{Alone, Found, Plan};
use super::prepared::{Async, PipelineCall};
use super::{Pipeline, kept::Kept};
use crate::clock::{Clock, SystemClock};
use crate::inner::Inner;
use crate::{Answer, ByResult, Classify, Error, NoFallback, Recover, TimeoutKind};
use breakerbox_core::cache::{DEFAULT_ENTRIES, Life};
use breakerbox_core::coalesce::{self, Following, Groups, Joined, Lead, Ticket};
use breakerbox_core::pipeline::{Answers, Ending, Hint};
use breakerbox_core::{SettingsError, Timestamp};
use std::fmt;
use std::hash::Hash;
use std::ops::Deref;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

/// What answers are shared among the calls of a pipeline.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sharing {
    pub(crate) coalesce: Option<coalesce::Settings>,
    pub(crate) life: Life,
    pub(crate) entries: u64,
}

impl Default for Sharing {
    fn default() -> Self {
        Self { coalesce: None, life: Life::default(), entries: DEFAULT_ENTRIES }
    }
}

impl Sharing {
    /// Whether an answer may be there before the operation is run.
    pub(crate) fn looks_up(&self) -> bool {
        self.coalesce.is_some() || self.life.ttl.is_some()
    }

    /// The same for a sentence.
    pub(crate) fn answers(&self) -> Answers {
        Answers { life: self.life, entries: self.entries, coalesce: self.coalesce }
    }

    /// The shortest duration that is told apart.
    pub(crate) fn shortest(&self) -> Duration {
        let lives = [self.life.ttl, self.life.stale];
        lives.into_iter().flatten().min().unwrap_or(Duration::MAX)
    }

    /// Everything that makes no sense, with the policy whose setting it is.
    pub(crate) fn check(&self) -> Vec<(Option<&'static str>, SettingsError)> {
        let entries = (self.entries == 0).then(|| SettingsError {
            field: "entries",
            message: "is 0, so no answer is ever kept".into(),
            fix: "give 1 or more".into(),
        });
        [
            ("coalesce", self.coalesce.and_then(|it| it.check().err())),
            ("cache", self.life.check().err()),
            ("cache", entries),
        ]
        .into_iter()
        .filter_map(|(policy, error)| error.map(|error| (Some(policy), error)))
        .collect()
    }
}

/// What the leader of equal calls brings to those that follow.
type Brought<T, E> = Found<T, E>;

/// Calls with a key, whose answers are kept and shared as the pipeline was told by `cache`, `coalesce`
/// and `stale`. Clones share the same answers. Keys and answers are cloned: let them be cheap to clone,
/// as an `Arc` is.
///
/// A fresh answer is given without a call. Of equal calls under way one is run, and the others get what
/// it brings, its error too; if its caller gives up, the next of them runs. An operation that makes a call
/// with its own key waits for itself, and is over when its deadline comes. Where a call comes to
/// nothing the last good answer stands in, marked as a fallback and with its age.
///
/// ```
/// # #[cfg(feature = "cache")]
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// use breakerbox::{Pipeline, SharedCalls};
/// use std::time::Duration;
///
/// let minute = Duration::from_secs(60);
/// let pipeline = Pipeline::builder("posts").cache(minute, 1000).stale(60 * minute).build().unwrap();
/// let posts: SharedCalls<u32, &str, ()> = pipeline.shared();
///
/// let first = posts.call(1, async || Ok("a post")).await.unwrap();
/// assert_eq!((*first, first.age()), ("a post", None));
/// // The answer is fresh: the operation does not run.
/// let second = posts.call(1, async || unreachable!()).await.unwrap();
/// assert_eq!((*second, second.is_fallback()), ("a post", false));
/// assert!(second.age().is_some());
/// # }
/// # #[cfg(not(feature = "cache"))] fn main() {}
/// ```
pub struct SharedCalls<K, T, E, C: Clock = SystemClock> {
    pipeline: Pipeline<C>,
    shelf: Arc<Shelf<K, T, E>>,
}

/// The future of a call that shares its answer.
///
/// ```
/// use breakerbox::{Pipeline, SharedCalls, coalesce};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let pipeline = Pipeline::builder("posts").coalesce(coalesce::Settings::default()).build().unwrap();
/// let posts: SharedCalls<u32, &str, ()> = pipeline.shared();
/// let first = posts.call(1, async || {
///     tokio::task::yield_now().await;
///     Ok("a post")
/// });
/// // It asks for the same meanwhile: its operation does not run.
/// let second = posts.call(1, async || unreachable!());
/// let (_, second) = tokio::join!(first, second);
/// assert_eq!((*second.unwrap(), posts.coalesced().unwrap().shared), ("a post", 1));
/// # }
/// ```
pub type SharedCalling<'a, C, Op, K, T, E, A> =
    PipelineCalling<'a, C, Repeatable<Op>, Shared<'a, K, T, E, A>>;

/// Where answers are.
struct Shelf<K, T, E> {
    kept: Option<Kept<K, T>>,
    groups: Option<Groups<K, Brought<T, E>>>,
    life: Life,
}

impl<C: Clock> Pipeline<C> {
    /// Calls with a key, as the pipeline was told to share their answers. What each call of this brings
    /// has a place of its own.
    pub fn shared<K, T, E>(&self) -> SharedCalls<K, T, E, C>
    where
        K: Clone + Ord + Hash + Send + Sync + 'static,
        T: Clone + Send + Sync + 'static,
        E: Clone,
    {
        let sharing = self.sharing;
        let shelf = Shelf {
            kept: sharing.life.longest().map(|_| Kept::new(sharing.entries)),
            groups: sharing.coalesce.map(Groups::new),
            life: sharing.life,
        };
        SharedCalls { pipeline: self.clone(), shelf: Arc::new(shelf) }
    }
}

impl<K, T, E, C> SharedCalls<K, T, E, C>
where
    K: Clone + Ord + Hash + Send + Sync + 'static,
    T: Clone + Send + Sync + 'static,
    E: Clone,
    C: Clock,
{
    /// Gets the answer to this key: one that is there, or what the operation brings.
    ///
    /// # Errors
    /// As [`Pipeline::call`]; the error may be that of an equal call.
    pub fn call<Op, Fut>(
        &self,
        key: K,
        operation: Op,
    ) -> SharedCalling<'_, C, Op, K, T, E, Alone<ByResult, NoHints, NoFallback>>
    where
        Op: FnMut() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        self.protect().call_shared(self, key, operation)
    }

    /// A call that can be told more, and ends in [`PipelineCall::call_shared`].
    pub fn protect(&self) -> PipelineCall<'_, C> {
        self.pipeline.protect()
    }

    /// Groups of equal calls under way, where the pipeline was told to `coalesce`.
    pub fn coalesced(&self) -> Option<coalesce::Snapshot> {
        self.shelf.groups.as_ref().map(Groups::snapshot)
    }

    /// Forgets the answer to this key.
    pub fn forget(&self, key: &K) {
        if let Some(kept) = &self.shelf.kept {
            kept.forget(key);
        }
    }

    /// The pipeline.
    pub fn pipeline(&self) -> &Pipeline<C> {
        &self.pipeline
    }
}

impl<'a, C: Clock, K, H, F> PipelineCall<'a, C, Async, K, H, F> {
    /// Gets the answer to this key: see [`SharedCalls::call`]. It is to be asked of the pipeline that
    /// `shared` is of.
    ///
    /// ```
    /// use breakerbox::{Pipeline, SharedCalls, coalesce};
    /// use std::time::Duration;
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let pipeline = Pipeline::builder("posts").coalesce(coalesce::Settings::default()).build().unwrap();
    /// let posts: SharedCalls<u32, String, ()> = pipeline.shared();
    /// let call = posts.protect().priority(0).time_left(Duration::from_secs(1));
    /// let post = call.call_shared(&posts, 7, async || Ok("a post".to_owned())).await.unwrap();
    /// assert_eq!(*post, "a post");
    /// # }
    /// ```
    pub fn call_shared<Key, Op, Fut, T, E>(
        self,
        shared: &'a SharedCalls<Key, T, E, C>,
        key: Key,
        operation: Op,
    ) -> SharedCalling<'a, C, Op, Key, T, E, Alone<K, H, F>>
    where
        Key: Clone + Ord + Hash + Send + Sync + 'static,
        T: Clone + Send + Sync + 'static,
        E: Clone,
        Op: FnMut() -> Fut,
        Fut: Future<Output = Result<T, E>>,
        K: Classify<T, E>,
        H: Hints<T, E>,
        F: Recover<T, E>,
    {
        let (inner, mut told, alone) = self.into_parts();
        told.lookup = true;
        let plan = Shared::new(alone, Held::Borrowed(&*shared.shelf), Some(key));
        PipelineCalling::new(inner, Repeatable(operation), plan, told)
    }
}

/// The plan of a call that shares its answer.
///
/// Seen in the type that [`SharedCalling`] stands for:
///
/// ```
/// use breakerbox::{NoFallback, NoHints, Pipeline, Shared, SharedCalls, coalesce};
/// use breakerbox::{Alone, ByResult, PipelineCalling, Repeatable, clock::SystemClock};
///
/// type Plan<'a> = Shared<'a, u32, &'static str, (), Alone<ByResult, NoHints, NoFallback>>;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let pipeline = Pipeline::builder("posts").coalesce(coalesce::Settings::default()).build().unwrap();
/// let posts: SharedCalls<u32, &str, ()> = pipeline.shared();
/// let call: PipelineCalling<'_, SystemClock, Repeatable<_>, Plan<'_>> =
///     posts.call(1, async || Ok("a post"));
/// assert_eq!(*call.await.unwrap(), "a post");
/// # }
/// ```
pub struct Shared<'a, K: Clone + Ord + Hash, T: Clone, E: Clone, A> {
    alone: A,
    shelf: Held<'a, Shelf<K, T, E>>,
    /// Without one it shares nothing.
    key: Option<K>,
    asked: bool,
    /// Others wait for what it comes to.
    lead: Option<Lead<K>>,
    /// It waits for another.
    follows: Option<Ticket<K, Brought<T, E>>>,
}

/// What is borrowed by calls that borrow, and held by calls that own.
enum Held<'a, S> {
    Borrowed(&'a S),
    #[cfg_attr(not(feature = "tower"), expect(dead_code, reason = "only services own their calls"))]
    Owned(Arc<S>),
}

impl<S> Deref for Held<'_, S> {
    type Target = S;

    fn deref(&self) -> &S {
        match self {
            Self::Borrowed(it) => it,
            Self::Owned(it) => it,
        }
    }
}

impl<'a, K: Clone + Ord + Hash, T: Clone, E: Clone, A> Shared<'a, K, T, E, A> {
    fn new(alone: A, shelf: Held<'a, Shelf<K, T, E>>, key: Option<K>) -> Self {
        Self { alone, shelf, key, asked: false, lead: None, follows: None }
    }

    /// It neither leads nor follows any longer: it is over, however long its future is kept.
    fn release(&mut self) {
        let Some(groups) = &self.shelf.groups else { return };
        if let Some(lead) = self.lead.take() {
            groups.lost(lead);
        }
        if let Some(ticket) = self.follows.take() {
            groups.give_up(ticket);
        }
    }

    /// Waits for the one that leads. `None`: it leads itself now.
    fn poll_follow(&mut self, cx: &mut Context<'_>) -> Poll<Option<Brought<T, E>>> {
        let Some(groups) = &self.shelf.groups else { return Poll::Ready(None) };
        while let Some(ticket) = self.follows.take() {
            let decided = groups.listen(&ticket, cx.waker());
            match groups.look(ticket) {
                Following::Pending(ticket) => {
                    self.follows = Some(ticket);
                    if !decided {
                        return Poll::Pending;
                    }
                }
                Following::Shared(brought) => return Poll::Ready(Some(brought)),
                Following::Lead(lead) => self.lead = Some(lead),
            }
        }
        Poll::Ready(None)
    }
}

impl<K, T, E, A> Shared<'_, K, T, E, A>
where
    K: Clone + Ord + Hash + Send + Sync + 'static,
    T: Clone + Send + Sync + 'static,
    E: Clone,
{
    /// The answer that is kept for this key, with its time.
    fn kept(&self, key: &K) -> Option<(T, Timestamp)> {
        self.shelf.kept.as_ref()?.find(key)
    }
}

#[cfg(feature = "tower")]
impl<K, T, E, C: Clock> SharedCalls<K, T, E, C>
where
    K: Clone + Ord + Hash + Send + Sync + 'static,
    T: Clone + Send + Sync + 'static,
    E: Clone,
{
    /// The plan of a call that owns it.
    pub(crate) fn plan<A>(&self, alone: A, key: Option<K>) -> Shared<'static, K, T, E, A> {
        Shared::new(alone, Held::Owned(Arc::clone(&self.shelf)), key)
    }
}

impl<Key, T, E, K, H, F> Plan<T, E> for Shared<'_, Key, T, E, Alone<K, H, F>>
where
    Key: Clone + Ord + Hash + Send + Sync + 'static,
    T: Clone + Send + Sync + 'static,
    E: Clone,
    K: Classify<T, E>,
    H: Hints<T, E>,
    F: Recover<T, E>,
{
    type Answer = Answer<T>;

    fn ending(&self, result: &Result<T, E>) -> Ending {
        self.alone.classify.classify(result).into()
    }

    fn hint(&self, result: &Result<T, E>) -> Hint {
        self.alone.hints.hint(result)
    }

    fn poll_look_up(&mut self, cx: &mut Context<'_>, now: Timestamp) -> Poll<Option<Found<T, E>>> {
        if !std::mem::replace(&mut self.asked, true)
            && let Some(key) = &self.key
        {
            if let Some((value, since)) = self.kept(key)
                && self.shelf.life.is_fresh(since, now)
            {
                return Poll::Ready(Some((Ending::Success, Ok((value, Some(since))))));
            }
            match self.shelf.groups.as_ref().map(|groups| groups.join(key.clone())) {
                Some(Joined::Lead(lead)) => self.lead = Some(lead),
                Some(Joined::Follow(ticket)) => self.follows = Some(ticket),
                Some(Joined::Apart) | None => {}
            }
        }
        self.poll_follow(cx)
    }

    fn came_to(
        &mut self,
        now: impl FnOnce() -> Timestamp,
        ending: Ending,
        result: &Result<T, Error<E>>,
    ) {
        if let (Some(kept), Some(key)) = (&self.shelf.kept, &self.key)
            && let Ok(value) = result
            && ending == Ending::Success
        {
            kept.keep(key.clone(), value.clone(), now());
        }
        // That its time ran out is its own affair: those who wait may have more of it.
        let own = |error: &Error<E>| match error {
            Error::Timeout(timeout) => timeout.kind() == TimeoutKind::Deadline,
            _ => false,
        };
        if result.as_ref().is_err_and(own) {
            return;
        }
        let Some(groups) = self.shelf.groups.as_ref().filter(|_| self.lead.is_some()) else {
            return;
        };
        // What is cloned may panic: until then it still leads.
        let brought = (ending, result.clone().map(|value| (value, None)));
        if let Some(lead) = self.lead.take() {
            groups.finished(lead, brought);
        }
    }

    fn answer<C: Clock>(
        &mut self,
        inner: &Inner<C>,
        result: Result<T, Error<E>>,
        instead: bool,
    ) -> Result<Answer<T>, Error<E>> {
        self.release();
        if !instead {
            return result.map(Answer::real);
        }
        let now = inner.clock.now();
        if let Some((value, since)) = self.key.as_ref().and_then(|key| self.kept(key))
            && self.shelf.life.is_usable(since, now)
        {
            inner.fell_back();
            return Ok(Answer::stale(value, now.since(since)));
        }
        match self.alone.fallback.take() {
            Some(fallback) => inner.answer_instead(fallback, result),
            None => result.map(Answer::real),
        }
    }

    fn found<C: Clock>(
        &mut self,
        inner: &Inner<C>,
        (_, found): Found<T, E>,
        instead: bool,
    ) -> Result<Answer<T>, Error<E>> {
        self.release();
        match found {
            Ok((value, Some(since))) => Ok(Answer::kept(value, inner.clock.now().since(since))),
            Ok((value, None)) => self.answer(inner, Ok(value), instead),
            Err(error) => self.answer(inner, Err(error), instead),
        }
    }
}

impl<K: Clone + Ord + Hash, T: Clone, E: Clone, A> Drop for Shared<'_, K, T, E, A> {
    fn drop(&mut self) {
        self.release();
    }
}

impl<K, T, E, C: Clock> Clone for SharedCalls<K, T, E, C> {
    fn clone(&self) -> Self {
        Self { pipeline: self.pipeline.clone(), shelf: Arc::clone(&self.shelf) }
    }
}

impl<K, T, E, C: Clock> fmt::Debug for SharedCalls<K, T, E, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedCalls").field("pipeline", &self.pipeline).finish_non_exhaustive()
    }
}

impl<K: Clone + Ord + Hash, T: Clone, E: Clone, A> fmt::Debug for Shared<'_, K, T, E, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl<K, T, E> fmt::Debug for Shelf<K, T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shelf").field("life", &self.life).finish_non_exhaustive()
    }
}
