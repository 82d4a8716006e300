//! How do I protect a call that blocks?

use breakerbox::{BlockingBreaker, Breaker, Error};
use std::path::Path;

fn look(share: &BlockingBreaker, path: &Path) {
    match share.call(|| std::fs::metadata(path)) {
        Ok(_) => println!("there it is"),
        Err(Error::Inner(error)) => println!("tried and failed: {:?}", error.kind()),
        Err(Error::Rejected(why)) => println!("not even tried: {}", why.reason()),
        // Only async operations can be stopped.
        Err(Error::Timeout(_)) => {}
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let share = Breaker::builder("share").consecutive_failures(3).build_blocking()?;
    look(&share, &std::env::current_exe()?);

    // Somebody pulls the plug of the other machine.
    for _ in 0..5 {
        look(&share, Path::new("not/mounted/any/more"));
    }
    println!("the circuit is {}", share.state());
    Ok(())
}
