//! The body of a response, and the connection that comes free at its end.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;

use super::fault::BodyFault;
use super::http1::Lease;
use super::room::Place;

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
    /// `None`: chaos has made it up, and it is empty.
    incoming: Option<Incoming>,
    held: Option<Held>,
    /// What chaos does to it.
    fault: Option<Box<BodyFault>>,
}

/// What a response has until its end.
#[derive(Debug)]
enum Held {
    /// The connection, to be used again afterwards.
    Http1(Lease),
    /// A place on the connection.
    Http2(#[expect(dead_code, reason = "it is given back by being dropped")] Place),
}

/// Why the body of an upstream's response ended early.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamBodyError {
    /// The upstream closed the connection, reset the stream or broke the framing.
    #[error("the upstream's response body ended early")]
    Upstream(#[source] hyper::Error),
    /// Chaos cut it off.
    #[error("the response body was cut off by an injected fault")]
    Injected,
}

impl UpstreamBody {
    pub(super) fn http1(incoming: Incoming, lease: Lease) -> Self {
        let mut body =
            Self { incoming: Some(incoming), held: Some(Held::Http1(lease)), fault: None };
        if body.incoming.as_ref().is_some_and(Body::is_end_stream) {
            body.release();
        }
        body
    }

    pub(super) fn http2(incoming: Incoming, place: Place) -> Self {
        Self { incoming: Some(incoming), held: Some(Held::Http2(place)), fault: None }
    }

    /// The body of a response that no endpoint gave.
    pub(crate) fn empty() -> Self {
        Self { incoming: None, held: None, fault: None }
    }

    /// The same, no faster than so many bytes a second, and cut off after so many.
    pub(crate) fn with_faults(self, slow: Option<u32>, truncate: Option<u64>) -> Self {
        if slow.is_none() && truncate.is_none() {
            return self;
        }
        Self { fault: Some(Box::new(BodyFault::new(slow, truncate))), ..self }
    }

    /// Throws the body away but keeps its connection, for a response that something else replaces:
    /// reads on in the background as long as the rest is short (64 KiB) and quick
    /// (1 s). Must be called on the core's own thread.
    pub fn discard(mut self) {
        if !matches!(self.held, Some(Held::Http1(_))) || self.is_end_stream() {
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

    /// The response is over.
    fn release(&mut self) {
        if let Some(Held::Http1(lease)) = self.held.take() {
            lease.release();
        }
    }

    fn poll_upstream(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UpstreamBodyError>>> {
        let Some(incoming) = &mut self.incoming else { return Poll::Ready(None) };
        let polled = std::task::ready!(Pin::new(&mut *incoming).poll_frame(cx));
        match &polled {
            Some(Ok(frame)) if frame.is_data() && !incoming.is_end_stream() => {}
            // After trailers there is nothing more.
            Some(Ok(_)) | None => self.release(),
            Some(Err(_)) => self.held = None,
        }
        Poll::Ready(polled.map(|frame| frame.map_err(UpstreamBodyError::Upstream)))
    }
}

impl Body for UpstreamBody {
    type Data = Bytes;
    type Error = UpstreamBodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UpstreamBodyError>>> {
        let Some(mut fault) = self.fault.take() else { return self.poll_upstream(cx) };
        let polled = fault.poll(cx, |cx| self.poll_upstream(cx));
        if matches!(polled, Poll::Ready(Some(Err(UpstreamBodyError::Injected)))) {
            // What is left of it is not for the next one who uses the connection.
            self.held = None;
        }
        self.fault = Some(fault);
        polled
    }

    fn is_end_stream(&self) -> bool {
        let fault_ends = self.fault.as_ref().is_none_or(|fault| fault.lets_end());
        fault_ends && self.incoming.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.as_ref().map_or(SizeHint::with_exact(0), Body::size_hint)
    }
}
