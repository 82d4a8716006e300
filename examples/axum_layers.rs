//! How do I protect an axum server from its clients?
//!
//! A limit that finds itself how much the server can do, a rate for each client, deadlines and priorities
//! that trusted clients send, and a health route that says which circuits are open.

use axum::extract::{ConnectInfo, Extension};
use axum::{Json, Router, body::Body, routing::get};
use breakerbox::http::{Deadline, ServerLayer, health};
use breakerbox::{Control, Error, Pipeline, Registry, adaptive_limit, rate_limit};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tower::ServiceBuilder;

type Failure = Box<dyn std::error::Error>;

/// A route that asks somebody else, and takes no longer for it than its caller will wait.
async fn report(
    deadline: Option<Extension<Deadline>>,
    Extension(numbers): Extension<Pipeline>,
) -> Result<Json<u32>, Error<Infallible>> {
    let mut call = numbers.protect();
    if let Some(Extension(deadline)) = deadline {
        call = call.time_left(deadline.left());
    }
    call.call(slow_sum).await.map(Json)
}

async fn slow_sum() -> Result<u32, Infallible> {
    tokio::time::sleep(Duration::from_millis(200)).await;
    Ok(42)
}

fn router(registry: Arc<Registry>) -> Result<Router, Failure> {
    // All of the server: what it can do, and how long it may take.
    let server = Pipeline::builder("server")
        .deadline(Duration::from_secs(5))
        .adaptive_limit(adaptive_limit::Settings::default())
        .build()?;
    // Each client: 2 requests at once, and one per minute after that.
    let limit = rate_limit::Settings {
        per: Duration::from_secs(60),
        burst: Some(2),
        ..rate_limit::Settings::new(1.0)
    };
    let client = Pipeline::builder("client").rate_limit(limit).build()?;
    let by_address = ServerLayer::new(client).about(|request: &axum::extract::Request, about| {
        let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
        // Behind a proxy that is trusted it would be a header.
        about.key((peer.map(|peer| peer.0.ip()), request.headers().get("x-user").cloned()))
    });
    let numbers = Pipeline::builder("numbers").deadline(Duration::from_secs(1)).build()?;

    let routes = Router::new()
        .route("/report", get(report))
        .layer(Extension(numbers))
        .layer(ServiceBuilder::new().layer(ServerLayer::new(server).trust(true)).layer(by_address));
    let health = move || async move { health(&registry).map(Body::from) };
    Ok(routes.route("/health", get(health)))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let registry = Arc::new(Registry::new());
    let database = registry.or_insert_with("database", |breaker| breaker.build())?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let router = router(registry)?.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async { axum::serve(listener, router).await });

    let client = reqwest::Client::new();
    let ask = async |path: &str, user: &str, left: &str| {
        let request = client.get(format!("{url}{path}")).header("x-user", user);
        let response = request.header("breakerbox-deadline-ms", left).send().await?;
        let reason = response.headers().get("breakerbox-reason").cloned();
        let reason =
            reason.map_or(String::new(), |it| format!(" ({})", it.to_str().unwrap_or("?")));
        println!("{path} for {user}: {}{reason}", response.status().as_u16());
        response.text().await
    };
    println!("{}", ask("/report", "ann", "3000").await?);
    println!("{}", ask("/report", "bob", "50").await?);
    ask("/report", "ann", "3000").await?;
    println!("{}", ask("/report", "ann", "3000").await?);

    println!("{}", ask("/health", "ann", "3000").await?);
    database.control(Control::Isolate);
    println!("{}", ask("/health", "ann", "3000").await?);
    Ok(())
}
