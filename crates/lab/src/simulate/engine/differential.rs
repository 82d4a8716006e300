//! The same calls through the simulator and through the library's futures: every decision must be the same,
//! at the same nanosecond.

use super::World;
use super::call::Flight;
use crate::simulate::random::{Purpose, mix, stream};
use crate::simulate::{NoOtherFiles, Scenario, read};
use breakerbox::clock::{Clock as _, ManualClock};
use breakerbox::core::pipeline::{Action, End};
use breakerbox::core::retry::Failure;
use breakerbox::{Error, Pipeline, PipelineBuilder, Timestamp};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

/// What a machine decided: when, about which call, and what.
type Decision = (u64, u64, String);

/// What the simulator was seen to do.
#[derive(Default)]
pub(super) struct Seen {
    /// All times at which anything happened.
    pub(super) times: Vec<Timestamp>,
    decisions: Vec<Decision>,
}

impl Seen {
    pub(super) fn decided(&mut self, now: Timestamp, flight: &Flight, action: Action) {
        let what = match action {
            Action::Run { attempt, .. } => format!("run {attempt}"),
            Action::Done { end, .. } => match end {
                End::Delivered { .. } | End::Answered if flight.last.is_good() => "ok".to_owned(),
                End::Delivered { .. } | End::Answered => "error".to_owned(),
                End::Rejected(why) => why.reason().to_owned(),
                End::AttemptTimeout { .. } => "attempt timeout".to_owned(),
                End::DeadlineExceeded { .. } => "deadline".to_owned(),
            },
            Action::Wait | Action::LookUp => return,
        };
        self.decisions.push((now.as_nanos(), flight.traits.seed, what));
    }
}

const POLICY: &str = "
deadline = '700ms'
attempt_timeout = '120ms'
retry = { attempts = 4, backoff = { initial = '20ms', max = '200ms' }, budget = { ratio = 0.3 } }
hedge = { delay = '60ms', max = 2 }
breaker = { consecutive_failures = 6, failure_rate = 0.6, window = '2s', min_calls = 15, open_for = { initial = '300ms', max = '2s' }, probes = 2 }
bulkhead = { concurrent = 3, queue = 3, queue_timeout = '40ms' }
rate_limit = { rate = 90, burst = 20, wait = '30ms' }
throttle = { window = '2s' }
";

/// More calls than go through, some of which fail, to a service that is slow for a while.
fn scenario() -> Scenario {
    let text = "
        duration = '40s'
        service.api = { workers = 1000000, time = { lognormal = { median = '25ms', p99 = '200ms' } }, errors = 0.3 }
        [client.web]
        calls = 'api'
        rate = [{ rate = 60 }, { at = '12s', rate = 140 }]
    ";
    let (mut scenario, _) = read("differential.toml", text, &NoOtherFiles).unwrap();
    let (policy, _) = breakerbox::config::Policy::parse("policy.toml", POLICY).unwrap();
    scenario.clients[0].call.policy = policy;
    scenario
}

/// A call that is under way, as long as it is.
type Task<'a> = Option<Pin<Box<dyn Future<Output = ()> + 'a>>>;

/// Tasks that are polled when they are woken, in that order.
#[derive(Default)]
struct Woken(Mutex<VecDeque<usize>>);

struct Bell(Arc<Woken>, usize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        let mut woken = self.0.0.lock().unwrap();
        if !woken.contains(&self.1) {
            woken.push_back(self.1);
        }
    }
}

/// One call of the library: each attempt takes as long, and comes to the same, as in the simulator.
async fn call(
    pipeline: &Pipeline<ManualClock>,
    clock: &ManualClock,
    scenario: &Scenario,
    seed: u64,
    decisions: &RefCell<Vec<Decision>>,
) {
    let attempts = Cell::new(0_u32);
    let decided = |what: String| decisions.borrow_mut().push((clock.now().as_nanos(), seed, what));
    let operation = || {
        attempts.set(attempts.get() + 1);
        let attempt = attempts.get();
        decided(format!("run {attempt}"));
        async move {
            let service = &scenario.services[0];
            let seed = mix(seed, u64::from(attempt));
            if stream(seed, Purpose::Error).next_unit() < service.errors {
                return Err(());
            }
            let takes = super::nanos(service.time.sample(&mut stream(seed, Purpose::Work)));
            let at = Timestamp::from_nanos(clock.now().as_nanos() + takes);
            clock.sleep_until(at).await;
            Ok(())
        }
    };
    let kind = |_: &Result<(), ()>| Failure::Status(503);
    let result = pipeline.protect().failure_kind(kind).call(operation).await;
    decided(match result {
        Ok(()) => "ok".to_owned(),
        Err(Error::Inner(())) => "error".to_owned(),
        Err(Error::Rejected(why)) => why.reason().to_owned(),
        Err(Error::Timeout(timeout)) if timeout.kind() == breakerbox::TimeoutKind::Attempt => {
            "attempt timeout".to_owned()
        }
        Err(Error::Timeout(_)) => "deadline".to_owned(),
    });
}

