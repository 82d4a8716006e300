//! The body of a request that may have to be sent more than once.

use super::body_error::{BodyError, BoxError};
use super::kept::{Kept, Position};
use crate::lock::lock;
use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

/// A body that is kept while it is sent, so that the next attempt can begin from the front. Only so much
/// of it is kept; a longer one goes through once, as soon as some of it has been read.
///
/// ```
/// use breakerbox::http::Replay;
/// use bytes::Bytes;
/// use http_body_util::{BodyExt, Full};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let replay = Replay::new(Full::from("a post"), 1024);
/// for _ in 0..2 {
///     let sent = replay.body().collect().await.unwrap().to_bytes();
///     assert_eq!(sent, Bytes::from("a post"));
///     assert!(replay.is_kept());
/// }
/// # }
/// ```
pub struct Replay<B>(Arc<Mutex<Shared<B>>>);

struct Shared<B> {
    body: B,
    /// Of the whole, as far as it says.
    size: SizeHint,
    kept: Kept,
    trailers: Option<HeaderMap>,
    ended: bool,
    /// It was too long to be kept, or has failed: it cannot be sent again.
    lost: bool,
    /// The number of the attempt that reads on where what is kept ends.
    reader: u32,
    /// Whom to wake when the next one begins: that reader, while it waits for the body. The body itself
    /// forgets it as soon as it is asked by the next one.
    waiting: Option<Waker>,
}

/// The body of a request that a pipeline may have to send more than once: that of one attempt.
///
/// The body is kept while it is sent, up to the limit of the layer.
///
/// ```
/// use breakerbox::http::Replay;
/// use http_body::Body;
/// use http_body_util::{BodyExt, Full};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let replay = Replay::new(Full::from("longer than that"), 4);
/// let first = replay.body();
/// assert_eq!(first.size_hint().exact(), Some(16));
/// assert_eq!(first.collect().await.unwrap().to_bytes(), "longer than that");
/// // It was more than may be kept, so it cannot be sent once more.
/// assert!(!replay.is_kept());
/// # }
/// ```
pub struct ReplayBody<B>(Of<B>);

enum Of<B> {
    /// There is one attempt.
    Direct(B),
    Replayed(Reading<B>),
}

struct Reading<B> {
    shared: Arc<Mutex<Shared<B>>>,
    /// `None`: what it would begin with is not kept.
    reader: Option<u32>,
    /// How much it has had of what is kept.
    position: Position,
    begun: bool,
    over: bool,
}

/// Why the body of a request failed.
///
/// ```
/// use breakerbox::http::{Replay, ReplayError};
/// use http_body_util::{BodyExt, Full};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let replay = Replay::new(Full::<bytes::Bytes>::from("a post"), 1024);
/// let (first, second) = (replay.body(), replay.body());
/// assert!(matches!(first.collect().await, Err(ReplayError::Superseded)));
/// assert_eq!(second.collect().await.unwrap().to_bytes(), "a post");
/// # }
/// ```
#[derive(Debug)]
pub enum ReplayError {
    /// It failed by itself.
    Body(BodyError),
    /// The next attempt has begun, and reads it now.
    Superseded,
}

impl fmt::Display for ReplayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Body(error) => error.fmt(f),
            Self::Superseded => f.write_str("the next attempt of the request reads its body now"),
        }
    }
}

impl std::error::Error for ReplayError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            // It prints as itself, so what comes next is the body's own error.
            Self::Body(error) => error.source(),
            Self::Superseded => None,
        }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Replay<B> {
    /// A body that is kept up to so many bytes.
    pub fn new(body: B, limit: usize) -> Self {
        let (size, ended) = (body.size_hint(), body.is_end_stream());
        // What is known to be too long is not even begun to be kept: it is lost when it is first read.
        let room = if size.lower() > limit as u64 { 0 } else { limit };
        let (kept, trailers, lost) = (Kept::new(room), None, false);
        let (reader, waiting) = (0, None);
        let shared = Shared { body, size, kept, trailers, ended, lost, reader, waiting };
        Self(Arc::new(Mutex::new(shared)))
    }
}

impl<B> Replay<B> {
    /// The body from the front, for the next attempt. That of the attempt before is over, but for what is
    /// kept; it is woken to learn that. The last one reads on when the `Replay` itself is gone.
    pub fn body(&self) -> ReplayBody<B> {
        let (reader, waiting) = {
            let mut shared = lock(&self.0);
            let whole = !shared.lost;
            shared.reader += 1;
            shared.kept.seal();
            (whole.then_some(shared.reader), shared.waiting.take())
        };
        if let Some(superseded) = waiting {
            superseded.wake();
        }
        let (shared, position) = (Arc::clone(&self.0), Position::default());
        ReplayBody(Of::Replayed(Reading { shared, reader, position, begun: false, over: false }))
    }

