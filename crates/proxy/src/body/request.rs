//! The body of a request on its way to an upstream.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::Version;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::client::ClientBody;
use super::idle::IdleTimer;
use super::replay::Reading;
use super::upload::Upload;

/// What the client sends, passed on frame by frame with its trailers.
///
/// Ends with an error, and so takes the connection to the upstream down with it, when the client
/// stops sending: a body that was cut short must never look complete.
#[derive(Debug)]
pub struct RequestBody {
    source: Source,
    idle: IdleTimer,
    /// Set when the body has failed: HTTP/2 does not say so in the error of the request.
    failure: Option<Rc<Cell<bool>>>,
    /// Set where somebody wants to know how far it has come.
    upload: Option<Upload>,
}

#[derive(Debug)]
enum Source {
    Client(ClientBody),
    Kept(Reading),
    Full(Option<Bytes>),
}

/// Why the body of a request ended early.
#[derive(Debug, thiserror::Error)]
pub enum RequestBodyError {
    /// The client closed its connection, reset the stream or broke the framing.
    #[error("the client's request body ended early")]
    Client(#[source] hyper::Error),
    /// The client sent nothing for the idle timeout.
    #[error("the client sent nothing of its request body for {0:?}")]
    IdleTimeout(Duration),
    /// The body is being sent again from the front, so this attempt is over.
    #[error("the request is being sent again")]
    Superseded,
}

impl RequestBody {
    /// A body as it comes from the client, given up when no frame comes for `idle_timeout`.
    pub fn from_client(incoming: Incoming, version: Version, idle_timeout: Duration) -> Self {
        Self {
            source: Source::Client(ClientBody::new(incoming, version)),
            idle: IdleTimer::new(idle_timeout, None),
            failure: None,
            upload: None,
        }
    }

    pub(super) fn reading(reading: Reading) -> Self {
        Self {
            source: Source::Kept(reading),
            idle: IdleTimer::new(Duration::MAX, None),
            failure: None,
            upload: None,
        }
    }

    /// A body that is already here; empty bytes make an empty body.
    pub fn full(bytes: Bytes) -> Self {
        let bytes = (!bytes.is_empty()).then_some(bytes);
        Self {
            source: Source::Full(bytes),
            idle: IdleTimer::new(Duration::MAX, None),
            failure: None,
            upload: None,
        }
    }

    /// A body of no bytes.
    pub fn empty() -> Self {
        Self::full(Bytes::new())
    }

    /// How far this body has come, from now on; `None` if it is empty.
    pub fn upload(&mut self) -> Option<Upload> {
        if self.is_end_stream() {
            return None;
        }
        Some(self.upload.get_or_insert_with(Upload::new).clone())
    }

    /// A flag that tells whether this body has failed, or `None` where it cannot.
    pub(crate) fn failure_flag(&mut self) -> Option<Rc<Cell<bool>>> {
        if self.is_end_stream() {
            return None;
        }
        Some(self.failure.get_or_insert_default().clone())
    }

    fn failed(
        &self,
        error: RequestBodyError,
    ) -> Poll<Option<Result<Frame<Bytes>, RequestBodyError>>> {
        if let Some(failure) = &self.failure {
            failure.set(true);
        }
        Poll::Ready(Some(Err(error)))
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = RequestBodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, RequestBodyError>>> {
        let polled = self.poll_source(cx);
        if let Some(upload) = &self.upload {
            match &polled {
                Poll::Ready(_) => upload.moved(),
                Poll::Pending => upload.waits_for_client(),
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Client(incoming) => incoming.is_end_stream(),
            Source::Kept(reading) => reading.is_end_stream(),
            Source::Full(bytes) => bytes.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Client(incoming) => incoming.size_hint(),
            Source::Kept(reading) => reading.size_hint(),
            Source::Full(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |all| all.len() as u64))
            }
        }
    }
}

impl RequestBody {
    fn poll_source(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, RequestBodyError>>> {
        let this = self;
        let incoming = match &mut this.source {
            Source::Client(incoming) => incoming,
            Source::Kept(reading) => {
                return match reading.poll(cx) {
                    Poll::Ready(Some(Err(error))) => this.failed(error),
                    polled => polled,
                };
            }
            Source::Full(bytes) => {
                return Poll::Ready(bytes.take().map(|all| Ok(Frame::data(all))));
            }
        };
        match Pin::new(incoming).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                this.idle.progress();
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => this.failed(RequestBodyError::Client(error)),
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => match this.idle.poll_expired(cx) {
                Poll::Ready(_) => this.failed(RequestBodyError::IdleTimeout(this.idle.timeout())),
                Poll::Pending => Poll::Pending,
            },
        }
    }
}
