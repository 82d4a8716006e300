//! A driver of the pipeline that keeps accounts of its own.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::task::{Wake, Waker};
use std::time::Duration;

use breakerbox_core::Timestamp;
use breakerbox_core::breaker::{Breaker, Control, State};
use breakerbox_core::pipeline::{Action, Call, End, Event, Pipeline, Settings, Start};

/// Calls that are under way at once, at most.
const MOST: usize = 24;

/// A call that is stepped so often at one instant will never be done.
const STEPS: usize = 1_000;

/// After so many instants without an end there will be none.
const INSTANTS: usize = 100_000;

/// The pipeline, the time, and the calls under way.
pub(super) struct World {
    settings: Settings,
    pipeline: Pipeline,
    now: Timestamp,
    calls: Vec<Flight>,
    woken: Arc<Woken>,
    next_name: usize,
    executed: u64,
}

struct Flight {
    name: usize,
    call: Call,
    deadline: Timestamp,
    /// The attempts that run, and whether their response has begun.
    running: Vec<(u32, bool)>,
    looking: bool,
    attempts: u32,
}

#[derive(Default)]
struct Woken(Mutex<VecDeque<usize>>);

impl Woken {
    fn push(&self, name: usize) {
        self.0.lock().expect("nobody panics with it").push_back(name);
    }

    fn pop(&self) -> Option<usize> {
        self.0.lock().expect("nobody panics with it").pop_front()
    }
}

struct Bell(Arc<Woken>, usize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.push(self.1);
    }
}

impl World {
    pub(super) fn new(settings: Settings, seed: u64) -> Self {
        let now = Timestamp::ZERO + Duration::from_secs(1);
        Self {
            pipeline: Pipeline::new(settings.clone(), now, seed),
            settings,
            now,
            calls: Vec::new(),
            woken: Arc::default(),
            next_name: 0,
            executed: 0,
        }
    }

    /// A call begins, unless there are enough.
    pub(super) fn begin(&mut self, start: Start) {
        if self.calls.len() == MOST {
            return;
        }
        let (call, action) = self.pipeline.begin(self.now, start, &mut |_, _| {});
        let most = start.left.into_iter().chain(self.settings.deadline).min();
        assert_eq!(call.deadline(), most.map_or(Timestamp::NEVER, |most| self.now + most));
        let name = self.next_name;
        self.next_name += 1;
        let (deadline, running) = (call.deadline(), Vec::new());
        self.calls.push(Flight { name, call, deadline, running, looking: false, attempts: 0 });
        let place = self.calls.len() - 1;
        self.carry_out(place, action, &start);
        self.wake();
    }

    /// One of the attempts that run.
    pub(super) fn running(&self, which: usize) -> Option<(usize, u32)> {
        let all = self.calls.iter().enumerate();
        let all = all.flat_map(|(place, call)| call.running.iter().map(move |it| (place, it.0)));
        let all: Vec<_> = all.collect();
        all.get(which.checked_rem(all.len())?).copied()
    }

    /// One of the calls.
    pub(super) fn any(&self, which: usize) -> Option<usize> {
        which.checked_rem(self.calls.len())
    }

    /// One of the calls that look for their answer elsewhere.
    pub(super) fn looking(&self, which: usize) -> Option<usize> {
        let all: Vec<_> = (0..self.calls.len()).filter(|it| self.calls[*it].looking).collect();
        all.get(which.checked_rem(all.len())?).copied()
    }

    /// The machine is told of something that happened to this call.
    pub(super) fn step(&mut self, place: usize, event: Event) {
        let flight = &mut self.calls[place];
        match event {
            Event::Ended { attempt, .. } => flight.running.retain(|it| it.0 != attempt),
            Event::Answered { .. } | Event::Unanswered => flight.looking = false,
            Event::ResponseStarted { .. } | Event::Time => {}
        }
        let action = flight.call.step(&self.pipeline, self.now, event, &mut |_, _| {});
        self.carry_out(place, action, &Start { lookup: true, ..Start::default() });
        self.wake();
    }

