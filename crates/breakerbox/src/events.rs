//! What happens to a breaker and its calls, for those who listen.

use crate::lock::lock;
use crate::{Name, Rejection, TimeoutKind};
use breakerbox_core::breaker::Transition;
use futures_core::Stream;
use std::collections::VecDeque;
use std::ops::BitOr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// So many events wait for a slow reader of a stream; of more, the oldest are dropped.
///
/// ```
/// use breakerbox::{Breaker, STREAM_CAPACITY};
///
/// let posts = Breaker::new("posts");
/// let mut events = posts.events();
/// for _ in 0..STREAM_CAPACITY + 3 {
///     posts.permit().unwrap().success();
/// }
/// assert!(events.try_next().is_some());
/// assert_eq!(events.dropped(), 3);
/// ```
pub const STREAM_CAPACITY: usize = 1024;

/// Something that happened.
///
/// What led to a change of state is told before the change; what time has changed, before the call
/// that finds it changed.
///
/// ```
/// use breakerbox::{Breaker, EventKind, State};
///
/// let breaker = Breaker::builder("posts").consecutive_failures(1).build()?;
/// let mut events = breaker.events();
/// breaker.permit().unwrap().failure();
///
/// let event = events.try_next().unwrap();
/// assert_eq!(&*event.name, "posts");
/// assert!(matches!(event.kind, EventKind::Failure { .. }));
/// let event = events.try_next().unwrap();
/// assert!(matches!(event.kind, EventKind::Transition(change) if change.to == State::Open));
/// # Ok::<(), breakerbox::BuildError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// The name of the breaker or pipeline it happened to.
    pub name: Name,
    /// What happened.
    pub kind: EventKind,
}

/// What happened.
///
/// ```
/// use breakerbox::{Breaker, Control, EventKind};
///
/// let breaker = Breaker::new("posts");
/// breaker.control(Control::Isolate);
/// let mut events = breaker.events();
/// assert!(breaker.permit().is_err());
/// let Some(EventKind::Rejected(why)) = events.try_next().map(|event| event.kind) else { panic!() };
/// assert_eq!(why.reason(), "breaker_open");
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum EventKind {
    /// The circuit changed its state.
    Transition(Transition),
    /// The circuit of one key changed its state, where each key has a breaker of its own
    /// ([`breaker_keys`](crate::PipelineBuilder::breaker_keys)); calls without a key have one together. What is
    /// said to all of them by hand is a [`Transition`](Self::Transition).
    KeyTransition(Transition),
    /// A call did not fail.
    Success {
        /// How long it took; zero if it began before anybody listened.
        took: Duration,
    },
    /// A call failed.
    Failure {
        /// How long it took; zero if it began before anybody listened.
        took: Duration,
    },
    /// A call ended in a way that says nothing.
    Ignored,
    /// The operation panicked. It counts as a failure.
    Panicked,
    /// A call was not run.
    Rejected(Rejection),
    /// A call took too long.
    Timeout {
        /// Which limit it ran into.
        kind: TimeoutKind,
        /// How long it had taken.
        after: Duration,
    },
    /// The caller gave up before the call ended.
    Cancelled,
    /// The caller got the fallback.
    Fallback,
    /// An attempt came to nothing, and there will be another.
    Retrying {
        /// How often the operation has been run so far.
        attempts: u32,
        /// In how long it may be run again.
        after: Duration,
    },
    /// Another attempt has begun beside those under way, or instead of one that failed.
    Hedged {
        /// Its number, from 1.
        attempt: u32,
    },
}

/// Which kinds of events a listener wants to hear of.
///
/// Who does not ask for [`OUTCOMES`](Self::OUTCOMES) makes no good call slower: everything else is rare.
///
/// ```
/// use breakerbox::{Breaker, EventKind, Interest};
///
/// let breaker = Breaker::builder("posts").consecutive_failures(1).build()?;
/// let mut events = breaker.events_of(Interest::TRANSITIONS | Interest::REJECTIONS);
/// breaker.permit().unwrap().failure();
/// assert!(breaker.permit().is_err());
///
/// assert!(matches!(events.try_next().unwrap().kind, EventKind::Transition(_)));
/// assert!(matches!(events.try_next().unwrap().kind, EventKind::Rejected(_)));
/// assert_eq!(events.try_next(), None);
/// # Ok::<(), breakerbox::BuildError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Interest(u16);

