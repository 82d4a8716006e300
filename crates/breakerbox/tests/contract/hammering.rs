//! Two threads, everything mixed: at the end the accounts add up.

use crate::support::assert_settled;
use breakerbox::{Breaker, Control, Error, Outcome, State};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What callers saw, to be compared with what the breaker counted.
#[derive(Default)]
struct Tally {
    offered: AtomicU64,
    rejected: AtomicU64,
    panics: AtomicU64,
    given_up: AtomicU64,
    fallbacks: AtomicU64,
    attempt_timeouts: AtomicU64,
}

fn add(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

impl Tally {
    fn see<T, E>(&self, result: &Result<T, Error<E>>) {
        match result {
            Err(Error::Rejected(_)) => add(&self.rejected),
            Err(Error::Timeout(_)) => add(&self.attempt_timeouts),
            Ok(_) | Err(Error::Inner(_)) => {}
        }
    }

    #[track_caller]
    fn assert_matches(&self, stats: &breakerbox::Stats) {
        assert_settled(stats);
        assert_eq!(read(&self.offered), stats.started + stats.rejected + stats.unrecorded);
        assert_eq!(read(&self.rejected), stats.rejected);
        assert_eq!(read(&self.panics), stats.panics);
        assert_eq!(read(&self.given_up), stats.cancelled);
        assert_eq!(read(&self.fallbacks), stats.fallbacks);
        assert_eq!(read(&self.attempt_timeouts), stats.attempt_timeouts);
        assert_eq!(stats.listener_panics, 0);
        let durations: Duration = stats.time_in.iter().sum();
        assert!(durations > Duration::ZERO);
    }
}

/// One of the things that blocking code can do.
fn anything_blocking(breaker: &Breaker, tally: &Tally, dice: u64) {
    let take = || {
        add(&tally.offered);
        breaker.permit().inspect_err(|_| add(&tally.rejected)).ok()
    };
    match dice % 16 {
        0 => breaker.control(Control::ALL[(dice / 16 % 7) as usize]),
        1 => drop(breaker.stats()),
        2 => drop(breaker.state()),
        3 => {
            if let Some(permit) = take() {
                add(&tally.given_up);
                drop(permit);
            }
        }
        4 => {
            let result = catch_unwind(AssertUnwindSafe(|| {
                if let Some(_permit) = take() {
                    // Quietly: without the hook that prints.
                    std::panic::resume_unwind(Box::new("under way"));
                }
            }));
            if result.is_err() {
                add(&tally.panics);
            }
        }
        5..=8 => {
            if let Some(permit) = take() {
                permit.failure();
            }
        }
        9 => {
            if let Some(permit) = take() {
                permit.ignore();
            }
        }
        10 => {
            add(&tally.offered);
            if let Ok(permit) = breaker.owned_permit() {
                permit.record(Outcome::Success);
            } else {
                add(&tally.rejected);
            }
        }
        _ => {
            if let Some(permit) = take() {
                permit.success();
            }
        }
    }
}

#[test]
fn two_threads_that_do_everything_leave_accounts_that_add_up() {
    let breaker = Breaker::builder("threads").window_calls(20).min_calls(5).probes(2);
    let breaker = breaker.open_for(Duration::from_micros(50)).latencies(true).build().unwrap();
    let tally = Tally::default();
    std::thread::scope(|scope| {
        for seed in [1, 2] {
            let (breaker, tally) = (&breaker, &tally);
            scope.spawn(move || {
                let mut dice = breakerbox::core::SplitMix64::new(seed);
                for round in 0..20_000_u64 {
                    let number = (dice.next_unit() * 1e6) as u64;
                    anything_blocking(breaker, tally, number);
                    if round % 1_000 == 0 {
                        let _stream = breaker.events();
                        anything_blocking(breaker, tally, number + 5);
                    }
                }
            });
        }
    });
    let stats = breaker.stats();
    tally.assert_matches(&stats);
    assert!(stats.opened > 0 && stats.rejected > 0, "{stats:?}");
    breaker.control(Control::Reset);
    assert_eq!(breaker.state(), State::Closed);
    assert!(breaker.permit().is_ok());
}

#[test]
fn tasks_on_two_threads_that_end_in_every_way_leave_accounts_that_add_up() {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(2).enable_time().build().unwrap();
    let breaker = Breaker::builder("tasks").failure_rate(0.7).open_for(Duration::from_micros(200));
    let breaker = breaker.attempt_timeout(Duration::from_millis(2)).build().unwrap();
    let tally = std::sync::Arc::new(Tally::default());
    runtime.block_on(async {
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..2_000_u64 {
            if number % 400 == 0 {
                breaker.control(Control::ForceOpen);
                tokio::task::yield_now().await;
            }
            let (breaker, tally) = (breaker.clone(), std::sync::Arc::clone(&tally));
            tasks.spawn(async move { any_call(&breaker, &tally, number).await });
        }
        while let Some(ended) = tasks.join_next().await {
            if ended.is_err() {
                add(&tally.panics);
            }
        }
    });
    let stats = breaker.stats();
    tally.assert_matches(&stats);
    assert!(stats.opened >= 5, "{stats:?}");
}

/// One of the things that async code can do.
async fn any_call(breaker: &Breaker, tally: &Tally, number: u64) {
    add(&tally.offered);
    let soon = async || {
        tokio::task::yield_now().await;
        Ok::<_, ()>(())
    };
    match number % 9 {
        0 => tally.see(&breaker.call(async || Err::<(), _>(())).await),
        1 => {
            let never = async || std::future::pending::<Result<(), ()>>().await;
            tally.see(&breaker.call(never).await);
        }
        2 => {
            let mut call = Box::pin(breaker.call(soon));
            match crate::support::poll_once(call.as_mut()) {
                std::task::Poll::Pending => add(&tally.given_up),
                std::task::Poll::Ready(result) => tally.see(&result),
            }
        }
        3 => {
            let operation = async || -> Result<(), ()> {
                tokio::task::yield_now().await;
                std::panic::resume_unwind(Box::new("operation"))
            };
            tally.see(&breaker.call(operation).await);
        }
        4 => {
            let fallback = |result: Result<(), Error<()>>| {
                tally.see(&result);
                add(&tally.fallbacks);
            };
            let result = breaker.fallback(fallback).call(async || Err(())).await;
            assert!(result.is_ok_and(|answer| answer.is_fallback()));
        }
        5 => {
            let ignore = |_: &Result<(), ()>| Outcome::Ignored;
            tally.see(&breaker.classify(ignore).call(soon).await);
        }
        _ => tally.see(&breaker.call(soon).await),
    }
}