    pub(super) fn response_started(&mut self, place: usize, attempt: u32) {
        let running = &mut self.calls[place].running;
        if let Some(it) = running.iter_mut().find(|it| it.0 == attempt) {
            if it.1 {
                return;
            }
            it.1 = true;
        }
        self.step(place, Event::ResponseStarted { attempt });
    }

    fn carry_out(&mut self, place: usize, action: Action, start: &Start) {
        let flight = &mut self.calls[place];
        let call = &flight.call;
        flight.running.retain(|it| call.runs(it.0));
        match action {
            Action::Run { attempt, endpoint } => {
                assert!(endpoint < self.pipeline.endpoints().count());
                assert_eq!(attempt, flight.attempts + 1);
                assert!(call.runs(attempt) && call.is_attempting());
                assert!(self.now < call.deadline(), "an attempt after the deadline");
                let retry = self.settings.retry.as_ref().map_or(1, |it| it.attempts);
                let hedges = self.settings.hedge.map_or(0, |it| it.max);
                assert!(attempt <= retry + hedges, "attempt {attempt}");
                flight.attempts = attempt;
                flight.running.push((attempt, false));
                self.executed += 1;
            }
            Action::Wait => {}
            Action::LookUp => {
                assert!(self.settings.lookup && start.lookup);
                flight.looking = true;
            }
            Action::Done { end, fallback } => {
                assert!(!fallback || self.settings.fallback);
                self.done(place, end);
                return;
            }
        }
        let flight = &self.calls[place];
        if flight.call.is_queued() {
            let bell = Arc::new(Bell(Arc::clone(&self.woken), flight.name));
            if flight.call.listen(&self.pipeline, &Waker::from(bell)) {
                self.woken.push(flight.name);
            }
        }
    }

    fn done(&mut self, place: usize, end: End) {
        let Flight { call, deadline, running, attempts, .. } = self.calls.swap_remove(place);
        assert!(!call.is_running() && running.is_empty(), "{end:?} while something runs");
        match end {
            End::Delivered { attempt } => assert!(attempt >= 1 && attempt <= attempts),
            End::AttemptTimeout { after } => {
                let timeout = self.settings.attempt_timeout.expect("there is one");
                assert!(after >= timeout, "{after:?}");
            }
            End::DeadlineExceeded { .. } => assert!(self.now >= deadline),
            End::Rejected(rejection) => {
                if let Some(retry_after) = rejection.retry_after() {
                    assert!(retry_after <= Duration::from_secs(366 * 24 * 3600));
                }
            }
            End::Answered => {}
        }
    }

    /// Those who were woken go on.
    fn wake(&mut self) {
        for _ in 0..STEPS {
            let Some(name) = self.woken.pop() else { return };
            if let Some(place) = self.calls.iter().position(|it| it.name == name) {
                let flight = &mut self.calls[place];
                let action =
                    flight.call.step(&self.pipeline, self.now, Event::Time, &mut |_, _| {});
                self.carry_out(place, action, &Start { lookup: true, ..Start::default() });
            }
        }
        panic!("they wake each other for ever");
    }

    /// When something falls due next.
    fn next(&self) -> Option<Timestamp> {
        let next = self.calls.iter().map(|it| it.call.due()).min()?;
        (next != Timestamp::NEVER).then_some(next.max(self.now))
    }

    /// Time goes on to the next instant at which something is due.
    pub(super) fn pass_to_next(&mut self) {
        if let Some(next) = self.next() {
            self.now = next;
            self.tell_time();
        }
    }

    /// Time goes on, and everything is told what falls due on the way.
    pub(super) fn pass(&mut self, by: Duration) {
        let end = self.now + by;
        for _ in 0..INSTANTS {
            match self.next().filter(|next| *next <= end) {
                Some(next) => self.now = next,
                None => break,
            }
            self.tell_time();
        }
        self.now = end;
        self.tell_time();
    }

