//! What has been sent of a body, to be sent again.

use bytes::Bytes;
use std::mem;

/// Frames shorter than that are copied and joined: kept as they are each would cost more than it holds,
/// and might keep the buffer alive that it is a part of.
const SHORT: usize = 1024;

/// The data of a body from its front, up to so many bytes. However it comes in frames, it takes about as
/// much memory as that.
#[derive(Debug)]
pub(super) struct Kept {
    /// None of them is empty.
    pieces: Vec<Bytes>,
    /// Short frames, to be the next piece.
    joined: Vec<u8>,
    room: usize,
}

/// How much of it a reader has had.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Position {
    piece: usize,
    offset: usize,
}

impl Kept {
    pub(super) fn new(room: usize) -> Self {
        Self { pieces: Vec::new(), joined: Vec::new(), room }
    }

    /// Keeps one frame more, if there is room for it.
    #[must_use]
    pub(super) fn keep(&mut self, bytes: &Bytes) -> bool {
        let Some(room) = self.room.checked_sub(bytes.len()) else { return false };
        self.room = room;
        // Most bodies are one frame, which is not copied however short.
        if bytes.len() >= SHORT || (self.is_empty() && !bytes.is_empty()) {
            self.seal();
            self.pieces.push(bytes.clone());
        } else {
            self.joined.extend_from_slice(bytes);
        }
        true
    }

    /// Makes everything a piece, so that another reader can have it.
    pub(super) fn seal(&mut self) {
        if !self.joined.is_empty() {
            self.pieces.push(Bytes::from(mem::take(&mut self.joined)));
        }
    }

    /// Where a reader is that has had everything.
    pub(super) fn end(&self) -> Position {
        Position { piece: self.pieces.len(), offset: self.joined.len() }
    }

    /// What a reader gets next, of the pieces.
    pub(super) fn next(&self, at: &mut Position) -> Option<Bytes> {
        if !self.has_more(*at) {
            return None;
        }
        // It has read frames that have been made a piece since.
        if self.pieces[at.piece].len() == at.offset {
            *at = Position { piece: at.piece + 1, offset: 0 };
        }
        let rest = self.pieces[at.piece].slice(at.offset..);
        *at = Position { piece: at.piece + 1, offset: 0 };
        Some(rest)
    }

    /// Whether there is something for it of the pieces.
    pub(super) fn has_more(&self, at: Position) -> bool {
        let begun = self.pieces.get(at.piece);
        begun.is_some_and(|it| at.offset < it.len() || at.piece + 1 < self.pieces.len())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pieces.is_empty() && self.joined.is_empty()
    }
}
