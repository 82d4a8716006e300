//! Operations that never have to wait: tokio makes a task that polls too much wait for its next turn,
//! and its timers with it. Time must run out all the same, on the real clock.

use breakerbox::{Breaker, Error, Pipeline, TimeoutKind, hedge};
use std::cell::Cell;
use std::convert::Infallible;
use std::time::Duration;
use tokio::sync::mpsc;

const LIMIT: Duration = Duration::from_millis(50);

/// Takes from a channel that is never empty, for ever.
async fn busy() -> Result<(), Infallible> {
    let (sender, mut receiver) = mpsc::unbounded_channel();
    loop {
        sender.send(()).expect("the receiver is here");
        receiver.recv().await;
    }
}

/// What a call comes to, which must not take for ever.
fn run<T>(call: impl Future<Output = T>) -> T {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    runtime.block_on(async {
        let patience = tokio::time::timeout(Duration::from_secs(20), call);
        patience.await.expect("a busy operation runs out of its time")
    })
}

fn kind<T, E>(result: Result<T, Error<E>>) -> Option<TimeoutKind> {
    match result {
        Err(Error::Timeout(timeout)) => Some(timeout.kind()),
        _ => None,
    }
}

#[test]
fn an_attempt_runs_out_of_its_time() {
    let pipeline = Pipeline::builder("busy").attempt_timeout(LIMIT).build().unwrap();
    assert_eq!(kind(run(pipeline.call(busy))), Some(TimeoutKind::Attempt));
    let breaker = Breaker::builder("busy").attempt_timeout(LIMIT).build().unwrap();
    assert_eq!(kind(run(breaker.call(busy))), Some(TimeoutKind::Attempt));
}

#[test]
fn a_call_runs_out_of_its_time() {
    let pipeline = Pipeline::builder("busy").deadline(LIMIT).build().unwrap();
    assert_eq!(kind(run(pipeline.call(busy))), Some(TimeoutKind::Deadline));
    let breaker = Breaker::builder("busy").deadline(LIMIT).build().unwrap();
    assert_eq!(kind(run(breaker.call(busy))), Some(TimeoutKind::Deadline));
}

#[test]
fn a_hedge_begins_beside_it() {
    let hedge = hedge::Settings::new(hedge::Delay::Fixed(LIMIT));
    let pipeline = Pipeline::builder("busy").hedge(hedge).build().unwrap();
    let runs = Cell::new(0);
    let answer = run(pipeline.call(|| {
        runs.set(runs.get() + 1);
        let second = runs.get() == 2;
        async move { if second { Ok(2) } else { busy().await.map(|()| 1) } }
    }));
    assert_eq!(answer, Ok(2));
}
