//! What a call in a group holds, and what becomes of it.

use super::group::Follower;

/// The answer to a call that joins.
///
/// ```
/// use breakerbox_core::coalesce::{Groups, Joined, Settings};
///
/// let groups: Groups<&str, u32> = Groups::new(Settings::default());
/// assert!(matches!(groups.join("/posts/1"), Joined::Lead(_)));
/// assert!(matches!(groups.join("/posts/1"), Joined::Follow(_)));
/// assert!(matches!(groups.join("/posts/2"), Joined::Lead(_)));
/// ```
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
///
/// ```
/// use breakerbox_core::coalesce::{Groups, Joined, Settings};
///
/// let groups: Groups<&str, u32> = Groups::new(Settings::default());
/// let Joined::Lead(lead) = groups.join("/posts/1") else { panic!() };
/// let Joined::Follow(ticket) = groups.join("/posts/1") else { panic!() };
/// assert_eq!((*lead.key(), lead.round()), ("/posts/1", ticket.round()));
/// assert_eq!(groups.finished(lead, 200), 1, "so many got it");
/// ```
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
///
/// ```
/// use breakerbox_core::coalesce::{Groups, Joined, Settings};
///
/// let groups: Groups<&str, u32> = Groups::new(Settings::default());
/// let Joined::Lead(lead) = groups.join("/posts/1") else { panic!() };
/// let Joined::Follow(ticket) = groups.join("/posts/1") else { panic!() };
/// groups.give_up(ticket);
/// assert_eq!(groups.finished(lead, 200), 0, "nobody waits any longer");
/// ```
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
///
/// ```
/// use breakerbox_core::coalesce::{Following, Groups, Joined, Settings};
///
/// let groups: Groups<&str, u32> = Groups::new(Settings::default());
/// let Joined::Lead(lead) = groups.join("/posts/1") else { panic!() };
/// let Joined::Follow(ticket) = groups.join("/posts/1") else { panic!() };
/// groups.lost(lead);
/// assert!(matches!(groups.look(ticket), Following::Lead(_)));
/// ```
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
