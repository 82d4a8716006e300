//! Runs a scenario: what happens, one thing after the other, on virtual time.
//!
//! Calls go through core's pipeline, the very machine that runs in production. What the engine adds is the
//! world around it: clients, the network, and endpoints that work.

mod agenda;
mod build;
mod call;
mod calls;
mod clients;
#[cfg(test)]
mod differential;
mod effects;
mod instance;
mod request;
mod requests;
mod sharing;
mod slots;
mod wakes;
mod work;

use super::measure::Recorder;
use super::scenario::{Caller, Edge, Effect, Scenario};
use agenda::{Agenda, Event, rank};
use breakerbox::Timestamp;
use breakerbox::core::pipeline::{self, Pipeline};
use call::{Flight, Role};
use clients::Source;
use instance::Instance;
use request::Request;
use slots::Slots;
use wakes::Wakes;

/// Everything there is.
pub(super) struct World<'a> {
    scenario: &'a Scenario,
    seed: u64,
    now: Timestamp,
    agenda: Agenda,
    wakes: Wakes,
    flights: Slots<Flight>,
    requests: Slots<Request>,
    pipes: Vec<Pipe<'a>>,
    instances: Vec<Instance>,
    /// Where the endpoints of each service begin among the instances.
    bases: Vec<u32>,
    sources: Vec<Source>,
    active_faults: Vec<u32>,
    recorder: Recorder,
    #[cfg(test)]
    seen: differential::Seen,
}

/// The policies of one caller in front of one service, or of an endpoint in front of itself.
struct Pipe<'a> {
    pipeline: Pipeline,
    /// What a policy says that only the driver can know.
    keyed: Keyed,
    /// Whom it leads to; `None`: it is an endpoint's own.
    leads: Option<Leads<'a>>,
}

struct Leads<'a> {
    caller: Caller,
    /// The place among all that is counted from caller to service.
    edge: usize,
    to: &'a Edge,
}

/// Which policies go by key.
#[derive(Clone, Copy, Debug, Default)]
struct Keyed {
    rate_limit: bool,
    breaker: bool,
    chaos: bool,
}

/// Runs a scenario, and gives what was counted.
///
/// # Errors
/// A policy is refused.
pub(super) fn run(
    scenario: &Scenario,
    seed: u64,
    progress: &mut dyn FnMut(f64),
) -> Result<Recorder, breakerbox::core::SettingsError> {
    let mut world = World::build(scenario, seed)?;
    world.run(progress);
    world.count_unfinished();
    Ok(world.recorder)
}

/// After the last call has begun those under way have so much longer to end, as a share of the run.
const GRACE: f64 = 1.0;

impl World<'_> {
    fn run(&mut self, progress: &mut dyn FnMut(f64)) {
        let last = self.scenario.duration * (1.0 + GRACE);
        while let Some((at, event)) = self.agenda.next() {
            self.now = at;
            #[cfg(test)]
            self.seen.times.push(at);
            // The last second is counted to its end, whatever falls due at that very instant.
            let counted = self.recorder.seconds.len() >= self.scenario.duration as usize;
            let over =
                self.seconds() >= self.scenario.duration && counted && event != Event::Second;
            if over && (self.recorder.in_flight == 0 || self.seconds() > last) {
                break;
            }
            self.happens(event, progress);
            while let Some(call) = self.wakes.next() {
                self.step(call, pipeline::Event::Time);
            }
        }
    }

    /// What is still under way when all is over.
    fn count_unfinished(&mut self) {
        for flight in self.flights.iter() {
            if flight.call.is_running()
                && let Role::Client { client, .. } = flight.role
            {
                self.recorder.never_ends(client, flight.begun.as_nanos() as f64 / 1e9);
            }
        }
    }

    #[inline]
    fn happens(&mut self, event: Event, progress: &mut dyn FnMut(f64)) {
        match event {
            Event::Worked(request, run) => self.worked(request, run),
            Event::Shared { instance, epoch } => self.share_ends(instance, epoch),
            Event::Comes(request) => self.comes(request),
            Event::Answer(request) => self.answered(request),
            Event::Unwanted(request) => self.cancel_request(request),
            Event::Fault { fault, begins } => self.fault(fault, begins),
            Event::Sent { call, attempt } => self.held_up(call, attempt),
            Event::Due(slot) => self.due(slot),
            Event::GivesUp(call) => self.gives_up(call),
            Event::Arrival(client) => self.arrival(client),
            Event::User { client } => self.client_calls(client, true),
            Event::Second => {
                self.recorder.next_second();
                progress(self.seconds());
                if self.recorder.seconds.len() < self.scenario.duration as usize {
                    let next = self.in_seconds(1.0);
                    self.agenda.enter(next, rank::SECOND, Event::Second);
                }
            }
        }
    }

    /// The time in seconds.
    #[inline]
    fn seconds(&self) -> f64 {
        self.now.as_nanos() as f64 / 1e9
    }

    /// So much later.
    #[inline]
    fn in_seconds(&self, seconds: f64) -> Timestamp {
        Timestamp::from_nanos(self.now.as_nanos().saturating_add(nanos(seconds)))
    }

    fn fault(&mut self, number: u32, begins: bool) {
        if begins {
            self.active_faults.push(number);
        } else {
            self.active_faults.retain(|active| *active != number);
        }
        let fault = &self.scenario.faults[number as usize];
        for instance in 0..self.instances.len() as u32 {
            if !self.is_hit(fault, instance) {
                continue;
            }
            match fault.effect {
                Effect::Stall => self.stalls(instance, begins),
                Effect::Kill => self.killed(instance, begins),
                Effect::FlushCache if begins => {
                    if let Some(cache) = &mut self.instances[instance as usize].cache {
                        cache.clear();
                    }
                }
                _ => self.capacity_changes(instance),
            }
        }
    }
}

/// Seconds as nanoseconds, of which there are whole ones.
#[inline]
fn nanos(seconds: f64) -> u64 {
    // What is too large becomes the largest.
    (seconds * 1e9 + 0.5) as u64
}
