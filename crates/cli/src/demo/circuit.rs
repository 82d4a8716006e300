//! The circuit as the gateway shows it: its state now, and what has changed.

use breakerbox::State;
use breakerbox::core::breaker::{Snapshot, WindowSnapshot};
use breakerbox_proxy::policies::Policies;
use std::sync::Arc;
use std::time::Duration;

/// The one breaker of the gateway, and how far it has been followed.
#[derive(Debug)]
pub(super) struct Circuit {
    policies: Arc<Policies>,
    followed: Followed,
}

/// The circuit at one moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct CircuitView {
    /// Its state.
    pub(super) state: State,
    /// How long until a call may test the service, while the circuit is open.
    pub(super) next_probe: Option<Duration>,
    /// The outcomes in the window; while the circuit is open, those that opened it.
    pub(super) window: WindowSnapshot,
}

/// One change of state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) from: State,
    pub(super) to: State,
}

impl Circuit {
    /// Follows the breaker in these policies, which has just been made.
    pub(super) fn new(policies: Arc<Policies>) -> Self {
        Self { policies, followed: Followed::default() }
    }

    /// How it is now.
    pub(super) fn view(&self) -> CircuitView {
        let now = self.policies.now();
        let seen = self.policies.breakers().next().map(|(_, breaker)| breaker.snapshot(now));
        let Some(Snapshot { state, retry_after, window, .. }) = seen else {
            // Without a breaker every call goes through.
            return CircuitView {
                state: State::Closed,
                next_probe: None,
                window: WindowSnapshot::default(),
            };
        };
        let next_probe = retry_after.filter(|_| state == State::Open);
        CircuitView { state, next_probe, window }
    }

    /// What has changed since the last time, those changes included that time alone has made.
    pub(super) fn changes(&mut self) -> Vec<Change> {
        self.policies.settle();
        self.followed.follow(|from, to| self.policies.transitions(0, from, to))
    }
}

/// The gateway counts changes by their states, from and to. As each begins where the one before has
/// ended, their order can be told.
#[derive(Debug)]
struct Followed {
    state: State,
    seen: [[u64; State::ALL.len()]; State::ALL.len()],
}

impl Default for Followed {
    fn default() -> Self {
        Self { state: State::Closed, seen: Default::default() }
    }
}

impl Followed {
    fn follow(&mut self, count: impl Fn(State, State) -> u64) -> Vec<Change> {
        let mut changes = Vec::new();
        let from = |followed: &Self| followed.state;
        while let Some(to) = State::ALL
            .into_iter()
            .find(|to| count(from(self), *to) > self.seen[from(self) as usize][*to as usize])
        {
            self.seen[self.state as usize][to as usize] += 1;
            changes.push(Change { from: self.state, to });
            self.state = to;
        }
        changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_come_in_their_order_though_only_counted() {
        use State::{Closed, HalfOpen, Open};
        let mut followed = Followed::default();
        let mut follow = |counts: &[(State, State, u64)]| -> Vec<State> {
            let count = |from, to| {
                counts
                    .iter()
                    .find(|it| (it.0, it.1) == (from, to))
                    .map_or(0, |(_, _, count)| *count)
            };
            followed.follow(count).into_iter().map(|change| change.to).collect()
        };
        assert_eq!(follow(&[]), []);
        let mut counts =
            [(Closed, Open, 1), (Open, HalfOpen, 0), (HalfOpen, Open, 0), (HalfOpen, Closed, 0)];
        assert_eq!(follow(&counts), [Open]);
        assert_eq!(follow(&counts), []);
        (counts[1].2, counts[2].2) = (1, 1);
        assert_eq!(follow(&counts), [HalfOpen, Open]);
        (counts[1].2, counts[3].2) = (2, 1);
        assert_eq!(follow(&counts), [HalfOpen, Closed]);
    }
}
