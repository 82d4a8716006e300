//! How do I see what a breaker does?

use breakerbox::clock::ManualClock;
use breakerbox::{Breaker, EventKind};
use std::time::Duration;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Time passes when it is told to.
    let clock = ManualClock::new();
    let breaker = Breaker::builder("posts")
        .failure_rate(0.2)
        .min_calls(10)
        .latencies(true)
        .clock(clock.clone())
        .build()?;
    let mut events = breaker.events();

    for millis in 1..=12 {
        let _ = breaker
            .call(async || {
                clock.advance(Duration::from_millis(millis));
                if millis % 5 == 0 { Err("down") } else { Ok("a post") }
            })
            .await;
    }

    let stats = breaker.stats();
    println!("{} started, {} rejected", stats.started, stats.rejected);
    println!("{} good, {} failed", stats.successes, stats.failures);
    println!("failure rate {:?}", stats.window.failure_rate);
    if let Some(latency) = &stats.latency {
        println!("median {:?}, all {:?}", latency.quantile(0.5), latency.sum());
    }

    // A stream ends when its breaker is gone.
    drop(breaker);
    while let Some(event) = events.next().await {
        match event.kind {
            EventKind::Failure { took } => println!("failed after {took:?}"),
            EventKind::Transition(it) => println!("{} -> {}: {}", it.from, it.to, it.cause),
            EventKind::Rejected(why) => println!("rejected: {}", why.reason()),
            _ => {}
        }
    }
    Ok(())
}
