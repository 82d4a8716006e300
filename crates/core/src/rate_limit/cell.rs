//! The limit of one key, or of all: a word, and a line of those that wait.

use super::settings::Settings;
use crate::Timestamp;
use crate::keyed::Evict;
use crate::sync::{AtomicU32, AtomicU64, Mutex, Ordering, lock};
use crate::time::nanos;
use crate::waiter::Wakers;
use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

/// So many wait at most under one limit, however long the wait may be.
const MAX_WAITING: usize = 100_000;
/// Nobody waits.
const NO_WAIT: u64 = u64::MAX;

/// The settings as threads read them.
#[derive(Debug)]
pub(super) struct Rules {
    interval: AtomicU64,
    burst: AtomicU32,
    wait: AtomicU64,
}

/// The same at one moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Loaded {
    /// Nanoseconds between two calls.
    pub(super) interval: u64,
    pub(super) burst: u32,
    wait: u64,
}

impl Loaded {
    fn cost(self, weight: u32) -> u64 {
        self.interval.saturating_mul(u64::from(weight))
    }

    /// How far ahead of the present calls may be paid for.
    fn tolerance(self) -> u64 {
        self.cost(self.burst)
    }
}

impl Rules {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            interval: AtomicU64::new(settings.interval()),
            burst: AtomicU32::new(settings.burst()),
            wait: AtomicU64::new(settings.wait.map_or(NO_WAIT, nanos)),
        }
    }

    pub(super) fn set(&self, settings: &Settings) {
        self.interval.store(settings.interval(), Ordering::Relaxed);
        self.burst.store(settings.burst(), Ordering::Relaxed);
        self.wait.store(settings.wait.map_or(NO_WAIT, nanos), Ordering::Relaxed);
    }

    #[inline]
    pub(super) fn load(&self) -> Loaded {
        Loaded {
            interval: self.interval.load(Ordering::Relaxed),
            burst: self.burst.load(Ordering::Relaxed),
            wait: self.wait.load(Ordering::Relaxed),
        }
    }
}

/// One limit.
#[derive(Debug)]
pub(super) struct Cell {
    /// When all that was admitted, or has a turn, will have been paid for: the theoretical arrival
    /// time of the next call. In nanoseconds.
    paid: AtomicU64,
    line: Mutex<Line>,
}

#[derive(Debug, Default)]
struct Line {
    /// Those that wait, in the order of their turns.
    waiting: VecDeque<Waiting>,
    numbers: u64,
}

#[derive(Debug)]
struct Waiting {
    number: u64,
    weight: u32,
    /// What it has paid, in nanoseconds.
    cost: u64,
    turn: Arc<Turn>,
}

/// What a waiting call and the line share.
#[derive(Debug)]
pub(super) struct Turn {
    due: AtomicU64,
    waker: Mutex<Option<Waker>>,
}

impl Turn {
    /// Moves to another time; whom to tell.
    fn moves(&self, due: u64) -> Option<Waker> {
        self.due.store(due, Ordering::Release);
        lock(&self.waker).take()
    }
}

/// What a cell makes of a call that is not admitted at once.
pub(super) enum Claim {
    Now,
    Turn(OwnTurn),
    Refused { retry_after: Option<Duration> },
}

/// The turn of one call.
#[derive(Debug)]
pub(super) struct OwnTurn {
    number: u64,
    turn: Arc<Turn>,
    /// The time that its call knows of.
    known: u64,
}

/// The turn of a call that waits.
///
/// It goes back to the limit that gave it out: by [`look`](super::RateLimit::look), or by
/// [`give_up`](super::RateLimit::give_up) if the call does not wait any longer. One that is merely
/// dropped keeps its place, and those behind it wait for nothing.
///
/// ```
/// use breakerbox_core::Timestamp;
/// use breakerbox_core::rate_limit::{Asked, RateLimit, Settings};
/// use std::time::Duration;
///
/// let (second, now) = (Duration::from_secs(1), Timestamp::ZERO);
/// let limit = RateLimit::new(Settings { wait: Some(second), ..Settings::new(1.0) }, now);
/// let ask = || limit.ask(now, None, 1, Timestamp::NEVER);
/// assert!(matches!(ask(), Asked::Allowed));
/// let Asked::Wait(ticket) = ask() else { panic!() };
/// let ticket = limit.look(ticket, now).unwrap_err();
/// assert!(limit.look(ticket, now + second).is_ok());
/// ```
#[derive(Debug)]
#[must_use = "a turn that is neither taken nor given up is lost to those behind it"]
pub struct Ticket {
    cell: Option<Arc<Cell>>,
    own: OwnTurn,
}

impl Ticket {
    pub(super) fn new(cell: Option<Arc<Cell>>, own: OwnTurn) -> Self {
        Self { cell, own }
    }

    pub(super) fn cell(&self) -> Option<&Cell> {
        self.cell.as_deref()
    }

    pub(super) fn due(&self) -> Timestamp {
        Timestamp::from_nanos(self.own.turn.due.load(Ordering::Acquire))
    }

    pub(super) fn is_due(&mut self, now: Timestamp) -> bool {
        let due = self.due();
        self.own.known = due.as_nanos();
        now >= due
    }

    pub(super) fn listen(&self, waker: &Waker) -> bool {
        // What wakers do when they are cloned or dropped is their own affair: not under the lock.
        let waker = waker.clone();
        let earlier = lock(&self.own.turn.waker).replace(waker);
        drop(earlier);
        self.due().as_nanos() != self.own.known
    }
}

impl Cell {
    pub(super) fn new(now: Timestamp) -> Self {
        Self { paid: AtomicU64::new(now.as_nanos()), line: Mutex::new(Line::default()) }
    }

