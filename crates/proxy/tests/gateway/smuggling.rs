//! Requests with a second one hidden in them, in every disguise known: refused, or passed on in exactly
//! one form, behind which the next request is found where it is.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use crate::support::http2::{
    DATA, END_HEADERS, END_STREAM, HEADERS, NO_FLAGS, RawHttp2, headers, request,
};
use crate::support::upstream::Upstream;
use crate::support::{gateway, raw, within};

/// A request as the upstream read it.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    /// Method and target.
    line: String,
    /// The headers that say how long it is, as they were written.
    framing: Vec<String>,
    body: String,
}

/// An upstream that takes the bytes as they are written and no other way, and answers with 200.
async fn literal() -> (Upstream, mpsc::UnboundedReceiver<Seen>) {
    let (told, seen) = mpsc::unbounded_channel();
    let upstream = Upstream::script(move |stream, count| {
        let told = told.clone();
        async move {
            let mut stream = Literal { stream, bytes: Vec::new() };
            while let Some(request) = stream.request().await {
                count();
                told.send(request).unwrap();
                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
                if stream.stream.write_all(answer).await.is_err() {
                    return;
                }
            }
        }
    })
    .await;
    (upstream, seen)
}

struct Literal {
    stream: TcpStream,
    bytes: Vec<u8>,
}

impl Literal {
    async fn request(&mut self) -> Option<Seen> {
        let head = self.until("\r\n\r\n").await?;
        assert_eq!(head.matches('\n').count(), head.matches("\r\n").count(), "{head:?}");
        assert_eq!(head.matches('\r').count(), head.matches("\r\n").count(), "{head:?}");
        let (line, lines) = head.split_once("\r\n").unwrap();
        let line = line.strip_suffix(" HTTP/1.1").expect("a request line").to_owned();
        assert_eq!(line.matches(' ').count(), 1, "{line:?}");
        let named = |name: &str| lines.lines().filter(|it| it.starts_with(name)).count();
        assert_eq!(named("host: "), 1, "{head:?}");
        let says_length = |line: &&str| {
            line.starts_with("content-length") || line.starts_with("transfer-encoding")
        };
        let framing: Vec<String> = lines.lines().filter(says_length).map(str::to_owned).collect();
        let mut body = String::new();
        match framing.first().map(|it| it.split_once(": ").unwrap()) {
            None => {}
            Some(("transfer-encoding", "chunked")) => loop {
                let size = self.until("\r\n").await?;
                let size = usize::from_str_radix(&size, 16).expect("a size");
                if size == 0 {
                    while !self.until("\r\n").await?.is_empty() {}
                    break;
                }
                body += &self.exactly(size).await?;
                assert_eq!(self.exactly(2).await?, "\r\n");
            },
            Some(("content-length", length)) => {
                body = self.exactly(length.parse().unwrap()).await?;
            }
            other => panic!("{other:?}"),
        }
        Some(Seen { line, framing, body })
    }

    async fn until(&mut self, end: &str) -> Option<String> {
        loop {
            let found = self.bytes.windows(end.len()).position(|it| it == end.as_bytes());
            if let Some(place) = found {
                let text = self.exactly(place).await?;
                self.bytes.drain(..end.len());
                return Some(text);
            }
            self.more().await?;
        }
    }

    async fn exactly(&mut self, count: usize) -> Option<String> {
        while self.bytes.len() < count {
            self.more().await?;
        }
        Some(self.bytes.drain(..count).map(char::from).collect())
    }

    async fn more(&mut self) -> Option<()> {
        (self.stream.read_buf(&mut self.bytes).await.ok()? > 0).then_some(())
    }
}

