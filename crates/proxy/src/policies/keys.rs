//! The breakers of keys, all together: one by one there are too many.

use breakerbox::State;

use super::Policies;

/// How the breakers of an upstream's keys stand.
#[derive(Debug)]
pub struct Keys {
    /// How many keys have breakers.
    pub known: u64,
    /// How many may have.
    pub cap: u64,
    /// How many were thrown out to make room.
    pub evicted: u64,
    /// How many breakers are in each state, in the order of [`State::ALL`]. A key has one for each
    /// endpoint.
    pub states: [u64; State::ALL.len()],
    /// Whether the upstream takes calls: not where somebody has isolated it, nor where it takes none of
    /// its keys'. One key says nothing of the others, even if it is the only one so far.
    pub admits: bool,
}

impl Keys {
    /// The states that breakers are in, by name, with how many.
    pub fn states(&self) -> impl Iterator<Item = (&'static str, u64)> {
        State::ALL.into_iter().map(State::name).zip(self.states)
    }
}

impl Policies {
    /// How the breakers of its keys stand, where each key has its own.
    pub fn keys(&self) -> Option<Keys> {
        let keyed = self.pipeline().keyed_breakers()?;
        let now = self.now();
        let (mut known, mut admitted) = (0, 0);
        let mut states = [0; State::ALL.len()];
        keyed.for_each(|_, endpoints| {
            known += 1;
            admitted += u64::from(endpoints.admits(now));
            for breaker in (0..endpoints.count()).filter_map(|it| endpoints.breaker(it)) {
                states[breaker.state(now) as usize] += 1;
            }
        });
        let isolated = self.own_breakers().all(|(_, own)| own.state(now) == State::Isolated);
        Some(Keys {
            known,
            cap: keyed.cap() as u64,
            evicted: keyed.evicted(),
            states,
            admits: !isolated && (known < 2 || admitted > 0),
        })
    }

    /// What somebody has said by hand to the keys of an endpoint, those to come too, and not taken back.
    pub fn said_to_keys(&self) -> impl Iterator<Item = (&str, State)> {
        let now = self.now();
        self.own_breakers()
            .filter(|_| self.pipeline().keyed_breakers().is_some())
            .map(move |(name, own)| (name, own.state(now)))
            .filter(|(_, state)| is_by_hand(*state))
    }

    /// Whether the state of an endpoint's own breaker is worth remembering over a restart. Where each key
    /// has its own, no call goes through it: it stands for what was said by hand to all of them.
    pub(super) fn is_worth_keeping(&self, state: State) -> bool {
        self.pipeline().keyed_breakers().is_none() || is_by_hand(state)
    }

    /// How often breakers of keys went from one state to another.
    pub fn changes_of_keys(&self, from: State, to: State) -> u64 {
        (0..self.own_breakers().count()).map(|it| self.transitions(it, from, to)).sum()
    }
}

fn is_by_hand(state: State) -> bool {
    matches!(state, State::Isolated | State::Disabled | State::MetricsOnly)
}
