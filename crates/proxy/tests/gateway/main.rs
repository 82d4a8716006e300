//! The gateway over real sockets on loopback, with clients and upstreams written by hand.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod admin;
mod breaker;
mod broken_answers;
mod connections;
mod crowd;
mod drain;
mod endpoints;
mod fallback;
mod framing;
mod goodbye;
mod grpc;
mod headers;
mod http2;
mod http2_abuse;
mod keyed_breakers;
mod memory;
mod metrics;
mod patterns;
mod real_servers;
mod retry;
mod shared_answers;
mod slow_and_early;
mod slow_clients;
mod smuggling;
mod soak;
mod streaming;
mod support;
mod timeouts;
