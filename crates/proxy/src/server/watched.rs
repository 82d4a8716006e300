//! The socket of a client, watched: what was read of a head, and whether writing gets on.

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::activity::Activity;
use super::limits::MAX_HEAD_BYTES;

/// A copy of a head larger than this is not kept for the next one.
const KEPT_HEAD: usize = 4 * 1024;

/// A client's socket that reports to its [`Activity`].
#[derive(Debug)]
pub(super) struct Watched {
    stream: TcpStream,
    /// Read before it was known what the client speaks, and to be read again.
    again: Bytes,
    activity: Rc<Activity>,
    head: Option<Rc<Head>>,
}

/// The bytes of the latest head as they came over the wire (HTTP/1 only).
///
/// hyper takes `Content-Length` away where there is a `Transfer-Encoding` too, so whether both were
/// there can only be seen here. A head that came in one piece with the request before it
/// (pipelining) is not seen; hyper then goes by the `Transfer-Encoding` and closes the connection
/// after the response, which is the other thing that RFC 9112 allows.
#[derive(Debug, Default)]
pub(super) struct Head(RefCell<Vec<u8>>);

impl Watched {
    pub(super) fn new(stream: TcpStream, activity: Rc<Activity>) -> Self {
        Self { stream, again: Bytes::new(), activity, head: None }
    }

    /// Lets bytes that have been read be read once more.
    pub(super) fn read_again(&mut self, bytes: Bytes) {
        self.again = bytes;
    }

    /// Copies every head from now on.
    pub(super) fn copy_heads(&mut self) -> Rc<Head> {
        self.head.get_or_insert_default().clone()
    }

    fn note_read(&self, bytes: &[u8]) {
        if let Some(head) = &self.head
            && self.activity.reads_head()
        {
            self.activity.head_began();
            head.append(bytes);
        }
    }
}

impl Head {
    fn append(&self, bytes: &[u8]) {
        let mut head = self.0.borrow_mut();
        if head.len() < MAX_HEAD_BYTES {
            head.extend_from_slice(bytes);
        }
    }

    /// Forgets the head of the request that has come and says whether it had a length, given that
    /// it had a transfer coding.
    pub(super) fn take_two_lengths(&self, has_transfer_coding: bool) -> bool {
        let mut head = self.0.borrow_mut();
        let two = has_transfer_coding && has_content_length(&head);
        head.clear();
        head.shrink_to(KEPT_HEAD);
        two
    }
}

fn has_content_length(head: &[u8]) -> bool {
    const NAME: &[u8] = b"content-length:";
    head.split(|&byte| byte == b'\n')
        // Everything after the empty line is body.
        .take_while(|line| !matches!(line, [] | [b'\r']))
        .any(|line| line.get(..NAME.len()).is_some_and(|name| name.eq_ignore_ascii_case(NAME)))
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        if self.again.is_empty() {
            ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        } else {
            let count = self.again.len().min(buffer.remaining());
            buffer.put_slice(&self.again[..count]);
            self.again.advance(count);
        }
        self.note_read(&buffer.filled()[before..]);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        note_written(&self.activity, &written);
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        note_written(&self.activity, &written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

fn note_written(activity: &Activity, written: &Poll<io::Result<usize>>) {
    match written {
        Poll::Pending => activity.write_blocked(),
        Poll::Ready(_) => activity.write_moved(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_seen_in_the_head_only() {
        assert!(has_content_length(b"POST / HTTP/1.1\r\nContent-length: 5\r\n\r\n"));
        assert!(has_content_length(b"POST / HTTP/1.1\nA: b\nCONTENT-LENGTH:5\n\n"));
        assert!(!has_content_length(b"POST / HTTP/1.1\r\nA: b\r\n\r\ncontent-length: 5\r\n"));
        assert!(!has_content_length(b"POST / HTTP/1.1\r\nx-content-length: 5\r\n\r\n"));
        assert!(!has_content_length(b""));
    }
}
