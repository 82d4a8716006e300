//! Two threads on one breaker, rate limit or bulkhead.

use crate::breaker::{self, core};
use crate::bulkhead::pass;
use crate::case::{Failed, good, succeeds, waker};
use crate::rate_limit::{allows, wide, wide_quota};
use crate::rounds::median;
use crate::tower_service::{Ready, called};
use breakerbox::{Breaker, Pipeline, bulkhead};
use breakerbox_core::breaker::{Settings, Window};
use breakerbox_core::bulkhead::Bulkhead;
use breakerbox_core::{Outcome, Timestamp};
use circuitbreaker_rs::{CircuitBreaker, DefaultPolicy};
use governor::{DefaultDirectRateLimiter, RateLimiter};
use recloser::Recloser;
use rustix::thread::{CpuSet, sched_setaffinity};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use tower::limit::ConcurrencyLimit;
use tower::{Layer, Service};
use tower_resilience::bulkhead::BulkheadLayer;
use tower_resilience::circuitbreaker::CircuitBreakerLayer;
use tower_resilience::ratelimiter::RateLimiterLayer;

/// What a round with one thread takes, about: short enough that it often goes undisturbed.
const ROUND: Duration = Duration::from_millis(1);
const ROUNDS: usize = 101;
/// With fewer undisturbed rounds the disturbed ones count as well.
const ENOUGH: usize = 15;

/// Nanoseconds of a call with one thread and with two.
pub struct Row {
    pub name: &'static str,
    pub one: f64,
    pub two: f64,
}

/// What a round came to: nanoseconds of a call, and whether each thread had its core for itself.
struct Round {
    nanos: f64,
    undisturbed: bool,
}