    /// Time goes on, and nobody looks until it is late.
    pub(super) fn pass_all(&mut self, by: Duration) {
        self.now = self.now + by;
        self.tell_time();
    }

    /// Steps what is due until nothing is.
    fn tell_time(&mut self) {
        for _ in 0..STEPS {
            let due = |flight: &Flight| flight.call.due() <= self.now;
            let due = self.calls.iter().enumerate().filter(|(_, it)| due(it));
            let Some((place, _)) = due.min_by_key(|(_, it)| it.call.due_next()) else { return };
            self.step(place, Event::Time);
        }
        panic!("something stays due at {:?}", self.now);
    }

    pub(super) fn cancel(&mut self, place: usize) {
        let flight = self.calls.swap_remove(place);
        flight.call.cancel(&self.pipeline, self.now, &mut |_, _| {});
        self.wake();
    }

    pub(super) fn control(&mut self, endpoint: usize, control: Control) {
        let found = self.pipeline.control(endpoint, control, self.now, &mut |_, _| {});
        let there = self.settings.breaker.is_some() && endpoint < self.settings.endpoints.max(1);
        assert_eq!(found, there);
        if let Some(chaos) = self.pipeline.chaos() {
            chaos.switch(matches!(control, Control::Enable), self.now);
        }
    }

    pub(super) fn not_repeatable(&mut self, place: usize) {
        self.calls[place].call.not_repeatable();
    }

    pub(super) fn waited_for_caller(&mut self, place: usize) {
        self.calls[place].call.waited_for_caller(&self.pipeline, self.now);
    }

    /// Looking changes nothing.
    pub(super) fn look(&self) {
        for endpoint in 0..self.pipeline.endpoints().count() {
            if let Some(breaker) = self.pipeline.endpoints().breaker(endpoint) {
                assert_eq!(breaker.snapshot(self.now), breaker.snapshot(self.now));
                assert_eq!(breaker.admits(self.now), breaker.admits(self.now));
                breaker.export(self.now);
            }
        }
    }

    fn breakers(&self, mut look: impl FnMut(&Breaker)) {
        let endpoints = self.pipeline.endpoints();
        (0..endpoints.count()).filter_map(|it| endpoints.breaker(it)).for_each(&mut look);
        if let Some(keyed) = self.pipeline.keyed_breakers() {
            keyed.for_each(|_, endpoints| {
                (0..endpoints.count()).filter_map(|it| endpoints.breaker(it)).for_each(&mut look);
            });
        }
    }

    /// What must hold at any time.
    pub(super) fn check(&self) {
        let running = self.calls.iter().flat_map(|it| &it.running);
        let executing = running.clone().count();
        let before_answer = running.filter(|it| !it.1).count();
        let queued = self.calls.iter().filter(|it| it.call.is_queued()).count();
        if let Some(bulkhead) = self.pipeline.bulkhead() {
            let seen = bulkhead.snapshot();
            assert_eq!(seen.in_flight as usize, executing, "{seen:?}");
            assert!(seen.in_flight <= seen.limit, "{seen:?}");
            assert!(seen.queued as usize <= queued, "{seen:?}");
            assert!(seen.queued <= self.settings.bulkhead.map_or(0, |it| it.queue), "{seen:?}");
        }
        if let Some((limit, told)) =
            self.pipeline.adaptive_limit().zip(self.settings.adaptive_limit)
        {
            assert_eq!(limit.in_flight() as usize, before_answer);
            assert!((told.min..=told.max).contains(&limit.limit()), "{}", limit.limit());
        }
        let mut permits = 0;
        self.breakers(|breaker| permits += self.check_breaker(breaker));
        assert!(permits <= (executing + queued) as u64, "{permits} {executing} {queued}");
        if let Some(left) = self.pipeline.budget_left(self.now) {
            let retry = self.settings.retry.as_ref().map(|it| it.budget);
            let budget = retry.unwrap_or(self.settings.hedge.and_then(|it| it.budget));
            let cap = budget.expect("it has one").cap;
            assert!((0.0..=cap).contains(&left), "{left} of {cap}");
        }
        let (hedges, won, lost) = self.pipeline.hedges();
        assert!(won + lost <= hedges && hedges <= self.executed);
        assert!(self.pipeline.retries() <= self.executed);
        if let Some(throttle) = self.pipeline.throttle() {
            let most = self.settings.throttle.map_or(0.0, |it| it.max);
            assert!((0.0..=most).contains(&throttle.probability(self.now)));
        }
        if let Some(shed) = self.pipeline.shed() {
            assert!((0.0..=1.0).contains(&shed.share(self.now)));
        }
        for flight in &self.calls {
            assert_eq!(flight.call.is_attempting(), !flight.running.is_empty());
            // Whoever does not run waits for a time, for a turn, or for us.
            let waits = flight.call.due() != Timestamp::NEVER || flight.call.is_queued();
            assert!(waits || flight.looking || !flight.running.is_empty());
        }
    }

