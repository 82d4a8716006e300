//! The body of a response as hyper writes it to a client.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::activity::InFlight;
use super::unsent::Unsent;
use crate::body::{ResponseBody, ResponseBodyError};

/// A response body; its request is in flight until hyper has written all of it.
///
/// hyper throws away what it has not written yet, the head too, when a body fails: over HTTP/1 with
/// the connection, over HTTP/2 with the reset of the stream. A client that is to see what came before an
/// answer broke off has to be sent it first, so the error waits for that. (For how long at most is
/// known to the clock of all connections.)
#[derive(Debug)]
pub(super) struct Tracked {
    body: ResponseBody,
    in_flight: InFlight,
    /// Over HTTP/2 a client makes room for each answer by itself.
    http2: bool,
    unsent: Option<Unsent>,
    broken: Option<Broken>,
}

#[derive(Debug)]
struct Broken {
    error: ResponseBodyError,
    /// The turn of the task that writes, at the time.
    turn: u32,
}

impl Tracked {
    pub(super) fn new(body: ResponseBody, in_flight: InFlight, http2: bool) -> Self {
        Self { body, in_flight, http2, unsent: None, broken: None }
    }

    /// Ready when what came before the error has been written.
    fn poll_written(&self, turn: u32, cx: &mut Context<'_>) -> Poll<()> {
        ready!(self.in_flight.poll_written(turn, cx.waker()));
        match &self.unsent {
            Some(unsent) => unsent.poll_none(cx.waker()),
            None => Poll::Ready(()),
        }
    }

    /// Follows a piece that may not be the last one.
    fn follow(&mut self, frame: Frame<Bytes>) -> Frame<Bytes> {
        if !self.http2 || self.body.is_end_stream() {
            return frame;
        }
        let unsent = &mut self.unsent;
        frame.map_data(|bytes| unsent.get_or_insert_default().counted(bytes))
    }
}

impl Body for Tracked {
    type Data = Bytes;
    type Error = ResponseBodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ResponseBodyError>>> {
        if self.broken.is_none() {
            let polled = Pin::new(&mut self.body).poll_frame(cx);
            match polled {
                Poll::Ready(Some(Err(error))) => {
                    self.in_flight.waits_for_client();
                    self.broken = Some(Broken { error, turn: self.in_flight.ask_for_turn() });
                }
                Poll::Ready(frame) => {
                    self.in_flight.waits_for_client();
                    return Poll::Ready(frame.map(|frame| frame.map(|frame| self.follow(frame))));
                }
                Poll::Pending => {
                    self.in_flight.waits_for_upstream();
                    return Poll::Pending;
                }
            }
        }
        if let Some(Broken { turn, .. }) = self.broken {
            ready!(self.poll_written(turn, cx));
        }
        Poll::Ready(self.broken.take().map(|broken| Err(broken.error)))
    }

    fn is_end_stream(&self) -> bool {
        self.broken.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
