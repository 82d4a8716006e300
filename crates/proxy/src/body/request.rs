//! The body of a request on its way to an upstream.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use breakerbox::http::{Replay, ReplayBody, ReplayError};
use bytes::Bytes;
use http::Version;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::client::ClientBody;
use super::idle::IdleTimer;
use super::upload::Upload;

/// What the client sends, passed on frame by frame with its trailers.
///
/// Ends with an error, and so takes the connection to the upstream down with it, when the client
/// stops sending: a body that was cut short must never look complete.
#[derive(Debug)]
pub struct RequestBody {
    source: Source,
    /// Set when the body has failed: HTTP/2 does not say so in the error of the request.
    failure: Option<Rc<Cell<bool>>>,
    /// Set where somebody wants to know how far it has come.
    upload: Option<Upload>,
}

#[derive(Debug)]
enum Source {
    Client(Waited),
    Kept(ReplayBody<Waited>),
    Full(Option<Bytes>),
}

/// What the client sends, given up when it stops.
#[derive(Debug)]
pub struct Waited {
    client: ClientBody,
    idle: IdleTimer,
}

/// The same, kept while it is sent.
pub type Kept = Replay<Waited>;

impl Waited {
    /// A body as it comes from the client, given up when no frame comes for `idle_timeout`.
    pub fn new(incoming: Incoming, version: Version, idle_timeout: Duration) -> Self {
        let client = ClientBody::new(incoming, version);
        Self { client, idle: IdleTimer::new(idle_timeout, None) }
    }
}

impl Body for Waited {
    type Data = Bytes;
    type Error = RequestBodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, RequestBodyError>>> {
        let polled = Pin::new(&mut self.client).poll_frame(cx);
        if polled.is_pending() {
            ready!(self.idle.poll_expired(cx));
            let error = RequestBodyError::IdleTimeout(self.idle.timeout());
            return Poll::Ready(Some(Err(error)));
        }
        self.idle.progress();
        polled.map(|frame| frame.map(|frame| frame.map_err(RequestBodyError::Client)))
    }

    fn is_end_stream(&self) -> bool {
        self.client.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.client.size_hint()
    }
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
        Self::of(Source::Client(Waited::new(incoming, version, idle_timeout)))
    }

    /// The body of one attempt of a request that may need several.
    pub fn kept(body: ReplayBody<Waited>) -> Self {
        Self::of(Source::Kept(body))
    }

    /// A body that is already here; empty bytes make an empty body.
    pub fn full(bytes: Bytes) -> Self {
        Self::of(Source::Full((!bytes.is_empty()).then_some(bytes)))
    }

    fn of(source: Source) -> Self {
        Self { source, failure: None, upload: None }
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
            Source::Client(client) => client.is_end_stream(),
            Source::Kept(body) => body.is_end_stream(),
            Source::Full(bytes) => bytes.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Client(client) => client.size_hint(),
            Source::Kept(body) => body.size_hint(),
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
        let polled = match &mut self.source {
            Source::Client(client) => Pin::new(client).poll_frame(cx),
            Source::Kept(body) => Pin::new(body).poll_frame(cx).map_err(|error| match error {
                ReplayError::Body(error) => {
                    error.downcast().expect("it is what `Waited` fails with")
                }
                ReplayError::Superseded => RequestBodyError::Superseded,
            }),
            Source::Full(bytes) => Poll::Ready(bytes.take().map(|all| Ok(Frame::data(all)))),
        };
        if matches!(polled, Poll::Ready(Some(Err(_))))
            && let Some(failure) = &self.failure
        {
            failure.set(true);
        }
        polled
    }
}