    fn check_breaker(&self, breaker: &Breaker) -> u64 {
        let seen = breaker.snapshot(self.now);
        let ended = seen.successes + seen.failures + seen.ignored + seen.late;
        assert_eq!(seen.started, ended + seen.in_flight, "{seen:?}");
        assert_eq!(seen.state, breaker.state(self.now));
        let window = &seen.window;
        assert!(window.failures <= window.calls && window.slow <= window.calls, "{window:?}");
        for rate in window.failure_rate.into_iter().chain(window.slow_call_rate) {
            assert!((0.0..=1.0).contains(&rate), "{window:?}");
        }
        match seen.state {
            State::Open => assert!(seen.retry_after.is_some_and(|it| it > Duration::ZERO)),
            State::Isolated => assert_eq!(seen.retry_after, None),
            State::HalfOpen => assert!(seen.retry_after.is_some()),
            _ => assert_eq!(seen.retry_after, Some(Duration::ZERO)),
        }
        let all: Duration = seen.time_in.iter().sum();
        assert!(all <= self.now.since(Timestamp::ZERO), "{seen:?}");
        seen.in_flight
    }

    /// All that runs ends, all that looks finds nothing, and time goes on: every call comes to its end.
    pub(super) fn end(mut self) {
        for _ in 0..INSTANTS {
            if let Some((call, attempt)) = self.running(0) {
                let ending = breakerbox_core::pipeline::Ending::Success;
                self.step(call, Event::ended(attempt, ending));
            } else if let Some(call) = self.looking(0) {
                self.step(call, Event::Unanswered);
            } else if self.next().is_some() {
                self.pass_to_next();
            } else {
                break;
            }
        }
        assert!(self.calls.is_empty(), "some calls never end");
        self.check();
        if let Some(bulkhead) = self.pipeline.bulkhead() {
            assert_eq!(bulkhead.snapshot().queued, 0);
        }
        let (hedges, won, lost) = self.pipeline.hedges();
        assert_eq!(hedges, won + lost);
        self.count();
    }

    /// Each attempt went through a breaker, where there are any and none was forgotten.
    fn count(&self) {
        let mut seen = 0;
        self.breakers(|breaker| {
            let snapshot = breaker.snapshot(self.now);
            assert_eq!(snapshot.in_flight, 0);
            seen += snapshot.started + snapshot.unrecorded;
        });
        if self.settings.breaker.is_some() && self.settings.breaker_keys.is_none() {
            assert!(seen >= self.executed, "{seen} of {}", self.executed);
            // Where a permit is only the first of what an attempt needs, some are given back.
            let Settings { bulkhead, adaptive_limit, hedge, .. } = &self.settings;
            if bulkhead.is_none() && adaptive_limit.is_none() && hedge.is_none() {
                assert_eq!(seen, self.executed);
            }
        }
    }
}
