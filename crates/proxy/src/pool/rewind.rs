//! The body of an HTTP/2 request, which can be begun again where the endpoint has refused it unread.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::body::{RequestBody, RequestBodyError};

/// More than this of a body is not kept: a request that has sent more cannot be begun again.
const KEPT_BYTES: usize = 64 * 1024;

/// A body whose beginning is kept until the endpoint has answered. It costs nothing but a reference
/// to what passes through.
#[derive(Debug)]
pub(super) struct Rewind(Option<Rc<RefCell<Shared>>>);

#[derive(Debug)]
struct Shared {
    body: RequestBody,
    /// Of the whole body, as far as the client said.
    size: SizeHint,
    kept: Vec<Bytes>,
    room: usize,
    /// How many of the kept frames have been read.
    position: usize,
    ended: bool,
    /// Something of it is kept no more, or never was.
    lost: bool,
    /// The number of the stream that reads; those before are over.
    reader: u32,
}

/// The body as one stream sends it.
#[derive(Debug)]
pub(super) struct StreamBody(Option<Reader>);

#[derive(Debug)]
struct Reader {
    shared: Rc<RefCell<Shared>>,
    number: u32,
}

impl Rewind {
    /// Keeps the beginning of a body, from now on.
    pub(super) fn new(body: RequestBody) -> Self {
        if body.is_end_stream() {
            return Self(None);
        }
        Self(Some(Rc::new(RefCell::new(Shared {
            size: body.size_hint(),
            body,
            kept: Vec::new(),
            room: KEPT_BYTES,
            position: 0,
            ended: false,
            lost: false,
            reader: 0,
        }))))
    }

    /// Tells whether the client's side of the body has failed, or `None` where it cannot.
    pub(super) fn failure_flag(&self) -> Option<Rc<Cell<bool>>> {
        self.0.as_ref()?.borrow_mut().body.failure_flag()
    }

    /// The body from the front, for the next stream. That of the stream before is over.
    pub(super) fn body(&self) -> StreamBody {
        StreamBody(self.0.as_ref().map(|shared| {
            let mut all = shared.borrow_mut();
            all.position = 0;
            all.reader += 1;
            Reader { shared: Rc::clone(shared), number: all.reader }
        }))
    }

    /// Whether all that was read of it is still here.
    pub(super) fn is_whole(&self) -> bool {
        self.0.as_ref().is_none_or(|shared| !shared.borrow().lost)
    }
}

impl Drop for Rewind {
    /// It will not be begun again: what has been read is not needed any more.
    fn drop(&mut self) {
        if let Some(shared) = &self.0 {
            shared.borrow_mut().lose();
        }
    }
}

impl Shared {
    fn lose(&mut self) {
        self.lost = true;
        let read = self.position.min(self.kept.len());
        self.kept.drain(..read);
        self.position = 0;
    }

    fn next_kept(&mut self) -> Option<Bytes> {
        let bytes = self.kept.get_mut(self.position)?;
        self.position += 1;
        Some(if self.lost { std::mem::take(bytes) } else { bytes.clone() })
    }

    fn keep(&mut self, frame: &Frame<Bytes>) {
        if self.lost {
            return;
        }
        let room = frame.data_ref().and_then(|data| self.room.checked_sub(data.len()));
        match (room, frame.data_ref()) {
            (Some(room), Some(data)) => {
                self.room = room;
                self.kept.push(data.clone());
                self.position = self.kept.len();
            }
            // Too long; or trailers, which are too rare to be worth keeping.
            _ => self.lose(),
        }
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, RequestBodyError>>> {
        if let Some(bytes) = self.next_kept() {
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        if self.ended {
            return Poll::Ready(None);
        }
        let polled = std::task::ready!(Pin::new(&mut self.body).poll_frame(cx));
        match &polled {
            Some(Ok(frame)) => {
                self.ended = frame.is_trailers();
                self.keep(frame);
            }
            Some(Err(_)) => self.lose(),
            None => self.ended = true,
        }
        Poll::Ready(polled)
    }

    fn is_end_stream(&self) -> bool {
        self.position >= self.kept.len() && (self.ended || self.body.is_end_stream())
    }
}

impl Body for StreamBody {
    type Data = Bytes;
    type Error = RequestBodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, RequestBodyError>>> {
        let Some(Reader { shared, number }) = &self.0 else { return Poll::Ready(None) };
        let mut shared = shared.borrow_mut();
        if shared.reader != *number {
            return Poll::Ready(Some(Err(RequestBodyError::Superseded)));
        }
        shared.poll(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(|reader| reader.shared.borrow().is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            None => SizeHint::with_exact(0),
            Some(reader) => {
                let shared = reader.shared.borrow();
                let untouched = shared.position == 0 && !shared.lost;
                if untouched { shared.size } else { SizeHint::default() }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    fn data(frame: Option<Result<Frame<Bytes>, RequestBodyError>>) -> Bytes {
        frame.unwrap().unwrap().into_data().unwrap()
    }

    #[tokio::test]
    async fn begins_again_as_often_as_it_must() {
        let rewind = Rewind::new(RequestBody::full(Bytes::from_static(b"hello")));
        let mut first = rewind.body();
        assert_eq!(first.size_hint().exact(), Some(5));
        assert_eq!(data(first.frame().await), "hello");
        assert!(first.is_end_stream());
        for _ in 0..2 {
            let mut again = rewind.body();
            assert!(rewind.is_whole() && !again.is_end_stream());
            assert_eq!(again.size_hint().exact(), Some(5));
            assert_eq!(data(again.frame().await), "hello");
            assert!(again.is_end_stream() && again.frame().await.is_none());
        }
        assert!(matches!(first.frame().await, Some(Err(RequestBodyError::Superseded))));
    }

    #[tokio::test]
    async fn what_is_too_long_goes_through_once() {
        let long = Bytes::from(vec![b'x'; KEPT_BYTES + 1]);
        let rewind = Rewind::new(RequestBody::full(long.clone()));
        let mut body = rewind.body();
        assert!(rewind.is_whole());
        assert_eq!(data(body.frame().await), long);
        assert!(!rewind.is_whole() && body.is_end_stream());
    }

    #[tokio::test]
    async fn one_that_was_answered_is_still_sent_to_its_end() {
        let rewind = Rewind::new(RequestBody::full(Bytes::from_static(b"hello")));
        assert_eq!(data(rewind.body().frame().await), "hello");
        let mut again = rewind.body();
        drop(rewind);
        assert_eq!(data(again.frame().await), "hello");
        assert!(again.frame().await.is_none());
    }

    #[test]
    fn nothing_is_nothing() {
        let rewind = Rewind::new(RequestBody::empty());
        assert!(rewind.body().is_end_stream() && rewind.is_whole());
        assert!(rewind.failure_flag().is_none());
    }
}
