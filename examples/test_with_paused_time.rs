//! How do I test code that uses a breaker without waiting?
//!
//! With the feature `test-util`, `TokioClock` follows tokio's paused time: everything that waits
//! does so at once, exactly as long as it was told. A test is written like this `main`, with
//! `#[tokio::test(start_paused = true)]`.

use breakerbox::clock::TokioClock;
use breakerbox::{Breaker, Error, State};
use std::time::Duration;
use tokio::time::{Instant, advance, sleep};

async fn takes(seconds: u64) -> Result<(), ()> {
    sleep(Duration::from_secs(seconds)).await;
    Ok(())
}

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> Result<(), breakerbox::BuildError> {
    let breaker = Breaker::builder("posts")
        .attempt_timeout(Duration::from_secs(3))
        .consecutive_failures(1)
        .open_for(Duration::from_secs(30))
        .clock(TokioClock::new())
        .build()?;
    let start = Instant::now();

    // An operation that takes exactly the timeout has succeeded.
    assert_eq!(breaker.call(|| takes(3)).await, Ok(()));
    assert_eq!(start.elapsed(), Duration::from_secs(3));

    let result = breaker.call(|| takes(4)).await;
    assert!(matches!(result, Err(Error::Timeout(_))));
    assert_eq!(start.elapsed(), Duration::from_secs(6));

    assert_eq!(breaker.state(), State::Open);
    advance(Duration::from_secs(30)).await;
    assert_eq!(breaker.state(), State::HalfOpen);
    assert_eq!(breaker.call(|| takes(1)).await, Ok(()));
    assert_eq!(breaker.state(), State::Closed);

    println!("{} s have passed, and no time at all", start.elapsed().as_secs());
    Ok(())
}