impl Interest {
    /// Changes of state.
    pub const TRANSITIONS: Self = Self(1);
    /// How each call ended that came back: [`EventKind::Success`], [`EventKind::Failure`],
    /// [`EventKind::Ignored`]. To tell it, every call reads the clock twice.
    pub const OUTCOMES: Self = Self(1 << 1);
    /// Panics of operations.
    pub const PANICS: Self = Self(1 << 2);
    /// Calls that were not run.
    pub const REJECTIONS: Self = Self(1 << 3);
    /// Calls that took too long.
    pub const TIMEOUTS: Self = Self(1 << 4);
    /// Calls that their callers gave up.
    pub const CANCELLATIONS: Self = Self(1 << 5);
    /// Calls that got the fallback.
    pub const FALLBACKS: Self = Self(1 << 6);
    /// Retries and hedges.
    pub const REPETITIONS: Self = Self(1 << 7);
    /// All but [`OUTCOMES`](Self::OUTCOMES).
    pub const RARE: Self = Self(Self::ALL.0 & !Self::OUTCOMES.0);
    /// Everything.
    pub const ALL: Self = Self(u16::MAX);

    /// Whether all that `other` names is in this.
    ///
    /// ```
    /// use breakerbox::Interest;
    ///
    /// assert!(Interest::RARE.contains(Interest::PANICS | Interest::TIMEOUTS));
    /// assert!(!Interest::RARE.contains(Interest::OUTCOMES));
    /// ```
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl BitOr for Interest {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl EventKind {
    /// What a listener must want in order to hear of this.
    ///
    /// ```
    /// use breakerbox::{EventKind, Interest};
    ///
    /// assert_eq!(EventKind::Ignored.interest(), Interest::OUTCOMES);
    /// ```
    pub fn interest(&self) -> Interest {
        match self {
            Self::Transition(_) | Self::KeyTransition(_) => Interest::TRANSITIONS,
            Self::Success { .. } | Self::Failure { .. } | Self::Ignored => Interest::OUTCOMES,
            Self::Panicked => Interest::PANICS,
            Self::Rejected(_) => Interest::REJECTIONS,
            Self::Timeout { .. } => Interest::TIMEOUTS,
            Self::Cancelled => Interest::CANCELLATIONS,
            Self::Fallback => Interest::FALLBACKS,
            Self::Retrying { .. } | Self::Hedged { .. } => Interest::REPETITIONS,
        }
    }
}

pub(crate) type Callback = Arc<dyn Fn(&Event) + Send + Sync>;

#[derive(Clone)]
struct Listener {
    id: ListenerId,
    interest: Interest,
    callback: Callback,
}

/// A listener of one breaker, to take it away again.
///
/// ```
/// use breakerbox::{Breaker, ListenerId};
///
/// let breaker = Breaker::new("posts");
/// let listener: ListenerId = breaker.on_event(|event| println!("{event:?}"));
/// assert!(breaker.remove_listener(listener));
/// assert!(!breaker.remove_listener(listener), "it is gone");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ListenerId(u64);

/// Who listens. Nobody at first, and then nothing is made of events.
#[derive(Default)]
pub(crate) struct Listeners {
    /// What at least one of them wants.
    wanted: AtomicU16,
    list: Mutex<Arc<[Listener]>>,
    next: AtomicU64,
    panics: AtomicU64,
}

impl std::fmt::Debug for Listeners {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Listeners").field("count", &self.lock().len()).finish_non_exhaustive()
    }
}

impl Listeners {
    /// Whether anybody wants any of this.
    #[inline(always)]
    pub(crate) fn want(&self, interest: Interest) -> bool {
        self.wanted.load(Ordering::Relaxed) & interest.0 != 0
    }

    pub(crate) fn add(&self, interest: Interest, callback: Callback) -> ListenerId {
        let id = ListenerId(self.next.fetch_add(1, Ordering::Relaxed));
        let mut list = self.lock();
        *list = list.iter().cloned().chain([Listener { id, interest, callback }]).collect();
        self.wanted.store(wanted(&list), Ordering::Relaxed);
        id
    }

    pub(crate) fn remove(&self, id: ListenerId) -> bool {
        let mut list = self.lock();
        let others = list.iter().filter(|other| other.id != id).cloned().collect();
        let before = std::mem::replace(&mut *list, others);
        let removed = list.len() < before.len();
        self.wanted.store(wanted(&list), Ordering::Relaxed);
        // What the listener owned is dropped outside the lock: that may be another one's stream.
        drop(list);
        drop(before);
        removed
    }

