//! How do I repeat what fails now and then, but never a payment?

use breakerbox::retry::{self, Backoff};
use breakerbox::{Error, Pipeline};
use std::cell::Cell;
use std::time::Duration;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let backoff = Backoff { initial: Duration::from_millis(5), ..Backoff::default() };
    let retry = retry::Settings { attempts: 3, backoff, ..retry::Settings::default() };
    let posts = Pipeline::builder("posts").retry(retry).build()?;

    let runs = Cell::new(0);
    let flaky = || {
        runs.set(runs.get() + 1);
        std::future::ready(if runs.get() < 3 { Err("reset") } else { Ok("a post") })
    };
    println!("{:?} after {} attempts", posts.call(flaky).await, runs.get());

    // What the other side may have done already is not done again.
    let paid = posts.call_once(async || Err::<(), _>("no answer")).await;
    println!("{paid:?} after one attempt");

    // Some errors do not go away by asking again.
    let call = posts.protect().retry_if(|result: &Result<(), &str>| *result != Err("not found"));
    let missing: Result<(), Error<&str>> = call.call(async || Err("not found")).await;
    println!("{missing:?} after one attempt");
    println!("{} retries in all", posts.stats().retries);
    Ok(())
}
