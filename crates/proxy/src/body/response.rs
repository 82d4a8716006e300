//! The body of a response on its way to the client.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use tokio::time::Instant;

use super::idle::{Expired, IdleTimer};
use crate::pool::{UpstreamBody, UpstreamBodyError};
use crate::sharing::Keeping;

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
    /// What has been read already, and the rest.
    Begun(VecDeque<Frame<Bytes>>, Box<ResponseBody>),
    /// A body that is kept for others too, unless it turns out to be too long.
    Kept(Box<ResponseBody>, Option<Box<Keeping>>),
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
    /// The client went away (the body was dropped) before the end and before the deadline.
    ClientGone,
}

/// Why the body of a response ended early.
#[derive(Debug, thiserror::Error)]
pub enum ResponseBodyError {
    /// The upstream closed the connection, reset the stream or broke the framing.
    #[error("the upstream's response body ended early")]
    Upstream(#[source] UpstreamBodyError),
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

    /// A body of which so much has been read already.
    pub(crate) fn begun(read: VecDeque<Frame<Bytes>>, rest: Self) -> Self {
        Self {
            source: Source::Begun(read, Box::new(rest)),
            idle: IdleTimer::new(Duration::MAX, None),
            on_end: EndHook(None),
        }
    }

    /// The same, kept for others when it has come to its end.
    pub(crate) fn kept_by(self, keeping: Keeping) -> Self {
        Self {
            source: Source::Kept(Box::new(self), Some(Box::new(keeping))),
            idle: IdleTimer::new(Duration::MAX, None),
            on_end: EndHook(None),
        }
    }

    /// Bounds the whole body: at `deadline` it ends with an error.
    ///
    /// The deadline is looked at whenever the body is asked for more. While its client does not read
    /// nobody asks: the connection then has to drop it, which counts as the deadline from then on.
    #[must_use]
    pub fn with_deadline(mut self, deadline: Instant) -> Self {
        self.idle.set_deadline(deadline);
        self
    }

    /// When it must be over, if that is bounded.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match &self.source {
            Source::Begun(_, rest) => rest.deadline(),
            Source::Kept(body, _) => body.deadline(),
            _ if self.is_end_stream() => None,
            _ => self.idle.deadline(),
        }
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
            Source::Begun(read, rest) => {
                return match read.pop_front() {
                    Some(frame) => Poll::Ready(Some(Ok(frame))),
                    None => Pin::new(&mut **rest).poll_frame(cx),
                };
            }
            Source::Kept(body, keeping) => return poll_kept(body, keeping, cx),
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
            Source::Begun(read, rest) => read.is_empty() && rest.is_end_stream(),
            Source::Kept(body, keeping) => keeping.is_none() && body.is_end_stream(),
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
            Source::Begun(..) | Source::Kept(..) | Source::Over => SizeHint::default(),
        }
    }
}

/// Hands a frame on, and keeps it as long as that is worth it.
fn poll_kept(
    body: &mut ResponseBody,
    keeping: &mut Option<Box<Keeping>>,
    cx: &mut Context<'_>,
) -> Poll<Option<Result<Frame<Bytes>, ResponseBodyError>>> {
    let polled = std::task::ready!(Pin::new(&mut *body).poll_frame(cx));
    let mut over = polled.is_none();
    if let (Some(kept), Some(result)) = (keeping.as_mut(), &polled) {
        if result.as_ref().is_ok_and(|frame| kept.add(frame)) {
            over = body.is_end_stream();
        } else {
            *keeping = None;
        }
    }
    if over && let Some(kept) = keeping.take() {
        kept.end();
    }
    Poll::Ready(polled)
}

impl Drop for ResponseBody {
    fn drop(&mut self) {
        if self.on_end.is_set() && self.idle.past_deadline() {
            self.on_end.call(BodyEnd::DeadlineExceeded);
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

    #[tokio::test(start_paused = true)]
    async fn a_body_that_is_dropped_after_its_deadline_has_run_into_it() {
        let second = Duration::from_secs(1);
        for (deadline, late) in [(second, true), (second * 3, false)] {
            let body = ResponseBody::full(Bytes::from_static(b"all"));
            let (body, ends) = recorded(body.with_deadline(Instant::now() + deadline));
            tokio::time::advance(second).await;
            drop(body);
            assert_eq!(ends.borrow().len(), 1);
            assert_eq!(matches!(ends.borrow()[0], BodyEnd::DeadlineExceeded), late);
        }
    }

    #[test]
    fn a_dropped_body_is_a_client_that_went_away() {
        let (body, ends) = recorded(ResponseBody::full(Bytes::from_static(b"all")));
        drop(body);
        assert!(matches!(ends.borrow().as_slice(), [BodyEnd::ClientGone]));
    }
}
