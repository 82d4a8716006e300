//! The body of a response on its way through a pipeline.

use super::body_error::{BodyError, BoxError};
use super::explanation::Explanation;
use super::outcome;
use crate::clock::{Clock, SystemClock};
use crate::pipeline::Streaming;
use crate::{Error, Timeout};
use breakerbox_core::Timestamp;
use breakerbox_core::pipeline::Ending;
use bytes::Bytes;
use http::{HeaderMap, Response};
use http_body::{Body, Frame, SizeHint};
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

pin_project_lite::pin_project! {
    /// The body of a response that has come through a pipeline: another service's, or a few bytes of our
    /// own.
    ///
    /// The call goes on until it has ended: it holds its place in the bulkhead, it counts as it ends (in a
    /// gRPC response as its trailers say), and the deadline ends it with [`Error::Timeout`]. What it
    /// fails with by itself is [`Error::Inner`] with a [`BodyError`]. One that is dropped before its end
    /// has been given up by its reader.
    ///
    /// ```
    /// use breakerbox::{Pipeline, breaker, http::ClientLayer};
    /// use http::{Request, Response};
    /// use http_body_util::BodyExt;
    /// use tower::{Layer, ServiceExt, service_fn};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let client = service_fn(async |_: Request<_>| {
    ///     Ok::<_, std::io::Error>(Response::new(String::from("a post")))
    /// });
    /// let posts = Pipeline::builder("posts").breaker(breaker::Settings::default()).build()?;
    /// let response = ClientLayer::new(posts.clone()).layer(client).oneshot(Request::new(String::new())).await?;
    /// assert_eq!(posts.stats().breaker.unwrap().in_flight, 1);
    /// assert_eq!(response.into_body().collect().await?.to_bytes(), "a post");
    /// assert_eq!(posts.stats().breaker.unwrap().successes, 1);
    /// # Ok(()) }
    /// ```
    pub struct ResponseBody<B, C: Clock = SystemClock> {
        #[pin]
        source: Source<B>,
        call: Option<Going<C>>,
        timer: Option<Timer<C>>,
    }
}

