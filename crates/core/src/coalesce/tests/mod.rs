//! Tests of coalescing: its rules one by one, against a naive model, with threads, and under loom.

#[cfg(loom)]
mod loom_groups;

#[cfg(not(loom))]
mod model;
#[cfg(not(loom))]
mod rules;
#[cfg(not(loom))]
mod threads;

use super::{Following, Groups, Joined, Lead, Settings, Ticket};
use crate::waiter::Bell;
use std::sync::Arc;

type Calls = Groups<u64, &'static str>;

fn groups(followers: u32) -> Calls {
    Groups::new(Settings { followers }.check().unwrap())
}

/// A follower, with a bell that rings when it is woken.
#[derive(Debug)]
struct Follows {
    ticket: Ticket<u64, &'static str>,
    bell: Arc<Bell>,
}

fn lead(groups: &Calls, key: u64) -> Lead<u64> {
    match groups.join(key) {
        Joined::Lead(lead) => lead,
        other => panic!("{other:?}"),
    }
}

fn follow(groups: &Calls, key: u64) -> Follows {
    match groups.join(key) {
        Joined::Follow(ticket) => {
            let bell = Bell::new();
            assert!(!groups.listen(&ticket, &bell.clone().into()));
            Follows { ticket, bell }
        }
        other => panic!("{other:?}"),
    }
}

impl Follows {
    fn leads(self, groups: &Calls) -> Lead<u64> {
        match groups.look(self.ticket) {
            Following::Lead(lead) => lead,
            other => panic!("{other:?}"),
        }
    }

    fn shares(self, groups: &Calls) -> &'static str {
        match groups.look(self.ticket) {
            Following::Shared(result) => result,
            other => panic!("{other:?}"),
        }
    }
}
