//! The heads of requests as they came over the wire (HTTP/1 only).
//!
//! hyper takes `Content-Length` away where there is a `Transfer-Encoding` too, so whether both were
//! there can only be seen here. To find a head its end must be known, and that of the body before
//! it: a client may send the next request together with this one.

use std::cell::RefCell;

use http::Request;
use http::header::TRANSFER_ENCODING;
use http_body::Body;

use super::limits::MAX_HEAD_BYTES;

/// A client that sends more than this ahead is not followed any further. hyper reads less.
const MAX_AHEAD: usize = 4 * MAX_HEAD_BYTES;

/// Room for more than this is not kept for the next head.
const KEPT_ROOM: usize = 4 * 1024;

/// What a client has sent, followed from head to head.
#[derive(Debug, Default)]
pub(super) struct Heads(RefCell<Following>);

#[derive(Debug, Default)]
struct Following {
    /// What has come of heads, and before it was known how long they are of bodies.
    ahead: Vec<u8>,
    /// Where in that the next head begins.
    next: usize,
    /// What is still to come of the latest request.
    rest: Rest,
    /// Nothing is known of what comes from here on.
    lost: bool,
}

impl Heads {
    /// Bytes have come.
    pub(super) fn append(&self, bytes: &[u8]) {
        self.0.borrow_mut().append(bytes);
    }

    /// Goes past the head of the request that has come and says whether it had both a transfer coding
    /// and a length, or may have had: where its head was not seen.
    pub(super) fn take_two_lengths(&self, request: &Request<impl Body>) -> bool {
        let mut following = self.0.borrow_mut();
        let body = request.body();
        // Without a body there is no coding to look for.
        let coded = !body.is_end_stream() && request.headers().contains_key(TRANSFER_ENCODING);
        let rest = match body.size_hint().exact() {
            Some(length) => Rest::Length(length),
            None if body.is_end_stream() => Rest::Length(0),
            None => Rest::Chunks(Chunks::Size(0)),
        };
        let has_length = following.take(coded, rest);
        coded && has_length.unwrap_or(true)
    }
}

impl Following {
    fn append(&mut self, bytes: &[u8]) {
        let bytes = self.rest.skip(bytes);
        if self.rest == Rest::Bad || self.ahead.len() + bytes.len() > MAX_AHEAD {
            self.lose();
        }
        if !self.lost {
            self.ahead.extend_from_slice(bytes);
        }
    }

    fn lose(&mut self) {
        *self = Self { lost: true, ..Self::default() };
    }

    /// Goes past a head and what is here of its body; whether there was a length in it, if that is
    /// known and of interest.
    fn take(&mut self, look: bool, rest: Rest) -> Option<bool> {
        let Some(length) = head(&self.ahead[self.next..]) else {
            self.lose();
            return None;
        };
        let (head, behind) = self.ahead[self.next..].split_at(length);
        let has_length = look && has_content_length(head);
        self.rest = rest;
        let left = self.rest.skip(behind).len();
        if self.rest == Rest::Bad {
            self.lose();
            return Some(has_length);
        }
        self.next = self.ahead.len() - left;
        if left == 0 {
            self.ahead.clear();
            self.ahead.shrink_to(KEPT_ROOM);
            self.next = 0;
        }
        Some(has_length)
    }
}

/// How long the first head is, with the empty lines that may stand before it.
fn head(bytes: &[u8]) -> Option<usize> {
    let (mut end, mut begun) = (0, false);
    for line in bytes.split_inclusive(|&byte| byte == b'\n') {
        end += line.len();
        match line {
            b"\n" | b"\r\n" if begun => return Some(end),
            b"\n" | b"\r\n" => {}
            _ => begun = true,
        }
    }
    None
}

fn has_content_length(head: &[u8]) -> bool {
    const NAME: &[u8] = b"content-length:";
    head.split(|&byte| byte == b'\n')
        .any(|line| line.get(..NAME.len()).is_some_and(|name| name.eq_ignore_ascii_case(NAME)))
}

/// What is still to come of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rest {
    Length(u64),
    Chunks(Chunks),
    /// It is no valid body. hyper finds that out too, and closes the connection.
    Bad,
}

/// Where in chunks (RFC 9112, section 7.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Chunks {
    /// In the size of a chunk, which is this so far.
    Size(u64),
    /// Behind the size of a chunk, on the same line.
    Extension(u64),
    /// In a chunk or the end of its line; so many bytes are left.
    Data(u64),
    /// In the lines after the last chunk; whether anything stands on this one.
    Trailers(bool),
}

impl Default for Rest {
    fn default() -> Self {
        Self::Length(0)
    }
}

impl Rest {
    /// Goes on, and gives back what comes after the body.
    fn skip<'b>(&mut self, mut bytes: &'b [u8]) -> &'b [u8] {
        while let Some((&byte, behind)) = bytes.split_first() {
            *self = match *self {
                Self::Length(0) | Self::Bad => return bytes,
                Self::Length(left) | Self::Chunks(Chunks::Data(left @ 1..)) => {
                    let here = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                    bytes = &bytes[here..];
                    let left = left - here as u64;
                    match self {
                        Self::Length(_) => Self::Length(left),
                        _ => Self::Chunks(Chunks::Data(left)),
                    }
                }
                Self::Chunks(Chunks::Data(0)) => Self::Chunks(Chunks::Size(0)),
                Self::Chunks(chunks) => {
                    bytes = behind;
                    chunks.next(byte)
                }
            };
        }
        bytes
    }
}

