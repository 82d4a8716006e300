//! Requests that mean one thing to one server and another to the next are refused.

use http::header::{HOST, TRANSFER_ENCODING, UPGRADE};
use http::request::Parts;
use http::uri::Scheme;
use http::{HeaderValue, Method, Version};

/// Why a request is refused before it is routed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Answered with 400; the sentence says what is wrong with the request.
    BadRequest(&'static str),
    /// Answered with 501; the sentence says what is missing here.
    NotImplemented(&'static str),
}

/// Looks at everything that hyper lets pass and a proxy must not.
///
/// `two_lengths` says that the head had both `Content-Length` and `Transfer-Encoding`, which cannot
/// be seen here any more: hyper takes the first one out.
///
/// # Errors
///
/// The first thing found to be wrong.
pub fn check(request: &Parts, two_lengths: bool) -> Result<(), Refusal> {
    if request.method == Method::CONNECT {
        return Err(Refusal::NotImplemented("CONNECT is not supported: this is no tunnel."));
    }
    if two_lengths {
        return Err(Refusal::BadRequest(
            "The request has both Content-Length and Transfer-Encoding.",
        ));
    }
    check_scheme(request)?;
    let mut hosts = Hosts::default();
    let mut coded = false;
    for (name, value) in &request.headers {
        match *name {
            HOST => hosts.note(value),
            UPGRADE => check_upgrade(request.version, value)?,
            TRANSFER_ENCODING => {
                check_coding(value, coded)?;
                coded = true;
            }
            _ => {}
        }
    }
    hosts.check(request)
}

/// What is asked for over HTTP/1 is what this connection is. In HTTP/2 whoever ends TLS in front says
/// which one the client has used.
fn check_scheme(request: &Parts) -> Result<(), Refusal> {
    match request.uri.scheme() {
        None => Ok(()),
        Some(scheme) if *scheme == Scheme::HTTP => Ok(()),
        Some(scheme) if *scheme == Scheme::HTTPS && request.version == Version::HTTP_2 => Ok(()),
        Some(_) => Err(Refusal::BadRequest("The target of the request is not of the scheme http.")),
    }
}

/// An offer of HTTP/2 is one that a server is free to ignore; some clients make it every time.
fn check_upgrade(version: Version, upgrade: &HeaderValue) -> Result<(), Refusal> {
    if version == Version::HTTP_11 && !upgrade.as_bytes().eq_ignore_ascii_case(b"h2c") {
        return Err(Refusal::NotImplemented(
            "Upgrading the connection (for example to a websocket) is not supported yet.",
        ));
    }
    Ok(())
}

/// `again`: there was one before, and hyper looks at the last one only.
fn check_coding(coding: &HeaderValue, again: bool) -> Result<(), Refusal> {
    if !again && coding.as_bytes().eq_ignore_ascii_case(b"chunked") {
        return Ok(());
    }
    Err(Refusal::NotImplemented("The only transfer coding that is supported is chunked."))
}

/// The host that a request is for, as it was written, with its port: the authority of the target
/// where it has one, else the `Host` header, else nothing.
pub(crate) fn host(request: &Parts) -> &str {
    if let Some(authority) = request.uri.authority() {
        return authority.as_str();
    }
    request.headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or("")
}

/// The `Host` headers of a request.
#[derive(Default)]
struct Hosts<'r> {
    first: Option<&'r HeaderValue>,
    more: bool,
}

impl<'r> Hosts<'r> {
    fn note(&mut self, host: &'r HeaderValue) {
        self.more = self.first.is_some();
        self.first = self.first.or(Some(host));
    }

    fn check(&self, request: &Parts) -> Result<(), Refusal> {
        if self.more {
            return Err(Refusal::BadRequest("The request has more than one Host header."));
        }
        if let Some(host) = self.first
            && !host.as_bytes().iter().all(|&byte| may_stand_in_host(byte))
        {
            return Err(Refusal::BadRequest("The Host header is not a host."));
        }
        match (request.uri.authority(), self.first) {
            (None, None) if request.version >= Version::HTTP_11 => {
                Err(Refusal::BadRequest("The request has no Host header."))
            }
            // What has no authority is of the scheme http, which has no empty hosts.
            (None, Some(host)) if is_nobody(host.as_bytes()) => {
                Err(Refusal::BadRequest("The Host header is empty."))
            }
            (Some(authority), _) if authority.as_str().contains('@') => {
                Err(Refusal::BadRequest("The target of the request has a user in it."))
            }
            (Some(authority), Some(host)) if !same_host(authority.as_str(), host.as_bytes()) => {
                let error = "The target of the request and its Host header disagree.";
                Err(Refusal::BadRequest(error))
            }
            _ => Ok(()),
        }
    }
}

