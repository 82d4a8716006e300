//! What chaos does to the body of a response: lets it through slowly, or cuts it off.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::Frame;
use tokio::time::Sleep;

use super::body::UpstreamBodyError;

type Polled = Option<Result<Frame<Bytes>, UpstreamBodyError>>;

/// A slow body comes in this many pieces a second.
const PIECES: u32 = 10;

/// A body that is slow, or cut off, or both.
#[derive(Debug)]
pub(super) struct BodyFault {
    /// So many bytes at once, and a pause after them.
    piece: Option<usize>,
    pause: Option<Pin<Box<Sleep>>>,
    /// What has come from the upstream and not gone on yet.
    waiting: Option<Frame<Bytes>>,
    /// So many bytes go through, and then no more.
    left: Option<u64>,
}

impl BodyFault {
    pub(super) fn new(slow: Option<u32>, truncate: Option<u64>) -> Self {
        let piece = slow.map(|bytes| (bytes / PIECES).max(1) as usize);
        Self { piece, pause: None, waiting: None, left: truncate }
    }

    /// Whether the body may end where the upstream's does.
    pub(super) fn lets_end(&self) -> bool {
        self.waiting.is_none() && self.left.is_none()
    }

    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        upstream: impl FnOnce(&mut Context<'_>) -> Poll<Polled>,
    ) -> Poll<Polled> {
        if let Some(pause) = &mut self.pause {
            ready!(pause.as_mut().poll(cx));
            self.pause = None;
        }
        if self.left == Some(0) {
            return Poll::Ready(Some(Err(UpstreamBodyError::Injected)));
        }
        let frame = match self.waiting.take() {
            Some(frame) => frame,
            None => match ready!(upstream(cx)) {
                Some(Ok(frame)) => frame,
                // However short it is, it is cut off.
                None if self.left.is_some() => {
                    return Poll::Ready(Some(Err(UpstreamBodyError::Injected)));
                }
                end => return Poll::Ready(end),
            },
        };
        Poll::Ready(Some(Ok(self.piece_of(frame))))
    }

    /// As much of a frame as may go on now; the rest waits.
    fn piece_of(&mut self, frame: Frame<Bytes>) -> Frame<Bytes> {
        let mut bytes = match frame.into_data() {
            Ok(bytes) => bytes,
            Err(trailers) => return trailers,
        };
        let left = self.left.map_or(usize::MAX, |left| usize::try_from(left).unwrap_or(usize::MAX));
        let most = self.piece.unwrap_or(usize::MAX).min(left);
        if bytes.len() > most {
            let rest = bytes.split_off(most);
            self.waiting = Some(Frame::data(rest));
        }
        if let Some(left) = &mut self.left {
            *left -= bytes.len() as u64;
        }
        let pause = self.piece.map(|_| Duration::from_secs(1) / PIECES);
        self.pause = pause.map(|pause| Box::pin(tokio::time::sleep(pause)));
        Frame::data(bytes)
    }
}
