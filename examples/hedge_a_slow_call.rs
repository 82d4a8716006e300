//! How do I hide the one call in a hundred that takes ten times as long?

use breakerbox::clock::TokioClock;
use breakerbox::hedge::{Delay, Settings};
use breakerbox::{Error, Pipeline};
use std::cell::Cell;
use std::time::Duration;
use tokio::time::{Instant, sleep};

// Time is paused here, so that the figures are exact; leave out `clock` in a program of yours.
#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Better: `Delay::Percentile(0.95)`, the time that 95 % of all attempts stay below.
    let search = Pipeline::builder("search")
        .hedge(Settings::new(Delay::Fixed(Duration::from_millis(50))))
        .clock(TokioClock::new())
        .build()?;

    let runs = Cell::new(0);
    let query = || {
        runs.set(runs.get() + 1);
        // The first attempt meets a replica that is busy.
        let takes = Duration::from_millis(if runs.get() == 1 { 1000 } else { 20 });
        async move {
            sleep(takes).await;
            Ok::<_, Error<()>>("found")
        }
    };
    let began = Instant::now();
    let found = search.call(query).await;
    println!("{found:?} after {:?}, with {} attempts", began.elapsed(), runs.get());
    Ok(())
}
