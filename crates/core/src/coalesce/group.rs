//! The rule of one group of equal calls in flight. No lock, no key, nothing woken.

use crate::waiter::Waiter;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What others decided about a follower.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict<R> {
    /// The leader had a result: this one.
    Shared(R),
    /// The leader was lost, and this is the next one.
    Lead,
}

pub(super) type Follower<R> = Arc<Waiter<Verdict<R>>>;

/// One leader, who runs the call, and those who wait for what it brings. It begins with its leader
/// and ends with the last one.
#[derive(Debug)]
pub(super) struct Group<R> {
    pub(super) round: u64,
    joined: u64,
    /// By the number of their arrival.
    followers: BTreeMap<u64, Follower<R>>,
}

impl<R> Group<R> {
    pub(super) fn new(round: u64) -> Self {
        Self { round, joined: 0, followers: BTreeMap::new() }
    }

    /// Someone joins, and gets a number.
    pub(super) fn join(&mut self, follower: Follower<R>) -> u64 {
        let number = self.joined;
        self.joined += 1;
        self.followers.insert(number, follower);
        number
    }

    /// A follower goes away. False if something has been decided about it before.
    pub(super) fn remove(&mut self, number: u64) -> bool {
        self.followers.remove(&number).is_some()
    }

    /// Whoever leads after the leader: the oldest follower.
    pub(super) fn next_leader(&mut self) -> Option<Follower<R>> {
        self.followers.pop_first().map(|(_, follower)| follower)
    }

    pub(super) fn len(&self) -> usize {
        self.followers.len()
    }

    /// Those who wait, oldest first.
    pub(super) fn into_followers(self) -> impl ExactSizeIterator<Item = Follower<R>> {
        self.followers.into_values()
    }
}
