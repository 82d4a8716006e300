//! What a client connection is doing and since when, for the one clock that looks after them all.
//!
//! Timers per request would cost more than all the rest of this; here a request costs a few writes
//! to a cell.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::task::{Poll, Waker};
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::limits::Limits;

/// What is written at once and is no longer than this may be pings of HTTP/2 and their answers, which are
/// no use of a connection. hyper makes some itself, more often than a connection may be idle.
const PINGS: usize = 64;

/// One client connection.
#[derive(Debug)]
pub(super) struct Activity {
    connections: Rc<Connections>,
    phase: Cell<Phase>,
    since: Cell<Instant>,
    in_flight: Cell<u32>,
    answers: RefCell<Answers>,
    write_blocked_since: Cell<Option<Instant>>,
    /// How often the connection's task has had its turn, in which it writes what there is.
    turns: Cell<u32>,
    /// Who waits for that.
    waiting: RefCell<Vec<Waker>>,
    expired: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The head of a request is being read, or the first one is waited for.
    Head,
    /// Requests are being answered.
    Busy,
    /// Between requests.
    Idle,
}

impl Activity {
    /// The time as of the last tick.
    fn now(&self) -> Instant {
        self.connections.now.get()
    }

    fn enter(&self, phase: Phase) {
        self.phase.set(phase);
        self.since.set(self.now());
    }

    /// Whether what is read now belongs to the head of a request.
    pub(super) fn reads_head(&self) -> bool {
        self.phase.get() != Phase::Busy
    }

    /// Bytes of a request have come (HTTP/1).
    pub(super) fn head_began(&self) {
        if self.phase.get() == Phase::Idle {
            self.enter(Phase::Head);
        }
    }

    /// The connection is open and nothing is asked for.
    pub(super) fn idle(&self) {
        self.enter(Phase::Idle);
    }

    /// A request is here; it is in flight until the guard is dropped.
    pub(super) fn request_began(self: &Rc<Self>) -> InFlight {
        self.in_flight.set(self.in_flight.get() + 1);
        self.enter(Phase::Busy);
        InFlight { activity: self.clone(), place: None }
    }

    /// The client takes nothing at the moment.
    pub(super) fn write_blocked(&self) {
        if self.write_blocked_since.get().is_none() {
            self.write_blocked_since.set(Some(self.now()));
        }
    }

    /// The client took so many bytes.
    pub(super) fn write_moved(&self, bytes: usize) {
        let was_blocked = self.write_blocked_since.take().is_some();
        if self.phase.get() == Phase::Idle && (was_blocked || bytes > PINGS) {
            // The rest of an answer on a slow line is not idleness.
            self.since.set(self.now());
        }
    }

    /// The connection's task has had its turn.
    pub(super) fn had_turn(&self) {
        self.turns.set(self.turns.get().wrapping_add(1));
        if !self.waiting.borrow().is_empty() {
            self.waiting.take().into_iter().for_each(Waker::wake);
        }
    }

    /// Has the connection's task woken when its time is over or when draining begins. A task has
    /// the same waker all its life.
    pub(super) fn attach(&self, waker: &Waker) {
        let mut own = self.waker.borrow_mut();
        if own.is_none() {
            *own = Some(waker.clone());
        }
    }

    /// Whether the connection has taken longer than it may.
    pub(super) fn expired(&self) -> bool {
        self.expired.get()
    }

    /// Gives the connection its time once more.
    pub(super) fn renew(&self) {
        self.expired.set(false);
        self.write_blocked_since.set(None);
        self.since.set(self.now());
    }

    /// Whether the core is shutting down.
    pub(super) fn draining(&self) -> bool {
        self.connections.draining.get()
    }

    fn is_due(&self, limits: &Limits, now: Instant) -> bool {
        let longer_than = |since: Instant, limit: Duration| now.duration_since(since) >= limit;
        let blocked = self.write_blocked_since.get();
        blocked.is_some_and(|since| longer_than(since, limits.write_timeout))
            || match self.phase.get() {
                Phase::Head => longer_than(self.since.get(), limits.header_timeout),
                Phase::Idle => longer_than(self.since.get(), limits.keep_alive_timeout),
                Phase::Busy => false,
            }
    }

    fn wake(&self) {
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }
}

impl Drop for Activity {
    fn drop(&mut self) {
        self.connections.closed();
    }
}

/// A request in flight on a connection.
#[derive(Debug)]
pub(super) struct InFlight {
    activity: Rc<Activity>,
    place: Option<usize>,
}

impl InFlight {
    /// Its answer has begun. It is cut off, its HTTP/2 stream or else the connection, at the first tick
    /// after `deadline`, and where the stream's client takes nothing of it for too long. (One of HTTP/1
    /// that takes nothing keeps the socket from being written to, which is seen there.)
    pub(super) fn answer_began(&mut self, deadline: Option<Instant>, stream: Option<AbortHandle>) {
        if deadline.is_some() || stream.is_some() {
            let untaken_since = stream.is_some().then(|| self.activity.now());
            let answer = Answer { deadline, stream, untaken_since };
            self.place = Some(self.activity.answers.borrow_mut().add(answer));
        }
    }