/// What becomes of a request: `400`, or `passed: ` and what the upstream read. Whatever came after it
/// follows: `then /after`, if that was found.
async fn fate(
    address: SocketAddr,
    seen: &mut mpsc::UnboundedReceiver<Seen>,
    bytes: &str,
) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let after = "GET /after HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    let bytes: Vec<u8> = format!("{bytes}{after}").chars().map(|it| it as u8).collect();
    let _ = stream.write_all(&bytes).await;
    // Whoever waits for more is told that there is none.
    let quiet = tokio::time::timeout(std::time::Duration::from_millis(500), async {
        raw::read_to_close(&mut stream).await
    });
    let Ok(responses) = quiet.await else {
        drop(stream);
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        let mut all = Vec::new();
        while let Ok(it) = seen.try_recv() {
            all.push(it.line);
        }
        return format!("waits for more, after {all:?}");
    };
    let mut fate = Vec::new();
    for response in responses.split("HTTP/1.1 ").skip(1) {
        let status = &response[..3];
        if status != "200" {
            fate.push(status.to_owned());
            continue;
        }
        let Seen { line, framing, body } = seen.try_recv().unwrap();
        if line == "GET /after" {
            fate.push("then the next".to_owned());
        } else {
            fate.push(format!("{line} [{}] {body:?}", framing.join(", ")));
        }
    }
    if let Ok(more) = seen.try_recv() {
        fate.push(format!("UNANSWERED {more:?}"));
    }
    fate.join(", ")
}

/// Prints all that is otherwise than it should be, and fails if anything is.
fn compare(came: Vec<(String, &str, String)>) {
    let wrong: Vec<_> = came.into_iter().filter(|(_, wanted, came)| wanted != came).collect();
    for (request, wanted, came) in &wrong {
        println!("{request:?}\n    wanted {wanted}\n    came   {came}");
    }
    assert!(wrong.is_empty(), "{} are otherwise", wrong.len());
}

const CHUNKS: &str = "5\r\nhello\r\n0\r\n\r\n";

const PASSED: &str = "POST / [transfer-encoding: chunked] \"hello\", then the next";

/// Lines that may mean `Transfer-Encoding: chunked` to somebody, and what they mean here.
const CODINGS: [(&str, &str); 36] = [
    ("transfer-encoding: chunked", PASSED),
    ("Transfer-Encoding: Chunked", PASSED),
    ("TRANSFER-ENCODING:CHUNKED", PASSED),
    ("transfer-encoding: chunked ", PASSED),
    ("transfer-encoding:\tchunked\t", PASSED),
    ("transfer-encoding: chunked\r\ntransfer-encoding: chunked", "501"),
    ("transfer-encoding: chunked\r\ntransfer-encoding: identity", "400"),
    ("transfer-encoding: identity\r\ntransfer-encoding: chunked", "501"),
    ("transfer-encoding: chunked, chunked", "501"),
    ("transfer-encoding: chunked, identity", "400"),
    ("transfer-encoding: identity, chunked", "501"),
    ("transfer-encoding: gzip, chunked", "501"),
    ("transfer-encoding: chunked,", "400"),
    ("transfer-encoding: ,chunked", "501"),
    ("transfer-encoding: chunked;q=1", "400"),
    ("transfer-encoding: \"chunked\"", "400"),
    ("transfer-encoding: 'chunked'", "400"),
    ("transfer-encoding: chunke", "400"),
    ("transfer-encoding: xchunked", "400"),
    ("transfer-encoding: chunkedx", "400"),
    ("transfer-encoding: chunk ed", "400"),
    ("transfer-encoding: identity", "400"),
    ("transfer-encoding:", "400"),
    ("transfer-encoding: \u{b}chunked", "400"),
    ("transfer-encoding: chunked\u{b}", "400"),
    ("transfer-encoding: \u{c}chunked", "400"),
    ("transfer-encoding: chunked\0", "400"),
    ("transfer-encoding: \u{a0}chunked", "400"),
    ("transfer-encoding: chunked\rx: y", "400"),
    ("transfer-encoding:\r\n chunked", "400"),
    ("transfer-encoding\r\n: chunked", "400"),
    ("transfer-encoding : chunked", "400"),
    ("transfer-encoding\t: chunked", "400"),
    (" transfer-encoding: chunked", "400"),
    ("x: y\r transfer-encoding: chunked", "400"),
    ("transfer\0-encoding: chunked", "400"),
];

