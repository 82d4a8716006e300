//! A call under way: one passage of core's machine.

use super::agenda::Id;
use super::slots::Reusable;
use breakerbox::Timestamp;
use breakerbox::core::chaos::FaultKind;
use breakerbox::core::pipeline::{Call, Ending, Hint};
use breakerbox::core::retry::Failure;
use breakerbox::core::{Outcome, classify};
use std::time::Duration;

/// A call through the policies of a caller, or a request's way through those of an endpoint.
pub(super) struct Flight {
    generation: u32,
    pub(super) call: Call,
    pub(super) pipe: u32,
    pub(super) role: Role,
    pub(super) traits: Traits,
    pub(super) begun: Timestamp,
    /// The requests that it has sent and still waits for, each with the number of its attempt.
    pub(super) requests: Vec<(u32, Id)>,
    /// The attempts that chaos holds up, each with its endpoint and what becomes of it then.
    pub(super) held: Vec<(u32, usize, Option<FaultKind>)>,
    /// What the attempt that ended last came to.
    pub(super) last: Reply,
    /// When something has been entered into the agenda for this place, the earliest if several.
    pub(super) armed: Timestamp,
}

/// What the call is for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Role {
    /// A client's; `user`: one of so many who take turns.
    Client { client: u32, user: bool },
    /// An endpoint's, for a request of its own.
    Child { request: Id },
    /// The way of a request through the policies of the endpoint.
    Inbound { request: Id },
}

/// What belongs to a call wherever it goes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Traits {
    /// All random numbers of it come from this.
    pub(super) seed: u64,
    pub(super) key: u64,
    /// Who made the call that all this is for.
    pub(super) process: u32,
    pub(super) urgency: u8,
    pub(super) repeatable: bool,
}

/// What a request came to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Reply {
    Good,
    /// Not good, of this kind; the wish to be asked again later.
    Bad(Failure, Option<Duration>),
}

impl Reply {
    pub(super) const fn status(status: u16) -> Self {
        Self::Bad(Failure::Status(status), None)
    }

    pub(super) const fn is_good(self) -> bool {
        matches!(self, Self::Good)
    }

    /// As core wants to hear it.
    pub(super) fn heard(self) -> (Ending, Hint) {
        match self {
            Self::Good => (Ending::Success, Hint::NONE),
            Self::Bad(failure, retry_after) => {
                let outcome = match failure {
                    Failure::Status(status) => classify::http_status(status),
                    _ => Outcome::Failure,
                };
                let never_sent = failure == Failure::Connect;
                (Ending::from(outcome), Hint { failure, retry_after, never_sent, again: None })
            }
        }
    }
}

impl Default for Flight {
    fn default() -> Self {
        Self {
            generation: 0,
            call: Call::NEW,
            pipe: 0,
            role: Role::Client { client: 0, user: false },
            traits: Traits::default(),
            begun: Timestamp::ZERO,
            requests: Vec::new(),
            held: Vec::new(),
            last: Reply::Good,
            armed: Timestamp::NEVER,
        }
    }
}

impl Reusable for Flight {
    fn generation(&self) -> u32 {
        self.generation
    }

    fn retire(&mut self) {
        self.generation = self.generation.wrapping_add(1);
        self.call = Call::NEW;
        self.requests.clear();
        self.held.clear();
    }
}
