//! How do I keep one slow service from taking all my connections, and let the important calls go first?

use breakerbox::clock::TokioClock;
use breakerbox::{Pipeline, bulkhead};
use std::time::Duration;
use tokio::time::sleep;

// Time is paused here, so that the output is exact; leave out `clock` in a program of yours.
#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let settings = bulkhead::Settings {
        queue: 1,
        queue_timeout: Duration::from_millis(100),
        ..bulkhead::Settings::new(1)
    };
    let reports =
        Pipeline::builder("reports").bulkhead(settings).clock(TokioClock::new()).build()?;
    let call = async |name: &str, urgency: u8| {
        let work = || async {
            sleep(Duration::from_millis(50)).await;
            Ok::<_, ()>("done")
        };
        match reports.protect().priority(urgency).call(work).await {
            Ok(done) => println!("{name}: {done}"),
            Err(error) => println!("{name}: {}", error.map_inner(|()| "failed")),
        }
    };
    // One runs, one waits; the one that is more important takes the place of the one that waits.
    tokio::join!(call("first", 3), call("nightly batch", 7), call("checkout", 0));
    Ok(())
}
