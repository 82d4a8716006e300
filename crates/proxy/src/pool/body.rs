//! The body of a response, and the connection that comes free at its end.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;

use super::http1::Lease;

/// More than this of a body that nobody wants is not read to keep its connection.
const DISCARD_BYTES: usize = 64 * 1024;

/// Nor is it waited for longer than this.
const DISCARD_TIME: Duration = Duration::from_secs(1);

/// The body of a response as the endpoint sends it.
///
/// At its end an HTTP/1 connection goes back to the pool. Dropped before, the connection is closed
/// (HTTP/1) or the stream reset (HTTP/2), so the endpoint learns of it at once.
#[derive(Debug)]
pub struct UpstreamBody {
    incoming: Incoming,
    lease: Option<Lease>,
}

impl UpstreamBody {
    pub(super) fn new(incoming: Incoming, lease: Option<Lease>) -> Self {
        let mut body = Self { incoming, lease };
        body.release_at_end();
        body
    }

    /// Throws the body away but keeps its connection, for a response that something else replaces:
    /// reads on in the background as long as the rest is short (64 KiB) and quick
    /// (1 s). Must be called on the core's own thread.
    pub fn discard(mut self) {
        if self.lease.is_none() || self.is_end_stream() {
            return;
        }
        tokio::task::spawn_local(tokio::time::timeout(DISCARD_TIME, async move {
            let mut read = 0;
            while let Some(Ok(frame)) = self.frame().await {
                read += frame.data_ref().map_or(0, Bytes::len);
                if read > DISCARD_BYTES {
                    break;
                }
            }
        }));
    }

    fn release_at_end(&mut self) {
        if self.incoming.is_end_stream()
            && let Some(lease) = self.lease.take()
        {
            lease.release();
        }
    }
}

impl Body for UpstreamBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = std::task::ready!(Pin::new(&mut self.incoming).poll_frame(cx));
        match &polled {
            Some(Ok(frame)) if frame.is_data() => self.release_at_end(),
            // After trailers there is nothing more.
            Some(Ok(_)) | None => {
                if let Some(lease) = self.lease.take() {
                    lease.release();
                }
            }
            Some(Err(_)) => self.lease = None,
        }
        Poll::Ready(polled)
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
