//! Calls through the policies of callers, and what core's machine says to do.

use super::agenda::{Event as Entry, Id, rank};
use super::call::{Flight, Reply, Role, Traits};
use super::request::State;
use super::{Pipe, World, nanos};
use crate::simulate::measure::{Class, Recorder};
use crate::simulate::random::{Purpose, mix, stream};
use breakerbox::core::breaker;
use breakerbox::core::chaos::{Fault, FaultKind};
use breakerbox::core::pipeline::{Action, End, Event, Keys, Rejection, Start};
use breakerbox::core::retry::Failure;
use breakerbox::{Timestamp, Transition};
use std::time::Duration;

/// Tells the recorder of a change of a breaker.
fn turns(recorder: &mut Recorder, change: Transition) {
    let open = |state| matches!(state, breaker::State::Open | breaker::State::HalfOpen);
    let trips = change.to == breaker::State::Open;
    let at = change.at.as_nanos() as f64 / 1e9;
    recorder.turns(open(change.from), open(change.to), trips, at);
}

impl World<'_> {
    /// Begins a call; `deadline` is the end of whoever it is for.
    pub(super) fn begin(
        &mut self,
        pipe: u32,
        role: Role,
        traits: Traits,
        deadline: Timestamp,
    ) -> Id {
        let id = self.flights.take();
        let now = self.now;
        let start = self.start(pipe, &traits, deadline);
        let flight = self.flights.at(id.slot);
        (flight.pipe, flight.role, flight.traits, flight.begun) = (pipe, role, traits, now);
        if let Role::Inbound { request } = role
            && let Some(request) = self.requests.find(request)
        {
            request.inbound = Some(id);
        }
        let Pipe { pipeline, leads, .. } = &self.pipes[pipe as usize];
        if let Some(leads) = leads {
            self.recorder.calls(leads.edge, now.as_nanos() as f64 / 1e9);
        }
        let recorder = &mut self.recorder;
        let action =
            pipeline.begin_in(&mut flight.call, now, &start, &mut |_, it| turns(recorder, it));
        self.carry_out(id, action);
        id
    }

    fn start(&self, pipe: u32, traits: &Traits, deadline: Timestamp) -> Start {
        let Pipe { keyed, leads, .. } = &self.pipes[pipe as usize];
        // A breaker for each key is one for each shard where there are such.
        let shard = || {
            let service = leads.as_ref().map(|leads| &self.scenario.services[leads.to.service]);
            let shards = service.map_or(1, |it| it.shards);
            if shards > 1 { traits.key % u64::from(shards) } else { traits.key }
        };
        // An endpoint limits the rate of each client process; a caller that of each key.
        let whose = if leads.is_some() { traits.key } else { u64::from(traits.process) };
        let keys = Keys {
            rate_limit: keyed.rate_limit.then(|| mix(whose, 1)),
            breaker: keyed.breaker.then(|| mix(shard(), 2)),
            shed: Some(mix(traits.key, 3)),
            chaos: keyed.chaos.then(|| mix(traits.key, 4)),
            spared: false,
        };
        let left = (deadline != Timestamp::NEVER).then(|| deadline.since(self.now));
        let (repeatable, urgency) = (traits.repeatable, traits.urgency);
        Start { left, repeatable, hedgeable: repeatable, urgency, keys, ..Start::default() }
    }

    /// Tells core that something has happened.
    pub(super) fn step(&mut self, id: Id, event: Event) {
        let Some(flight) = self.flights.find(id) else { return };
        let pipeline = &self.pipes[flight.pipe as usize].pipeline;
        let recorder = &mut self.recorder;
        let action = flight.call.step(pipeline, self.now, event, &mut |_, it| turns(recorder, it));
        self.carry_out(id, action);
    }

    /// Something falls due for the call in this place, or did for one that was there before.
    pub(super) fn due(&mut self, slot: u32) {
        let now = self.now;
        let flight = self.flights.at(slot);
        if flight.armed != now {
            return;
        }
        flight.armed = Timestamp::NEVER;
        let due = flight.call.is_running() && flight.call.due() <= now;
        let id = self.id_of(slot);
        if due {
            self.step(id, Event::Time);
        } else {
            self.arm(id);
        }
    }

    fn id_of(&mut self, slot: u32) -> Id {
        use super::slots::Reusable as _;
        Id { slot, generation: self.flights.at(slot).generation() }
    }

    /// Enters into the agenda when something falls due next. One entry of a place stays for the calls
    /// that come after: most calls end long before anything falls due.
    fn arm(&mut self, id: Id) {
        let Some(flight) = self.flights.find(id) else { return };
        let due = flight.call.due();
        if due < flight.armed {
            let rank = rank::DUE + flight.call.due_next().rank as u8;
            // What is late already is due at once.
            flight.armed = due.max(self.now);
            self.agenda.enter(flight.armed, rank, Entry::Due(id.slot));
        }
    }

    fn carry_out(&mut self, id: Id, action: Action) {
        #[cfg(test)]
        if let Some(flight) = self.flights.find(id) {
            self.seen.decided(self.now, flight, action);
        }
        match action {
            Action::Run { attempt, endpoint } => {
                self.drop_stopped(id);
                self.run_attempt(id, attempt, endpoint);
                self.arm(id);
            }
            Action::Wait => {
                self.drop_stopped(id);
                self.listen(id);
                self.arm(id);
            }
            Action::LookUp => self.step(id, Event::Unanswered),
            Action::Done { end, fallback } => self.done(id, end, fallback),
        }
    }

    fn listen(&mut self, id: Id) {
        let Some(flight) = self.flights.find(id) else { return };
        if flight.call.is_queued() {
            let pipeline = &self.pipes[flight.pipe as usize].pipeline;
            if flight.call.listen(pipeline, &self.wakes.waker(id)) {
                self.wakes.push(id);
            }
        }
    }

    /// Nobody waits any more for requests of attempts that are over.
    fn drop_stopped(&mut self, id: Id) {
        while let Some(Flight { call, requests, .. }) = self.flights.find(id)
            && let Some(place) = requests.iter().position(|(attempt, _)| !call.runs(*attempt))
        {
            let (_, request) = requests.remove(place);
            self.abandon(request);
        }
    }

    fn run_attempt(&mut self, id: Id, attempt: u32, endpoint: usize) {
        let Some(flight) = self.flights.find(id) else { return };
        if let Role::Inbound { request } = flight.role {
            flight.requests.push((attempt, request));
            self.queue_up(request);
            return;
        }
        let Fault { delay, kind, .. } = flight.call.fault(attempt).unwrap_or(Fault::NONE);
        if kind.is_none() && delay.is_zero() {
            return self.send(id, attempt, endpoint);
        }
        flight.held.push((attempt, endpoint, kind));
        let at = self.now + delay;
        self.agenda.enter(at, rank::ENDS, Entry::Sent { call: id, attempt });
    }

    /// Chaos has held it up long enough.
    pub(super) fn held_up(&mut self, id: Id, attempt: u32) {
        let Some(flight) = self.flights.find(id) else { return };
        let Some(place) = flight.held.iter().position(|it| it.0 == attempt) else { return };
        let (_, endpoint, kind) = flight.held.swap_remove(place);
        if !flight.call.runs(attempt) {
            return;
        }
        let failure = match kind {
            None => return self.send(id, attempt, endpoint),
            Some(FaultKind::BlackHole) => return,
            Some(FaultKind::Error(status)) => Failure::Status(status),
            Some(FaultKind::Reset) => Failure::Reset,
        };
        self.hears(id, attempt, Reply::Bad(failure, None));
    }

    /// Sends a request.
    fn send(&mut self, id: Id, attempt: u32, endpoint: usize) {
        let now = self.seconds();
        let Some(flight) = self.flights.find(id) else { return };
        let (traits, deadline) = (flight.traits, flight.call.deadline());
        let Some(leads) = &self.pipes[flight.pipe as usize].leads else { return };
        let (caller, to) = (leads.caller, leads.to);
        self.recorder.attempts(leads.edge, now);
        let request = self.requests.take();
        flight.requests.push((attempt, request));
        let service = &self.scenario.services[to.service];
        let shard = (traits.key % u64::from(service.shards)) as u32;
        let instance = self.bases[to.service] + shard * service.endpoints + endpoint as u32;
        let it = self.requests.at(request.slot);
        (it.call, it.attempt, it.instance) = (id, attempt, instance);
        it.traits = Traits { seed: mix(traits.seed, u64::from(attempt)), ..traits };
        it.deadline = if service.deadlines { deadline } else { Timestamp::NEVER };
        let weather = self.weather(caller, instance);
        let mut random = stream(self.requests.at(request.slot).traits.seed, Purpose::Request);
        let loss = 1.0 - (1.0 - to.loss) * (1.0 - weather.loss);
        if loss > 0.0 && random.next_unit() < loss {
            // It never comes, and nobody says so.
            return;
        }
        let takes = nanos(to.latency.sample(&mut random) + weather.latency);
        if takes == 0 {
            return self.comes(request);
        }
        let at = Timestamp::from_nanos(self.now.as_nanos().saturating_add(takes));
        self.agenda.enter(at, rank::ENDS, Entry::Comes(request));
    }

    /// An attempt has come to something.
    pub(super) fn hears(&mut self, id: Id, attempt: u32, reply: Reply) {
        let Some(flight) = self.flights.find(id) else { return };
        if !flight.call.runs(attempt) {
            return;
        }
        flight.requests.retain(|(number, _)| *number != attempt);
        flight.last = reply;
        let (ending, hint) = reply.heard();
        self.step(id, Event::Ended { attempt, ending, hint });
    }

    /// The caller gives it up.
    pub(super) fn cancel(&mut self, id: Id) {
        let Some(flight) = self.flights.find(id) else { return };
        let call = std::mem::replace(&mut flight.call, breakerbox::core::pipeline::Call::NEW);
        let pipe = &self.pipes[flight.pipe as usize];
        let recorder = &mut self.recorder;
        call.cancel(&pipe.pipeline, self.now, &mut |_, it| turns(recorder, it));
        self.drop_all(id);
        self.flights.give_back(id);
    }

    fn drop_all(&mut self, id: Id) {
        let Some(flight) = self.flights.find(id) else { return };
        if matches!(flight.role, Role::Inbound { .. }) {
            flight.requests.clear();
            return;
        }
        while let Some(flight) = self.flights.find(id)
            && let Some((_, request)) = flight.requests.pop()
        {
            self.abandon(request);
        }
    }

    fn done(&mut self, id: Id, end: End, fallback: bool) {
        let now = self.seconds();
        self.drop_all(id);
        let Some(flight) = self.flights.find(id) else { return };
        let (role, last, begun) = (flight.role, flight.last, flight.begun);
        if let (End::Rejected(rejection), Some(leads)) =
            (end, &self.pipes[flight.pipe as usize].leads)
        {
            self.recorder.rejects(leads.edge, rejection.number(), now);
        }
        self.flights.give_back(id);
        match role {
            Role::Client { client, user } => {
                let class = match end {
                    _ if fallback => Class::Degraded,
                    End::Delivered { .. } | End::Answered if last.is_good() => Class::Good,
                    End::Rejected(_) => Class::Rejected,
                    _ => Class::Failed,
                };
                self.recorder.ends(client, begun.as_nanos() as f64 / 1e9, now, class);
                self.client_goes_on(client, user, begun);
            }
            Role::Child { request } => {
                let good = fallback || matches!(end, End::Delivered { .. }) && last.is_good();
                self.child_done(request, id, good);
            }
            Role::Inbound { request } => self.passed(request, end, fallback, last),
        }
    }

    /// A request has its answer from the endpoint's own policies.
    fn passed(&mut self, request: Id, end: End, fallback: bool, last: Reply) {
        let now = self.seconds();
        let Some(it) = self.requests.find(request) else { return };
        it.inbound = None;
        let instance = it.instance;
        if !matches!(it.state, State::Admitted) {
            self.stop_work(request);
        }
        let reply = match end {
            _ if fallback => Reply::Good,
            End::Delivered { .. } | End::Answered => last,
            End::Rejected(why) => {
                let service = self.instances[instance as usize].service;
                if let Some(counts) = self.recorder.service(service, now) {
                    counts.rejected += 1;
                }
                let status = if matches!(why, Rejection::RateLimited { .. }) { 429 } else { 503 };
                Reply::Bad(
                    Failure::Status(status),
                    why.retry_after().filter(|it| *it > Duration::ZERO),
                )
            }
            End::AttemptTimeout { .. } | End::DeadlineExceeded { .. } => Reply::status(504),
        };
        self.answer(request, reply);
    }
}
