//! What a client sends, read to its end even where nobody wants it.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Version};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::task::spawn_local;
use tokio::time::timeout;

use crate::runtime::on_core;

/// More than this of an upload that nobody wants is not read to keep its client's HTTP/1 connection.
const DISCARD_BYTES: usize = 16 * 1024 * 1024;

/// More than this is not read where the client can be told to stop.
const DISCARD_BYTES_HTTP2: usize = 256 * 1024;

/// Nor is it waited for longer than this.
const DISCARD_TIME: Duration = Duration::from_secs(2);

/// Reads the body of a request that is answered without it, in the background and within bounds.
///
/// A client that still sends when its HTTP/1 connection is closed gets a reset, and with it may
/// lose the answer. HTTP/2 can tell it to stop; but what was on its way by then counts as an error of
/// the client, of which h2 forgives a connection a certain number in its whole life.
pub(crate) fn discard_upload(request: Request<Incoming>) {
    let most = most(request.version());
    discard(request.into_body(), most);
}

fn most(version: Version) -> usize {
    if version == Version::HTTP_2 { DISCARD_BYTES_HTTP2 } else { DISCARD_BYTES }
}

fn discard(mut body: Incoming, most: usize) {
    if body.is_end_stream() || !on_core() {
        return;
    }
    spawn_local(timeout(DISCARD_TIME, async move {
        let mut read = 0;
        while let Some(Ok(frame)) = body.frame().await {
            read += frame.data_ref().map_or(0, Bytes::len);
            if read > most {
                break;
            }
        }
    }));
}

/// What a client sends. Over HTTP/2 the rest is read when it is dropped early: where an upstream answers
/// before it has all. (Over HTTP/1 hyper sees to that.)
#[derive(Debug)]
pub(super) struct ClientBody {
    /// Only while it is dropped it is not there.
    incoming: Option<Incoming>,
    version: Version,
}

impl ClientBody {
    pub(super) fn new(incoming: Incoming, version: Version) -> Self {
        Self { incoming: Some(incoming), version }
    }
}

impl Drop for ClientBody {
    fn drop(&mut self) {
        if self.version == Version::HTTP_2
            && let Some(incoming) = self.incoming.take()
        {
            discard(incoming, DISCARD_BYTES_HTTP2);
        }
    }
}

impl Body for ClientBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match &mut self.incoming {
            Some(incoming) => Pin::new(incoming).poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.as_ref().map_or_else(SizeHint::default, Body::size_hint)
    }
}
