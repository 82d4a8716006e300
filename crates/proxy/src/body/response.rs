//! The body of a response on its way to the client.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use tokio::time::Instant;

use super::idle::{Expired, IdleTimer};
use crate::pool::UpstreamBody;

/// What the client gets: an upstream's body passed on frame by frame with its trailers, or an
/// answer of the gateway's own.
///
/// A body that fails half way ends with an error, on which the connection (HTTP/1) or the stream
/// (HTTP/2) to the client is aborted: half an answer never looks like a whole one.
#[derive(Debug)]
pub struct ResponseBody {
    source: Source,
    idle: IdleTimer,
    on_end: EndHook,
}

#[derive(Debug)]
enum Source {
    Upstream(UpstreamBody),
    Full(Option<Bytes>),
    Over,
}

/// How the body of a response ended.
#[derive(Debug)]
pub enum BodyEnd {
    /// All of it was handed on, with the trailers where there were any.
    Complete {
        /// The trailers as the upstream sent them (gRPC has its status here).
        trailers: Option<HeaderMap>,
    },
    /// The upstream closed the connection, reset the stream or broke the framing.
    UpstreamFailed,
    /// The upstream sent nothing for the idle timeout.
    IdleTimeout,
    /// The deadline came before the end.
    DeadlineExceeded,
    /// The client went away (the body was dropped) before the end.
    ClientGone,
}

/// Why the body of a response ended early.
#[derive(Debug, thiserror::Error)]
pub enum ResponseBodyError {
    /// The upstream closed the connection, reset the stream or broke the framing.
    #[error("the upstream's response body ended early")]
    Upstream(#[source] hyper::Error),
    /// The upstream sent nothing for the idle timeout.
    #[error("the upstream sent nothing of its response body for {0:?}")]
    IdleTimeout(Duration),
    /// The deadline of the request came before the end of the body.
    #[error("the deadline came before the end of the response body")]
    DeadlineExceeded,
}

impl ResponseBody {
    /// A body as it comes from an upstream, given up when no frame comes for `idle_timeout`.
    pub fn from_upstream(body: UpstreamBody, idle_timeout: Duration) -> Self {
        Self {
            source: Source::Upstream(body),
            idle: IdleTimer::new(idle_timeout, None),
            on_end: EndHook(None),
        }
    }

    /// A body that is already here; empty bytes make an empty body.
    pub fn full(bytes: Bytes) -> Self {
        let bytes = (!bytes.is_empty()).then_some(bytes);
        Self {
            source: Source::Full(bytes),
            idle: IdleTimer::new(Duration::MAX, None),
            on_end: EndHook(None),
        }
    }

    /// Bounds the whole body: at `deadline` it ends with an error.
    ///
    /// The deadline is looked at while the body waits for the upstream; a client that stops reading
    /// is bounded by its connection's write timeout instead.
    #[must_use]
    pub fn with_deadline(mut self, deadline: Instant) -> Self {
        self.idle.set_deadline(deadline);
        self
    }

    /// Calls `on_end` exactly once: at the end of the body, or when it is dropped before.
    ///
    /// A body that is known to be empty ends here and now.
    #[must_use]
    pub fn on_end(mut self, on_end: impl FnOnce(BodyEnd) + 'static) -> Self {
        self.on_end = EndHook(Some(Box::new(on_end)));
        if self.is_end_stream() {
            self.on_end.call(BodyEnd::Complete { trailers: None });
        }
        self
    }

    fn fail(
        &mut self,
        end: BodyEnd,
        error: ResponseBodyError,
    ) -> Poll<Option<Result<Frame<Bytes>, ResponseBodyError>>> {
        // Dropping the upstream's body closes its connection at once.
        self.source = Source::Over;
        self.on_end.call(end);
        Poll::Ready(Some(Err(error)))
    }

