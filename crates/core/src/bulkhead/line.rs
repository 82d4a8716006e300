//! Those who wait, in three orders: who goes on next, who is thrown out first, whose time is over.

use super::settings::{MAX_QUEUE, Order, Settings};
use super::ticket::{Place, Verdict};
use crate::Timestamp;
use crate::waiter::Waiter;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The least important urgency of RFC 9218; 0 is the most important one.
pub(super) const LEAST_IMPORTANT: u8 = 7;

type Entry = (Timestamp, Arc<Waiter<Verdict>>);

/// The line of those who wait: never more than `queue` of the settings they joined under.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) settings: Settings,
    /// For each urgency, by the number of their arrival, when they are due and who they are.
    waiting: [BTreeMap<u64, Entry>; LEAST_IMPORTANT as usize + 1],
    due: BTreeSet<(Timestamp, u64, u8)>,
    arrivals: u64,
    /// When somebody joined the empty line for the last time.
    empty_until: Timestamp,
}

impl Line {
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            settings,
            waiting: Default::default(),
            due: BTreeSet::new(),
            arrivals: 0,
            empty_until: Timestamp::ZERO,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.due.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.due.len() >= self.settings.queue.min(MAX_QUEUE) as usize
    }

    /// Someone joins.
    pub(super) fn push(
        &mut self,
        now: Timestamp,
        urgency: u8,
        waiter: Arc<Waiter<Verdict>>,
    ) -> Place {
        if self.is_empty() {
            self.empty_until = now;
        }
        let patience = match self.settings.order {
            Order::Fifo => self.settings.queue_timeout,
            Order::AdaptiveLifo if self.is_overloaded(now) => {
                self.settings.target.min(self.settings.queue_timeout)
            }
            Order::AdaptiveLifo => self.settings.interval.min(self.settings.queue_timeout),
        };
        let number = self.arrivals;
        self.arrivals += 1;
        let place = Place { number, urgency, since: now, due: now + patience };
        self.due.insert((place.due, number, urgency));
        self.waiting[usize::from(urgency)].insert(number, (place.due, waiter));
        place
    }

    /// Who goes on now.
    pub(super) fn pop(&mut self, now: Timestamp) -> Option<Arc<Waiter<Verdict>>> {
        let last_first = self.settings.order == Order::AdaptiveLifo && self.is_overloaded(now);
        let ends = (0..).zip(&self.waiting).filter_map(|(urgency, waiting)| {
            let end = if last_first { waiting.last_key_value() } else { waiting.first_key_value() };
            end.map(|(number, _)| (*number, urgency))
        });
        let (number, urgency) = if last_first { ends.max() } else { ends.min() }?;
        self.take(urgency, number)
    }

    /// Makes room for a newcomer: the youngest of the least important ones goes, if it is less
    /// important.
    pub(super) fn evict_for(&mut self, newcomer: u8) -> Option<Arc<Waiter<Verdict>>> {
        let urgency = (newcomer + 1..=LEAST_IMPORTANT)
            .rev()
            .find(|urgency| !self.waiting[usize::from(*urgency)].is_empty())?;
        let (number, _) = self.waiting[usize::from(urgency)].last_key_value()?;
        self.take(urgency, *number)
    }

    /// Someone whose time was over before now.
    pub(super) fn pop_overdue(&mut self, now: Timestamp) -> Option<Arc<Waiter<Verdict>>> {
        let (due, number, urgency) = *self.due.first()?;
        if due >= now {
            return None;
        }
        self.take(urgency, number)
    }

    /// Someone goes away. False if it does not wait any more.
    pub(super) fn remove(&mut self, place: &Place) -> bool {
        self.take(place.urgency, place.number).is_some()
    }

    fn take(&mut self, urgency: u8, number: u64) -> Option<Arc<Waiter<Verdict>>> {
        let (due, waiter) = self.waiting[usize::from(urgency)].remove(&number)?;
        self.due.remove(&(due, number, urgency));
        Some(waiter)
    }

    /// Whether the line, if it is not empty, has not been for longer than the interval.
    fn is_overloaded(&self, now: Timestamp) -> bool {
        self.empty_until < now - self.settings.interval
    }
}