    /// Admits a call, if it may go now. Whoever waits has paid already, so nobody is overtaken.
    #[inline]
    pub(super) fn allows(&self, rules: &Rules, now: Timestamp, weight: u32) -> bool {
        let (rules, now) = (rules.load(), now.as_nanos());
        let (cost, latest) = (rules.cost(weight), now.saturating_add(rules.tolerance()));
        let paid = self.paid.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |paid| {
            let next = paid.max(now).saturating_add(cost);
            (next <= latest).then_some(next)
        });
        paid.is_ok()
    }

    /// Admits a call, gives it a turn, or refuses it.
    pub(super) fn claim(
        &self,
        rules: &Rules,
        now: Timestamp,
        weight: u32,
        until: Timestamp,
    ) -> Claim {
        let loaded = rules.load();
        if weight > loaded.burst {
            return Claim::Refused { retry_after: None };
        }
        let (cost, tolerance) = (loaded.cost(weight), loaded.tolerance());
        let now = now.as_nanos();
        // The order of the line is the order in which it was paid for.
        let mut line = lock(&self.line);
        let mut refused = Duration::ZERO;
        let full = line.waiting.len() >= MAX_WAITING;
        let paid = self.paid.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |paid| {
            let next = paid.max(now).saturating_add(cost);
            let due = next.saturating_sub(tolerance).max(now);
            let wait = due - now;
            let waits = loaded.wait != NO_WAIT && wait <= loaded.wait && due < until.as_nanos();
            refused = Duration::from_nanos(wait);
            (wait == 0 || (waits && !full)).then_some(next)
        });
        let Ok(paid) = paid else { return Claim::Refused { retry_after: Some(refused) } };
        let due = paid.max(now).saturating_add(cost).saturating_sub(tolerance);
        if due <= now {
            return Claim::Now;
        }
        line.numbers += 1;
        let number = line.numbers;
        let turn = Arc::new(Turn { due: AtomicU64::new(due), waker: Mutex::new(None) });
        line.waiting.push_back(Waiting { number, weight, cost, turn: Arc::clone(&turn) });
        Claim::Turn(OwnTurn { number, turn, known: due })
    }

    /// A call has taken its turn.
    pub(super) fn take(&self, ticket: &Ticket) {
        let mut line = lock(&self.line);
        if let Some(place) = line.place_of(ticket.own.number) {
            line.waiting.remove(place);
        }
    }

    /// A call gives its turn back: those behind it move up.
    pub(super) fn give_back(&self, ticket: &Ticket, now: Timestamp) {
        let mut wakers = Wakers::default();
        let mut line = lock(&self.line);
        let Some(place) = line.place_of(ticket.own.number) else { return };
        let cost = line.waiting.remove(place).map_or(0, |gone| gone.cost);
        for behind in line.waiting.iter().skip(place) {
            let due = behind.turn.due.load(Ordering::Acquire);
            let due = due.saturating_sub(cost).max(now.as_nanos().min(due));
            wakers.add(behind.turn.moves(due));
        }
        self.change(|paid| paid.saturating_sub(cost));
        drop(line);
        wakers.wake();
    }

    /// What was paid at one rate is worth as many calls at another.
    pub(super) fn convert(&self, before: Loaded, after: Loaded, now: Timestamp) {
        let now = now.as_nanos();
        let mut wakers = Wakers::default();
        let mut line = lock(&self.line);
        let reserved = line.waiting.iter().map(|waiting| waiting.cost).fold(0, u64::saturating_add);
        let gone = |paid: u64| {
            let owed = u128::from(paid.saturating_sub(reserved).saturating_sub(now));
            let owed = owed * u128::from(after.interval) / u128::from(before.interval.max(1));
            now.saturating_add(u64::try_from(owed).unwrap_or(u64::MAX))
        };
        let mut all = 0;
        for waiting in &mut line.waiting {
            waiting.cost = after.cost(waiting.weight);
            all = waiting.cost.saturating_add(all);
        }
        let before = self.change(|paid| gone(paid).saturating_add(all));
        let mut paid = gone(before);
        for waiting in &line.waiting {
            paid = paid.saturating_add(waiting.cost);
            wakers.add(waiting.turn.moves(paid.saturating_sub(after.tolerance())));
        }
        drop(line);
        wakers.wake();
    }

    /// How much may go at once now.
    pub(super) fn remaining(&self, rules: &Rules, now: Timestamp) -> u32 {
        let rules = rules.load();
        let ahead = self.paid.load(Ordering::Relaxed).saturating_sub(now.as_nanos());
        let left = rules.tolerance().saturating_sub(ahead) / rules.interval.max(1);
        u32::try_from(left).unwrap_or(u32::MAX).min(rules.burst)
    }

    /// Writes the word; what it was before.
    fn change(&self, next: impl Fn(u64) -> u64) -> u64 {
        let changed =
            self.paid.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |paid| Some(next(paid)));
        let (Ok(before) | Err(before)) = changed;
        before
    }
}

impl Line {
    /// Numbers only grow along the line.
    fn place_of(&self, number: u64) -> Option<usize> {
        self.waiting.binary_search_by_key(&number, |waiting| waiting.number).ok()
    }
}

impl Evict for Cell {
    /// One that owes nothing is as good as a new one; one that is waited for is worth most.
    fn worth(&self, now: Timestamp) -> u8 {
        if self.paid.load(Ordering::Relaxed) <= now.as_nanos() {
            0
        } else if lock(&self.line).waiting.is_empty() {
            1
        } else {
            2
        }
    }
}
