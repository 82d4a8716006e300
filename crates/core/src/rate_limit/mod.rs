//! The rate limit: so many calls per time, some of them at once, and an orderly wait for the others.
//!
//! The generic cell rate algorithm (GCRA): one word holds the time at which all that was admitted will
//! have been paid for. To admit a call is one exchange of that word.

mod cell;
mod settings;
#[cfg(test)]
mod tests;

pub use cell::Ticket;
pub use settings::{MAX_BURST, MAX_PER, MAX_WAIT, MIN_INTERVAL, Settings};

use crate::Timestamp;
use crate::keyed::Keyed;
use crate::sync::{AtomicU64, Ordering};
use cell::{Cell, Claim, Rules};
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

/// A rate limit, for all calls or for each of many keys.
///
/// - **How many at once.** Calls that come at the same time are admitted up to the burst; after that
///   one more for each interval, which is `per / rate` in whole nanoseconds.
/// - **Who waits.** A call that is not admitted at once waits for its turn, if `wait` says so and that
///   is before its deadline; a wait of exactly `wait` is allowed. Turns go to those that wait in the
///   order in which they came, and nobody overtakes.
/// - **Who gives up** gives its turn back: those behind it move up, and are woken to learn of it.
///
/// ```
/// use breakerbox_core::Timestamp;
/// use breakerbox_core::rate_limit::{Asked, RateLimit, Settings};
/// use std::time::Duration;
///
/// let at = |millis| Timestamp::ZERO + Duration::from_millis(millis);
/// let settings = Settings { burst: Some(2), ..Settings::new(10.0) };
/// let limit = RateLimit::new(settings.check().unwrap(), at(0));
/// let ask = |now| limit.ask(at(now), None, 1, Timestamp::NEVER);
///
/// assert!(matches!(ask(0), Asked::Allowed));
/// assert!(matches!(ask(0), Asked::Allowed));
/// let Asked::Limited { retry_after } = ask(0) else { panic!() };
/// assert_eq!(retry_after, Some(Duration::from_millis(100)));
/// assert!(matches!(ask(100), Asked::Allowed));
/// ```
#[derive(Debug)]
pub struct RateLimit {
    rules: Rules,
    all: Cell,
    keyed: Keyed<Cell>,
    allowed: AtomicU64,
    waited: AtomicU64,
    limited: AtomicU64,
}

/// The answer to a call.
///
/// ```
/// use breakerbox_core::Timestamp;
/// use breakerbox_core::rate_limit::{Asked, RateLimit, Settings};
///
/// let limit = RateLimit::new(Settings::new(2.0), Timestamp::ZERO);
/// let ask = |weight| limit.ask(Timestamp::ZERO, None, weight, Timestamp::NEVER);
/// assert!(matches!(ask(3), Asked::Limited { retry_after: None }), "it never fits");
/// assert!(matches!(ask(2), Asked::Allowed));
/// assert!(matches!(ask(1), Asked::Limited { retry_after: Some(_) }));
/// ```
#[derive(Debug)]
#[must_use = "a turn that is neither taken nor given up is lost to those behind it"]
pub enum Asked {
    /// It may go.
    Allowed,
    /// It waits for its turn.
    Wait(Ticket),
    /// It may not go.
    Limited {
        /// When it may, if nobody else comes; `None`: it weighs more than the burst and never may.
        retry_after: Option<Duration>,
    },
}

/// A rate limit at one moment.
///
/// ```
/// use breakerbox_core::Timestamp;
/// use breakerbox_core::rate_limit::{RateLimit, Settings, Snapshot};
///
/// let limit = RateLimit::new(Settings::new(1.0), Timestamp::ZERO);
/// for client in [7, 7, 8] {
///     let _ = limit.ask(Timestamp::ZERO, Some(client), 1, Timestamp::NEVER);
/// }
/// let seen = Snapshot { allowed: 2, limited: 1, keys: 2, ..Snapshot::default() };
/// assert_eq!(limit.snapshot(), seen);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Calls that were admitted at once, from the start.
    pub allowed: u64,
    /// Calls that were to wait for their turn, from the start.
    pub waited: u64,
    /// Calls that were refused, from the start.
    pub limited: u64,
    /// Keys with a limit of their own.
    pub keys: usize,
    /// Keys that were forgotten to make room, from the start.
    pub evicted: u64,
}

impl RateLimit {
    /// A rate limit under which nothing has gone yet. The settings are those that
    /// [`Settings::check`] accepts.
    pub fn new(settings: Settings, now: Timestamp) -> Self {
        Self {
            rules: Rules::new(&settings),
            all: Cell::new(now),
            keyed: Keyed::new(settings.keys),
            allowed: AtomicU64::new(0),
            waited: AtomicU64::new(0),
            limited: AtomicU64::new(0),
        }
    }

