//! How do I keep the numbers in a file, the same one that the gateway and the policy tests read?

use breakerbox::Pipeline;
use breakerbox::config::FallbackBody;

const FILE: &str = "
    deadline        = '5s'
    retry           = { attempts = 3 }
    breaker         = { failure_rate = 0.5, window = '10s', open_for = '30s' }
    bulkhead        = { concurrent = 64, queue = 128 }
    attempt_timeout = '1s'
    fallback        = { text = 'try again later' }
";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // An HTTP response is no value of a Rust program: this says what stands for it.
    let posts = Pipeline::from_toml_with("posts", FILE, |answer| match &answer.body {
        FallbackBody::Text(text) => text.clone(),
        FallbackBody::Json(json) => json.to_string(),
        FallbackBody::Empty => String::new(),
    })?;
    println!("{}", posts.pipeline());
    let down = async || Err::<String, _>("down");
    if let Ok(answer) = posts.call(down).await {
        println!("{}", *answer);
    }

    if let Err(wrong) = Pipeline::from_toml("posts", "retry = { atempts = 3 }") {
        println!("{wrong}");
    }
    Ok(())
}
