//! Users who wait for an answer instead of making calls.

use super::Scenario;
use super::outcome::TOGETHER;
use super::scenario::Load;

/// How many users wait through the whole of the seconds that are judged together. They make no calls
/// meanwhile, so that nothing seems to go wrong.
pub(super) struct Stuck {
    /// Which clients are users.
    users: Vec<bool>,
    /// How many there are.
    all: u32,
    /// By how many it changes at the seconds with which windows begin.
    changes: Vec<i64>,
}

impl Stuck {
    pub(super) fn new(scenario: &Scenario) -> Self {
        let users = |load: &Load| match load {
            Load::Closed { users, .. } => Some(*users),
            Load::Open { .. } | Load::Trace(_) => None,
        };
        let clients = scenario.clients.iter().map(|client| users(&client.load));
        Self {
            users: clients.clone().map(|users| users.is_some()).collect(),
            all: clients.flatten().sum(),
            changes: vec![0; scenario.duration as usize + 2],
        }
    }

    /// A call of this client took from one time to another.
    pub(super) fn waited(&mut self, client: u32, from: f64, to: f64) {
        let first = libm::ceil(from) as usize;
        let Some(last) = (to as usize).checked_sub(TOGETHER) else { return };
        if last < first || !self.users[client as usize] {
            return;
        }
        self.changes[first] += 1;
        self.changes[last + 1] -= 1;
    }

    /// The share of all users who wait through the window that begins with each second.
    pub(super) fn shares(&self) -> Vec<f64> {
        let all = f64::from(self.all.max(1));
        let sums = self.changes.iter().scan(0, |sum, change| {
            *sum += change;
            Some(*sum as f64 / all)
        });
        sums.collect()
    }
}
