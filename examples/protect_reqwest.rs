//! How do I protect a reqwest client?
//!
//! An answer is not yet a success: the classification says that a 5xx is a failure.

use axum::http::StatusCode;
use axum::{Router, routing::get};
use breakerbox::clock::ManualClock;
use breakerbox::{Breaker, Error, Outcome};
use reqwest::Response;
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

fn classify(result: &Result<Response, reqwest::Error>) -> Outcome {
    match result {
        Ok(response) if response.status().is_server_error() => Outcome::Failure,
        // The server asks for less, which says nothing about its health.
        Ok(response) if response.status() == 429 => Outcome::Ignored,
        Ok(_) => Outcome::Success,
        Err(_) => Outcome::Failure,
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    // Time passes when it is told to, so that nobody waits for this example.
    let clock = ManualClock::new();
    let breaker = Breaker::builder("posts")
        .consecutive_failures(3)
        .open_for(Duration::from_secs(30))
        .clock(clock.clone())
        .attempt_timeout(Duration::from_secs(3))
        .build()?;
    let (client, url) = (reqwest::Client::new(), serve().await?);

    for _ in 0..6 {
        match breaker.classify(classify).call(|| client.get(&url).send()).await {
            Ok(response) => println!("{}: {}", response.status(), response.text().await?),
            Err(Error::Rejected(why)) => {
                println!("{why}");
                clock.advance(why.retry_after().unwrap_or_default());
            }
            Err(error) => println!("{error}"),
        }
    }
    println!("the circuit is {}", breaker.state());
    Ok(())
}