#[tokio::test]
async fn transfer_codings_in_disguise() {
    let (upstream, mut seen) = literal().await;
    let (_running, address) = gateway(upstream.address);
    let mut came = Vec::new();
    for (coding, wanted) in CODINGS {
        let request = format!("POST / HTTP/1.1\r\nhost: a\r\n{coding}\r\n\r\n{CHUNKS}");
        let fate = fate(address, &mut seen, &request).await;
        // Where the headers alone are bad the end of the request is known, or else it is the last.
        let fate = fate.replace("501, then the next", "501").replace("400, then the next", "400");
        came.push((request, wanted, fate));
    }
    compare(came);
}

#[tokio::test]
async fn a_length_beside_a_coding_in_any_disguise_is_refused() {
    let (upstream, mut seen) = literal().await;
    let (_running, address) = gateway(upstream.address);
    let mut came = Vec::new();
    for (coding, alone) in CODINGS {
        for length in ["0", "5", "15"] {
            let length = format!("content-length: {length}");
            for both in [format!("{coding}\r\n{length}"), format!("{length}\r\n{coding}")] {
                let request = format!("POST / HTTP/1.1\r\nhost: a\r\n{both}\r\n\r\n{CHUNKS}");
                let fate = fate(address, &mut seen, &request).await;
                let refused = fate == "400" || (fate == "501" && alone == "501");
                came.push((request, "refused", if refused { "refused".into() } else { fate }));
            }
        }
    }
    assert_eq!(came.len(), 216);
    compare(came);
    assert_eq!(upstream.requests(), 0);
}

#[tokio::test]
async fn lengths_in_disguise() {
    let hello = "POST / [content-length: 5] \"hello\", then the next";
    let cases = [
        ("content-length: 5", hello),
        ("Content-Length:5", hello),
        ("content-length: \t 5 \t ", hello),
        ("content-length: 5\r\ncontent-length: 5", hello),
        ("content-length: 005", "POST / [content-length: 005] \"hello\", then the next"),
        ("content-length: 5, 5", "400"),
        ("content-length: 5,", "400"),
        ("content-length: 5 5", "400"),
        ("content-length: 5;", "400"),
        ("content-length: +5", "400"),
        ("content-length: -5", "400"),
        ("content-length: 5.0", "400"),
        ("content-length: 5e0", "400"),
        ("content-length: 0x5", "400"),
        ("content-length: 5\0", "400"),
        ("content-length: \u{b}5", "400"),
        ("content-length: \"5\"", "400"),
        ("content-length: ５", "400"),
        ("content-length:", "400"),
        ("content-length: five", "400"),
        ("content-length: 18446744073709551616", "400"),
        ("content-length: 18446744073709551621", "400"),
        // It fits into 64 bits, and is waited for.
        ("content-length: 9223372036854775813", "waits for more, after []"),
        ("content-length: 5\r\ncontent-length: 0", "400"),
        ("content-length: 0\r\ncontent-length: 5", "400"),
        ("content-length : 5", "400"),
        ("content-length\t: 5", "400"),
        ("content-length\0: 5", "400"),
        ("content-length:\r\n 5", "400"),
        (" content-length: 5", "400"),
    ];
    let (upstream, mut seen) = literal().await;
    let (_running, address) = gateway(upstream.address);
    let mut came = Vec::new();
    for (length, wanted) in cases {
        let request = format!("POST / HTTP/1.1\r\nhost: a\r\n{length}\r\n\r\nhello");
        let fate = fate(address, &mut seen, &request).await;
        came.push((request, wanted, fate));
    }
    compare(came);
}

