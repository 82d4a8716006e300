//! What a call in a group holds, and what becomes of it.

use super::group::Follower;

/// The answer to a call that joins.
#[derive(Debug)]
#[must_use = "a leader that is forgotten leaves its followers waiting"]
pub enum Joined<K, R> {
    /// It runs, for all that follow.
    Lead(Lead<K>),
    /// It waits for what the leader brings.
    Follow(Ticket<K, R>),
    /// Too many follow already: it runs on its own.
    Apart,
}

/// The duty of a leader: it ends with [`finished`](super::Groups::finished) or [`lost`](super::Groups::lost).
#[derive(Debug)]
#[must_use = "a leader that is forgotten leaves its followers waiting: say that it is lost"]
pub struct Lead<K> {
    pub(super) key: K,
    pub(super) round: u64,
}

impl<K> Lead<K> {
    /// The key of its calls.
    pub fn key(&self) -> &K {
        &self.key
    }

    /// The number of the round, from the first leader to the result; no other round has it.
    pub fn round(&self) -> u64 {
        self.round
    }
}

/// The place of a follower. It goes back by [`look`](super::Groups::look), or by
/// [`give_up`](super::Groups::give_up) if the call does not wait any longer.
#[derive(Debug)]
#[must_use = "a ticket that is dropped may have become the leader: give it up"]
pub struct Ticket<K, R> {
    pub(super) key: K,
    pub(super) round: u64,
    pub(super) number: u64,
    pub(super) follower: Follower<R>,
}

impl<K, R> Ticket<K, R> {
    /// The number of the round, as its leader has it.
    pub fn round(&self) -> u64 {
        self.round
    }
}

/// What has become of a follower.
#[derive(Debug)]
#[must_use = "a leader that is forgotten leaves its followers waiting"]
pub enum Following<K, R> {
    /// It goes on waiting.
    Pending(Ticket<K, R>),
    /// The leader brought this.
    Shared(R),
    /// The leader was lost: it leads now, and runs.
    Lead(Lead<K>),
}
