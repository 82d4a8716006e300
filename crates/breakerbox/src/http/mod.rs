//! HTTP and gRPC: layers that know what responses mean, for clients and for servers.
//!
//! [`ClientLayer`] goes around whatever sends requests, [`ServerLayer`] around whatever answers them. Both
//! are Tower layers for [`http::Request`] and [`http::Response`], which hyper, axum, tonic and reqwest speak.
//!
//! What a response counts as is known at its head if that is a failure, else at the end of its body: a
//! call holds its place, and its outcome is open, until then.
//!
//! ```
//! use breakerbox::http::ServerLayer;
//! use breakerbox::{Pipeline, bulkhead};
//! use http::{Request, Response};
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let api = Pipeline::builder("api").bulkhead(bulkhead::Settings::new(1)).build()?;
//! let service = ServiceBuilder::new().layer(ServerLayer::new(api)).service(service_fn(
//!     async |_: Request<()>| Ok::<_, std::io::Error>(Response::new(String::from("a post"))),
//! ));
//! let first = service.clone().oneshot(Request::new(())).await?;
//! assert_eq!(first.status(), 200);
//! // Its body has not been read, so its place is taken.
//! assert_eq!(service.clone().oneshot(Request::new(())).await?.status(), 503);
//! drop(first);
//! assert_eq!(service.oneshot(Request::new(())).await?.status(), 200);
//! # Ok(()) }
//! ```

#[cfg(feature = "axum")]
mod axum;
mod body_error;
mod client;
mod explanation;
mod headers;
mod health;
mod hosts;
mod judge;
mod kept;
mod outcome;
mod plan;
mod repeats;
mod replay;
#[cfg(feature = "reqwest")]
mod reqwest;
#[cfg(feature = "reqwest-middleware")]
mod reqwest_middleware;
mod response_body;
mod sending;
mod server;
mod stems;
#[cfg(feature = "tonic")]
mod tonic;

pub use body_error::BodyError;
pub use client::{ClientFuture, ClientLayer, ClientService};
pub use explanation::Explanation;
pub use headers::{
    BREAKERBOX_ATTEMPT, BREAKERBOX_DEADLINE_MS, BREAKERBOX_FALLBACK, BREAKERBOX_REASON,
    GRPC_TIMEOUT, grpc_timeout, retry_after_of, tell_time_left, time_left, to_grpc_timeout,
    urgency,
};
pub use health::health;
pub use hosts::ByHost;
pub use judge::{ByGrpc, ByProtocol, ByStatus};
pub use outcome::{comes_in_trailers, hint_of_headers, of_grpc_trailers, of_headers};
pub use replay::{Replay, ReplayBody, ReplayError};
#[cfg(feature = "reqwest")]
pub use reqwest::ReqwestFuture;
pub use response_body::ResponseBody;
pub use sending::{AsItIs, SendBody};
pub use server::{Deadline, ServerFuture, ServerLayer, ServerService};
pub use stems::{hint_of_error, outcome_of_error};
#[cfg(feature = "tonic")]
pub use tonic::{AsTonics, GrpcFuture, GrpcLayer, GrpcService};
