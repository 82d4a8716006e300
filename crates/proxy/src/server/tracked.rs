//! The body of a response as hyper writes it to a client.

use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Sleep, sleep};

use super::activity::InFlight;
use crate::body::{ResponseBody, ResponseBodyError};

/// How often it is looked whether a client takes what it was sent before its answer breaks off.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// A response body; its request is in flight until hyper has written all of it.
///
/// hyper throws away what it has not written yet, the head too, when a body fails: over HTTP/1 with
/// the connection, over HTTP/2 with the reset of the stream. A client that is to see what came before an
/// answer broke off has to be sent it first, so the error waits for that.
#[derive(Debug)]
pub(super) struct Tracked {
    body: ResponseBody,
    in_flight: InFlight,
    broken: Option<Broken>,
}

#[derive(Debug)]
struct Broken {
    error: ResponseBodyError,
    wait: Wait,
}

#[derive(Debug)]
enum Wait {
    /// The task that writes has not had its turn since; when it is woken does not say when that is.
    Turn(u32),
    /// The client takes nothing; for how long at most is known to the clock of all connections.
    Blocked(Pin<Box<Sleep>>),
}

impl Tracked {
    pub(super) fn new(body: ResponseBody, in_flight: InFlight) -> Self {
        Self { body, in_flight, broken: None }
    }

    /// Ready when what came before the error is on its way.
    fn poll_written(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(broken) = &mut self.broken else { return Poll::Ready(()) };
        loop {
            match &mut broken.wait {
                Wait::Turn(asked) if !self.in_flight.had_turn_since(*asked) => {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Wait::Turn(_) => {}
                Wait::Blocked(until) => ready!(until.as_mut().poll(cx)),
            }
            if !self.in_flight.write_is_blocked() {
                return Poll::Ready(());
            }
            broken.wait = Wait::Blocked(Box::pin(sleep(LOOK_AGAIN)));
        }
    }
}

impl Body for Tracked {
    type Data = Bytes;
    type Error = ResponseBodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ResponseBodyError>>> {
        if self.broken.is_some() {
            ready!(self.poll_written(cx));
            return Poll::Ready(self.broken.take().map(|broken| Err(broken.error)));
        }
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        match polled {
            Poll::Ready(Some(Err(error))) => {
                self.in_flight.waits_for_client();
                let wait = Wait::Turn(self.in_flight.ask_for_turn());
                self.broken = Some(Broken { error, wait });
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Poll::Ready(frame) => {
                self.in_flight.waits_for_client();
                Poll::Ready(frame)
            }
            Poll::Pending => {
                self.in_flight.waits_for_upstream();
                Poll::Pending
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.broken.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
