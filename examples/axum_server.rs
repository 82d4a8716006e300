//! How do I protect the upstream of an axum route?
//!
//! `GET /data` asks an upstream through a breaker. While that fails the route answers 503 with a
//! message, and while the circuit is open it does so without asking the upstream at all.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Json, Router, routing::get};
use breakerbox::Breaker;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

type Failure = Box<dyn std::error::Error>;

#[derive(Clone)]
struct App {
    breaker: Breaker,
    client: reqwest::Client,
    upstream: Arc<str>,
}

/// The route.
async fn data(State(app): State<App>) -> Response {
    let fetch = async || {
        let response = app.client.get(&*app.upstream).send().await?.error_for_status()?;
        Ok::<_, reqwest::Error>(response.text().await?.into_response())
    };
    match app.breaker.fallback(|_| unavailable()).call(fetch).await {
        Ok(answer) => answer.into_inner(),
        Err(_) => unavailable(),
    }
}

fn unavailable() -> Response {
    let message = "Service temporarily unavailable. Please try again later.";
    (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "message": message }))).into_response()
}

/// Serves on a port of its own; returns its address.
async fn serve(router: Router) -> Result<String, Failure> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async { axum::serve(listener, router).await });
    Ok(url)
}

static DOWN: AtomicBool = AtomicBool::new(false);
static ASKED: AtomicU32 = AtomicU32::new(0);

async fn upstream() -> (StatusCode, &'static str) {
    ASKED.fetch_add(1, Ordering::Relaxed);
    match DOWN.load(Ordering::Relaxed) {
        true => (StatusCode::INTERNAL_SERVER_ERROR, "oops"),
        false => (StatusCode::OK, "a post"),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let breaker = Breaker::builder("posts")
        .failure_rate(0.5)
        .window_calls(100)
        .min_calls(4)
        .open_for(Duration::from_secs(30))
        .attempt_timeout(Duration::from_secs(3))
        .build()?;
    let upstream = serve(Router::new().route("/posts/1", get(upstream))).await?;
    let app = App {
        breaker: breaker.clone(),
        client: reqwest::Client::new(),
        upstream: format!("{upstream}/posts/1").into(),
    };
    let server = serve(Router::new().route("/data", get(data)).with_state(app)).await?;

    // This would be somebody's browser.
    let browser = reqwest::Client::new();
    for request in 1..=6 {
        DOWN.store(request > 2, Ordering::Relaxed);
        let response = browser.get(format!("{server}/data")).send().await?;
        println!("{} {}", response.status().as_u16(), response.text().await?);
    }
    println!("circuit {}, upstream asked {} times", breaker.state(), ASKED.load(Ordering::Relaxed));
    Ok(())
}
