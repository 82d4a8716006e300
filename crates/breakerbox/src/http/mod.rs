//! HTTP and gRPC: layers that know what responses mean, for clients and for servers.
//!
//! [`ClientLayer`] goes around whatever sends requests, [`ServerLayer`] around whatever answers them. Both
//! are Tower layers for [`http::Request`] and [`http::Response`], which hyper, axum, tonic and reqwest speak.
//!
//! What a response counts as is known at its head if that is a failure, else at the end of its body: a
//! call holds its place, and its outcome is open, until then.

#[cfg(feature = "axum")]
mod axum;
mod client;
mod explanation;
mod headers;
mod health;
mod judge;
mod outcome;
mod plan;
mod replay;
#[cfg(feature = "reqwest")]
mod reqwest;
#[cfg(feature = "reqwest-middleware")]
mod reqwest_middleware;
mod response_body;
mod sending;
mod server;
#[cfg(feature = "tonic")]
mod tonic;

pub use client::{ByHost, ClientFuture, ClientLayer, ClientService};
pub use explanation::Explanation;
pub use headers::{
    BREAKERBOX_ATTEMPT, BREAKERBOX_DEADLINE_MS, BREAKERBOX_FALLBACK, BREAKERBOX_REASON,
    GRPC_TIMEOUT, grpc_timeout, retry_after_of, time_left, to_grpc_timeout, urgency,
};
pub use health::health;
pub use judge::{ByProtocol, hint_of_error};
pub use outcome::{comes_in_trailers, hint_of_headers, of_grpc_trailers, of_headers};
pub use replay::{Replay, ReplayBody, ReplayError};
#[cfg(feature = "reqwest")]
pub use reqwest::ReqwestFuture;
pub use response_body::ResponseBody;
pub use sending::{AsItIs, SendBody};
pub use server::{Deadline, ServerFuture, ServerLayer, ServerService};
#[cfg(feature = "tonic")]
pub use tonic::{AsTonics, GrpcFuture, GrpcLayer, GrpcService};
