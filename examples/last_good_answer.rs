//! How do I answer from memory, while it is fresh and when the other side is gone?

use breakerbox::{Pipeline, SharedCalls};
use std::cell::Cell;
use std::time::Duration;

#[derive(Clone, Debug)]
struct Down;

impl std::fmt::Display for Down {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the other side is down")
    }
}

impl std::error::Error for Down {}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let pipeline = Pipeline::builder("posts")
        .cache(Duration::from_millis(20), 10_000)
        .stale(Duration::from_secs(3600))
        .build()?;
    let posts: SharedCalls<u32, &str, Down> = pipeline.shared();
    let up = Cell::new(true);
    let fetch = || std::future::ready(if up.get() { Ok("a post") } else { Err(Down) });

    let first = posts.call(7, fetch).await?;
    println!("{}, kept: {}", *first, first.age().is_some());
    let second = posts.call(7, fetch).await?;
    println!("{}, kept: {}", *second, second.age().is_some());

    up.set(false);
    tokio::time::sleep(Duration::from_millis(30)).await;
    let stale = posts.call(7, fetch).await?;
    println!("{}, as a fallback: {}", *stale, stale.is_fallback());
    if let Err(error) = posts.call(8, fetch).await {
        println!("{error}");
    }
    Ok(())
}
