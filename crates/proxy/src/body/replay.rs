//! The body of a request that may have to be sent more than once.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Version};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::client::ClientBody;
use super::idle::IdleTimer;
use super::request::{RequestBody, RequestBodyError};

/// The client's body, kept while it is sent, so that the next attempt can begin from the front.
///
/// Only a body up to a limit is kept. One that turns out longer still goes through, once.
#[derive(Clone, Debug)]
pub struct Replay(Rc<RefCell<Shared>>);

#[derive(Debug)]
struct Shared {
    client: ClientBody,
    idle: IdleTimer,
    /// The size of the whole body, as far as the client said.
    size: SizeHint,
    kept: Vec<Bytes>,
    room: usize,
    trailers: Option<HeaderMap>,
    ended: bool,
    /// It was too long to be kept, or the client has failed: it cannot be sent again.
    lost: bool,
    /// The number of the attempt that reads; those before are over.
    reader: u32,
}

/// The body of one attempt.
#[derive(Debug)]
pub(super) struct Reading {
    shared: Rc<RefCell<Shared>>,
    reader: u32,
    /// How many of the kept frames have been read.
    position: usize,
    over: bool,
}

impl Replay {
    /// A body as it comes from the client, kept up to `limit` bytes and given up when no frame comes
    /// for `idle_timeout`.
    pub fn new(client: Incoming, version: Version, idle_timeout: Duration, limit: usize) -> Self {
        let size = client.size_hint();
        // What is known to be too long is not even begun to be kept.
        let lost = size.lower() > limit as u64;
        Self(Rc::new(RefCell::new(Shared {
            client: ClientBody::new(client, version),
            idle: IdleTimer::new(idle_timeout, None),
            size,
            kept: Vec::new(),
            room: limit,
            trailers: None,
            ended: false,
            lost,
            reader: 0,
        })))
    }

    /// The body from the front, for the next attempt. That of the attempt before is over.
    pub fn body(&self) -> RequestBody {
        let mut shared = self.0.borrow_mut();
        shared.reader += 1;
        let reader = shared.reader;
        RequestBody::reading(Reading {
            shared: Rc::clone(&self.0),
            reader,
            position: 0,
            over: false,
        })
    }

    /// Whether all of it that was sent can be sent again.
    pub fn is_kept(&self) -> bool {
        !self.0.borrow().lost
    }
}

impl Reading {
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, RequestBodyError>>> {
        let mut shared = self.shared.borrow_mut();
        if shared.reader != self.reader {
            return Poll::Ready(Some(Err(RequestBodyError::Superseded)));
        }
        if self.over {
            return Poll::Ready(None);
        }
        if let Some(bytes) = shared.kept.get(self.position) {
            self.position += 1;
            return Poll::Ready(Some(Ok(Frame::data(bytes.clone()))));
        }
        let polled = if shared.ended {
            let trailers = shared.trailers.clone();
            Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers))))
        } else {
            shared.poll_client(cx)
        };
        match &polled {
            Poll::Ready(Some(Ok(frame))) if frame.is_data() => {
                self.position = shared.kept.len();
            }
            Poll::Ready(_) => self.over = true,
            Poll::Pending => {}
        }
        polled
    }

    pub(super) fn is_end_stream(&self) -> bool {
        let shared = self.shared.borrow();
        let all_read = self.position >= shared.kept.len();
        let ended = shared.ended && shared.trailers.is_none();
        self.over || (all_read && (ended || shared.client.is_end_stream()))
    }

    pub(super) fn size_hint(&self) -> SizeHint {
        let shared = self.shared.borrow();
        if self.position == 0 { shared.size } else { SizeHint::default() }
    }
}

impl Shared {
    fn poll_client(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, RequestBodyError>>> {
        match Pin::new(&mut self.client).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                self.idle.progress();
                self.keep(&frame);
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                self.lost = true;
                Poll::Ready(Some(Err(RequestBodyError::Client(error))))
            }
            Poll::Ready(None) => {
                self.ended = true;
                Poll::Ready(None)
            }
            Poll::Pending => match self.idle.poll_expired(cx) {
                Poll::Ready(_) => {
                    self.lost = true;
                    let error = RequestBodyError::IdleTimeout(self.idle.timeout());
                    Poll::Ready(Some(Err(error)))
                }
                Poll::Pending => Poll::Pending,
            },
        }
    }

    fn keep(&mut self, frame: &Frame<Bytes>) {
        if let Some(bytes) = frame.data_ref() {
            match self.room.checked_sub(bytes.len()).filter(|_| !self.lost) {
                Some(room) => {
                    self.room = room;
                    self.kept.push(bytes.clone());
                }
                None => {
                    self.lost = true;
                    self.kept = Vec::new();
                }
            }
        } else if let Some(trailers) = frame.trailers_ref() {
            self.ended = true;
            self.trailers = Some(trailers.clone());
        }
    }
}
