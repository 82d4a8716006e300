//! How many calls at once can the other side work on? Let the limit find out.

use breakerbox::clock::TokioClock;
use breakerbox::{Pipeline, adaptive_limit};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::sleep;

// Time is paused here, so that a minute is over at once; leave out `clock` in a program of yours.
#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let settings = adaptive_limit::Settings { initial: 4, ..adaptive_limit::Settings::default() };
    let reports =
        Pipeline::builder("reports").adaptive_limit(settings).clock(TokioClock::new()).build()?;
    // Ten workers of 10 ms each: what comes above that waits in their queue.
    let workers = Arc::new(Semaphore::new(10));
    for _ in 0..64 {
        let (reports, workers) = (reports.clone(), Arc::clone(&workers));
        tokio::spawn(async move {
            loop {
                let work = || async {
                    let _worker = workers.acquire().await.map_err(|_| ())?;
                    sleep(Duration::from_millis(10)).await;
                    Ok::<_, ()>(())
                };
                if reports.call(work).await.is_err() {
                    sleep(Duration::from_millis(5)).await;
                }
            }
        });
    }
    sleep(Duration::from_secs(60)).await;
    let limit = reports.stats().adaptive_limit.map_or(0, |seen| seen.limit);
    println!("64 callers, 10 workers, and a limit from 10 to 20: {}", (10..=20).contains(&limit));
    Ok(())
}
