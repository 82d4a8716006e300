//! One TCP connection to an endpoint: resolve its name, try its addresses.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout_at};

use super::address::Address;

/// Why no connection to an endpoint could be made.
///
/// Can be cloned, since all who wait for one shared connection get the same error.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ConnectError {
    /// No address answered within the connect timeout.
    #[error("no answer for {0:?}")]
    Timeout(Duration),
    /// The name of the host could not be resolved.
    #[error("its name cannot be resolved: {0}")]
    Resolve(#[source] Arc<io::Error>),
    /// The last of its addresses refused, or cannot be reached.
    #[error("{0}")]
    Refused(#[source] Arc<io::Error>),
    /// The endpoint took the connection but does not speak the protocol.
    #[error("the handshake failed: {0}")]
    Handshake(#[source] Arc<hyper::Error>),
}

impl ConnectError {
    /// Whether nothing was heard in time, rather than a refusal.
    pub fn is_timeout(&self) -> bool {
        matches!(self, Self::Timeout(_))
    }
}

/// Connects, with `TCP_NODELAY` set. The connect timeout covers everything; an address that does
/// not answer gets no more than its share of what is left, so that the next one has its turn.
pub(super) async fn connect(address: &Address) -> Result<TcpStream, ConnectError> {
    let start = Instant::now();
    let limit = address.connect_timeout;
    let deadline = start.checked_add(limit).unwrap_or_else(|| start + Duration::from_secs(86_400));
    let lookup = lookup_host((address.host.as_str(), address.port));
    let resolved = match timeout_at(deadline, lookup).await {
        Ok(Ok(resolved)) => resolved,
        Ok(Err(error)) => return Err(ConnectError::Resolve(Arc::new(error))),
        Err(_) => return Err(ConnectError::Timeout(limit)),
    };

    let mut last = None;
    let mut resolved = resolved.peekable();
    while let Some(next) = resolved.next() {
        let share = match resolved.peek() {
            Some(_) => Instant::now() + deadline.duration_since(Instant::now()) / 2,
            None => deadline,
        };
        match timeout_at(share, TcpStream::connect(next)).await {
            Ok(Ok(stream)) => {
                // A connection without it works as well, only slower.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Ok(Err(error)) => last = Some(ConnectError::Refused(Arc::new(error))),
            Err(_) => last = Some(ConnectError::Timeout(limit)),
        }
    }
    Err(last.unwrap_or_else(|| {
        let none = io::Error::new(io::ErrorKind::NotFound, "it has no address");
        ConnectError::Resolve(Arc::new(none))
    }))
}
