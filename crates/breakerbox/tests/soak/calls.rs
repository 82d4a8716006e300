//! Callers who do whatever one can do with a call, and operations that do the same.

use crate::pipelines::Soaked;
use crate::tally::{Accounted, Running};
use breakerbox::core::SplitMix64;
use breakerbox::{Error, Outcome};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

type Failed = Error<&'static str>;

/// How many operations in a thousand fail at present.
#[derive(Debug, Default)]
pub(crate) struct Weather(AtomicU64);

impl Weather {
    pub(crate) fn change(&self, dice: u64) {
        self.0.store([2, 5, 10, 20, 100, 700][dice as usize % 6], Ordering::Relaxed);
    }

    fn now(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// One execution of an operation.
async fn operation(_running: Running, dice: u64, bad: u64) -> Result<u64, &'static str> {
    let sleep = |micros| tokio::time::sleep(Duration::from_micros(micros));
    match dice % 1000 {
        0 => std::future::pending().await,
        1 => std::panic::resume_unwind(Box::new("at once")),
        2 => {
            tokio::task::yield_now().await;
            std::panic::resume_unwind(Box::new("later"))
        }
        3..9 => sleep(dice / 1000 % 6000).await,
        9..80 => tokio::task::yield_now().await,
        _ => {}
    }
    if dice / 1000 % 1000 < bad { Err("on purpose") } else { Ok(dice) }
}

/// Calls until `end`, then says how often.
pub(crate) async fn caller(soaked: Arc<Soaked>, weather: Arc<Weather>, seed: u64, end: Instant) {
    let mut random = SplitMix64::new(seed);
    for round in 1_u64.. {
        let (dice, key) = (random.next_u64(), random.next_u64());
        // A few keys are asked for often, many of them rarely.
        let key = if key.is_multiple_of(4) { key / 4 % 100 } else { key / 4 % 8 };
        let call = a_call(&soaked, weather.now(), dice, key, random.next_u64());
        end_it(call, random.next_u64()).await;
        if round.is_multiple_of(8) {
            tokio::task::yield_now().await;
            if Instant::now() >= end {
                return;
            }
        }
    }
}

/// What a caller does with a call.
async fn end_it(mut call: Accounted, dice: u64) {
    let some_time = Duration::from_micros(dice / 64 % 4000);
    match dice % 64 {
        0 => drop(tokio::time::timeout(some_time, call).await),
        1 => {
            // Given up after its first poll, by somebody whom nobody could wake.
            let _ = std::pin::Pin::new(&mut call).poll(&mut Context::from_waker(Waker::noop()));
        }
        2 => {
            let task = tokio::spawn(call);
            tokio::task::yield_now().await;
            task.abort();
            // It may have come to its end before.
            let _ = task.await;
        }
        3 => drop(call),
        _ => call.await,
    }
}

/// One of the ways in which a call can be made.
fn a_call(soaked: &Arc<Soaked>, bad: u64, dice: u64, key: u64, seed: u64) -> Accounted {
    let tally = Arc::clone(&soaked.tally);
    let mut random = SplitMix64::new(seed);
    let op = {
        let tally = Arc::clone(&tally);
        // It counts from here, though it may be dropped before it is polled.
        move || operation(Running::new(&tally), random.next_u64(), bad)
    };
    let instead = {
        let tally = Arc::clone(&tally);
        move |result: Result<u64, Failed>| {
            tally.see(&result);
            tally.fallbacks.add();
            0
        }
    };
    let left = Duration::from_micros(dice / 64 % 30_000 + 1);
    let it = Arc::clone(soaked);
    Accounted::new(&soaked.tally, async move {
        let call = it.pipeline.protect().priority((dice % 8) as u8).key(key);
        match (dice / 8 % 8, &it.shared) {
            (0..=4, Some(shared)) => {
                let answer = call.call_shared(shared, key, op).await;
                tally.see(&answer);
            }
            (5, Some(shared)) => {
                let answer = call.fallback(instead).call_shared(shared, key, op).await;
                // A stale answer comes before the fallback, and says what it is.
                if answer.is_ok_and(|answer| !answer.is_fallback() || answer.age().is_some()) {
                    tally.good.add();
                }
            }
            (6, Some(shared)) => {
                tally.see(&call.time_left(left).call_shared(shared, key, op).await);
            }
            (0, _) => {
                let answer = call.fallback(instead).call(op).await;
                if answer.is_ok_and(|answer| !answer.is_fallback()) {
                    tally.good.add();
                }
            }
            (1, _) => {
                tally.see(&call.time_left(left).call(op).await);
            }
            (2, _) => {
                let ignore = |result: &Result<u64, _>| match result {
                    Ok(_) => Outcome::Ignored,
                    Err(_) => Outcome::Failure,
                };
                match call.classify(ignore).call(op).await {
                    Ok(_) => tally.ignored.add(),
                    failed => tally.see(&failed),
                }
            }
            (3, _) => tally.see(&call.call_once(op).await),
            (4, _) => tally.see(&it.pipeline.call(op).await),
            _ => tally.see(&call.weight(2).call(op).await),
        }
    })
}
