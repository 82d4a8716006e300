//! How do I write what I had in opossum?
//!
//! ```js
//! const breaker = new CircuitBreaker(fetchPosts, {
//!   timeout: 3000,
//!   errorThresholdPercentage: 50,
//!   resetTimeout: 30000,
//! });
//! breaker.fallback(() => ({ posts: [], stale: true }));
//! breaker.on('open', () => console.log('open'));
//! breaker.on('halfOpen', () => console.log('halfOpen'));
//! breaker.on('close', () => console.log('close'));
//! ```
//!
//! Time is paused here, so that half a minute passes at once.

use breakerbox::clock::TokioClock;
use breakerbox::{Breaker, EventKind, State};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::sleep;

/// The service answers in time, or hangs.
async fn fetch_posts(up: bool) -> Result<Value, std::io::Error> {
    sleep(Duration::from_secs(if up { 1 } else { 3600 })).await;
    Ok(json!({ "posts": ["first", "second"] }))
}

async fn fire(
    breaker: &Breaker<TokioClock>,
    up: bool,
) -> Result<(), breakerbox::Error<std::io::Error>> {
    let fallback = |_| json!({ "posts": [], "stale": true });
    let posts = breaker.fallback(fallback).call(|| fetch_posts(up)).await?;
    println!("{}", *posts);
    Ok(())
}

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let breaker = Breaker::builder("posts")
        .attempt_timeout(Duration::from_secs(3)) // timeout
        .failure_rate(0.5) // errorThresholdPercentage
        .open_for(Duration::from_secs(30)) // resetTimeout
        .min_calls(1) // volumeThreshold: opossum judges from the first call on
        .only_on_failure(true) // and only when one fails
        .clock(TokioClock::new()) // for the sake of this example
        .build()?;
    breaker.on_event(|event| {
        if let EventKind::Transition(change) = event.kind {
            match change.to {
                State::Open => println!("open"),
                State::HalfOpen => println!("halfOpen"),
                _ => println!("close"),
            }
        }
    });

    fire(&breaker, true).await?;
    fire(&breaker, false).await?; // one of two: 50 %
    fire(&breaker, true).await?; // not even tried
    sleep(Duration::from_secs(30)).await;
    fire(&breaker, true).await?;
    Ok(())
}
