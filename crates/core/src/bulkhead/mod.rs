//! The bulkhead: so many calls at once, and a short queue for those that come when all slots are in
//! use.
//!
//! While nobody waits, to enter and to leave is one exchange of one word each. Those who wait stand
//! in a line behind a lock, and each of them is woken once: when it can go on, or has to go.

mod line;
mod settings;
#[cfg(test)]
mod tests;
mod ticket;
mod word;

pub use settings::{MAX_CONCURRENT, MAX_QUEUE, Order, Settings};
pub use ticket::{Entered, Ticket, Waiting};

use crate::Timestamp;
use crate::sync::{AtomicU64, Mutex, Ordering, lock};
use crate::waiter::{Waiter, Wakers};
use line::{LEAST_IMPORTANT, Line};
use std::sync::Arc;
use std::task::Waker;
use ticket::Verdict;
use word::Word;

/// The urgency of a call that says nothing about it (RFC 9218): 0 is the most important, 7 the least.
pub const DEFAULT_PRIORITY: u8 = 3;

/// A bulkhead.
///
/// - **Who goes on.** Whoever came first, whatever its priority (but see [`Order::AdaptiveLifo`]).
///   Nobody overtakes: while somebody waits, a newcomer waits behind.
/// - **Who is thrown out.** A newcomer that finds the queue full takes the place of the youngest of
///   the least important ones, if that is less important than itself; else it is refused.
/// - **How long one waits.** A slot that becomes free at exactly the time when a call in the queue is
///   due goes to that call; one that becomes free later does not.
/// - **Who is woken.** Whoever is granted a slot, evicted, or found overdue by another call: once. A
///   call that finds by itself that its time is over is not.
///
/// ```
/// use breakerbox_core::Timestamp;
/// use breakerbox_core::bulkhead::{Bulkhead, DEFAULT_PRIORITY, Entered, Settings, Waiting};
/// use std::time::Duration;
///
/// let at = |millis| Timestamp::ZERO + Duration::from_millis(millis);
/// let enter = |bulkhead: &Bulkhead, now| bulkhead.enter(now, DEFAULT_PRIORITY, Timestamp::NEVER);
///
/// let bulkhead = Bulkhead::new(Settings { queue: 1, ..Settings::new(1) });
/// assert!(matches!(enter(&bulkhead, at(0)), Entered::Admitted));
/// let Entered::Queued(ticket) = enter(&bulkhead, at(10)) else { panic!() };
/// assert!(matches!(enter(&bulkhead, at(20)), Entered::Full));
/// assert_eq!(ticket.due(), at(110));
///
/// // The first call is over: its slot goes to the one that waits.
/// bulkhead.leave(at(30));
/// let Waiting::Admitted { waited } = bulkhead.look(ticket, at(30)) else { panic!() };
/// assert_eq!(waited, Duration::from_millis(20));
/// bulkhead.leave(at(40));
/// assert_eq!(bulkhead.snapshot().in_flight, 0);
/// ```
#[derive(Debug)]
pub struct Bulkhead {
    word: AtomicU64,
    full: AtomicU64,
    timed_out: AtomicU64,
    evicted: AtomicU64,
    line: Mutex<Line>,
}

/// A bulkhead at one moment.
///
/// ```
/// use breakerbox_core::Timestamp;
/// use breakerbox_core::bulkhead::{Bulkhead, DEFAULT_PRIORITY, Entered, Settings, Snapshot};
///
/// let bulkhead = Bulkhead::new(Settings::new(1));
/// assert!(bulkhead.try_enter());
/// let entered = bulkhead.enter(Timestamp::ZERO, DEFAULT_PRIORITY, Timestamp::NEVER);
/// assert!(matches!(entered, Entered::Full));
/// let seen = Snapshot { limit: 1, in_flight: 1, full: 1, ..Snapshot::default() };
/// assert_eq!(bulkhead.snapshot(), seen);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// How many calls are admitted at once, at most.
    pub limit: u32,
    /// Slots in use. More than `limit` only after the limit was lowered.
    pub in_flight: u32,
    /// Calls in the queue.
    pub queued: u32,
    /// Calls that were refused on arrival, from the start.
    pub full: u64,
    /// Calls that waited too long, from the start.
    pub timed_out: u64,
    /// Calls whose place in the queue a more important one took, from the start.
    pub evicted: u64,
}

