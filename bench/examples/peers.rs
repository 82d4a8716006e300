//! What other crates do at the edges: the lines marked *tried* in docs/comparison.md.
//!
//!     cargo run --manifest-path bench/Cargo.toml --example peers

use std::cell::Cell;
use std::future::pending;
use std::time::Duration;
use tokio::task::LocalSet;
use tokio::time::sleep;
use tower::hedge::{Hedge, Policy};
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_resilience::circuitbreaker::{CircuitBreakerLayer, CircuitState};

type Failed = Box<dyn std::error::Error + Send + Sync>;

/// How a call comes out.
#[derive(Clone, Copy, Debug)]
enum Call {
    Good,
    Bad,
    Hangs,
    GoodAfter(u64),
    BadAfter(u64),
}

async fn run(call: Call) -> Result<(), &'static str> {
    match call {
        Call::Good => Ok(()),
        Call::Bad => Err("down"),
        Call::Hangs => pending().await,
        Call::GoodAfter(time) => {
            wait(time).await;
            Ok(())
        }
        Call::BadAfter(time) => {
            wait(time).await;
            Err("down")
        }
    }
}

async fn wait(milliseconds: u64) {
    sleep(Duration::from_millis(milliseconds)).await;
}

fn main() -> Result<(), Failed> {
    // Real time, since these crates read the system's clock; about five seconds in all.
    let real = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let local = LocalSet::new();
    local.block_on(&real, tower_resilience())?;
    local.block_on(&real, recloser());
    local.block_on(&real, failsafe());
    let paused =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
    paused.block_on(tower_hedge())
}

async fn tower_resilience() -> Result<(), Failed> {
    println!("tower-resilience");
    for good in [0, 1_000, 10_000] {
        let layer =
            CircuitBreakerLayer::builder().failure_rate_threshold(0.5).sliding_window_size(100);
        let layer = layer
            .minimum_number_of_calls(10)
            .wait_duration_in_open(Duration::from_secs(60))
            .build()?;
        let mut breaker = layer.layer(service_fn(run));
        for _ in 0..good {
            let _ = breaker.ready().await.map_err(|_| "not ready")?.call(Call::Good).await;
        }
        let mut failures = 0;
        while breaker.state_sync() == CircuitState::Closed {
            let _ = breaker.ready().await.map_err(|_| "not ready")?.call(Call::Bad).await;
            failures += 1;
        }
        println!("  window of 100 calls, {good} good ones before: opens at failure {failures}");
    }
    // Opens after four failures, for 100 ms, with one probe.
    let layer = || {
        let layer =
            CircuitBreakerLayer::builder().failure_rate_threshold(0.5).sliding_window_size(4);
        let layer = layer.minimum_number_of_calls(4).permitted_calls_in_half_open(1);
        layer.wait_duration_in_open(Duration::from_millis(100)).build()
    };
    for late in [Call::GoodAfter(150), Call::BadAfter(150)] {
        let breaker = layer()?.layer(service_fn(run));
        let old = tokio::task::spawn_local(breaker.clone().oneshot(late));
        wait(1).await;
        for _ in 0..4 {
            let _ = breaker.clone().oneshot(Call::Bad).await;
        }
        wait(110).await;
        let probe = tokio::task::spawn_local(breaker.clone().oneshot(Call::Hangs));
        wait(5).await;
        let before = breaker.state_sync();
        let _ = old.await;
        println!(
            "  {late:?} from before the opening ends: {before:?} to {:?}",
            breaker.state_sync()
        );
        probe.abort();
    }
    let breaker = layer()?.layer(service_fn(run));
    for _ in 0..4 {
        let _ = breaker.clone().oneshot(Call::Bad).await;
    }
    wait(110).await;
    tokio::task::spawn_local(breaker.clone().oneshot(Call::Hangs));
    wait(5).await;
    let mut rejected = 0;
    for _ in 0..30 {
        wait(100).await;
        rejected += usize::from(breaker.clone().oneshot(Call::Good).await.is_err());
    }
    println!(
        "  a probe that hangs: {rejected} of 30 rejected over 30 open durations, {:?}",
        breaker.state_sync()
    );
    Ok(())
}

