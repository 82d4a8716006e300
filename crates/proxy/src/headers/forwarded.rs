//! The headers of a request and of a response, made ready for the next hop.

use std::net::SocketAddr;

use http::Version;
use http::header::{
    CONTENT_LENGTH, COOKIE, EXPECT, Entry, HOST, HeaderMap, HeaderName, HeaderValue, VIA,
};
use http::request::Parts;

use super::hop_by_hop::Found;
use super::{BREAKERBOX_ATTEMPT, BREAKERBOX_DEADLINE_MS, BREAKERBOX_FALLBACK, BREAKERBOX_REASON};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// What a client expects that waits before it sends its body.
const CONTINUE: &[u8] = b"100-continue";

/// Headers of our own, believed only where the listener trusts its clients.
const INTERNAL: [HeaderName; 4] =
    [BREAKERBOX_ATTEMPT, BREAKERBOX_DEADLINE_MS, BREAKERBOX_FALLBACK, BREAKERBOX_REASON];

/// The client at the other end of a connection.
#[derive(Debug)]
pub struct Peer {
    /// Whether the listener has `trust = true`.
    pub trusted: bool,
    address: HeaderValue,
}

impl Peer {
    /// The client at `address`.
    pub fn new(address: SocketAddr, trusted: bool) -> Self {
        let address = HeaderValue::from_str(&address.ip().to_canonical().to_string())
            .expect("an IP address is made of visible ASCII");
        Self { trusted, address }
    }

    /// The address of the client: the peer's own or, where that is trusted, the first one that the
    /// request has come through.
    pub fn client(&self, headers: &HeaderMap) -> Vec<u8> {
        let chain = headers.get(X_FORWARDED_FOR).filter(|_| self.trusted);
        let first = chain.and_then(|chain| chain.as_bytes().split(|byte| *byte == b',').next());
        first.unwrap_or(self.address.as_bytes()).trim_ascii().to_vec()
    }
}

/// Makes the headers of a request ready for an upstream.
///
/// * removes those of this hop, `Expect: 100-continue` (the gateway has answered it itself as soon
///   as it reads the body) and, unless the peer is trusted, the internal ones of breakerbox;
/// * appends the peer to `X-Forwarded-For` and this hop to `Via`;
/// * sets `X-Forwarded-Host` and `X-Forwarded-Proto`; a trusted peer's own stay.
///
/// `Host` stays as it is until an endpoint has been chosen, whose own takes its place.
pub fn prepare_request(request: &mut Parts, peer: &Peer) {
    let headers = &mut request.headers;
    remove_from_request(headers, peer.trusted);
    if request.version == Version::HTTP_2 {
        join_cookies(headers);
    }
    let host = match request.uri.authority() {
        Some(authority) => HeaderValue::from_str(authority.as_str()).ok(),
        None => headers.get(HOST).cloned(),
    };
    if let Some(host) = host {
        set(headers, X_FORWARDED_HOST, host, peer.trusted);
    }
    set(headers, X_FORWARDED_PROTO, HeaderValue::from_static("http"), peer.trusted);
    append_peer(headers, &peer.address);
    headers.append(VIA, via(request.version));
}

/// Makes the headers of an upstream's response ready for the client: removes those of the other
/// hop, those that only our own answers may have and a `Content-Length` that is no number, appends this hop to
/// `Via`.
pub fn prepare_response(headers: &mut HeaderMap, version: Version) {
    let mut found = Found::default();
    let mut internal = false;
    for name in headers.keys() {
        found.note(name);
        internal |= is_internal(name);
    }
    found.remove(headers);
    if internal {
        headers.remove(BREAKERBOX_REASON);
        headers.remove(BREAKERBOX_FALLBACK);
    }
    if headers.contains_key(CONTENT_LENGTH) && !has_one_length(headers) {
        headers.remove(CONTENT_LENGTH);
    }
    headers.append(VIA, via(version));
}

/// Whether there is one length, and it is a number. Where there is a body hyper has seen to that; the
/// answer to a HEAD, or a 304, has none.
fn has_one_length(headers: &HeaderMap) -> bool {
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let first = lengths.next().is_some_and(|length| {
        !length.is_empty() && length.as_bytes().iter().all(u8::is_ascii_digit)
    });
    first && lengths.next().is_none()
}

/// One look at all names, and removals only where there is something to remove.
fn remove_from_request(headers: &mut HeaderMap, trusted: bool) {
    let mut found = Found::default();
    let (mut expects, mut internal) = (false, false);
    for name in headers.keys() {
        found.note(name);
        expects |= *name == EXPECT;
        internal |= is_internal(name);
    }
    found.remove(headers);
    if internal && !trusted {
        for name in &INTERNAL {
            headers.remove(name);
        }
    }
    if expects
        && headers.get(EXPECT).is_some_and(|what| what.as_bytes().eq_ignore_ascii_case(CONTINUE))
    {
        headers.remove(EXPECT);
    }
}

fn is_internal(name: &HeaderName) -> bool {
    name.as_str().starts_with("breakerbox-")
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: HeaderValue, keep: bool) {
    match headers.entry(name) {
        Entry::Occupied(_) if keep => {}
        Entry::Occupied(mut entry) => {
            entry.insert(value);
        }
        Entry::Vacant(entry) => {
            entry.insert(value);
        }
    }
}

/// All of the chain in one line, as most readers of this header expect it.
fn append_peer(headers: &mut HeaderMap, peer: &HeaderValue) {
    let chain = match headers.entry(X_FORWARDED_FOR) {
        Entry::Vacant(entry) => {
            entry.insert(peer.clone());
            return;
        }
        Entry::Occupied(entry) => join(entry.iter().chain([peer]), b", "),
    };
    headers.insert(X_FORWARDED_FOR, chain.unwrap_or_else(|| peer.clone()));
}

