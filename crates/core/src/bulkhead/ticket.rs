//! What a call that waits holds, and what becomes of it.

use crate::Timestamp;
use crate::waiter::Waiter;
use std::sync::Arc;
use std::time::Duration;

/// The place of a call in the queue of a bulkhead.
///
/// It goes back to the bulkhead that gave it out: by [`look`](super::Bulkhead::look), or by
/// [`give_up`](super::Bulkhead::give_up) if the call does not wait any longer. One that is merely
/// dropped may have been granted a slot, which is lost then.
///
/// ```
/// use breakerbox_core::Timestamp;
/// use breakerbox_core::bulkhead::{Bulkhead, DEFAULT_PRIORITY, Entered, Settings};
///
/// let (bulkhead, now) = (Bulkhead::new(Settings { queue: 1, ..Settings::new(1) }), Timestamp::ZERO);
/// assert!(bulkhead.try_enter());
/// let entered = bulkhead.enter(now, DEFAULT_PRIORITY, Timestamp::NEVER);
/// let Entered::Queued(ticket) = entered else { panic!() };
/// assert_eq!(ticket.due().since(ticket.since()).as_millis(), 100);
/// bulkhead.give_up(ticket, now);
/// assert_eq!(bulkhead.snapshot().queued, 0);
/// ```
#[derive(Debug)]
#[must_use = "a ticket that is dropped may lose a slot: give it up"]
pub struct Ticket {
    pub(super) place: Place,
    pub(super) waiter: Arc<Waiter<Verdict>>,
}

impl Ticket {
    /// When its time in the queue is over: look again then.
    pub fn due(&self) -> Timestamp {
        self.place.due
    }

    /// Since when it has waited.
    pub fn since(&self) -> Timestamp {
        self.place.since
    }
}

/// Where a call stands in the line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) number: u64,
    pub(super) urgency: u8,
    pub(super) since: Timestamp,
    pub(super) due: Timestamp,
}

/// What others decided about a call that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Granted,
    TimedOut,
    Evicted,
}

/// The answer to a call that wants to enter.
///
/// ```
/// use breakerbox_core::Timestamp;
/// use breakerbox_core::bulkhead::{Bulkhead, DEFAULT_PRIORITY, Entered, Settings};
///
/// let bulkhead = Bulkhead::new(Settings::new(1));
/// let enter = || bulkhead.enter(Timestamp::ZERO, DEFAULT_PRIORITY, Timestamp::NEVER);
/// assert!(matches!(enter(), Entered::Admitted));
/// assert!(matches!(enter(), Entered::Full), "nobody waits unless there is a queue");
/// ```
#[derive(Debug)]
#[must_use = "an admitted call holds a slot until it leaves"]
pub enum Entered {
    /// It runs now, and [leaves](super::Bulkhead::leave) when it is over.
    Admitted,
    /// It waits for a slot.
    Queued(Ticket),
    /// There is no slot, and no place in the queue.
    Full,
}

/// What has become of a call in the queue.
///
/// ```
/// use breakerbox_core::Timestamp;
/// use breakerbox_core::bulkhead::{Bulkhead, Entered, Settings, Waiting};
///
/// let (bulkhead, now) = (Bulkhead::new(Settings { queue: 1, ..Settings::new(1) }), Timestamp::ZERO);
/// let enter = |priority| bulkhead.enter(now, priority, Timestamp::NEVER);
/// assert!(matches!(enter(3), Entered::Admitted));
/// let Entered::Queued(unimportant) = enter(7) else { panic!() };
/// let Entered::Queued(important) = enter(0) else { panic!() };
/// assert!(matches!(bulkhead.look(unimportant, now), Waiting::Evicted));
/// assert!(matches!(bulkhead.look(important, now), Waiting::Pending(_)));
/// ```
#[derive(Debug)]
#[must_use = "an admitted call holds a slot until it leaves"]
pub enum Waiting {
    /// It runs now, and [leaves](super::Bulkhead::leave) when it is over.
    Admitted {
        /// How long it has waited.
        waited: Duration,
    },
    /// It goes on waiting.
    Pending(Ticket),
    /// It has waited too long.
    TimedOut,
    /// A more important call has taken its place.
    Evicted,
}
