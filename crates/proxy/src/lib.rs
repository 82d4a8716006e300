//! The sidecar and gateway of breakerbox: a reverse proxy for HTTP/1.1 and HTTP/2.
//!
//! One single-threaded runtime per core, each with its own listening sockets and its own upstream
//! connections; hyper speaks HTTP at both ends. Bodies are streamed both ways.
//!
//! | module | job |
//! |---|---|
//! | [`config`] | the file |
//! | [`server`] | cores, listeners, client connections, shutting down |
//! | [`gateway`] | one request: check, route, prepare, ask the upstream |
//! | [`router`] | host and path to route |
//! | [`headers`] | what is refused, removed and added |
//! | [`upstream`] | one upstream: from its policies to its endpoints |
//! | [`policies`] | what core's rules are told, and what they have seen |
//! | [`pool`] | connections to endpoints |
//! | [`process`] | what is counted beside the upstreams |
//! | [`body`] | streamed bodies |
//! | [`shelf`] | answers that requests can have without being sent |
//! | [`answers`] | the gateway's own answers |
//! | [`admin`] | the admin API |

pub mod admin;
pub mod answers;
pub mod body;
mod chaos;
pub mod config;
pub mod gateway;
pub mod headers;
mod outgoing;
pub mod policies;
pub mod pool;
pub mod process;
pub mod router;
mod runtime;
pub mod server;
mod sharing;
pub mod shelf;
mod start;
pub mod upstream;

pub use config::Config;
pub use server::{BindError, Running, Server, StartError};
