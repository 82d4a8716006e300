//! How do I give a hyper client the standard stack?
//!
//! `ClientLayer::standard` around the client: deadline, retries under a budget, a circuit breaker for each
//! host, timeouts. Bodies that may have to be sent again are kept while they are sent.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::{Router, routing::put};
use breakerbox::http::{ClientLayer, ReplayBody};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use tower::{ServiceBuilder, ServiceExt};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// It wants to be asked again the first time.
async fn answer(
    State(requests): State<Arc<AtomicU32>>,
    headers: HeaderMap,
    body: String,
) -> (StatusCode, String) {
    let attempt = headers.get("breakerbox-attempt").map(|it| it.to_str().unwrap_or("?"));
    println!("the server gets {body:?}, attempt {}", attempt.unwrap_or("1"));
    match requests.fetch_add(1, Ordering::Relaxed) {
        0 => (StatusCode::SERVICE_UNAVAILABLE, "not now".to_owned()),
        _ => (StatusCode::OK, "stored".to_owned()),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/posts/1", listener.local_addr()?);
    let router = Router::new().route("/posts/1", put(answer)).with_state(Arc::default());
    tokio::spawn(async { axum::serve(listener, router).await });

    let layer = ClientLayer::standard("posts");
    let client = Client::builder(TokioExecutor::new()).build_http::<ReplayBody<Full<Bytes>>>();
    let client = ServiceBuilder::new().layer(&layer).service(client);

    let request = axum::http::Request::put(&url).body(Full::<Bytes>::from("a post"))?;
    let response = client.clone().oneshot(request).await?;
    let status = response.status();
    let body = response.into_body().collect().await?.to_bytes();
    println!("{status}: {}", String::from_utf8_lossy(&body));
    println!("repeated {} time", layer.pipeline().stats().retries);

    // Nobody listens there. That cannot have been received, so it is tried three times.
    let request = axum::http::Request::put("http://127.0.0.1:1/").body(Full::<Bytes>::default())?;
    match client.oneshot(request).await {
        Ok(response) => println!("{}", response.status()),
        Err(error) => println!("{error}"),
    }
    println!("repeated {} times", layer.pipeline().stats().retries);
    Ok(())
}
