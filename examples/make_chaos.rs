//! Does my fallback work? Break calls on purpose and see.

use breakerbox::{Pipeline, chaos};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let faults = chaos::Settings { error: Some(503), fraction: 0.5, seed: 7, ..Default::default() };
    let posts = Pipeline::builder("posts").chaos(faults).build()?;
    let mut fallbacks = 0;
    for _ in 0..1000 {
        let call = posts.protect().fallback(|_| "from memory");
        let answer = call.call(async || Ok::<_, ()>("a post")).await;
        fallbacks += u32::from(answer.is_ok_and(|answer| answer.is_fallback()));
    }
    println!("about half came from the fallback: {}", (400..600).contains(&fallbacks));
    posts.set_chaos(false);
    println!("{:?} when it is over", posts.call(async || Ok::<_, ()>("a post")).await);
    Ok(())
}
