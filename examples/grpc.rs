//! How do I protect a gRPC client, and a server?
//!
//! A client of tonic behind a breaker, and a server that fails and recovers. What counts is the status of
//! gRPC, in the headers or in the trailers; a stream counts when it ends. The server lets one stream at a
//! time through, and says so in gRPC's own words.

use breakerbox::clock::ManualClock;
use breakerbox::http::{GrpcLayer, ServerLayer};
use breakerbox::{Pipeline, breaker, bulkhead};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::{Notify, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt};
use tonic::transport::{Endpoint, Server, server::TcpIncoming};
use tonic::{Request, Response, Status};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::health_server::{Health, HealthServer};
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};
use tower::ServiceBuilder;

type Failure = Box<dyn std::error::Error>;

/// The standard health service, as this example would have it.
struct Moody;

static DOWN: AtomicBool = AtomicBool::new(false);
static GOES_ON: Notify = Notify::const_new();

fn status() -> Result<HealthCheckResponse, Status> {
    if DOWN.load(Ordering::Relaxed) {
        return Err(Status::unavailable("I have no database"));
    }
    Ok(HealthCheckResponse { status: ServingStatus::Serving.into() })
}

#[tonic::async_trait]
impl Health for Moody {
    async fn check(
        &self,
        _: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        status().map(Response::new)
    }

    type WatchStream = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

    /// Two messages, and time between them.
    async fn watch(
        &self,
        _: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let (states, seen) = mpsc::channel(1);
        tokio::spawn(async move {
            states.send(status()).await?;
            GOES_ON.notified().await;
            states.send(status()).await
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(seen))))
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let server = Pipeline::builder("server").bulkhead(bulkhead::Settings::new(1)).build()?;
    let incoming = TcpIncoming::bind("127.0.0.1:0".parse()?)?;
    let url = format!("http://{}", incoming.local_addr()?);
    let router =
        Server::builder().layer(ServerLayer::new(server)).add_service(HealthServer::new(Moody));
    tokio::spawn(router.serve_with_incoming(incoming));

    // Time passes when it is told to, so that nobody waits for this example.
    let clock = ManualClock::new();
    let settings = breaker::Settings {
        consecutive_failures: Some(3),
        open_for: Some(Duration::from_secs(30).into()),
        ..breaker::Settings::default()
    };
    let posts = Pipeline::builder("posts").breaker(settings).clock(clock.clone()).build()?;
    let channel = Endpoint::from_shared(url)?.connect_lazy();
    let channel = ServiceBuilder::new().layer(GrpcLayer::new(posts.clone())).service(channel);
    let mut client = HealthClient::new(channel);
    let show = |what: &str, result: Result<Response<HealthCheckResponse>, Status>| {
        let said = match result {
            Ok(_) => "it works".to_owned(),
            Err(status) => format!("{:?}: {}", status.code(), status.message()),
        };
        let state = posts.breaker_state().map_or("", |state| state.name());
        println!("{what}: {said}; the circuit is {state}");
    };

    show("first", client.check(HealthCheckRequest::default()).await);

    // A stream that begins well, and fails in its trailers.
    let mut stream = client.watch(HealthCheckRequest::default()).await?.into_inner();
    println!("watching: {}", stream.next().await.is_some_and(|it| it.is_ok()));
    // It has the only place of the server until it ends.
    show("beside it", client.check(HealthCheckRequest::default()).await);
    DOWN.store(true, Ordering::Relaxed);
    GOES_ON.notify_one();
    println!("watching: {}", stream.next().await.is_some_and(|it| it.is_ok()));
    drop(stream);

    show("down", client.check(HealthCheckRequest::default()).await);
    show("open", client.check(HealthCheckRequest::default()).await);
    DOWN.store(false, Ordering::Relaxed);
    clock.advance(Duration::from_secs(30));
    show("tested", client.check(HealthCheckRequest::default()).await);
    Ok(())
}
