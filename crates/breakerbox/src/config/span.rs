//! Where something stands in a file.

use std::ops::Range;

/// A range of bytes of a file.
///
/// ```
/// use breakerbox::config::{duration, named, read_file};
///
/// let file = "posts = '3s'";
/// let (timeouts, _) = read_file("timeouts.toml", file, &named(duration())).unwrap();
/// let span = timeouts["posts"].span;
/// assert_eq!(&file[span.start..span.end], "'3s'");
/// ```
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
///
/// ```
/// use breakerbox::config::{Diagnostic, duration, named, read_file};
///
/// let file = "deadline = '1s'\ntimeout = '3s'";
/// let (times, _) = read_file("times.toml", file, &named(duration())).unwrap();
/// let (deadline, timeout) = (&times["deadline"], &times["timeout"]);
/// assert!(timeout.value > deadline.value);
/// let error = Diagnostic::at("times.toml", file, timeout.span, "it never runs out", "shorten it");
/// assert_eq!((error.line, error.column), (2, 11));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Located<T> {
    /// The value.
    pub value: T,
    /// Where the value stands; for a default, the table that does not have the key.
    pub span: Span,
    /// Where its key stands; for an element of a list, the same as `span`.
    pub key: Span,
}
