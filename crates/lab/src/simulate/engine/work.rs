//! Endpoints at work.

use super::agenda::{Event as Entry, Id, rank};
use super::call::{Reply, Role, Traits};
use super::request::{Request, State};
use super::slots::Slots;
use super::{World, nanos};
use crate::simulate::random::{Purpose, mix, stream};
use crate::simulate::scenario::{QueueOrder, Server, Service};
use breakerbox::Timestamp;
use breakerbox::core::pipeline;

/// Whether a request that was begun for the so manieth time still shares the cores.
fn shares(requests: &Slots<Request>, id: Id, run: u32) -> bool {
    requests.peek(id).is_some_and(|it| it.run == run && it.state == State::Working)
}

impl<'a> World<'a> {
    pub(super) fn service(&self, place: u32) -> &'a Service {
        &self.scenario.services[self.instances[place as usize].service as usize]
    }

    /// A request may be worked on, now or later.
    pub(super) fn queue_up(&mut self, id: Id) {
        let Some(request) = self.requests.find(id) else { return };
        let place = request.instance;
        let service = self.service(place);
        let (workers, _) = self.workers(place);
        let instance = &mut self.instances[place as usize];
        let free = match service.server {
            Server::Workers(_) => instance.stalled == 0 && instance.busy < workers,
            Server::Sharing(cores) => {
                let room =
                    service.queue.map_or(u32::MAX, |queue| queue.saturating_add(cores as u32));
                if instance.sharing.running() >= room {
                    return self.turn_away(id);
                }
                true
            }
        };
        if free {
            return self.begin_work(id);
        }
        if service.queue.is_some_and(|queue| instance.waiting >= queue) {
            return self.turn_away(id);
        }
        instance.waiting += 1;
        instance.queue.push_back(id);
        let (number, waiting) = (instance.service, instance.waiting);
        self.recorder.waits(number, waiting);
        if let Some(request) = self.requests.find(id) {
            request.state = State::Queued;
        }
    }

    /// How many workers an endpoint has now, and how many times as long they take for what a fault has
    /// left of them.
    fn workers(&self, place: u32) -> (u32, f64) {
        let Server::Workers(workers) = self.service(place).server else { return (0, 1.0) };
        if self.active_faults.is_empty() {
            return (workers, 1.0);
        }
        let left = f64::from(workers) * self.effects(place).capacity;
        let whole = libm::ceil(left - 1e-9).max(1.0);
        (whole as u32, whole / left.max(1e-9))
    }

    fn turn_away(&mut self, id: Id) {
        let now = self.seconds();
        let Some(request) = self.requests.find(id) else { return };
        let place = request.instance;
        let work = nanos(self.service(place).rejection);
        let instance = &mut self.instances[place as usize];
        instance.debt = instance.debt.saturating_add(work);
        let number = instance.service;
        if let Some(counts) = self.recorder.service(number, now) {
            counts.turned_away += 1;
        }
        self.finish(id, Reply::status(503));
    }

    fn begin_work(&mut self, id: Id) {
        let now = self.now;
        let Some(request) = self.requests.find(id) else { return };
        let place = request.instance;
        if now >= request.deadline {
            return self.finish(id, Reply::status(504));
        }
        let seed = request.traits.seed;
        let key = request.traits.key;
        let service = self.service(place);
        let (_, stretch) = self.workers(place);
        let effects = self.effects(place);
        let instance = &mut self.instances[place as usize];
        let hit = instance.cache.as_mut().is_some_and(|cache| {
            let ttl = service.cache.map_or(0.0, |it| it.ttl);
            cache.get(&key).is_some_and(|kept| now.since(*kept).as_secs_f64() < ttl)
        });
        let alone = match service.cache {
            Some(cache) if hit => cache.hit,
            _ => service.time.sample(&mut stream(seed, Purpose::Work)),
        };
        let debt = std::mem::take(&mut instance.debt);
        let work = alone * effects.slow + effects.slow_by + debt as f64 / 1e9;
        let Some(request) = self.requests.find(id) else { return };
        request.state = State::Working;
        request.run += 1;
        // An answer that was kept needs no calls.
        request.made = if hit { u32::MAX } else { 0 };
        request.work_began = now;
        match service.server {
            Server::Workers(_) => {
                instance.busy += 1;
                let beside = f64::from(instance.busy - 1);
                let with = f64::from(instance.busy);
                let slower = 1.0 + service.contention * beside + service.coherence * with * beside;
                let takes = nanos(work * slower * stretch);
                request.work_ends = Timestamp::from_nanos(now.as_nanos().saturating_add(takes));
                let run = request.run;
                self.agenda.enter(request.work_ends, rank::ENDS, Entry::Worked(id, run));
            }
            Server::Sharing(_) => {
                request.worked = nanos(work);
                let run = request.run;
                self.advance_sharing(place);
                let ends = self.instances[place as usize].sharing.begin(id, run, work);
                if let Some(request) = self.requests.find(id) {
                    request.share_ends = ends;
                }
                self.next_share(place);
            }
        }
    }

    /// A worker has done its work on a request.
    pub(super) fn worked(&mut self, id: Id, run: u32) {
        let now = self.now;
        let Some(request) = self.requests.find(id) else { return };
        if request.run != run || request.state != State::Working {
            return;
        }
        request.worked += now.since(request.work_began).as_nanos() as u64;
        self.worked_on(id);
    }

    /// Its own work is done; now the calls it makes.
    fn worked_on(&mut self, id: Id) {
        let Some(request) = self.requests.find(id) else { return };
        let (made, place) = (request.made, request.instance);
        let service = self.service(place);
        if made == u32::MAX || service.calls.is_empty() {
            return self.finish(id, Reply::Good);
        }
        if let Some(request) = self.requests.find(id) {
            request.state = State::Calling;
        }
        let count: u32 = service.calls.iter().map(|edge| edge.times).sum();
        let now_many = if service.parallel { count } else { 1 };
        for _ in 0..now_many {
            if !self.next_call(id) {
                return;
            }
        }
    }

    /// Makes the next of its calls. False if that has ended the request.
    fn next_call(&mut self, id: Id) -> bool {
        let Some(request) = self.requests.find(id) else { return false };
        let (made, place, deadline) = (request.made, request.instance, request.deadline);
        let traits = request.traits;
        request.made += 1;
        let mut number = made;
        let mut calls = self.service(place).calls.iter().enumerate();
        let Some((edge, _)) = calls.find(|(_, edge)| match number.checked_sub(edge.times) {
            Some(rest) => {
                number = rest;
                false
            }
            None => true,
        }) else {
            return false;
        };
        let pipe = self.instances[place as usize].edges[edge];
        let traits = Traits { seed: mix(traits.seed, 1000 + u64::from(made)), ..traits };
        let call = self.begin(pipe, Role::Child { request: id }, traits, deadline);
        let there = self.flights.is_there(call);
        let Some(request) = self.requests.find(id) else { return false };
        if there {
            request.children.push(call);
        }
        request.state == State::Calling
    }

    /// A call it has made is over.
    pub(super) fn child_done(&mut self, id: Id, call: Id, good: bool) {
        let Some(request) = self.requests.find(id) else { return };
        request.children.retain(|child| *child != call);
        if request.state != State::Calling {
            return;
        }
        if !good {
            return self.finish(id, Reply::status(502));
        }
        let (made, waits, place) = (request.made, request.children.len(), request.instance);
        let service = self.service(place);
        let count: u32 = service.calls.iter().map(|edge| edge.times).sum();
        if made < count && !service.parallel {
            self.next_call(id);
        } else if made >= count && waits == 0 {
            self.finish(id, Reply::Good);
        }
    }

    /// The endpoint is done with a request.
    fn finish(&mut self, id: Id, reply: Reply) {
        let now = self.now;
        let Some(request) = self.requests.find(id) else { return };
        let (place, key, inbound) = (request.instance, request.traits.key, request.inbound);
        if reply.is_good()
            && request.made != u32::MAX
            && let Some(cache) = &mut self.instances[place as usize].cache
        {
            cache.put(key, now);
        }
        self.stop_work(id);
        // Its policies hear first, and then say what the answer is.
        match inbound {
            Some(call) => {
                if let Some(flight) = self.flights.find(call) {
                    flight.last = reply;
                    let (ending, hint) = reply.heard();
                    self.step(call, pipeline::Event::Ended { attempt: 1, ending, hint });
                }
            }
            None => self.answer(id, reply),
        }
    }

    /// Gives free what a request holds at its endpoint, whatever it is doing.
    pub(super) fn stop_work(&mut self, id: Id) {
        let now = self.now;
        let Some(request) = self.requests.find(id) else { return };
        let (state, place) = (request.state, request.instance);
        let workers = matches!(self.service(place).server, Server::Workers(_));
        let Some(request) = self.requests.find(id) else { return };
        match state {
            State::Queued => {
                request.state = State::Admitted;
                self.instances[place as usize].unqueue();
            }
            State::Working if workers => {
                request.state = State::Admitted;
                if request.work_ends > now {
                    request.worked += now.since(request.work_began).as_nanos() as u64;
                }
                request.run += 1;
                self.worker_free(place);
            }
            State::Working => {
                let ends = request.share_ends;
                request.state = State::Admitted;
                request.run += 1;
                self.advance_sharing(place);
                let sharing = &mut self.instances[place as usize].sharing;
                sharing.gone();
                let left = nanos(sharing.left(ends));
                if let Some(request) = self.requests.find(id) {
                    request.worked = request.worked.saturating_sub(left);
                }
                self.next_share(place);
            }
            State::Calling => {
                request.state = State::Admitted;
                let children = std::mem::take(&mut request.children);
                for child in children {
                    self.cancel(child);
                }
                if workers {
                    self.worker_free(place);
                }
            }
            State::Travels | State::Admitted | State::Answered => {}
        }
    }

    fn worker_free(&mut self, place: u32) {
        self.instances[place as usize].busy -= 1;
        self.take_next(place);
    }

    /// Workers that are free take those who wait.
    fn take_next(&mut self, place: u32) {
        let last_first = self.service(place).order == QueueOrder::Lifo;
        loop {
            let (workers, _) = self.workers(place);
            let instance = &mut self.instances[place as usize];
            if instance.waiting == 0 || instance.stalled > 0 || instance.busy >= workers {
                return;
            }
            let waits = |id| self.requests.peek(id).is_some_and(|it| it.state == State::Queued);
            let Some(next) = instance.next(last_first, waits) else { return };
            if let Some(request) = self.requests.find(next) {
                request.state = State::Admitted;
            }
            self.begin_work(next);
        }
    }

    /// How fast a request gets on that shares the cores.
    fn speed(&self, place: u32) -> f64 {
        let service = self.service(place);
        let Server::Sharing(cores) = service.server else { return 1.0 };
        let instance = &self.instances[place as usize];
        let running = f64::from(instance.sharing.running());
        if running < 1.0 || instance.stalled > 0 {
            return 0.0;
        }
        let cores = cores * self.effects(place).capacity;
        let beside = running - 1.0;
        let slower = 1.0 + service.contention * beside + service.coherence * running * beside;
        (cores / running).min(1.0) / slower
    }

    /// To be called before anything changes that the speed depends on.
    fn advance_sharing(&mut self, place: u32) {
        let now = self.seconds();
        let sharing = &mut self.instances[place as usize].sharing;
        sharing.advance(now);
    }

    /// To be called after that.
    fn next_share(&mut self, place: u32) {
        let speed = self.speed(place);
        let requests = &self.requests;
        let sharing = &mut self.instances[place as usize].sharing;
        let next = sharing.next_end(speed, |id, run| shares(requests, id, run));
        let epoch = sharing.epoch();
        if let Some(after) = next {
            let at = self.in_seconds(after);
            self.agenda.enter(at, rank::ENDS, Entry::Shared { instance: place, epoch });
        }
    }

    /// Of those that share the cores the first is done.
    pub(super) fn share_ends(&mut self, place: u32, epoch: u32) {
        if self.instances[place as usize].sharing.epoch() != epoch {
            return;
        }
        self.advance_sharing(place);
        let requests = &self.requests;
        let sharing = &mut self.instances[place as usize].sharing;
        let done = sharing.take_done(|id, run| shares(requests, id, run));
        if let Some(request) = done.and_then(|id| self.requests.find(id)) {
            // It no longer holds a share.
            request.state = State::Calling;
        }
        self.next_share(place);
        if let Some(id) = done {
            self.worked_on(id);
        }
    }

    /// Everything at an endpoint stands still, or goes on.
    pub(super) fn stalls(&mut self, place: u32, begins: bool) {
        if matches!(self.service(place).server, Server::Sharing(_)) {
            self.advance_sharing(place);
        }
        let instance = &mut self.instances[place as usize];
        let before = instance.stalled > 0;
        instance.stalled = if begins { instance.stalled + 1 } else { instance.stalled - 1 };
        let after = instance.stalled > 0;
        if matches!(self.service(place).server, Server::Sharing(_)) {
            return self.next_share(place);
        }
        if before == after {
            return;
        }
        let now = self.now;
        for id in self.instances[place as usize].present.clone() {
            let Some(request) = self.requests.find(id) else { continue };
            if request.state != State::Working {
                continue;
            }
            request.run += 1;
            if after {
                // How much is left, until it goes on.
                let left = request.work_ends.since(now);
                request.worked += now.since(request.work_began).as_nanos() as u64;
                request.work_ends = Timestamp::ZERO + left;
                request.work_began = Timestamp::NEVER;
            } else {
                request.work_ends = now + request.work_ends.since(Timestamp::ZERO);
                request.work_began = now;
                let (at, run) = (request.work_ends, request.run);
                self.agenda.enter(at, rank::ENDS, Entry::Worked(id, run));
            }
        }
        self.take_next(place);
    }

    /// A fault that changes how much an endpoint can do begins or ends.
    pub(super) fn capacity_changes(&mut self, place: u32) {
        if matches!(self.service(place).server, Server::Sharing(_)) {
            self.advance_sharing(place);
            self.next_share(place);
        } else {
            self.take_next(place);
        }
    }
}
