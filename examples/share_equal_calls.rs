//! A hundred callers ask for the same at once: how do I ask the other side once?

use breakerbox::{Pipeline, SharedCalls, coalesce};
use std::cell::Cell;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let pipeline = Pipeline::builder("posts").coalesce(coalesce::Settings::default()).build()?;
    let posts: SharedCalls<u32, &str, ()> = pipeline.shared();
    let runs = Cell::new(0);
    let ask = || {
        posts.call(7, || async {
            runs.set(runs.get() + 1);
            tokio::task::yield_now().await;
            Ok("post 7")
        })
    };
    let (one, two, three) = tokio::join!(ask(), ask(), ask());
    println!("{:?}, {:?}, {:?}", one.as_deref(), two.as_deref(), three.as_deref());
    println!("asked once: {}", runs.get() == 1);
    Ok(())
}