async fn recloser() {
    use recloser::{AsyncRecloser, Error, Recloser};
    println!("recloser");
    let breaker = |half_open| {
        let settings = Recloser::custom().error_rate(0.5).closed_len(4).half_open_len(half_open);
        AsyncRecloser::from(settings.open_wait(Duration::from_millis(100)).build())
    };
    let shut = async |breaker: &AsyncRecloser| {
        let mut calls = 0;
        while !matches!(breaker.call(run(Call::Bad)).await, Err(Error::Rejected)) {
            calls += 1;
        }
        calls
    };
    let one = breaker(2);
    println!("  a ring of 4: opens at failure {}", shut(&one).await);
    wait(110).await;
    let running = std::rc::Rc::new(Cell::new(0));
    for _ in 0..1000 {
        let (one, running) = (one.clone(), running.clone());
        tokio::task::spawn_local(async move {
            let operation = async {
                running.set(running.get() + 1);
                run(Call::Hangs).await
            };
            let _ = one.call(operation).await;
        });
    }
    wait(50).await;
    println!("  half-open: of 1000 calls at once {} run", running.get());

    let two = breaker(1);
    let late = || {
        let two = two.clone();
        tokio::task::spawn_local(async move { drop(two.call(run(Call::GoodAfter(200))).await) })
    };
    let old = [late(), late()];
    wait(1).await;
    shut(&two).await;
    wait(110).await;
    let probe = two.clone();
    tokio::task::spawn_local(async move { drop(probe.call(run(Call::Hangs)).await) });
    for call in old {
        let _ = call.await;
    }
    // Closed, three failures are too few; half-open with a ring of one they are enough.
    for _ in 0..3 {
        let _ = two.call(run(Call::Bad)).await;
    }
    let open = matches!(two.call(run(Call::Good)).await, Err(Error::Rejected));
    println!("  two successes from before the opening end while half-open: closed is {}", !open);
}

async fn failsafe() {
    use failsafe::futures::CircuitBreaker;
    use failsafe::{Config, backoff, failure_policy};
    println!("failsafe");
    let three =
        failure_policy::consecutive_failures(3, backoff::constant(Duration::from_millis(100)));
    let breaker = Config::new().failure_policy(three).build();
    let late = breaker.clone();
    let old =
        tokio::task::spawn_local(async move { drop(late.call(run(Call::GoodAfter(160))).await) });
    wait(1).await;
    for _ in 0..3 {
        let _ = breaker.call(run(Call::Bad)).await;
    }
    wait(110).await;
    let running = std::rc::Rc::new(Cell::new(0));
    for _ in 0..1000 {
        let (breaker, running) = (breaker.clone(), running.clone());
        tokio::task::spawn_local(async move {
            let operation = async {
                running.set(running.get() + 1);
                run(Call::Hangs).await
            };
            let _ = breaker.call(operation).await;
        });
    }
    wait(10).await;
    println!("  half-open: of 1000 calls at once {} run, {breaker:?}", running.get());
    let _ = old.await;
    println!("  a success from before the opening ends: {breaker:?}");
}

#[derive(Clone)]
struct Always;

impl Policy<()> for Always {
    fn clone_request(&self, (): &()) -> Option<()> {
        Some(())
    }

    fn can_retry(&self, (): &()) -> bool {
        true
    }
}

/// How many requests a hedge at the 95th percentile makes, in batches of 5000, one after the other.
async fn tower_hedge() -> Result<(), Failed> {
    println!("tower, hedge at p95, lognormal with a median of 20 ms and a p99 of 200 ms");
    let (requests, seed) = (std::rc::Rc::new(Cell::new(0_u32)), Cell::new(7_u64));
    let uniform = move || {
        // SplitMix64.
        seed.set(seed.get().wrapping_add(0x9E37_79B9_7F4A_7C15));
        let mut bits = seed.get();
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((bits ^ (bits >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    };
    let (counted, uniform) = (requests.clone(), std::rc::Rc::new(uniform));
    let service = service_fn(move |()| {
        counted.set(counted.get() + 1);
        let normal =
            (-2.0 * (1.0 - uniform()).ln()).sqrt() * (std::f64::consts::TAU * uniform()).cos();
        let time = Duration::from_secs_f64(0.020 * (0.98979 * normal).exp());
        async move {
            sleep(time).await;
            Ok::<(), std::io::Error>(())
        }
    });
    let mut hedged = Hedge::new(service, Always, 100, 0.95, Duration::from_secs(60));
    for _ in 0..6 {
        let before = requests.get();
        for _ in 0..5_000 {
            hedged.ready().await?.call(()).await?;
        }
        println!("  {:.1} % hedged", f64::from(requests.get() - before) / 50.0 - 100.0);
    }
    Ok(())
}
