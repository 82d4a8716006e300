//! A request on its way through an endpoint.

use super::agenda::Id;
use super::call::{Reply, Traits};
use super::slots::Reusable;
use breakerbox::Timestamp;

/// A request: one attempt of a call, seen by the endpoint.
pub(super) struct Request {
    generation: u32,
    /// The call it is of, and the number of the attempt.
    pub(super) call: Id,
    pub(super) attempt: u32,
    pub(super) instance: u32,
    pub(super) traits: Traits,
    pub(super) state: State,
    /// Somebody still waits for the answer, as far as the caller knows.
    pub(super) wanted: bool,
    /// Until when an answer is of use, where the caller says so.
    pub(super) deadline: Timestamp,
    /// Its way through the policies of the endpoint, where there are such.
    pub(super) inbound: Option<Id>,
    /// Its place among those that are at the endpoint.
    pub(super) place: u32,
    /// How often its work was begun: an end that belongs to an earlier beginning is none.
    pub(super) run: u32,
    pub(super) work_began: Timestamp,
    pub(super) work_ends: Timestamp,
    /// Where cores are shared: see `Sharing::begin`.
    pub(super) share_ends: f64,
    /// How long the endpoint has worked on it, in nanoseconds.
    pub(super) worked: u64,
    /// The calls that it has made and still waits for.
    pub(super) children: Vec<Id>,
    /// How many calls it has made.
    pub(super) made: u32,
    pub(super) reply: Reply,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// On its way.
    Travels,
    /// It is held up by the endpoint's own policies.
    Admitted,
    Queued,
    Working,
    /// Its own work is done; it waits for the calls it has made.
    Calling,
    /// The answer is on its way.
    Answered,
}

impl Default for Request {
    fn default() -> Self {
        let none = Id { slot: 0, generation: 0 };
        Self {
            generation: 0,
            call: none,
            attempt: 0,
            instance: 0,
            traits: Traits::default(),
            state: State::Travels,
            wanted: true,
            deadline: Timestamp::NEVER,
            inbound: None,
            place: u32::MAX,
            run: 0,
            work_began: Timestamp::ZERO,
            work_ends: Timestamp::ZERO,
            share_ends: 0.0,
            worked: 0,
            children: Vec::new(),
            made: 0,
            reply: Reply::Good,
        }
    }
}

impl Reusable for Request {
    fn generation(&self) -> u32 {
        self.generation
    }

    fn retire(&mut self) {
        let generation = self.generation.wrapping_add(1);
        let mut children = std::mem::take(&mut self.children);
        children.clear();
        *self = Self { generation, children, ..Self::default() };
    }
}