    /// What there was of the answer has been taken, and the upstream is waited for.
    pub(super) fn waits_for_upstream(&self) {
        self.set_untaken_since(None);
    }

    /// A piece of the answer is there for the client.
    pub(super) fn waits_for_client(&self) {
        self.set_untaken_since(Some(self.activity.now()));
    }

    /// Has the connection's task woken, so that it writes what there is. Which turn it has had until now.
    pub(super) fn ask_for_turn(&self) -> u32 {
        self.activity.wake();
        self.activity.turns.get()
    }

    /// Ready when the connection's task has had a turn since that one, and its client has taken what it
    /// wrote.
    pub(super) fn poll_written(&self, turn: u32, waker: &Waker) -> Poll<()> {
        let blocked = self.activity.write_blocked_since.get().is_some();
        if self.activity.turns.get() != turn && !blocked {
            return Poll::Ready(());
        }
        self.activity.waiting.borrow_mut().push(waker.clone());
        Poll::Pending
    }

    fn set_untaken_since(&self, since: Option<Instant>) {
        let Some(place) = self.place else { return };
        if let Some(answer) = &mut self.activity.answers.borrow_mut().all[place] {
            answer.untaken_since = since;
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            self.activity.answers.borrow_mut().remove(place);
        }
        let left = self.activity.in_flight.get() - 1;
        self.activity.in_flight.set(left);
        if left == 0 {
            self.activity.enter(Phase::Idle);
        }
    }
}

/// The answers under way on a connection that may have to be cut off, at most one for each request.
#[derive(Debug, Default)]
struct Answers {
    all: Vec<Option<Answer>>,
    free: Vec<usize>,
}

#[derive(Debug)]
struct Answer {
    deadline: Option<Instant>,
    stream: Option<AbortHandle>,
    /// Since when there is a piece of it that the client does not take.
    untaken_since: Option<Instant>,
}

impl Answers {
    fn add(&mut self, answer: Answer) -> usize {
        if let Some(place) = self.free.pop() {
            self.all[place] = Some(answer);
            return place;
        }
        self.all.push(Some(answer));
        self.all.len() - 1
    }

    fn remove(&mut self, place: usize) {
        self.all[place] = None;
        self.free.push(place);
    }

    /// Cuts the streams off whose time is over; whether the connection is to be.
    fn cut(&self, limits: &Limits, now: Instant) -> bool {
        let mut whole = false;
        for answer in self.all.iter().flatten() {
            let late = answer.deadline.is_some_and(|deadline| deadline <= now);
            let untaken = answer
                .untaken_since
                .is_some_and(|since| now.saturating_duration_since(since) >= limits.write_timeout);
            match &answer.stream {
                Some(stream) if late || untaken => stream.abort(),
                None if late => whole = true,
                _ => {}
            }
        }
        whole
    }
}

/// The client connections of one core: counted, bounded, and looked at every tick.
#[derive(Debug)]
pub(super) struct Connections {
    limits: Limits,
    now: Cell<Instant>,
    draining: Cell<bool>,
    open: Cell<usize>,
    closed: tokio::sync::Notify,
    all: RefCell<Vec<Weak<Activity>>>,
}

impl Connections {
    pub(super) fn new(limits: Limits) -> Rc<Self> {
        Rc::new(Self {
            limits,
            now: Cell::new(Instant::now()),
            draining: Cell::new(false),
            open: Cell::new(0),
            closed: tokio::sync::Notify::new(),
            all: RefCell::default(),
        })
    }

    /// Waits until there is room for one more connection.
    pub(super) async fn room(&self) {
        while self.open.get() >= self.limits.connections {
            self.closed.notified().await;
        }
    }

    /// Waits until no connection is open.
    pub(super) async fn none_open(&self) {
        while self.open.get() > 0 {
            self.closed.notified().await;
        }
    }

    /// How many are open.
    pub(super) fn open(&self) -> usize {
        self.open.get()
    }

    /// A connection has been accepted.
    pub(super) fn opened(self: &Rc<Self>) -> Rc<Activity> {
        self.open.set(self.open.get() + 1);
        let activity = Rc::new(Activity {
            connections: self.clone(),
            phase: Cell::new(Phase::Head),
            since: Cell::new(self.now.get()),
            in_flight: Cell::new(0),
            answers: RefCell::default(),
            write_blocked_since: Cell::new(None),
            turns: Cell::new(0),
            waiting: RefCell::default(),
            expired: Cell::new(false),
            waker: RefCell::new(None),
        });
        self.all.borrow_mut().push(Rc::downgrade(&activity));
        activity
    }

