//! The layers for HTTP, on tokio's paused time.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod bodies;
mod client;
#[cfg(all(feature = "axum", feature = "tonic"))]
mod conversions;
mod grpc;
mod replay;
#[cfg(feature = "reqwest-middleware")]
mod reqwests;
mod server;
#[cfg(all(feature = "axum", feature = "reqwest-middleware", feature = "tonic"))]
mod stems;
mod support;
