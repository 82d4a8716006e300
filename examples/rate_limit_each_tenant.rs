//! How do I keep one tenant from using up what is there for all?

use breakerbox::{Error, Pipeline, rate_limit};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let settings = rate_limit::Settings { burst: Some(2), ..rate_limit::Settings::new(1.0) };
    let api = Pipeline::builder("api").rate_limit(settings).build()?;
    for tenant in ["blue", "blue", "blue", "green"] {
        match api.protect().key(tenant).call(async || Ok::<_, ()>("served")).await {
            Ok(served) => println!("{tenant}: {served}"),
            Err(Error::Rejected(why)) => println!("{tenant}: {}", why.reason()),
            Err(error) => println!("{tenant}: {error:?}"),
        }
    }
    Ok(())
}
