//! Clients, and the calls they make.

use super::World;
use super::agenda::{Event as Entry, Id, rank};
use super::call::{Role, Traits};
use crate::simulate::measure::Class;
use crate::simulate::random::{Purpose, exponential, mix, stream};
use crate::simulate::scenario::{Keys, Load};
use breakerbox::Timestamp;

/// Where the calls of a client come from.
pub(super) struct Source {
    pub(super) seed: u64,
    /// The machines of its processes.
    pub(super) pipes: Vec<u32>,
    /// How many calls have come.
    pub(super) count: u64,
    /// When the last one came by the rate, in seconds.
    pub(super) last: f64,
    /// The shares of all keys up to each, of 1.
    pub(super) keys: Vec<f64>,
}

impl Source {
    /// The shares of the keys, added up.
    pub(super) fn shares(keys: Option<Keys>) -> Vec<f64> {
        let Some(Keys { count, zipf }) = keys else { return Vec::new() };
        let weight = |key: u32| libm::pow(f64::from(key), -zipf);
        let total: f64 = (1..=count).map(weight).sum();
        let mut sum = 0.0;
        (1..=count)
            .map(|key| {
                sum += weight(key) / total;
                sum
            })
            .collect()
    }
}

impl World<'_> {
    /// When the first calls of a client come.
    pub(super) fn first_calls(&mut self, client: u32) {
        match &self.scenario.clients[client as usize].load {
            Load::Open { .. } | Load::Trace(_) => self.next_arrival(client),
            Load::Closed { users, .. } => (0..*users).for_each(|_| self.think(client, 0.0)),
        }
    }

    /// A user thinks, for so many seconds at least, and then calls.
    fn think(&mut self, client: u32, at_least: f64) {
        let Load::Closed { think, .. } = &self.scenario.clients[client as usize].load else {
            return;
        };
        let source = &mut self.sources[client as usize];
        source.count += 1;
        let seconds = think.sample(&mut stream(mix(source.seed, source.count), Purpose::Think));
        let at = self.in_seconds(seconds.max(at_least));
        self.enter_call(at, Entry::User { client });
    }

    /// Calls begin only while the run lasts.
    fn enter_call(&mut self, at: Timestamp, entry: Entry) {
        if (at.as_nanos() as f64) < self.scenario.duration * 1e9 {
            self.agenda.enter(at, rank::COMES, entry);
        }
    }

    fn next_arrival(&mut self, client: u32) {
        let source = &mut self.sources[client as usize];
        let at = match &self.scenario.clients[client as usize].load {
            Load::Open { rate, even } => {
                let apart = if *even {
                    1.0
                } else {
                    exponential(&mut stream(mix(source.seed, source.count), Purpose::Arrival))
                };
                rate.after(source.last, apart)
            }
            Load::Trace(times) => times.get(source.count as usize).copied(),
            Load::Closed { .. } => None,
        };
        let Some(at) = at else { return };
        source.last = at;
        self.enter_call(Timestamp::from_nanos(super::nanos(at)), Entry::Arrival(client));
    }

    /// A call comes.
    pub(super) fn arrival(&mut self, client: u32) {
        self.client_calls(client, false);
        self.next_arrival(client);
    }

    pub(super) fn client_calls(&mut self, number: u32, user: bool) {
        let now = self.seconds();
        let client = &self.scenario.clients[number as usize];
        let source = &mut self.sources[number as usize];
        source.count += 1;
        let seed = mix(source.seed, source.count);
        let process = (source.count % source.pipes.len() as u64) as usize;
        let pipe = source.pipes[process];
        let key = if source.keys.is_empty() {
            // Each call is of its own.
            seed
        } else {
            let drawn = stream(seed, Purpose::Key).next_unit();
            source.keys.partition_point(|share| *share <= drawn).min(source.keys.len() - 1) as u64
        };
        let mut drawn = stream(seed, Purpose::Priority).next_unit();
        let urgency = client.priorities.iter().find(|(_, share)| {
            drawn -= share;
            drawn < 0.0
        });
        let urgency = urgency.or(client.priorities.last()).map_or(3, |(urgency, _)| *urgency);
        let traits = Traits { seed, key, process: pipe, urgency, repeatable: client.repeatable };
        self.recorder.begins(number, now);
        let role = Role::Client { client: number, user };
        let call = self.begin(pipe, role, traits, Timestamp::NEVER);
        if let Some(give_up) = client.give_up
            && self.flights.is_there(call)
        {
            let at = self.in_seconds(give_up);
            self.agenda.enter(at, rank::COMES, Entry::GivesUp(call));
        }
    }

    /// A call is over; one of many users thinks, and makes the next.
    pub(super) fn client_goes_on(&mut self, client: u32, user: bool, begun: Timestamp) {
        if !user {
            return;
        }
        // Whoever is turned away at once does not try again at once, even without thinking: nothing would
        // ever move.
        let at_least = if begun == self.now { 0.001 } else { 0.0 };
        self.think(client, at_least);
    }

    /// A user has waited long enough.
    pub(super) fn gives_up(&mut self, id: Id) {
        let Some(flight) = self.flights.find(id) else { return };
        let (role, begun) = (flight.role, flight.begun);
        self.cancel(id);
        if let Role::Client { client, user } = role {
            let now = self.seconds();
            self.recorder.ends(client, begun.as_nanos() as f64 / 1e9, now, Class::GivenUp);
            self.client_goes_on(client, user, begun);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::simulate::{NoOtherFiles, read, simulate};

    /// How many calls per second ten users make of whom nearly all are turned away at once.
    fn calls(think: &str) -> f64 {
        let text = format!(
            "
            duration = '20s'
            client.web = {{ calls = 'api', users = 10, think = '{think}', policy.rate_limit = {{ rate = 5 }} }}
            service.api = {{ workers = 10, time = '1ms' }}
            "
        );
        let (scenario, _) = read("users.toml", &text, &NoOtherFiles).unwrap();
        simulate(&scenario, 0, &mut |_| {}).unwrap().calls as f64 / 20.0
    }

    #[test]
    fn users_think_after_a_rejection_too() {
        assert!((95.0..=100.0).contains(&calls("100ms")), "{}", calls("100ms"));
        // And without thinking time still passes.
        assert!((9_000.0..=10_000.0).contains(&calls("0s")), "{}", calls("0s"));
    }
}