#[tokio::test]
async fn bodies_in_chunks_that_end_otherwise_than_they_seem() {
    let cases = [
        (CHUNKS, PASSED),
        ("5;x=y\r\nhello\r\n0;z\r\n\r\n", PASSED),
        ("005\r\nhello\r\n00\r\n\r\n", PASSED),
        ("5\r\nhello\r\n0\r\nsum: 7\r\n\r\n", PASSED),
        ("5 \r\nhello\r\n0\r\n\r\n", PASSED),
        ("5\nhello\r\n0\r\n\r\n", "400"),
        ("5\rhello\r\n0\r\n\r\n", "400"),
        ("5\r\nhello\n0\r\n\r\n", "400"),
        ("5\r\nhello0\r\n\r\n", "400"),
        ("5;x\ny\r\nhello\r\n0\r\n\r\n", "400"),
        ("0x5\r\nhello\r\n0\r\n\r\n", "400"),
        ("+5\r\nhello\r\n0\r\n\r\n", "400"),
        ("5_0\r\nhello\r\n0\r\n\r\n", "400"),
        (" 5\r\nhello\r\n0\r\n\r\n", "400"),
        ("\r\n5\r\nhello\r\n0\r\n\r\n", "400"),
        ("10000000000000005\r\nhello\r\n0\r\n\r\n", "400"),
        ("fffffffffffffffff\r\nhello\r\n0\r\n\r\n", "400"),
        ("5\r\nhello\r\n0\r\nno colon\r\n\r\n", "400"),
        ("5\r\nhello\r\n0\n\n", "400"),
    ];
    let mut came = Vec::new();
    for (body, wanted) in cases {
        let (upstream, mut seen) = literal().await;
        let (_running, address) = gateway(upstream.address);
        let request =
            format!("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n{body}");
        let fate = fate(address, &mut seen, &request).await;
        came.push((request, wanted, fate));
    }
    compare(came);
}

#[tokio::test]
async fn first_lines_and_names_that_are_read_in_two_ways() {
    let next = "then the next";
    let passed = "GET / [] \"\", then the next";
    let cases = [
        ("GET / HTTP/1.1\r\nhost: a", passed),
        ("GET / HTTP/1.1\nhost: a", passed),
        ("GET  / HTTP/1.1\r\nhost: a", "400"),
        ("GET / HTTP/1.1 \r\nhost: a", "400"),
        ("GET /  HTTP/1.1\r\nhost: a", "400"),
        ("GET\t/\tHTTP/1.1\r\nhost: a", "400"),
        (" GET / HTTP/1.1\r\nhost: a", "400"),
        ("GET / http/1.1\r\nhost: a", "400"),
        ("GET / HTTP/1.10\r\nhost: a", "400"),
        ("GET / HTTP/2.0\r\nhost: a", "400"),
        ("GET / HTTP/01.1\r\nhost: a", "400"),
        ("GET / HTTP/1.1x\r\nhost: a", "400"),
        ("GET /\0 HTTP/1.1\r\nhost: a", "400"),
        ("GET /\u{7f} HTTP/1.1\r\nhost: a", "400"),
        ("GET /a\rb HTTP/1.1\r\nhost: a", "400"),
        // A target without a path is on no route.
        ("GET a HTTP/1.1\r\nhost: a", "404, then the next"),
        ("GET //evil/ HTTP/1.1\r\nhost: a", "GET //evil/ [] \"\", then the next"),
        ("GET /a#b HTTP/1.1\r\nhost: a", "GET /a [] \"\", then the next"),
        ("GET /%0d%0ax:%20y HTTP/1.1\r\nhost: a", "GET /%0d%0ax:%20y [] \"\", then the next"),
        ("G\0T / HTTP/1.1\r\nhost: a", "400"),
        ("G:T / HTTP/1.1\r\nhost: a", "400"),
        ("GET / HTTP/1.1\r\nhost: a\r\n: x", "400"),
        ("GET / HTTP/1.1\r\nhost: a\r\n:path: /x", "400"),
        ("GET / HTTP/1.1\r\nhost: a\r\nx y: z", "400"),
        ("GET / HTTP/1.1\r\nhost: a\r\nx\"y: z", "400"),
        ("GET / HTTP/1.1\r\nhost: a\r\nx[y]: z", "400"),
        ("GET / HTTP/1.1\r\nhost: a\r\nx(y): z", "400"),
        ("GET / HTTP/1.1\r\nhost: a\r\n\u{e4}: z", "400"),
        ("GET / HTTP/1.1\r\nhost: a\r\nx: \u{e4}", passed),
        ("GET / HTTP/1.1\r\nhost: a\r\nx: y\u{7f}", "400"),
        ("GET / HTTP/1.1\r\nhost: a\r\nx: y\u{8}", "400"),
        ("GET / HTTP/1.1\r\nhost: a\r\nx: y\r\r\nz: 1", "400"),
        ("GET / HTTP/1.1\r\n\thost: a", "400"),
        ("GET / HTTP/1.1\r\nhost: a\r\nhost : b", "400"),
        ("GET / HTTP/1.1\r\nhost: a, b", &format!("400, {next}")),
        ("GET / HTTP/1.1\r\nhost: a\r\nHOST: b", &format!("400, {next}")),
        ("GET http://a@b/ HTTP/1.1\r\nhost: b", &format!("400, {next}")),
        ("GET http://a\\b/ HTTP/1.1\r\nhost: a", "400"),
        ("GET http://b/ HTTP/1.1\r\nhost: a", &format!("400, {next}")),
        ("GET http:///x HTTP/1.1\r\nhost: a", "400"),
        ("GET http://a/ HTTP/1.1\r\nhost: a", passed),
    ];
    let (upstream, mut seen) = literal().await;
    let (_running, address) = gateway(upstream.address);
    let mut came = Vec::new();
    for (head, wanted) in &cases {
        let request = format!("{head}\r\n\r\n");
        let fate = fate(address, &mut seen, &request).await;
        came.push((request, *wanted, fate));
    }
    compare(came);
}