    /// Tells everybody who wants it, outside the lock. A listener that panics is counted, and hurts
    /// nobody.
    #[cold]
    pub(crate) fn tell(&self, event: &Event) {
        let interest = event.kind.interest();
        let list = Arc::clone(&self.lock());
        for listener in list.iter().filter(|listener| listener.interest.contains(interest)) {
            self.watch(|| (listener.callback)(event));
        }
        // One that was removed meanwhile goes here, with what it owns.
        self.watch(move || drop(list));
    }

    /// Runs what is a listener's.
    fn watch(&self, run: impl FnOnce()) {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(run)) {
            self.panics.fetch_add(1, Ordering::Relaxed);
            // What it panicked with may panic as it is dropped; what that panics with is not dropped.
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
                std::mem::forget(payload);
            }
        }
    }

    pub(crate) fn panics(&self) -> u64 {
        self.panics.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, Arc<[Listener]>> {
        lock(&self.list)
    }
}

fn wanted(list: &[Listener]) -> u16 {
    list.iter().fold(0, |wanted, listener| wanted | listener.interest.0)
}

/// The events of a breaker, as a stream.
///
/// It holds [`STREAM_CAPACITY`] events for its reader; when there are more the oldest are dropped
/// and counted. It ends when the breaker is gone. Dropping it ends the listening.
///
/// ```
/// use breakerbox::{Breaker, EventKind};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let breaker = Breaker::new("posts");
/// let mut events = breaker.events();
/// breaker.permit().unwrap().ignore();
/// drop(breaker);
/// assert_eq!(events.next().await.unwrap().kind, EventKind::Ignored);
/// assert_eq!(events.next().await, None);
/// assert_eq!(events.dropped(), 0);
/// # }
/// ```
#[derive(Debug)]
pub struct Events {
    queue: Arc<Mutex<Queue>>,
    /// Takes the listener away again.
    _listening: Listening,
}

#[derive(Debug, Default)]
struct Queue {
    events: VecDeque<Event>,
    dropped: u64,
    ended: bool,
    reader: Option<Waker>,
}

struct Listening {
    listeners: std::sync::Weak<dyn RemoveListener + Send + Sync>,
    id: ListenerId,
}

/// What a stream needs of the breaker that it listens to.
pub(crate) trait RemoveListener {
    fn remove_listener(&self, id: ListenerId);
}

impl std::fmt::Debug for Listening {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.id.fmt(f)
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        if let Some(listeners) = self.listeners.upgrade() {
            listeners.remove_listener(self.id);
        }
    }
}

/// The breaker's end of a stream: when the breaker goes, the stream ends.
struct Sender(Arc<Mutex<Queue>>);

impl Sender {
    fn send(&self, event: Event) {
        let mut queue = lock(&self.0);
        if queue.events.len() == STREAM_CAPACITY {
            queue.events.pop_front();
            queue.dropped += 1;
        }
        queue.events.push_back(event);
        let reader = queue.reader.take();
        drop(queue);
        if let Some(reader) = reader {
            reader.wake();
        }
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        let mut queue = lock(&self.0);
        queue.ended = true;
        let reader = queue.reader.take();
        drop(queue);
        if let Some(reader) = reader {
            reader.wake();
        }
    }
}

impl Events {
    pub(crate) fn listen(
        listeners: &Listeners,
        interest: Interest,
        owner: std::sync::Weak<dyn RemoveListener + Send + Sync>,
    ) -> Self {
        let queue = Arc::new(Mutex::new(Queue::default()));
        let sender = Sender(Arc::clone(&queue));
        let id = listeners.add(interest, Arc::new(move |event| sender.send(event.clone())));
        Self { queue, _listening: Listening { listeners: owner, id } }
    }

    /// The next event; `None` once the breaker is gone and all its events have been read.
    pub async fn next(&mut self) -> Option<Event> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    /// The next event, if one is there already.
    pub fn try_next(&mut self) -> Option<Event> {
        lock(&self.queue).events.pop_front()
    }

    /// How many events were dropped because this reader was slow.
    pub fn dropped(&self) -> u64 {
        lock(&self.queue).dropped
    }
}

impl Stream for Events {
    type Item = Event;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        // What wakers do when they are cloned or dropped is their own affair, and may be to ask this
        // very breaker: not under the lock.
        let waker = cx.waker().clone();
        let mut queue = lock(&self.queue);
        let (polled, earlier) = match queue.events.pop_front() {
            Some(event) => (Poll::Ready(Some(event)), queue.reader.take()),
            None if queue.ended => (Poll::Ready(None), queue.reader.take()),
            None => (Poll::Pending, queue.reader.replace(waker)),
        };
        drop(queue);
        drop(earlier);
        polled
    }
}
