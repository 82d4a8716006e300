//! How do I protect a call?

use breakerbox::Breaker;
use std::time::Duration;

async fn fetch(number: u32) -> Result<String, std::io::Error> {
    Ok(format!("post {number}"))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let posts = Breaker::builder("posts").attempt_timeout(Duration::from_secs(3)).build()?;
    println!("{}", posts.call(|| fetch(7)).await?);
    Ok(())
}