    fn closed(&self) {
        self.open.set(self.open.get() - 1);
        self.closed.notify_one();
    }

    /// Has every connection finish what it is doing and close.
    pub(super) fn drain(&self) {
        self.draining.set(true);
        for activity in self.all.borrow().iter().filter_map(Weak::upgrade) {
            activity.wake();
        }
    }

    /// Moves the clock on and wakes the connections whose time is over.
    pub(super) fn tick(&self, now: Instant) {
        self.now.set(now);
        self.all.borrow_mut().retain(|activity| {
            let Some(activity) = activity.upgrade() else { return false };
            let cut = activity.answers.borrow().cut(&self.limits, now);
            if cut || activity.is_due(&self.limits, now) {
                activity.expired.set(true);
                activity.wake();
            }
            true
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn after(connections: &Connections, seconds: u32) {
        connections.tick(connections.now.get() + SECOND * seconds);
    }

    #[test]
    fn the_first_head_has_ten_seconds() {
        let connections = Connections::new(Limits::default());
        let activity = connections.opened();
        after(&connections, 9);
        activity.head_began();
        assert!(!activity.expired());
        after(&connections, 1);
        assert!(activity.expired());
    }

    #[test]
    fn requests_may_take_their_time_and_idleness_is_counted_from_their_end() {
        let connections = Connections::new(Limits::default());
        let activity = connections.opened();
        let first = activity.request_began();
        let second = activity.request_began();
        after(&connections, 1000);
        drop(first);
        after(&connections, 1000);
        assert!(!activity.expired());
        drop(second);
        after(&connections, 74);
        assert!(!activity.expired());
        after(&connections, 1);
        assert!(activity.expired());
        activity.renew();
        assert!(!activity.expired());
    }

    #[test]
    fn a_client_that_reads_nothing_is_not_waited_for() {
        let connections = Connections::new(Limits::default());
        let activity = connections.opened();
        let _request = activity.request_began();
        activity.write_blocked();
        after(&connections, 59);
        activity.write_moved(1);
        activity.write_blocked();
        after(&connections, 59);
        assert!(!activity.expired());
        after(&connections, 1);
        assert!(activity.expired());
    }

    #[test]
    fn an_answer_that_is_not_over_by_its_deadline_is_cut_off() {
        let connections = Connections::new(Limits::default());
        let activity = connections.opened();
        let deadline = connections.now.get() + SECOND * 5;
        for _ in 0..2 {
            let mut in_time = activity.request_began();
            in_time.answer_began(Some(deadline), None);
        }
        let mut late = activity.request_began();
        late.answer_began(Some(deadline), None);
        after(&connections, 4);
        assert!(!activity.expired());
        after(&connections, 1);
        assert!(activity.expired());
        assert_eq!(activity.answers.borrow().all.len(), 1);
    }

    #[test]
    fn pings_are_idleness_and_the_rest_of_an_answer_is_not() {
        let connections = Connections::new(Limits::default());
        let activity = connections.opened();
        activity.idle();
        after(&connections, 74);
        activity.write_moved(PINGS + 1);
        after(&connections, 74);
        activity.write_blocked();
        activity.write_moved(1);
        after(&connections, 74);
        activity.write_moved(17);
        assert!(!activity.expired());
        after(&connections, 1);
        assert!(activity.expired());
    }

    #[tokio::test]
    async fn a_stream_of_which_nothing_is_taken_is_cut_off() {
        let connections = Connections::new(Limits::default());
        let activity = connections.opened();
        let [untaken, taken, silent] = [0; 3].map(|_| {
            let stream = tokio::spawn(std::future::pending::<()>());
            let mut request = activity.request_began();
            request.answer_began(None, Some(stream.abort_handle()));
            (request, stream)
        });
        after(&connections, 59);
        taken.0.waits_for_client();
        silent.0.waits_for_upstream();
        after(&connections, 1);
        untaken.1.await.unwrap_err();
        tokio::task::yield_now().await;
        assert!(!taken.1.is_finished() && !silent.1.is_finished() && !activity.expired());
        after(&connections, 58);
        tokio::task::yield_now().await;
        assert!(!taken.1.is_finished());
        after(&connections, 1);
        taken.1.await.unwrap_err();
        after(&connections, 1000);
        tokio::task::yield_now().await;
        assert!(!silent.1.is_finished());
    }

    #[tokio::test]
    async fn connections_are_counted() {
        let connections = Connections::new(Limits { connections: 1, ..Limits::default() });
        connections.room().await;
        let activity = connections.opened();
        assert_eq!(connections.open(), 1);
        let full = tokio::time::timeout(Duration::from_millis(1), connections.room()).await;
        assert!(full.is_err());
        drop(activity);
        connections.room().await;
        connections.none_open().await;
    }
}
