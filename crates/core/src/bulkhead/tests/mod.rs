//! Tests of the bulkhead: its rules one by one, against a naive model, with threads, and under loom.

#[cfg(loom)]
mod loom_bulkhead;

#[cfg(not(loom))]
mod adaptive;
#[cfg(not(loom))]
mod eviction;
#[cfg(not(loom))]
mod line;
#[cfg(not(loom))]
mod model;
#[cfg(not(loom))]
mod settings;
#[cfg(not(loom))]
mod threads;

use super::{Bulkhead, Entered, Settings, Ticket, Waiting};
use crate::Timestamp;
use crate::waiter::Bell;
use std::sync::Arc;
use std::time::Duration;

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn at(millis: u64) -> Timestamp {
    Timestamp::ZERO + ms(millis)
}

fn bulkhead(settings: Settings) -> Bulkhead {
    Bulkhead::new(settings.check().unwrap())
}

/// A call in the queue, with a bell that rings when it is woken.
#[derive(Debug)]
struct Waits {
    ticket: Ticket,
    bell: Arc<Bell>,
}

impl Waits {
    fn look(self, bulkhead: &Bulkhead, now: Timestamp) -> Seen {
        match bulkhead.look(self.ticket, now) {
            Waiting::Admitted { waited } => Seen::Admitted(waited),
            Waiting::Pending(ticket) => Seen::Pending(Self { ticket, bell: self.bell }),
            Waiting::TimedOut => Seen::TimedOut,
            Waiting::Evicted => Seen::Evicted,
        }
    }
}

#[derive(Debug)]
#[cfg_attr(loom, expect(dead_code, reason = "the models do not ask how long one has waited"))]
enum Seen {
    Admitted(Duration),
    Pending(Waits),
    TimedOut,
    Evicted,
}

#[cfg(not(loom))]
impl Seen {
    fn waited(self) -> Duration {
        let Self::Admitted(waited) = self else { panic!("{self:?}") };
        waited
    }

    fn pending(self) -> Waits {
        let Self::Pending(waits) = self else { panic!("{self:?}") };
        waits
    }
}

/// Enters, and expects to wait.
fn queue(bulkhead: &Bulkhead, now: Timestamp, priority: u8) -> Waits {
    match bulkhead.enter(now, priority, Timestamp::NEVER) {
        Entered::Queued(ticket) => {
            let bell = Bell::new();
            assert!(!bulkhead.listen(&ticket, &bell.clone().into()));
            Waits { ticket, bell }
        }
        other => panic!("{other:?}"),
    }
}

#[cfg(not(loom))]
fn is_admitted(bulkhead: &Bulkhead, now: Timestamp) -> bool {
    matches!(bulkhead.enter(now, 3, Timestamp::NEVER), Entered::Admitted)
}

#[cfg(not(loom))]
fn is_full(bulkhead: &Bulkhead, now: Timestamp, priority: u8) -> bool {
    matches!(bulkhead.enter(now, priority, Timestamp::NEVER), Entered::Full)
}
