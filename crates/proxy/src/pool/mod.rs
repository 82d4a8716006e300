//! Connections to the endpoints of one upstream, kept by and for one core.
//!
//! HTTP/1 connections are reused, the latest first; HTTP/2 has one connection per endpoint, made
//! anew when it dies. Nothing here is shared between cores and nothing here knows of policies:
//! [`Endpoint::send`] is one attempt, and dropping its future ends that attempt.

mod address;
mod body;
mod connect;
mod error;
mod fault;
mod http1;
mod http2;
mod link;
mod rewind;
mod room;

use std::rc::Rc;

use http::{Request, Response};

pub use address::InvalidEndpoint;
pub use body::{UpstreamBody, UpstreamBodyError};
pub use connect::ConnectError;
pub use error::{SendError, SendErrorKind};

use crate::body::RequestBody;
use crate::config::{Protocol, Upstream};
use address::Address;

/// The endpoints of one upstream as one core sees them.
#[derive(Debug)]
pub struct Pool {
    endpoints: Vec<Endpoint>,
}

/// One endpoint of an upstream with its connections from this core.
#[derive(Debug)]
pub struct Endpoint(Connections);

#[derive(Debug)]
enum Connections {
    Http1(Rc<http1::Connections>),
    Http2(Rc<http2::SharedConnection>),
}

impl Pool {
    /// A pool without any connection yet.
    ///
    /// # Errors
    ///
    /// Where host and port of an endpoint make no address.
    pub fn new(upstream: &Upstream) -> Result<Self, InvalidEndpoint> {
        let endpoints = upstream
            .endpoints
            .iter()
            .map(|endpoint| {
                let address = Address::new(endpoint, upstream.connect_timeout)?;
                Ok(Endpoint(match upstream.protocol {
                    Protocol::Http1 => Connections::Http1(http1::Connections::new(address)),
                    Protocol::Http2 => Connections::Http2(http2::SharedConnection::new(address)),
                }))
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { endpoints })
    }

    /// The endpoints, in the order of the configuration.
    pub fn endpoints(&self) -> &[Endpoint] {
        &self.endpoints
    }

    /// Closes the HTTP/1 connections that nobody has used lately; to be called every
    /// [`SWEEP_INTERVAL`](Self::SWEEP_INTERVAL).
    pub fn sweep(&self) {
        for endpoint in &self.endpoints {
            if let Connections::Http1(connections) = &endpoint.0 {
                connections.sweep();
            }
        }
    }

    /// How often to call [`sweep`](Self::sweep): 10 s. A connection outlives its last use by six
    /// of these at most.
    pub const SWEEP_INTERVAL: std::time::Duration = std::time::Duration::from_secs(10);
}

impl Endpoint {
    /// `host:port`, as messages and metrics name it.
    pub fn name(&self) -> &str {
        match &self.0 {
            Connections::Http1(connections) => connections.name(),
            Connections::Http2(connection) => connection.name(),
        }
    }

    /// Sends one request and waits for the headers of its response.
    ///
    /// Of the request's URI only path and query are used; the authority (and the `Host` header) are
    /// the endpoint's. Connects where no connection is free. A kept connection that turns out to be
    /// closed before the request was written is replaced without a word; so is an HTTP/2 connection
    /// that the endpoint has ended in peace before it took the request on, as long as what was sent
    /// of its body is kept (64 KiB). There is no timeout here but the one for connecting.
    ///
    /// Dropping the future ends the attempt: an HTTP/1 connection is closed, an HTTP/2 stream reset.
    ///
    /// # Errors
    ///
    /// See [`SendErrorKind`].
    pub async fn send(
        &self,
        request: Request<RequestBody>,
    ) -> Result<Response<UpstreamBody>, SendError> {
        match &self.0 {
            Connections::Http1(connections) => connections.send(request).await,
            Connections::Http2(connection) => connection.send(request).await,
        }
    }
}