pin_project_lite::pin_project! {
    #[project = SourceProjection]
    enum Source<B> {
        Passed { #[pin] body: B },
        Own { bytes: Option<Bytes> },
        Over,
    }
}

/// When it comes, and what waits for that: boxed, so that the body is as easily moved as the one inside.
type Timer<C> = (Timestamp, Pin<Box<<C as Clock>::Sleep>>);

/// The call that goes on with a body.
struct Going<C: Clock> {
    call: Streaming<C>,
    /// gRPC says in the trailers how it has ended.
    in_trailers: bool,
    /// How long a frame may be waited for, and since when one is: what the reader does meanwhile is not the
    /// other side's silence.
    idle: Option<Duration>,
    waits_since: Option<Timestamp>,
}

impl<C: Clock> Going<C> {
    /// When the wait for a frame ends.
    fn patience_ends(&mut self) -> Timestamp {
        let Some(idle) = self.idle else { return Timestamp::NEVER };
        *self.waits_since.get_or_insert_with(|| self.call.now()) + idle
    }

    fn end(call: &mut Option<Self>, ending: Ending) {
        if let Some(going) = call.take() {
            going.call.ended(ending);
        }
    }

    /// A gRPC response without a status was cut off.
    fn end_without_trailers(call: &mut Option<Self>) {
        let in_trailers = call.as_ref().is_some_and(|going| going.in_trailers);
        Self::end(call, if in_trailers { Ending::Failure } else { Ending::Success });
    }
}

impl<B: Body, C: Clock> ResponseBody<B, C> {
    /// A body that counts at its end, unless there is nothing more to wait for.
    pub(super) fn passed(
        response: Response<B>,
        call: Option<Streaming<C>>,
        idle: Option<Duration>,
    ) -> Response<Self> {
        let in_trailers = outcome::comes_in_trailers(response.headers());
        response.map(|body| {
            let call = call.map(|call| Going { call, in_trailers, idle, waits_since: None });
            let ended = body.is_end_stream();
            let source = Source::Passed { body };
            let mut this = Self { source, call, timer: None };
            if ended {
                Going::end_without_trailers(&mut this.call);
            }
            this
        })
    }
}

impl<B, C: Clock> ResponseBody<B, C> {
    /// A body of our own.
    pub(super) fn own(bytes: Bytes) -> Self {
        let bytes = (!bytes.is_empty()).then_some(bytes);
        Self { source: Source::Own { bytes }, call: None, timer: None }
    }
}

impl<B, C> Body for ResponseBody<B, C>
where
    B: Body<Data: From<Bytes>, Error: Into<BoxError>>,
    C: Clock,
{
    type Data = B::Data;
    type Error = Error<BodyError>;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, Self::Error>>> {
        let mut this = self.project();
        let (polled, ended) = match this.source.as_mut().project() {
            SourceProjection::Over => return Poll::Ready(None),
            SourceProjection::Own { bytes } => {
                return Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes.into()))));
            }
            SourceProjection::Passed { mut body } => {
                (body.as_mut().poll_frame(cx), body.is_end_stream())
            }
        };
        let Some(going) = this.call else { return polled.map_err(failed) };
        match polled {
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(timeout) = going.call.past_deadline() {
                    let in_trailers = going.in_trailers;
                    *this.call = None;
                    this.source.set(Source::Over);
                    return Poll::Ready(Some(given_up(timeout, in_trailers)));
                }
                going.waits_since = None;
                let trailers = frame.trailers_ref().filter(|_| going.in_trailers);
                let status = trailers.map(|it| outcome::of_grpc_trailers(Some(it)).into());
                if let Some(ending) = status {
                    Going::end(this.call, ending);
                } else if ended {
                    // Nobody asks a body for more that has said that it is over.
                    Going::end_without_trailers(this.call);
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                Going::end(this.call, Ending::Failure);
                Poll::Ready(Some(Err(failed(error))))
            }
            Poll::Ready(None) => {
                Going::end_without_trailers(this.call);
                Poll::Ready(None)
            }
            Poll::Pending => {
                let patience_ends = going.patience_ends();
                let passed = going.call.poll_until(patience_ends, this.timer, cx);
                let Poll::Ready(timeout) = passed else { return Poll::Pending };
                let in_trailers = going.in_trailers;
                let going = this.call.take();
                let timeout = match (timeout, going) {
                    (Some(timeout), _) => timeout,
                    (None, Some(Going { call, idle: Some(idle), .. })) => call.idle_for(idle),
                    (None, _) => return Poll::Pending,
                };
                // What still comes is of no use to anybody.
                this.source.set(Source::Over);
                Poll::Ready(Some(given_up(timeout, in_trailers)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Passed { body } => body.is_end_stream(),
            Source::Own { bytes } => bytes.is_none(),
            // The error was handed on, yet nobody may take that for an end.
            Source::Over => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Passed { body } => body.size_hint(),
            Source::Own { bytes } => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64)
            }
            Source::Over => SizeHint::default(),
        }
    }
}

fn failed(error: impl Into<BoxError>) -> Error<BodyError> {
    Error::Inner(BodyError::new(error))
}

/// What whoever reads a body gets when its time has run out: an error, or in gRPC a status.
fn given_up<D>(timeout: Timeout, in_trailers: bool) -> Result<Frame<D>, Error<BodyError>> {
    if in_trailers {
        let told = Explanation::of_timeout(timeout.kind());
        let mut trailers = HeaderMap::new();
        told.add_to_grpc(&mut trailers);
        return Ok(Frame::trailers(trailers));
    }
    Err(Error::Timeout(timeout))
}

impl<B, C: Clock> fmt::Debug for ResponseBody<B, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseBody").field("counts", &self.call.is_some()).finish_non_exhaustive()
    }
}
