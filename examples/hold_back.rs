//! How do I stop hammering a service that says it has too much to do?

use breakerbox::core::retry::Failure;
use breakerbox::{Error, Pipeline, throttle};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let ads = Pipeline::builder("ads").throttle(throttle::Settings::default()).seed(7).build()?;
    let (mut sent, mut held_back) = (0, 0);
    for _ in 0..1000 {
        let call = ads
            .protect()
            // The throttle has to know that this error says "too much".
            .failure_kind(|result: &Result<(), u16>| {
                result.map_or_else(Failure::Status, |()| Failure::Other)
            });
        match call.call(async || Err(503)).await {
            Err(Error::Rejected(_)) => held_back += 1,
            _ => sent += 1,
        }
    }
    println!("a service that refuses everything got fewer than 150 calls: {}", sent < 150);
    println!("the others were held back: {}", sent + held_back == 1000);
    Ok(())
}
