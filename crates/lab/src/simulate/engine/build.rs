//! A world as a scenario describes it, before anything has happened.

use super::agenda::{Agenda, Event as Entry, rank};
use super::clients::Source;
use super::instance::Instance;
use super::sharing::Sharing;
use super::{Keyed, Leads, Pipe, World, nanos};
use crate::simulate::measure::Recorder;
use crate::simulate::random::{Purpose, mix};
use crate::simulate::scenario::{Caller, Edge, Scenario};
use breakerbox::Timestamp;
use breakerbox::config::Policy;
use breakerbox::core::SettingsError;
use breakerbox::core::pipeline::Pipeline;
use lru::LruCache;
use std::collections::VecDeque;
use std::num::NonZeroUsize;

impl<'a> World<'a> {
    pub(super) fn build(scenario: &'a Scenario, seed: u64) -> Result<Self, SettingsError> {
        let seed = mix(seed, scenario.seed);
        let edges = scenario.edges().count();
        let mut world = Self {
            scenario,
            seed,
            now: Timestamp::ZERO,
            agenda: Agenda::default(),
            wakes: Default::default(),
            flights: Default::default(),
            requests: Default::default(),
            pipes: Vec::new(),
            instances: Vec::new(),
            bases: Vec::new(),
            sources: Vec::new(),
            active_faults: Vec::new(),
            recorder: Recorder::new(scenario, edges),
            #[cfg(test)]
            seen: Default::default(),
        };
        world.add_services()?;
        world.add_clients()?;
        world.enter_faults();
        let second = world.in_seconds(1.0);
        world.agenda.enter(second, rank::SECOND, Entry::Second);
        Ok(world)
    }

    fn add_pipe(
        &mut self,
        policy: &Policy,
        endpoints: u32,
        leads: Option<Leads<'a>>,
    ) -> Result<u32, SettingsError> {
        let number = self.pipes.len() as u32;
        let seed = mix(mix(self.seed, Purpose::Policies as u64), u64::from(number));
        let mut settings = policy.pipeline(endpoints as usize)?;
        settings.lookup = false;
        let keyed = Keyed {
            rate_limit: policy.rate_limit.as_ref().is_some_and(|limit| limit.key.is_some()),
            breaker: policy.breaker_key.is_some(),
            chaos: policy.chaos.as_ref().is_some_and(|chaos| chaos.key.is_some()),
        };
        let pipeline = Pipeline::new(settings, Timestamp::ZERO, seed);
        self.pipes.push(Pipe { pipeline, keyed, leads });
        Ok(number)
    }

    fn add_edge(
        &mut self,
        caller: Caller,
        edge: usize,
        to: &'a Edge,
    ) -> Result<u32, SettingsError> {
        let endpoints = self.scenario.services[to.service].endpoints;
        self.add_pipe(&to.policy, endpoints, Some(Leads { caller, edge, to }))
    }

    fn add_services(&mut self) -> Result<(), SettingsError> {
        let scenario = self.scenario;
        let mut edge = scenario.clients.len();
        for (number, service) in scenario.services.iter().enumerate() {
            self.bases.push(self.instances.len() as u32);
            for place in 0..service.shards * service.endpoints {
                let protected = service.policy != Policy::default();
                let inbound = protected.then(|| self.add_pipe(&service.policy, 1, None));
                let mut edges = Vec::new();
                for (own, to) in service.calls.iter().enumerate() {
                    edges.push(self.add_edge(Caller::Service(number), edge + own, to)?);
                }
                let cache = service.cache.and_then(|it| NonZeroUsize::new(it.entries as usize));
                self.instances.push(Instance {
                    service: number as u32,
                    shard: place / service.endpoints,
                    endpoint: place % service.endpoints,
                    inbound: inbound.transpose()?,
                    edges,
                    present: Vec::new(),
                    queue: VecDeque::new(),
                    waiting: 0,
                    busy: 0,
                    sharing: Sharing::default(),
                    debt: 0,
                    cache: cache.map(LruCache::new),
                    stalled: 0,
                    killed: 0,
                });
            }
            edge += service.calls.len();
        }
        Ok(())
    }

    fn add_clients(&mut self) -> Result<(), SettingsError> {
        let scenario = self.scenario;
        for (number, client) in scenario.clients.iter().enumerate() {
            let mut pipes = Vec::new();
            for _ in 0..client.processes {
                pipes.push(self.add_edge(Caller::Client(number), number, &client.call)?);
            }
            self.sources.push(Source {
                seed: mix(self.seed, number as u64 + 1),
                pipes,
                count: 0,
                last: 0.0,
                keys: Source::shares(client.keys),
            });
            self.first_calls(number as u32);
        }
        Ok(())
    }

    fn enter_faults(&mut self) {
        for (number, fault) in self.scenario.faults.iter().enumerate() {
            let number = number as u32;
            for (at, begins) in [(fault.at, true), (fault.at + fault.lasts, false)] {
                let at = Timestamp::from_nanos(nanos(at));
                self.agenda.enter(at, rank::ENDS, Entry::Fault { fault: number, begins });
            }
        }
    }
}
