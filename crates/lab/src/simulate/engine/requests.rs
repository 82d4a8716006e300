//! Requests: on their way to an endpoint, and back.

use super::agenda::{Event as Entry, Id, rank};
use super::call::{Reply, Role};
use super::request::State;
use super::{World, nanos};
use crate::simulate::random::{Purpose, stream};
use breakerbox::Timestamp;
use breakerbox::core::retry::Failure;

impl World<'_> {
    /// A request comes to its endpoint.
    pub(super) fn comes(&mut self, id: Id) {
        let now = self.seconds();
        let Some(request) = self.requests.find(id) else { return };
        let (place, traits, deadline) = (request.instance, request.traits, request.deadline);
        let instance = &mut self.instances[place as usize];
        let (service, inbound) = (instance.service, instance.inbound);
        if instance.killed > 0 {
            return self.answer(id, Reply::Bad(Failure::Connect, None));
        }
        request.place = instance.enters(id);
        request.state = State::Admitted;
        if let Some(counts) = self.recorder.service(service, now) {
            counts.requests += 1;
        }
        let effects = self.effects(place);
        if effects.black_hole {
            // It stays there for ever, and costs nothing.
            return self.forget(id);
        }
        let usual = self.scenario.services[service as usize].errors;
        let errors = 1.0 - (1.0 - usual) * (1.0 - effects.errors);
        if errors > 0.0 && stream(traits.seed, Purpose::Error).next_unit() < errors {
            return self.answer(id, Reply::status(effects.status));
        }
        match inbound {
            None => self.queue_up(id),
            Some(pipe) => {
                self.begin(pipe, Role::Inbound { request: id }, traits, deadline);
            }
        }
    }

    /// It is gone, and nobody hears of it.
    pub(super) fn forget(&mut self, id: Id) {
        self.leave(id);
        self.requests.give_back(id);
    }

    /// It is no longer at its endpoint.
    fn leave(&mut self, id: Id) {
        let Some(request) = self.requests.find(id) else { return };
        let place = std::mem::replace(&mut request.place, u32::MAX);
        if place == u32::MAX {
            return;
        }
        let moved = self.instances[request.instance as usize].leaves(place);
        if let Some(moved) = moved.and_then(|moved| self.requests.find(moved)) {
            moved.place = place;
        }
    }

    /// The endpoint answers.
    pub(super) fn answer(&mut self, id: Id, reply: Reply) {
        self.leave(id);
        let now = self.seconds();
        let Some(request) = self.requests.find(id) else { return };
        (request.state, request.reply) = (State::Answered, reply);
        let (call, place, wanted, worked) =
            (request.call, request.instance, request.wanted, request.worked);
        let seed = request.traits.seed;
        let service = self.instances[place as usize].service;
        if let Some(counts) = self.recorder.service(service, now) {
            let seconds = worked as f64 / 1e9;
            counts.worked += seconds;
            counts.wasted += if wanted && reply.is_good() { 0.0 } else { seconds };
        }
        let there = self.flights.find(call);
        let Some(flight) = there.filter(|_| wanted) else {
            return self.requests.give_back(id);
        };
        let Some(leads) = &self.pipes[flight.pipe as usize].leads else { return };
        let (caller, to) = (leads.caller, leads.to);
        let weather = self.weather(caller, place);
        let mut random = stream(seed, Purpose::Reply);
        let loss = 1.0 - (1.0 - to.loss) * (1.0 - weather.loss);
        if loss > 0.0 && random.next_unit() < loss {
            return self.requests.give_back(id);
        }
        let takes = nanos(to.latency.sample(&mut random) + weather.latency);
        if takes == 0 {
            return self.answered(id);
        }
        let at = Timestamp::from_nanos(self.now.as_nanos().saturating_add(takes));
        self.agenda.enter(at, rank::ENDS, Entry::Answer(id));
    }

    /// The answer has come back.
    pub(super) fn answered(&mut self, id: Id) {
        let Some(request) = self.requests.find(id) else { return };
        let (call, attempt, reply) = (request.call, request.attempt, request.reply);
        self.requests.give_back(id);
        self.hears(call, attempt, reply);
    }

    /// Its caller does not wait for it any more. The endpoint goes on, unless it is one that is told.
    pub(super) fn abandon(&mut self, id: Id) {
        let Some(request) = self.requests.find(id) else { return };
        request.wanted = false;
        let (state, place, call) = (request.state, request.instance, request.call);
        let service = &self.scenario.services[self.instances[place as usize].service as usize];
        if state == State::Answered || !service.cancels {
            return;
        }
        // The message that says so takes as long as any other.
        let seed = request.traits.seed;
        let pipe = self.flights.at(call.slot).pipe;
        let takes = self.pipes[pipe as usize]
            .leads
            .as_ref()
            .map_or(0, |leads| nanos(leads.to.latency.sample(&mut stream(seed, Purpose::Request))));
        let at = Timestamp::from_nanos(self.now.as_nanos().saturating_add(takes));
        self.agenda.enter(at, rank::ENDS, Entry::Unwanted(id));
    }

    /// The endpoint drops it.
    pub(super) fn cancel_request(&mut self, id: Id) {
        let now = self.seconds();
        let Some(request) = self.requests.find(id) else { return };
        if request.state == State::Answered {
            return;
        }
        let (place, inbound) = (request.instance, request.inbound.take());
        self.stop_work(id);
        if let Some(call) = inbound {
            self.cancel(call);
        }
        let Some(request) = self.requests.find(id) else { return };
        let worked = request.worked as f64 / 1e9;
        let service = self.instances[place as usize].service;
        if let Some(counts) = self.recorder.service(service, now) {
            counts.worked += worked;
            counts.wasted += worked;
        }
        self.forget(id);
    }

    /// The endpoint is no more: all that was there is lost, and callers see their connections break.
    pub(super) fn killed(&mut self, place: u32, begins: bool) {
        let instance = &mut self.instances[place as usize];
        if !begins {
            instance.killed -= 1;
            return;
        }
        instance.killed += 1;
        instance.debt = 0;
        if let Some(cache) = &mut instance.cache {
            cache.clear();
        }
        for id in instance.present.clone() {
            let Some(request) = self.requests.find(id) else { continue };
            let (call, attempt, wanted) = (request.call, request.attempt, request.wanted);
            self.cancel_request(id);
            if wanted {
                self.hears(call, attempt, Reply::Bad(Failure::Reset, None));
            }
        }
    }
}