    /// Says `Complete` as soon as it is known, since nobody polls a body that has ended.
    fn note_end(&mut self, frame: Option<&Frame<Bytes>>) {
        if !self.on_end.is_set() {
            return;
        }
        let trailers = frame.and_then(Frame::trailers_ref).cloned();
        if frame.is_none() || trailers.is_some() || self.is_end_stream() {
            self.on_end.call(BodyEnd::Complete { trailers });
        }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = ResponseBodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ResponseBodyError>>> {
        let this = &mut *self;
        let polled = match &mut this.source {
            Source::Upstream(body) => Pin::new(body).poll_frame(cx),
            Source::Full(bytes) => Poll::Ready(bytes.take().map(|all| Ok(Frame::data(all)))),
            Source::Over => return Poll::Ready(None),
        };
        match polled {
            Poll::Ready(Some(Ok(_))) if this.idle.past_deadline() => {
                this.fail(BodyEnd::DeadlineExceeded, ResponseBodyError::DeadlineExceeded)
            }
            Poll::Ready(Some(Ok(frame))) => {
                this.idle.progress();
                this.note_end(Some(&frame));
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                this.fail(BodyEnd::UpstreamFailed, ResponseBodyError::Upstream(error))
            }
            Poll::Ready(None) => {
                this.note_end(None);
                Poll::Ready(None)
            }
            Poll::Pending => match this.idle.poll_expired(cx) {
                Poll::Ready(Expired::Idle) => {
                    let error = ResponseBodyError::IdleTimeout(this.idle.timeout());
                    this.fail(BodyEnd::IdleTimeout, error)
                }
                Poll::Ready(Expired::Deadline) => {
                    this.fail(BodyEnd::DeadlineExceeded, ResponseBodyError::DeadlineExceeded)
                }
                Poll::Pending => Poll::Pending,
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Upstream(body) => body.is_end_stream(),
            Source::Full(bytes) => bytes.is_none(),
            // The error was handed on, yet nobody may take that for an end.
            Source::Over => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Upstream(body) => body.size_hint(),
            Source::Full(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |all| all.len() as u64))
            }
            Source::Over => SizeHint::default(),
        }
    }
}

/// Who wants to know about the end; a drop before the end is the client's.
struct EndHook(Option<Box<dyn FnOnce(BodyEnd)>>);

impl EndHook {
    fn is_set(&self) -> bool {
        self.0.is_some()
    }

    fn call(&mut self, end: BodyEnd) {
        if let Some(on_end) = self.0.take() {
            on_end(end);
        }
    }
}

impl Drop for EndHook {
    fn drop(&mut self) {
        self.call(BodyEnd::ClientGone);
    }
}

impl fmt::Debug for EndHook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("EndHook").field(&self.is_set()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use http_body_util::BodyExt as _;

    use super::*;

    fn recorded(body: ResponseBody) -> (ResponseBody, Rc<RefCell<Vec<BodyEnd>>>) {
        let ends = Rc::new(RefCell::new(Vec::new()));
        let sink = ends.clone();
        (body.on_end(move |end| sink.borrow_mut().push(end)), ends)
    }

    #[tokio::test]
    async fn a_whole_body_ends_complete_once() {
        let (body, ends) = recorded(ResponseBody::full(Bytes::from_static(b"all")));
        assert_eq!(body.collect().await.unwrap().to_bytes(), "all");
        assert!(matches!(ends.borrow().as_slice(), [BodyEnd::Complete { trailers: None }]));
    }

    #[test]
    fn an_empty_body_ends_at_once() {
        let (body, ends) = recorded(ResponseBody::full(Bytes::new()));
        assert_eq!(ends.borrow().len(), 1);
        drop(body);
        assert!(matches!(ends.borrow().as_slice(), [BodyEnd::Complete { trailers: None }]));
    }

    #[test]
    fn a_dropped_body_is_a_client_that_went_away() {
        let (body, ends) = recorded(ResponseBody::full(Bytes::from_static(b"all")));
        drop(body);
        assert!(matches!(ends.borrow().as_slice(), [BodyEnd::ClientGone]));
    }
}