    /// A call of this weight wants to go. `key`: whose limit it is under, if not under that of all.
    /// `until`: the end of its deadline; a turn that does not come before it is refused at once.
    #[inline]
    pub fn ask(&self, now: Timestamp, key: Option<u64>, weight: u32, until: Timestamp) -> Asked {
        match key {
            None if self.all.allows(&self.rules, now, weight) => {
                self.allowed.fetch_add(1, Ordering::Relaxed);
                Asked::Allowed
            }
            None => self.ask_rarely(None, now, weight, until),
            Some(key) => {
                let cell = self.keyed.get_or_insert_with(key, now, || Cell::new(now));
                if cell.allows(&self.rules, now, weight) {
                    self.allowed.fetch_add(1, Ordering::Relaxed);
                    return Asked::Allowed;
                }
                self.ask_rarely(Some(cell), now, weight, until)
            }
        }
    }

    #[cold]
    fn ask_rarely(
        &self,
        own: Option<Arc<Cell>>,
        now: Timestamp,
        weight: u32,
        until: Timestamp,
    ) -> Asked {
        let cell = own.as_deref().unwrap_or(&self.all);
        let (asked, counter) = match cell.claim(&self.rules, now, weight, until) {
            Claim::Now => (Asked::Allowed, &self.allowed),
            Claim::Turn(turn) => (Asked::Wait(Ticket::new(own, turn)), &self.waited),
            Claim::Refused { retry_after } => (Asked::Limited { retry_after }, &self.limited),
        };
        counter.fetch_add(1, Ordering::Relaxed);
        asked
    }

    /// When it is the turn of a call that waits. It may move up.
    pub fn due(&self, ticket: &Ticket) -> Timestamp {
        ticket.due()
    }

    /// Wakes `waker`, and no earlier one of this ticket, when the turn has moved up. True if it has
    /// done so since the ticket was last looked at: then look at once.
    ///
    /// When the ticket is due nobody is woken: look then.
    pub fn listen(&self, ticket: &Ticket, waker: &Waker) -> bool {
        ticket.listen(waker)
    }

    /// Takes the turn, if it has come.
    ///
    /// # Errors
    /// It has not: the ticket comes back.
    pub fn look(&self, mut ticket: Ticket, now: Timestamp) -> Result<(), Ticket> {
        if ticket.is_due(now) {
            let cell = ticket.cell().unwrap_or(&self.all);
            cell.take(&ticket);
            return Ok(());
        }
        Err(ticket)
    }

    /// A call does not wait any longer: those behind it move up, and the last turn is free again.
    pub fn give_up(&self, ticket: Ticket, now: Timestamp) {
        let cell = ticket.cell().unwrap_or(&self.all);
        cell.give_back(&ticket, now);
    }

    /// Other settings, from now on. What was admitted stays paid for; whoever waits keeps its place,
    /// and its turn comes at the new rate. The number of keys stays as it is.
    ///
    /// ```
    /// use breakerbox_core::Timestamp;
    /// use breakerbox_core::rate_limit::{Asked, RateLimit, Settings};
    /// use std::time::Duration;
    ///
    /// let now = Timestamp::ZERO;
    /// let limit = RateLimit::new(Settings { burst: Some(1), ..Settings::new(1.0) }, now);
    /// assert!(matches!(limit.ask(now, None, 1, Timestamp::NEVER), Asked::Allowed));
    /// limit.set(Settings { burst: Some(1), ..Settings::new(10.0) }, now);
    /// let Asked::Limited { retry_after } = limit.ask(now, None, 1, Timestamp::NEVER) else { panic!() };
    /// assert_eq!(retry_after, Some(Duration::from_millis(100)));
    /// ```
    pub fn set(&self, settings: Settings, now: Timestamp) {
        let before = self.rules.load();
        self.rules.set(&settings);
        let after = self.rules.load();
        self.all.convert(before, after, now);
        self.keyed.for_each(|_, cell| cell.convert(before, after, now));
    }

    /// How much may go at once now.
    pub fn remaining(&self, now: Timestamp, key: Option<u64>) -> u32 {
        match key {
            None => self.all.remaining(&self.rules, now),
            Some(key) => match self.keyed.peek(key) {
                Some(cell) => cell.remaining(&self.rules, now),
                None => self.rules.load().burst,
            },
        }
    }

    /// What there is to see.
    pub fn snapshot(&self) -> Snapshot {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Snapshot {
            allowed: read(&self.allowed),
            waited: read(&self.waited),
            limited: read(&self.limited),
            keys: self.keyed.len(),
            evicted: self.keyed.evicted(),
        }
    }
}
