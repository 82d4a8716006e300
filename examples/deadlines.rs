//! How do I bound an attempt, the whole call, and what the next service may take of it?

use breakerbox::clock::TokioClock;
use breakerbox::{Error, Pipeline, retry};
use std::time::Duration;
use tokio::time::Instant;

// Time is paused here, so that the figures are exact; leave out `clock` in a program of yours.
#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let posts = Pipeline::builder("posts")
        .attempt_timeout(Duration::from_millis(300))
        .deadline(Duration::from_secs(1))
        .retry(retry::Settings::default())
        .seed(1)
        .clock(TokioClock::new())
        .build()?;
    let hangs = std::future::pending::<Result<(), ()>>;

    let began = Instant::now();
    let Err(Error::Timeout(timeout)) = posts.call(hangs).await else { panic!("it hangs") };
    println!("{timeout}; within the second: {}", began.elapsed() <= Duration::from_secs(1));

    // Our own caller has less time: it is not the other side's fault, and nothing is repeated for it.
    let began = Instant::now();
    let call = posts.protect().time_left(Duration::from_millis(200)).call(hangs);
    let Err(Error::Timeout(timeout)) = call.await else { panic!("it hangs") };
    println!("{timeout}; it took {:?}", began.elapsed());
    Ok(())
}