/// Nothing, or nothing but a port.
fn is_nobody(host: &[u8]) -> bool {
    matches!(host.first(), None | Some(b':'))
}

/// The characters of a host, an address in brackets and a port (RFC 3986, `reg-name` and `port`).
fn may_stand_in_host(byte: u8) -> bool {
    const MAY: [bool; 256] = {
        let mut may = [false; 256];
        let signs = b"-._~:[]%!$&'()*+;=";
        let mut byte = 0;
        while byte < 256 {
            may[byte] = (byte as u8).is_ascii_alphanumeric();
            byte += 1;
        }
        let mut sign = 0;
        while sign < signs.len() {
            may[signs[sign] as usize] = true;
            sign += 1;
        }
        may
    };
    MAY[usize::from(byte)]
}

fn same_host(authority: &str, host: &[u8]) -> bool {
    let authority = authority.as_bytes();
    let bare = |host: &[u8]| host.strip_suffix(b":80").map_or(host.len(), <[u8]>::len);
    authority[..bare(authority)].eq_ignore_ascii_case(&host[..bare(host)])
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn refusal(request: http::request::Builder) -> Option<Refusal> {
        check(&request.body(()).unwrap().into_parts().0, false).err()
    }

    fn bad(request: http::request::Builder) -> &'static str {
        match refusal(request) {
            Some(Refusal::BadRequest(sentence)) => sentence,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn ordinary_requests_pass() {
        assert_eq!(refusal(Request::get("/x").header("host", "a.example:3000")), None);
        assert_eq!(refusal(Request::get("/x").header("host", "[::1]:3000")), None);
        assert_eq!(refusal(Request::get("http://a.example/x").version(Version::HTTP_2)), None);
        assert_eq!(refusal(Request::get("/x").version(Version::HTTP_10)), None);
    }

    #[test]
    fn hosts_must_be_there_once_and_agree() {
        assert_eq!(bad(Request::get("/")), "The request has no Host header.");
        let two = Request::get("/").header("host", "a").header("host", "a");
        assert_eq!(bad(two), "The request has more than one Host header.");
        let other = Request::get("http://a.example/").header("host", "b.example");
        assert_eq!(bad(other), "The target of the request and its Host header disagree.");
        let user = Request::get("http://me@a.example/").header("host", "a.example");
        assert_eq!(bad(user), "The target of the request has a user in it.");
        for host in ["a b", "a/b", "a,b", "a@b", "a?b"] {
            let odd = Request::get("/").header("host", host);
            assert_eq!(bad(odd), "The Host header is not a host.");
        }
        for empty in ["", ":80", ":"] {
            let nobody = Request::get("/").header("host", empty);
            assert_eq!(bad(nobody), "The Host header is empty.");
        }
        let same = Request::get("http://A.example/").header("host", "a.example:80");
        assert_eq!(refusal(same), None);
    }

    #[test]
    fn only_what_is_spoken_here_can_be_asked_for() {
        let sentence = "The target of the request is not of the scheme http.";
        for target in ["https://a/", "ftp://a/", "ws://a/"] {
            assert_eq!(bad(Request::get(target).header("host", "a")), sentence);
        }
        assert_eq!(refusal(Request::get("HTTP://a/").header("host", "a")), None);
        let http2 = |target| Request::get(target).version(Version::HTTP_2);
        assert_eq!(refusal(http2("https://a/")), None);
        assert_eq!(bad(http2("ftp://a/")), sentence);
    }

    #[test]
    fn two_lengths_are_refused() {
        let parts = Request::post("/").header("host", "a").body(()).unwrap().into_parts().0;
        assert!(matches!(check(&parts, true), Err(Refusal::BadRequest(_))));
    }

    #[test]
    fn tunnels_and_upgrades_are_not_there() {
        let upgrade = |to| Request::get("/").header("host", "a").header("upgrade", to);
        assert!(matches!(refusal(upgrade("websocket")), Some(Refusal::NotImplemented(_))));
        assert_eq!(refusal(upgrade("h2c")), None);
        let connect = Request::builder().method(Method::CONNECT).uri("a.example:443");
        assert!(matches!(refusal(connect), Some(Refusal::NotImplemented(_))));
        let gzip =
            Request::post("/").header("host", "a").header("transfer-encoding", "gzip, chunked");
        assert!(matches!(refusal(gzip), Some(Refusal::NotImplemented(_))));
        let chunked = |times| {
            (0..times).fold(Request::post("/").header("host", "a"), |request, _| {
                request.header("transfer-encoding", "chunked")
            })
        };
        assert_eq!(refusal(chunked(1)), None);
        assert!(matches!(refusal(chunked(2)), Some(Refusal::NotImplemented(_))));
    }
}