/// What becomes of a request of HTTP/2 on its way to HTTP/1.1.
async fn fate_of_http2(
    address: SocketAddr,
    seen: &mut mpsc::UnboundedReceiver<Seen>,
    block: &[u8],
    data: Option<&[u8]>,
) -> String {
    let mut client = RawHttp2::new(address).await;
    let last = if data.is_none() { END_STREAM } else { NO_FLAGS };
    client.send(HEADERS, END_HEADERS | last, 1, block).await;
    if let Some(data) = data {
        client.send(DATA, END_STREAM, 1, data).await;
    }
    client.behave(std::time::Duration::from_millis(200)).await;
    let end = client.so_far();
    let fate = match (end.status(1), end.reset(1), end.goodbye()) {
        (Some(200), ..) => within(seen.recv())
            .await
            .map(|Seen { line, framing, body }| format!("{line} [{}] {body:?}", framing.join(", ")))
            .unwrap(),
        (Some(status), ..) => status.to_string(),
        (None, Some(reason), _) => format!("reset {reason}"),
        (None, None, Some(reason)) => format!("goodbye {reason}"),
        (None, None, None) => "nothing".to_owned(),
    };
    match seen.try_recv() {
        Ok(more) => format!("{fate}, UNANSWERED {more:?}"),
        Err(_) => fate,
    }
}

/// What is tried, its header block, its data, and what becomes of it.
type Http2Case<'c> = (&'c str, Vec<u8>, Option<&'c [u8]>, &'c str);

