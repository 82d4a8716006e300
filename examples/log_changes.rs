//! How do I get it into my log?

use breakerbox::clock::ManualClock;
use breakerbox::{Breaker, Interest, OpenFor};
use std::time::Duration;
use tracing_subscriber::filter::LevelFilter;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let log = tracing_subscriber::fmt().with_max_level(LevelFilter::DEBUG);
    log.with_writer(std::io::stdout).with_ansi(false).without_time().init();

    // Time passes when it is told to.
    let clock = ManualClock::new();
    let posts = Breaker::builder("posts")
        .consecutive_failures(2)
        .open_for(OpenFor::fixed(Duration::from_secs(5)))
        .clock(clock.clone())
        .build_blocking()?;
    // A good call costs no more than without a log; `tracing::log` is for all that is rare.
    breakerbox::tracing::log_of(&posts, Interest::TRANSITIONS | Interest::REJECTIONS);

    for _ in 0..3 {
        let _ = posts.call(|| Err::<(), _>("down"));
    }
    clock.advance(Duration::from_secs(5));
    posts.call(|| Ok::<_, ()>(())).expect("it works again");
    Ok(())
}