/// HTTP/2 may send cookies in pieces, which mean several cookies headers elsewhere (RFC 9113,
/// section 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let mut cookies = headers.get_all(COOKIE).iter();
    if cookies.next().is_some() && cookies.next().is_some() {
        let whole = join(headers.get_all(COOKIE).iter(), b"; ");
        if let Some(whole) = whole {
            headers.insert(COOKIE, whole);
        }
    }
}

fn join<'v>(
    values: impl Iterator<Item = &'v HeaderValue>,
    separator: &[u8],
) -> Option<HeaderValue> {
    let mut joined = Vec::new();
    for value in values {
        if !joined.is_empty() {
            joined.extend_from_slice(separator);
        }
        joined.extend_from_slice(value.as_bytes());
    }
    // Valid values stay valid with a separator in between.
    HeaderValue::from_maybe_shared(bytes::Bytes::from(joined)).ok()
}

fn via(version: Version) -> HeaderValue {
    HeaderValue::from_static(match version {
        Version::HTTP_2 => "2 breakerbox",
        Version::HTTP_10 => "1.0 breakerbox",
        _ => "1.1 breakerbox",
    })
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn prepared(request: http::request::Builder, trusted: bool) -> HeaderMap {
        let mut parts = request.body(()).unwrap().into_parts().0;
        prepare_request(&mut parts, &Peer::new("10.0.0.9:5000".parse().unwrap(), trusted));
        parts.headers
    }

    #[test]
    fn says_who_asked_for_what() {
        let headers = prepared(Request::get("/").header("host", "front.example:3000"), false);
        assert_eq!(headers["x-forwarded-for"], "10.0.0.9");
        assert_eq!(headers["x-forwarded-host"], "front.example:3000");
        assert_eq!(headers["x-forwarded-proto"], "http");
        assert_eq!(headers["via"], "1.1 breakerbox");
        assert_eq!(headers["host"], "front.example:3000");
    }

    #[test]
    fn appends_to_the_chain() {
        let request = Request::get("/")
            .header("x-forwarded-for", "1.1.1.1")
            .header("x-forwarded-for", "2.2.2.2, 3.3.3.3")
            .header("via", "1.1 other");
        let headers = prepared(request, false);
        assert_eq!(headers["x-forwarded-for"], "1.1.1.1, 2.2.2.2, 3.3.3.3, 10.0.0.9");
        let via: Vec<_> = headers.get_all(VIA).iter().collect();
        assert_eq!(via, ["1.1 other", "1.1 breakerbox"]);
    }

    #[test]
    fn only_a_trusted_peer_is_believed() {
        let request = || {
            Request::get("/")
                .header("host", "front.example")
                .header("x-forwarded-host", "said.example")
                .header("x-forwarded-proto", "https")
                .header("breakerbox-deadline-ms", "5")
                .header("breakerbox-attempt", "9")
        };
        let stranger = prepared(request(), false);
        assert_eq!(stranger["x-forwarded-host"], "front.example");
        assert_eq!(stranger["x-forwarded-proto"], "http");
        assert!(!stranger.keys().any(|name| name.as_str().starts_with("breakerbox-")));

        let friend = prepared(request(), true);
        assert_eq!(friend["x-forwarded-host"], "said.example");
        assert_eq!(friend["x-forwarded-proto"], "https");
        assert_eq!(friend["breakerbox-deadline-ms"], "5");
    }

    #[test]
    fn an_upstream_cannot_say_what_is_ours_to_say() {
        let mut headers = HeaderMap::new();
        for name in ["breakerbox-reason", "breakerbox-fallback", "breakerbox-fallback"] {
            headers.append(name, HeaderValue::from_static("static"));
        }
        headers.insert("x-reason", HeaderValue::from_static("static"));
        prepare_response(&mut headers, Version::HTTP_11);
        let mut names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["via", "x-reason"]);
    }

    #[test]
    fn a_length_that_is_no_number_is_not_passed_on() {
        let passed = |lengths: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for length in lengths {
                headers.append("content-length", HeaderValue::from_static(length));
            }
            prepare_response(&mut headers, Version::HTTP_11);
            headers.get_all("content-length").iter().count()
        };
        assert_eq!((passed(&["0"]), passed(&["5120"])), (1, 1));
        for lengths in [&["x"][..], &[""], &["+5"], &["5, 5"], &["0x5"], &["5", "5"], &["5", "6"]] {
            assert_eq!(passed(lengths), 0, "{lengths:?}");
        }
    }

    #[test]
    fn the_authority_of_the_target_is_the_host() {
        let request = Request::get("http://front.example/x").version(Version::HTTP_2);
        let headers = prepared(request.header("cookie", "a=1").header("cookie", "b=2"), false);
        assert_eq!(headers["x-forwarded-host"], "front.example");
        assert_eq!(headers["via"], "2 breakerbox");
        assert_eq!(headers["cookie"], "a=1; b=2");
        assert_eq!(headers.get_all("cookie").iter().count(), 1);
    }

    #[test]
    fn expect_is_answered_here() {
        let headers = prepared(Request::post("/").header("expect", "100-Continue"), false);
        assert!(!headers.contains_key(EXPECT));
    }

    #[test]
    fn addresses_in_disguise_are_shown_as_what_they_are() {
        let peer = Peer::new("[::ffff:10.1.2.3]:80".parse().unwrap(), false);
        assert_eq!(peer.address, "10.1.2.3");
    }
}