#[tokio::test]
async fn requests_of_http2_that_would_be_two_over_http1() {
    let post = |more: &[(&str, &[u8])]| request("POST", "/", more);
    let pseudo = |method: &[u8], authority: &[u8], path: &[u8]| {
        headers(&[
            (":method", method),
            (":scheme", b"http"),
            (":authority", authority),
            (":path", path),
        ])
    };
    let hello: Option<&[u8]> = Some(b"hello");
    let smuggled: &[u8] = b"0\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n";
    let passed = "POST / [content-length: 5] \"hello\"";
    let malformed = "reset 1";
    // What cannot be a header at all is an error of the connection.
    let no_headers = "goodbye 1";
    let cases: [Http2Case; 34] = [
        ("a length that is right", post(&[("content-length", b"5")]), hello, passed),
        ("a length too short", post(&[("content-length", b"0")]), Some(smuggled), malformed),
        ("a length too long", post(&[("content-length", b"50")]), hello, malformed),
        (
            "two lengths",
            post(&[("content-length", b"5"), ("content-length", b"0")]),
            hello,
            malformed,
        ),
        ("no number", post(&[("content-length", b"+5")]), hello, malformed),
        ("a coding", post(&[("transfer-encoding", b"chunked")]), Some(smuggled), malformed),
        ("connection", post(&[("connection", b"close")]), hello, malformed),
        ("keep-alive", post(&[("keep-alive", b"5")]), hello, malformed),
        ("proxy-connection", post(&[("proxy-connection", b"close")]), hello, malformed),
        ("upgrade", post(&[("upgrade", b"h2c")]), hello, malformed),
        ("te", post(&[("te", b"gzip")]), hello, malformed),
        (
            "a line in a value",
            post(&[("x", b"y\r\ntransfer-encoding: chunked")]),
            hello,
            no_headers,
        ),
        ("a line feed in a value", post(&[("x", b"y\nz: 1")]), hello, no_headers),
        ("a NUL in a value", post(&[("x", b"y\0")]), hello, no_headers),
        ("a line in a name", post(&[("x: y\r\nz", b"1")]), hello, no_headers),
        ("a colon in a name", post(&[("x:y", b"1")]), hello, no_headers),
        ("a capital in a name", post(&[("X", b"1")]), hello, no_headers),
        ("a space in a name", post(&[("x y", b"1")]), hello, no_headers),
        ("an empty name", post(&[("", b"1")]), hello, no_headers),
        ("a path with a line", pseudo(b"GET", b"a", b"/ HTTP/1.1\r\nx: y"), None, malformed),
        ("a path with a space", pseudo(b"GET", b"a", b"/ x"), None, malformed),
        ("an empty path", pseudo(b"GET", b"a", b""), None, malformed),
        ("a path without a slash", pseudo(b"GET", b"a", b"x"), None, malformed),
        ("a method with a space", pseudo(b"GET / HTTP/1.1", b"a", b"/"), None, no_headers),
        ("an authority with a path", pseudo(b"GET", b"a/b", b"/"), None, malformed),
        ("an authority with a user", pseudo(b"GET", b"a@b", b"/"), None, "400"),
        ("an authority with a line", pseudo(b"GET", b"a\r\nx: y", b"/"), None, malformed),
        ("another host", request("GET", "/", &[("host", b"b")]), None, "400"),
        ("two paths", request("GET", "/", &[(":path", b"/x")]), None, malformed),
        ("an unknown pseudo-header", request("GET", "/", &[(":x", b"y")]), None, no_headers),
        ("a status", request("GET", "/", &[(":status", b"200")]), None, malformed),
        (
            "a pseudo-header behind others",
            headers(&[(":method", b"GET"), ("x", b"y"), (":path", b"/"), (":scheme", b"http")]),
            None,
            malformed,
        ),
        ("no method", headers(&[(":path", b"/"), (":scheme", b"http")]), None, malformed),
        ("no path", headers(&[(":method", b"GET"), (":scheme", b"http")]), None, "400"),
    ];
    let (upstream, mut seen) = literal().await;
    let (_running, address) = gateway(upstream.address);
    let mut came = Vec::new();
    for (what, block, data, wanted) in &cases {
        let fate = fate_of_http2(address, &mut seen, block, *data).await;
        came.push(((*what).to_owned(), *wanted, fate));
    }
    compare(came);
}
