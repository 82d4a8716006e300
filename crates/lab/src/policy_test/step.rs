//! What a step can say.

use super::expect::{Expectation, Looks};
use breakerbox::Control;
use std::time::Duration;

/// What one execution of the operation comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scripted {
    Ok,
    Fail,
    Ignore,
    Panic,
    /// It does not come back, unless it is told to.
    Hang,
    /// An HTTP status, seen by its class.
    Status(u16),
}

/// A call to be made.
#[derive(Clone, Debug)]
pub(super) struct Calling {
    /// The n-th execution gets the n-th; the last repeats.
    pub(super) script: Vec<Scripted>,
    /// How long each execution takes, likewise.
    pub(super) takes: Vec<Duration>,
    /// The HTTP method, in upper case; without one the call may be repeated.
    pub(super) method: Option<String>,
    /// What it belongs to: a tenant, a user, a document. Calls without one are all equal.
    pub(super) key: Option<String>,
    /// How important it is, from 0, the most important, to 7.
    pub(super) priority: Option<u8>,
}

impl Calling {
    pub(super) fn scripted(&self, execution: usize) -> Scripted {
        repeat_last(&self.script, execution).unwrap_or(Scripted::Ok)
    }

    pub(super) fn takes(&self, execution: usize) -> Duration {
        repeat_last(&self.takes, execution).unwrap_or(Duration::ZERO)
    }
}

fn repeat_last<T: Copy>(list: &[T], index: usize) -> Option<T> {
    list.get(index).or(list.last()).copied()
}

/// One step of a case.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// Calls, one after the other, each to its end.
    Call { calling: Calling, times: u32, expect: Option<Expectation> },
    /// A call that is begun and left in flight.
    Start { name: String, calling: Calling, expect: Option<Expectation> },
    /// A hanging operation ends now.
    Finish { name: String, outcome: Scripted, expect: Option<Expectation> },
    /// Time moves on until a call has ended.
    Await { name: String, expect: Option<Expectation> },
    /// The caller gives up.
    Cancel { name: String },
    /// Time moves on.
    Advance(Duration),
    /// Somebody does something by hand.
    Control(Control),
    /// Looks, and changes nothing.
    Look(Looks),
}