    /// Whether all of it that was sent can be sent again. That is so of any body of which nothing was sent,
    /// however long it is.
    pub fn is_kept(&self) -> bool {
        !lock(&self.0).lost
    }

    /// Whether there is nothing to send, so that two attempts can send it at once.
    pub fn is_empty(&self) -> bool {
        let shared = lock(&self.0);
        shared.ended && !shared.lost && shared.kept.is_empty() && shared.trailers.is_none()
    }
}

impl<B> ReplayBody<B> {
    pub(super) fn direct(body: B) -> Self {
        Self(Of::Direct(body))
    }
}

type PollFrame = Poll<Option<Result<Frame<Bytes>, ReplayError>>>;

impl<B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin> Shared<B> {
    fn poll_body(&mut self, cx: &mut Context<'_>) -> PollFrame {
        let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) else {
            // Its task may have moved, or be another one by now.
            if !self.waiting.as_ref().is_some_and(|it| it.will_wake(cx.waker())) {
                self.waiting = Some(cx.waker().clone());
            }
            return Poll::Pending;
        };
        self.waiting = None;
        Poll::Ready(match frame {
            Some(Ok(frame)) => {
                self.keep(&frame);
                if !self.ended && self.body.is_end_stream() {
                    // Nobody asks for more, so that is not told otherwise.
                    self.end(None);
                }
                Some(Ok(frame))
            }
            Some(Err(error)) => {
                self.lost = true;
                Some(Err(failed(error)))
            }
            None => {
                self.end(None);
                None
            }
        })
    }

    fn keep(&mut self, frame: &Frame<Bytes>) {
        if let Some(bytes) = frame.data_ref() {
            if !self.lost && !self.kept.keep(bytes) {
                self.lost = true;
                self.kept = Kept::new(0);
            }
        } else if let Some(trailers) = frame.trailers_ref() {
            self.end(Some(trailers.clone()));
        }
    }

    fn end(&mut self, trailers: Option<HeaderMap>) {
        self.ended = true;
        self.trailers = trailers;
        self.kept.seal();
    }
}

impl<B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin> Body for ReplayBody<B> {
    type Data = Bytes;
    type Error = ReplayError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> PollFrame {
        match &mut self.get_mut().0 {
            Of::Direct(body) => {
                let polled = Pin::new(body).poll_frame(cx);
                polled.map(|it| it.map(|frame| frame.map_err(failed)))
            }
            Of::Replayed(reading) => reading.poll(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Of::Direct(body) => body.is_end_stream(),
            Of::Replayed(reading) => {
                let shared = lock(&reading.shared);
                let current = reading.reader == Some(shared.reader);
                let ended = shared.trailers.is_none()
                    && (shared.ended || (current && shared.body.is_end_stream()));
                let read = !shared.kept.has_more(reading.position);
                reading.over || (reading.may_read(&shared) && read && ended)
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Of::Direct(body) => body.size_hint(),
            Of::Replayed(reading) if reading.begun => SizeHint::default(),
            Of::Replayed(reading) => lock(&reading.shared).size,
        }
    }
}

impl<B> Reading<B> {
    /// Whether what is kept is what it needs: where it is lost, only its last reader goes on.
    fn may_read(&self, shared: &Shared<B>) -> bool {
        self.reader.is_some_and(|reader| reader == shared.reader || !shared.lost)
    }
}

impl<B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin> Reading<B> {
    fn poll(&mut self, cx: &mut Context<'_>) -> PollFrame {
        if self.over {
            return Poll::Ready(None);
        }
        self.begun = true;
        let mut shared = lock(&self.shared);
        if self.may_read(&shared) {
            if let Some(bytes) = shared.kept.next(&mut self.position) {
                return Poll::Ready(Some(Ok(Frame::data(bytes))));
            }
            if shared.ended {
                self.over = true;
                return Poll::Ready(shared.trailers.clone().map(|it| Ok(Frame::trailers(it))));
            }
        }
        if self.reader != Some(shared.reader) {
            self.over = true;
            return Poll::Ready(Some(Err(ReplayError::Superseded)));
        }
        let polled = shared.poll_body(cx);
        match &polled {
            Poll::Ready(Some(Ok(frame))) if frame.is_data() => self.position = shared.kept.end(),
            Poll::Ready(_) => self.over = true,
            Poll::Pending => {}
        }
        polled
    }
}

fn failed(error: impl Into<BoxError>) -> ReplayError {
    ReplayError::Body(BodyError::new(error))
}

impl<B> fmt::Debug for Replay<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replay").field("is_kept", &self.is_kept()).finish_non_exhaustive()
    }
}

impl<B> fmt::Debug for ReplayBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let replayed = matches!(self.0, Of::Replayed(_));
        f.debug_struct("ReplayBody").field("replayed", &replayed).finish_non_exhaustive()
    }
}