impl Chunks {
    fn next(self, byte: u8) -> Rest {
        Rest::Chunks(match self {
            Self::Size(size) | Self::Extension(size) if byte == b'\n' => match size {
                0 => Self::Trailers(false),
                // With the end of its line.
                _ => Self::Data(size.saturating_add(2)),
            },
            Self::Size(size) => match (char::from(byte).to_digit(16), size.checked_mul(16)) {
                (Some(digit), Some(size)) => Self::Size(size | u64::from(digit)),
                (Some(_), None) => return Rest::Bad,
                (None, _) => Self::Extension(size),
            },
            Self::Trailers(false) if byte == b'\n' => return Rest::Length(0),
            Self::Trailers(_) if byte == b'\n' => Self::Trailers(false),
            Self::Trailers(any) => Self::Trailers(any || byte != b'\r'),
            Self::Extension(_) | Self::Data(_) => self,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHUNKS: Rest = Rest::Chunks(Chunks::Size(0));

    #[test]
    fn a_head_ends_with_an_empty_line_and_may_begin_with_some() {
        for (bytes, length) in [
            (&b"GET / HTTP/1.1\r\nhost: a\r\n\r\nrest"[..], Some(27)),
            (b"GET / HTTP/1.1\nhost: a\n\nrest", Some(24)),
            (b"\r\n\n\r\nGET / HTTP/1.1\r\n\r\n", Some(23)),
            (b"\r\n\r\n", None),
            (b"GET / HTTP/1.1\r\n", None),
            (b"", None),
        ] {
            assert_eq!(head(bytes), length, "{}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn a_length_is_seen_in_the_head_only() {
        for (bytes, expected) in [
            (&b"POST / HTTP/1.1\r\nContent-length: 5\r\n\r\n"[..], true),
            (b"POST / HTTP/1.1\nA: b\nCONTENT-LENGTH:5\n\n", true),
            (b"\r\nPOST / HTTP/1.1\r\nA: b\r\ncontent-length: 5\r\n\r\n", true),
            (b"POST / HTTP/1.1\r\nA: b\r\n\r\n5\r\ncontent-length: 5\r\n", false),
            (b"POST / HTTP/1.1\r\nx-content-length: 5\r\n\r\n", false),
        ] {
            let mut following = Following::default();
            following.append(bytes);
            assert_eq!(following.take(true, CHUNKS), Some(expected));
        }
        assert_eq!(Following::default().take(true, CHUNKS), None);
    }

    /// Everything in pieces of `size` bytes: how many heads there were, and that no more came.
    fn heads(bytes: &[u8], size: usize, rests: &[Rest]) {
        let mut following = Following::default();
        let mut pieces = bytes.chunks(size);
        for (number, rest) in rests.iter().enumerate() {
            while head(&following.ahead[following.next..]).is_none() {
                following.append(pieces.next().expect("a head"));
            }
            // Each says which one it is.
            let here = &following.ahead[following.next..];
            let named = here.trim_ascii_start().starts_with(format!("{number} ").as_bytes());
            assert!(named, "{size} {number} {}", String::from_utf8_lossy(here));
            assert_eq!(following.take(true, *rest), Some(false));
        }
        pieces.for_each(|piece| following.append(piece));
        assert_eq!((following.ahead.as_slice(), following.lost), (&b""[..], false));
    }

    #[test]
    fn heads_are_found_behind_bodies_however_they_come() {
        let all = b"0 / HTTP/1.1\r\n\r\n\r\n1 / HTTP/1.1\r\n\r\nhe\r\n\r\n\
            2 / HTTP/1.1\r\na: b\r\n\r\n5\r\nhello\r\n0a;x=\"y\"\r\n1 / \r\n\r\n\r\n\r\n\r\n0\r\n\r\n\
            3 / HTTP/1.1\r\n\r\n2\r\nab\r\n000\r\nsum: 7\r\n\r\n4 / HTTP/1.1\r\n\r\n";
        let none = Rest::Length(0);
        let rests = [none, Rest::Length(6), CHUNKS, CHUNKS, none];
        for size in 1..all.len() {
            heads(all, size, &rests);
        }
    }

    #[test]
    fn what_is_no_chunk_is_not_followed() {
        let mut following = Following::default();
        following.append(b"0 / HTTP/1.1\r\n\r\nfffffffffffffffff\r\n");
        assert_eq!(following.take(true, CHUNKS), Some(false));
        following.append(b"1 / HTTP/1.1\r\n\r\n");
        assert_eq!(following.take(true, CHUNKS), None);
    }

    #[test]
    fn too_much_ahead_is_not_followed() {
        let mut following = Following::default();
        following.append(&[b'x'; MAX_AHEAD]);
        assert!(!following.lost);
        following.append(b"x");
        assert!(following.lost && following.ahead.capacity() == 0);
    }
}
