//! Where something stands in a file.

use std::ops::Range;

/// A range of bytes of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// The first byte.
    pub start: usize,
    /// The byte after the last one.
    pub end: usize,
}

impl From<Range<usize>> for Span {
    fn from(range: Range<usize>) -> Self {
        Self { start: range.start, end: range.end }
    }
}

/// A value together with the place it was read from, so that a later check can point at it.
#[derive(Clone, Debug, PartialEq)]
pub struct Located<T> {
    /// The value.
    pub value: T,
    /// Where the value stands; for a default, the table that does not have the key.
    pub span: Span,
    /// Where its key stands; for an element of a list, the same as `span`.
    pub key: Span,
}