impl Bulkhead {
    /// A bulkhead with nobody in it. The settings are those that [`Settings::check`] accepts.
    pub fn new(settings: Settings) -> Self {
        Self {
            word: AtomicU64::new(Word::new(&settings).bits()),
            full: AtomicU64::new(0),
            timed_out: AtomicU64::new(0),
            evicted: AtomicU64::new(0),
            line: Mutex::new(Line::new(settings)),
        }
    }

    /// A call wants to run. `priority` is its urgency from 0, the most important, to 7; `until` the
    /// end of its deadline: whoever has no time left does not wait.
    #[inline]
    pub fn enter(&self, now: Timestamp, priority: u8, until: Timestamp) -> Entered {
        if self.try_enter() {
            return Entered::Admitted;
        }
        self.enter_or_wait(now, priority, until)
    }

    /// The same for a call that would rather not run than wait, as a hedge. It counts nowhere.
    ///
    /// ```
    /// use breakerbox_core::Timestamp;
    /// use breakerbox_core::bulkhead::{Bulkhead, Settings};
    ///
    /// let bulkhead = Bulkhead::new(Settings::new(1));
    /// assert!(bulkhead.try_enter());
    /// assert!(!bulkhead.try_enter());
    /// bulkhead.leave(Timestamp::ZERO);
    /// assert!(bulkhead.try_enter());
    /// ```
    #[inline]
    pub fn try_enter(&self) -> bool {
        self.write(|word| word.has_room().then(|| word.taken())).is_ok()
    }

    /// Wakes `waker`, and no earlier one of this ticket, when something has been decided about it.
    /// True if that has happened already: nobody will be woken, look at once.
    ///
    /// When the ticket is [due](Ticket::due) nobody is woken either: look then.
    pub fn listen(&self, ticket: &Ticket, waker: &Waker) -> bool {
        ticket.waiter.listen(waker)
    }

    /// What has become of a call in the queue. The ticket comes back if it goes on waiting.
    pub fn look(&self, ticket: Ticket, now: Timestamp) -> Waiting {
        if let Some(verdict) = ticket.waiter.take() {
            return answer(&ticket, verdict, now);
        }
        if now < ticket.due() {
            return Waiting::Pending(ticket);
        }
        let mut line = lock(&self.line);
        if !line.remove(&ticket.place) {
            // Decided meanwhile, under the lock.
            return answer(&ticket, ticket.waiter.take().unwrap_or(Verdict::TimedOut), now);
        }
        self.leave_line(1);
        drop(line);
        self.timed_out.fetch_add(1, Ordering::Relaxed);
        Waiting::TimedOut
    }

    /// A call in the queue does not wait any longer. If it had been granted a slot meanwhile, that
    /// goes to the next one.
    pub fn give_up(&self, ticket: Ticket, now: Timestamp) {
        let mut wakers = Wakers::default();
        let mut line = lock(&self.line);
        if line.remove(&ticket.place) {
            self.leave_line(1);
        } else if ticket.waiter.take() == Some(Verdict::Granted) {
            self.hand_on(&mut line, now, &mut wakers);
        }
        drop(line);
        wakers.wake();
    }

    /// A call that was admitted is over: its slot goes to the next one in the queue, or is free.
    #[inline]
    pub fn leave(&self, now: Timestamp) {
        if self.write(|word| (word.queued() == 0).then(|| word.freed())).is_err() {
            self.leave_to_next(now);
        }
    }

    /// Other settings, for all from now on. Whoever waits keeps its place and its time. Where the
    /// limit is lower than what is in flight, that many calls have to leave first.
    ///
    /// ```
    /// use breakerbox_core::Timestamp;
    /// use breakerbox_core::bulkhead::{Bulkhead, Settings};
    ///
    /// let bulkhead = Bulkhead::new(Settings::new(2));
    /// assert!(bulkhead.try_enter() && bulkhead.try_enter());
    /// bulkhead.set(Settings::new(1), Timestamp::ZERO);
    /// assert_eq!((bulkhead.snapshot().limit, bulkhead.snapshot().in_flight), (1, 2));
    /// bulkhead.leave(Timestamp::ZERO);
    /// assert!(!bulkhead.try_enter());
    /// ```
    pub fn set(&self, settings: Settings, now: Timestamp) {
        let mut wakers = Wakers::default();
        let mut line = lock(&self.line);
        self.expire(&mut line, now, &mut wakers);
        line.settings = settings;
        self.change(|word| word.with_limits(&settings));
        self.grant(&mut line, now, &mut wakers);
        drop(line);
        wakers.wake();
    }

