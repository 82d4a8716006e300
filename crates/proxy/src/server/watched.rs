//! The socket of a client, watched: what was read of a head, and whether writing gets on.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::activity::Activity;
use super::heads::Heads;

/// A client's socket that reports to its [`Activity`].
#[derive(Debug)]
pub(super) struct Watched {
    stream: TcpStream,
    /// Read before it was known what the client speaks, and to be read again.
    again: Bytes,
    activity: Rc<Activity>,
    heads: Option<Rc<Heads>>,
}

impl Watched {
    pub(super) fn new(stream: TcpStream, activity: Rc<Activity>) -> Self {
        Self { stream, again: Bytes::new(), activity, heads: None }
    }

    /// Lets bytes that have been read be read once more.
    pub(super) fn read_again(&mut self, bytes: Bytes) {
        self.again = bytes;
    }

    /// Follows the heads from now on.
    pub(super) fn follow_heads(&mut self) -> Rc<Heads> {
        self.heads.get_or_insert_default().clone()
    }

    fn note_read(&self, bytes: &[u8]) {
        if let Some(heads) = &self.heads {
            if self.activity.reads_head() {
                self.activity.head_began();
            }
            heads.append(bytes);
        }
    }
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
        Poll::Ready(written) => activity.write_moved(*written.as_ref().unwrap_or(&0)),
    }
}