/// A candidate: its name, and a round of so many threads with so many calls each.
type Candidate = (&'static str, Box<dyn Fn(usize, u64) -> Round>);

/// Measures each candidate with one thread and with two, all of them in turn.
pub fn measure() -> Vec<Row> {
    let candidates: Vec<Candidate> = breakers().into_iter().chain(limits()).collect();
    let calls = candidates.iter().map(|(_, run)| ROUND.as_nanos() as f64 / run(1, 1_000).nanos);
    let mut taken: Vec<_> = calls.map(|calls| (calls as u64, Vec::new(), Vec::new())).collect();
    for _ in 0..ROUNDS {
        for ((_, run), (calls, one, two)) in candidates.iter().zip(&mut taken) {
            one.push(run(1, *calls));
            two.push(run(2, *calls));
        }
    }
    let rows = candidates.iter().zip(taken);
    rows.map(|((name, _), (_, one, two))| Row { name, one: middle(&one), two: middle(&two) })
        .collect()
}

/// The median of the rounds in which nothing else ran on the cores, where there are enough.
fn middle(rounds: &[Round]) -> f64 {
    let undisturbed = rounds.iter().filter(|round| round.undisturbed);
    let mut nanos: Vec<f64> = undisturbed.map(|round| round.nanos).collect();
    if nanos.len() < ENOUGH {
        nanos = rounds.iter().map(|round| round.nanos).collect();
    }
    median(&mut nanos)
}

/// A candidate that is called by reference.
fn shared(name: &'static str, call: impl Fn() -> bool + Sync + 'static) -> Candidate {
    (name, Box::new(move |threads, calls| nanos(name, threads, calls, || &call)))
}

/// A service of which every thread has a clone.
fn cloned<S>(name: &'static str, service: S) -> Candidate
where
    S: Service<u64> + Clone + Send + Sync + 'static,
{
    let waker = waker();
    let clone = move || {
        let mut service = service.clone();
        move || called(waker, &mut service)
    };
    (name, Box::new(move |threads, calls| nanos(name, threads, calls, &clone)))
}

fn breakers() -> Vec<Candidate> {
    let by_time = core(Settings::default());
    let by_calls = core(Settings { window: Some(Window::Calls(100)), ..Settings::default() });
    let blocking = Breaker::builder("two").build_blocking().expect("valid settings");
    let asynchronous = Breaker::new("two");
    let recloser = Recloser::default();
    let failsafe = failsafe::Config::new().build();
    let rs = CircuitBreaker::<DefaultPolicy, Failed>::builder().build();
    let resilience = CircuitBreakerLayer::standard().build().expect("valid settings");
    let waker = waker();
    vec![
        shared(breaker::CORE, move || breaker::call(&by_time, Timestamp::ZERO, Outcome::Success)),
        shared("core: window by calls (100)", move || {
            breaker::call(&by_calls, Timestamp::ZERO, Outcome::Success)
        }),
        shared(breaker::BLOCKING, move || blocking.call(|| good(1)).is_ok()),
        shared(breaker::ASYNC, move || succeeds(waker, asynchronous.call(async || good(1)))),
        shared("recloser: blocking", move || recloser.call(|| good(1)).is_ok()),
        shared("failsafe: blocking", move || {
            failsafe::CircuitBreaker::call(&failsafe, || good(1)).is_ok()
        }),
        shared("circuitbreaker-rs: blocking", move || rs.call(|| good(1)).is_ok()),
        cloned("tower-resilience: breaker", resilience.layer(Ready)),
    ]
}

fn limits() -> Vec<Candidate> {
    let waker = waker();
    let rate = crate::rate_limit::core(wide());
    let limited = Pipeline::builder("two").rate_limit(wide()).build().expect("valid settings");
    let governor: DefaultDirectRateLimiter = RateLimiter::direct(wide_quota());
    let resilience = RateLimiterLayer::builder()
        .limit_for_period(1_000_000_000)
        .refresh_period(Duration::from_secs(1))
        .build()
        .expect("valid settings");
    let slots = Bulkhead::new(bulkhead::Settings::new(64));
    let settings = bulkhead::Settings::new(64);
    let pipeline = Pipeline::builder("two").bulkhead(settings).build().expect("valid settings");
    let semaphore = Semaphore::new(64);
    let layer = BulkheadLayer::builder().max_concurrent_calls(64).build();
    vec![
        shared("core: rate limit", move || allows(&rate, None)),
        shared("breakerbox: rate limit, async", move || {
            succeeds(waker, limited.call(async || good(1)))
        }),
        shared("governor: rate limit", move || governor.check().is_ok()),
        cloned("tower-resilience: rate limit", resilience.layer(Ready)),
        shared("core: bulkhead", move || pass(&slots)),
        shared("breakerbox: bulkhead, async", move || {
            succeeds(waker, pipeline.call(async || good(1)))
        }),
        shared("tokio semaphore, acquire", move || succeeds(waker, semaphore.acquire())),
        cloned("tower: concurrency limit", ConcurrencyLimit::new(Ready, 64)),
        cloned("tower-resilience: bulkhead", layer.expect("valid settings").layer(Ready)),
    ]
}

/// A round of so many threads, as the slowest has it. Each calls what `make` gives it, on a core of its own.
fn nanos<F: FnMut() -> bool>(
    name: &str,
    threads: usize,
    calls: u64,
    make: impl Fn() -> F + Sync,
) -> Round {
    let missing = AtomicUsize::new(threads);
    let run = |core| {
        let mut only = CpuSet::new();
        only.set(core);
        // Where that is refused the cores are whichever the system gives.
        let _ = sched_setaffinity(None, &only);
        let mut call = make();
        let before = interruptions();
        missing.fetch_sub(1, Ordering::AcqRel);
        // Woken up, one would begin long before the other.
        while missing.load(Ordering::Acquire) > 0 {
            std::hint::spin_loop();
        }
        let start = Instant::now();
        let good = (0..calls).filter(|_| call()).count() as u64;
        let nanos = start.elapsed().as_nanos() as f64 / calls as f64;
        // A rate limit may refuse one whose thread was interrupted after it had read the clock.
        assert!(calls - good <= calls / 1_000, "{name}: calls came out otherwise");
        Round { nanos, undisturbed: interruptions() == before }
    };
    std::thread::scope(|scope| {
        let run = &run;
        let running: Vec<_> = (0..threads).map(|core| scope.spawn(move || run(core))).collect();
        let rounds = running.into_iter().filter_map(|thread| thread.join().ok());
        rounds.fold(Round { nanos: 0.0, undisturbed: true }, |all, one| Round {
            nanos: all.nanos.max(one.nanos),
            undisturbed: all.undisturbed && one.undisturbed,
        })
    })
}

/// How often something else took the core of this thread.
fn interruptions() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/thread-self/status").ok()?;
    let mut lines = status.lines();
    lines.find_map(|line| line.strip_prefix("nonvoluntary_ctxt_switches:"))?.trim().parse().ok()
}
