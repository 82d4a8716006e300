//! How do I protect a reqwest client?
//!
//! With one line: the layer is a middleware of reqwest-middleware (and a Tower layer around
//! `reqwest::Client`, for those who use that). It knows what answers mean: a 5xx is a failure, 429 is not,
//! what may be repeated is, bodies and `Retry-After` included. `ClientLayer::standard("posts")` is the
//! stack that most clients want; this one has a breaker alone, so that its work can be seen.

use axum::http::StatusCode;
use axum::{Router, routing::get};
use breakerbox::clock::ManualClock;
use breakerbox::http::ClientLayer;
use breakerbox::{Error, Pipeline, breaker};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

type Failure = Box<dyn std::error::Error>;

/// A server that fails three times, and then works.
async fn serve() -> Result<String, Failure> {
    static REQUESTS: AtomicU32 = AtomicU32::new(0);
    let answer = async || match REQUESTS.fetch_add(1, Ordering::Relaxed) {
        0..3 => (StatusCode::INTERNAL_SERVER_ERROR, "oops"),
        _ => (StatusCode::OK, "a post"),
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/posts/1", listener.local_addr()?);
    let router = Router::new().route("/posts/1", get(answer));
    tokio::spawn(async { axum::serve(listener, router).await });
    Ok(url)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    // Time passes when it is told to, so that nobody waits for this example.
    let clock = ManualClock::new();
    let posts = Pipeline::builder("posts")
        .breaker(breaker::Settings {
            consecutive_failures: Some(3),
            open_for: Some(Duration::from_secs(30).into()),
            ..breaker::Settings::default()
        })
        .clock(clock.clone())
        .build()?;
    let client = reqwest_middleware::ClientBuilder::new(reqwest::Client::new())
        .with(ClientLayer::new(posts.clone()))
        .build();

    let url = serve().await?;
    for _ in 0..6 {
        match client.get(&url).send().await {
            Ok(response) => println!("{}: {}", response.status(), response.text().await?),
            // What the pipeline says itself is an error of a middleware.
            Err(reqwest_middleware::Error::Middleware(error)) => {
                println!("{error}");
                let error = error.downcast_ref::<Error<reqwest::Error>>();
                clock.advance(error.and_then(Error::retry_after).unwrap_or_default());
            }
            Err(reqwest_middleware::Error::Reqwest(error)) => println!("{error}"),
        }
    }
    println!("the circuit is {}", posts.breaker_state().ok_or("it has a breaker")?);
    Ok(())
}