#[test]
fn the_library_decides_the_same_at_the_same_time() {
    let scenario = scenario();
    let mut world = World::build(&scenario, 5).unwrap();
    let pipe = mix(mix(world.seed, Purpose::Policies as u64), u64::from(world.sources[0].pipes[0]));
    let source = world.sources[0].seed;
    world.run(&mut |_| {});
    let seen = world.seen;

    let clock = ManualClock::new();
    let builder = PipelineBuilder::from_policy("api", &scenario.clients[0].call.policy).unwrap();
    let pipeline = builder.seed(pipe).clock(clock.clone()).build().unwrap();
    let decisions = RefCell::new(Vec::new());
    let woken = Arc::new(Woken::default());
    let mut tasks: Vec<Task<'_>> = Vec::new();
    // Calls come when they did: the times of the first decisions about each, and of those that waited
    // before there was one, follow from the same rate.
    let arrivals = arrivals(&scenario, source);
    let mut next = 0;
    for time in &seen.times {
        clock.advance(time.since(clock.now()));
        poll_woken(&mut tasks, &woken);
        while arrivals.get(next).is_some_and(|at| at <= time) {
            let seed = mix(source, next as u64 + 1);
            tasks.push(Some(Box::pin(call(&pipeline, &clock, &scenario, seed, &decisions))));
            woken.0.lock().unwrap().push_back(next);
            next += 1;
            poll_woken(&mut tasks, &woken);
        }
    }
    drop(tasks);
    let decisions = decisions.into_inner();
    // Not a test of nothing: all that the policies can do has happened.
    let count = |what: &str| seen.decisions.iter().filter(|it| it.2 == what).count();
    for what in [
        "run 1",
        "run 2",
        "run 3",
        "run 4",
        "ok",
        "error",
        "breaker_open",
        "bulkhead_full",
        "queue_timeout",
        "rate_limited",
        "throttled",
        "attempt timeout",
    ] {
        assert!(count(what) > 0, "{what} never happened");
    }
    for (number, (simulated, library)) in seen.decisions.iter().zip(&decisions).enumerate() {
        assert_eq!(simulated, library, "decision {number} of {}", seen.decisions.len());
    }
    assert_eq!(seen.decisions.len(), decisions.len());
}

fn poll_woken(tasks: &mut [Task<'_>], woken: &Arc<Woken>) {
    loop {
        let Some(number) = woken.0.lock().unwrap().pop_front() else { return };
        let waker = Waker::from(Arc::new(Bell(Arc::clone(woken), number)));
        let Some(task) = &mut tasks[number] else { continue };
        if let Poll::Ready(()) = task.as_mut().poll(&mut Context::from_waker(&waker)) {
            tasks[number] = None;
        }
    }
}

/// When calls come, as the simulator has it.
fn arrivals(scenario: &Scenario, source: u64) -> Vec<Timestamp> {
    use crate::simulate::random::exponential;
    let crate::simulate::Load::Open { rate, .. } = &scenario.clients[0].load else {
        return Vec::new();
    };
    let mut all = Vec::new();
    let mut last = 0.0;
    loop {
        let mut random = stream(mix(source, all.len() as u64), Purpose::Arrival);
        let Some(at) = rate.after(last, exponential(&mut random)) else { return all };
        last = at;
        let at = Timestamp::from_nanos(super::nanos(at));
        if at.as_nanos() as f64 >= scenario.duration * 1e9 {
            return all;
        }
        all.push(at);
    }
}
