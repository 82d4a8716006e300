//! One tenant's database is down: how do I keep the others served, and remember it over a restart?

use breakerbox::{Control, Pipeline, State, breaker};

fn shards() -> Result<Pipeline, breakerbox::BuildError> {
    let settings = breaker::Settings { consecutive_failures: Some(2), ..Default::default() };
    Pipeline::builder("shards").breaker(settings).breaker_keys(10_000).build()
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let shards = shards()?;
    for tenant in ["red", "red", "red", "green"] {
        let down = tenant == "red";
        let query = async || if down { Err("down") } else { Ok("a row") };
        println!("{tenant}: {:?}", shards.protect().key(tenant).call(query).await.ok());
    }
    println!("red is {:?}", shards.breaker_state_of("red"));
    println!("green is {:?}", shards.breaker_state_of("green"));

    // The breaker of calls without a key can be taken over a restart.
    shards.control(Control::ForceOpen);
    let memory = shards.export().expect("there is a breaker");
    let after = self::shards()?;
    after.import(memory);
    println!("after a restart: {}", after.breaker_state() == Some(State::Open));
    Ok(())
}
