//! What of an answer has been handed on over HTTP/2 and is not written yet.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};

use bytes::Bytes;

/// The pieces of one answer that h2 holds until its client makes room for them. h2 drops a piece when it
/// has written it.
#[derive(Debug, Default)]
pub(super) struct Unsent(Arc<Pieces>);

#[derive(Debug, Default)]
struct Pieces {
    held: AtomicUsize,
    waiting: Mutex<Option<Waker>>,
}

impl Unsent {
    /// The same piece, counted as long as somebody has it.
    pub(super) fn counted(&self, bytes: Bytes) -> Bytes {
        self.0.held.fetch_add(1, Ordering::Relaxed);
        Bytes::from_owner(Piece { bytes, pieces: Arc::clone(&self.0) })
    }

    /// Ready when all have been written, or will not be any more.
    pub(super) fn poll_none(&self, waker: &Waker) -> Poll<()> {
        *self.0.waiting() = Some(waker.clone());
        if self.0.held.load(Ordering::Acquire) == 0 { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Pieces {
    fn waiting(&self) -> std::sync::MutexGuard<'_, Option<Waker>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Piece {
    bytes: Bytes,
    pieces: Arc<Pieces>,
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        if self.pieces.held.fetch_sub(1, Ordering::AcqRel) == 1
            && let Some(waker) = self.pieces.waiting().take()
        {
            waker.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_is_unsent_as_long_as_somebody_has_a_part_of_it() {
        let unsent = Unsent::default();
        let none = || unsent.poll_none(Waker::noop()).is_ready();
        assert!(none());
        let mut piece = unsent.counted(Bytes::from_static(b"0123456789"));
        assert_eq!(piece, "0123456789");
        let rest = piece.split_off(4);
        drop(piece);
        assert!(!none());
        drop(rest);
        assert!(none());
    }
}