    /// What it looks like now.
    pub fn snapshot(&self) -> Snapshot {
        let word = self.word();
        // None of them has more than 21 bits.
        let [limit, in_flight, queued] =
            [word.limit(), word.in_use(), word.queued()].map(|count| count as u32);
        let [full, timed_out, evicted] =
            [&self.full, &self.timed_out, &self.evicted].map(|count| count.load(Ordering::Relaxed));
        Snapshot { limit, in_flight, queued, full, timed_out, evicted }
    }

    #[cold]
    fn enter_or_wait(&self, now: Timestamp, priority: u8, until: Timestamp) -> Entered {
        if !self.word().has_queue() || until <= now {
            return self.refuse();
        }
        let mut wakers = Wakers::default();
        let mut line = lock(&self.line);
        self.expire(&mut line, now, &mut wakers);
        let entered = self.join(&mut line, now, priority.min(LEAST_IMPORTANT), &mut wakers);
        drop(line);
        wakers.wake();
        entered
    }

    fn refuse(&self) -> Entered {
        self.full.fetch_add(1, Ordering::Relaxed);
        Entered::Full
    }

    /// Stands in line, if there is still no slot.
    fn join(&self, line: &mut Line, now: Timestamp, urgency: u8, wakers: &mut Wakers) -> Entered {
        if line.is_full() {
            let Some(evicted) = line.evict_for(urgency) else { return self.refuse() };
            // The newcomer takes its place: as many wait as before, and the word stays as it is.
            wakers.add(evicted.decide(Verdict::Evicted));
            self.evicted.fetch_add(1, Ordering::Relaxed);
        } else {
            let before =
                self.change(|word| if word.has_room() { word.taken() } else { word.joined() });
            if before.has_room() {
                return Entered::Admitted;
            }
        }
        let waiter = Arc::new(Waiter::new());
        let place = line.push(now, urgency, waiter.clone());
        Entered::Queued(Ticket { place, waiter })
    }

    #[cold]
    fn leave_to_next(&self, now: Timestamp) {
        let mut wakers = Wakers::default();
        let mut line = lock(&self.line);
        self.hand_on(&mut line, now, &mut wakers);
        drop(line);
        wakers.wake();
    }

    /// Gives a slot back.
    fn hand_on(&self, line: &mut Line, now: Timestamp, wakers: &mut Wakers) {
        self.expire(line, now, wakers);
        self.change(Word::freed);
        self.grant(line, now, wakers);
    }

    /// Gives free slots to those who wait.
    fn grant(&self, line: &mut Line, now: Timestamp, wakers: &mut Wakers) {
        // While somebody waits nobody else writes the word.
        while self.word().has_free_slot()
            && let Some(next) = line.pop(now)
        {
            self.change(|word| word.taken().left(1));
            wakers.add(next.decide(Verdict::Granted));
        }
    }

    /// Sends away those whose time is over.
    fn expire(&self, line: &mut Line, now: Timestamp, wakers: &mut Wakers) {
        let mut expired = 0;
        while let Some(waiter) = line.pop_overdue(now) {
            wakers.add(waiter.decide(Verdict::TimedOut));
            expired += 1;
        }
        if expired > 0 {
            self.leave_line(expired);
            self.timed_out.fetch_add(expired, Ordering::Relaxed);
        }
    }

    fn leave_line(&self, many: u64) {
        self.change(|word| word.left(many));
    }

    #[inline]
    fn word(&self) -> Word {
        Word::from_bits(self.word.load(Ordering::Acquire))
    }

    /// Writes what `next` makes of the word; `Err` if it makes nothing of it. Whoever takes a slot
    /// sees what those did who had it before.
    #[inline]
    fn write(&self, next: impl Fn(Word) -> Option<Word>) -> Result<u64, u64> {
        self.word.fetch_update(Ordering::AcqRel, Ordering::Acquire, |bits| {
            next(Word::from_bits(bits)).map(Word::bits)
        })
    }

    fn change(&self, next: impl Fn(Word) -> Word) -> Word {
        let (Ok(before) | Err(before)) = self.write(|word| Some(next(word)));
        Word::from_bits(before)
    }
}

fn answer(ticket: &Ticket, verdict: Verdict, now: Timestamp) -> Waiting {
    match verdict {
        Verdict::Granted => Waiting::Admitted { waited: now.since(ticket.since()) },
        Verdict::TimedOut => Waiting::TimedOut,
        Verdict::Evicted => Waiting::Evicted,
    }
}
