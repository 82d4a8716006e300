//! The layers for HTTP, on tokio's paused time.

mod bodies;
mod client;
mod grpc;
mod server;
mod support;
