//! How do I put all of it together, and see what it did?

use breakerbox::{EventKind, Outcome, Pipeline, breaker, bulkhead, retry};
use std::time::Duration;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let backoff = retry::Backoff { initial: Duration::from_millis(1), ..Default::default() };
    // In any order: the builder puts them into the one that makes sense.
    let posts = Pipeline::builder("posts")
        .attempt_timeout(Duration::from_secs(1))
        .bulkhead(bulkhead::Settings::new(64))
        .breaker(breaker::Settings::default())
        .retry(retry::Settings { backoff, ..Default::default() })
        .deadline(Duration::from_secs(5))
        .build()?;
    println!("{posts}");
    posts.on_event(|event| {
        if let EventKind::Retrying { attempts, .. } = event.kind {
            println!("attempt {attempts} failed, there will be another");
        }
    });
    let mut statuses = [503, 200].into_iter();
    let status = posts
        .protect()
        .classify(|result: &Result<u16, std::io::Error>| match result {
            Ok(500..) | Err(_) => Outcome::Failure,
            Ok(_) => Outcome::Success,
        })
        .call(|| std::future::ready(Ok(statuses.next().unwrap_or(200))))
        .await?;
    let stats = posts.stats();
    println!("{status} after {} retries, {} rejected", stats.retries, stats.all_rejected());
    Ok(())
}
