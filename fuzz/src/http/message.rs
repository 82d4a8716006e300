//! HTTP/1.1 as the gateway must write it: one form for each message, and nothing else is accepted.

/// Where reading stopped.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stopped {
    /// What has come so far is good.
    Early,
    /// It is not what the gateway may write.
    Fault(String),
}

/// How long a body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    Length(usize),
    Chunked,
    /// As long as the connection.
    ToTheEnd,
}

/// Headers in the order of the message, their names in lower case.
type Headers = Vec<(String, Vec<u8>)>;

/// The first line and the headers, and how many bytes they take.
pub(super) struct Head {
    pub(super) first: String,
    pub(super) headers: Headers,
    pub(super) length: usize,
}

impl Head {
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Stopped> {
        let end = find(bytes, b"\r\n\r\n").ok_or(Stopped::Early)?;
        let mut lines = split_lines(&bytes[..end]).into_iter();
        let first = lines.next().unwrap_or_default();
        let first = std::str::from_utf8(first).map_err(|_| fault("first line", first))?;
        // A reason phrase may have tabs in it.
        if first.bytes().any(|byte| (byte < b' ' && byte != b'\t') || byte == 0x7f) {
            return Err(fault("first line", first.as_bytes()));
        }
        let headers = lines.map(header).collect::<Result<Headers, Stopped>>()?;
        Ok(Self { first: first.to_owned(), headers, length: end + 4 })
    }

    pub(super) fn all(&self, name: &str) -> Vec<&[u8]> {
        let named = self.headers.iter().filter(|(it, _)| it == name);
        named.map(|(_, value)| value.as_slice()).collect()
    }

    /// The framing that the headers say, of which there is one at most.
    pub(super) fn framing(&self) -> Result<Option<Framing>, Stopped> {
        match (&self.all("content-length")[..], &self.all("transfer-encoding")[..]) {
            ([], []) => Ok(None),
            ([], [b"chunked"]) => Ok(Some(Framing::Chunked)),
            ([length], []) if !length.is_empty() && length.iter().all(u8::is_ascii_digit) => {
                let length = String::from_utf8_lossy(length).parse();
                Ok(Some(Framing::Length(
                    length.map_err(|_| fault("length", self.first.as_bytes()))?,
                )))
            }
            (lengths, codings) => {
                Err(Stopped::Fault(format!("two framings or a bad one: {lengths:?} {codings:?}")))
            }
        }
    }
}

fn header(line: &[u8]) -> Result<(String, Vec<u8>), Stopped> {
    let colon = line.iter().position(|byte| *byte == b':').ok_or(fault("header", line))?;
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    let is_text = |byte: &u8| *byte == b'\t' || (*byte >= b' ' && *byte != 0x7f);
    if name.is_empty() || !name.iter().all(is_token) || !value.iter().all(is_text) {
        return Err(fault("header", line));
    }
    Ok((String::from_utf8_lossy(name).to_ascii_lowercase(), value.trim_ascii().to_vec()))
}

/// The body, and how many bytes it takes with its framing.
pub(super) fn body(bytes: &[u8], framing: Framing) -> Result<(Vec<u8>, usize), Stopped> {
    match framing {
        Framing::Length(length) => {
            let body = bytes.get(..length).ok_or(Stopped::Early)?;
            Ok((body.to_vec(), length))
        }
        Framing::ToTheEnd => Ok((bytes.to_vec(), bytes.len())),
        Framing::Chunked => chunks(bytes),
    }
}

fn chunks(bytes: &[u8]) -> Result<(Vec<u8>, usize), Stopped> {
    let (mut body, mut at) = (Vec::new(), 0);
    loop {
        let rest = &bytes[at..];
        let end = find(rest, b"\r\n").ok_or(Stopped::Early)?;
        let digits = &rest[..end];
        let digits = std::str::from_utf8(digits).map_err(|_| fault("chunk size", digits))?;
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(fault("chunk size", digits.as_bytes()));
        }
        let size =
            usize::from_str_radix(digits, 16).map_err(|_| fault("size", digits.as_bytes()))?;
        at += end + 2;
        if size == 0 {
            return trailers(&bytes[at..]).map(|length| (body, at + length));
        }
        let chunk = bytes.get(at..at + size).ok_or(Stopped::Early)?;
        body.extend_from_slice(chunk);
        at += size;
        match bytes.get(at..at + 2) {
            None => return Err(Stopped::Early),
            Some(b"\r\n") => at += 2,
            Some(other) => return Err(fault("end of a chunk", other)),
        }
    }
}

/// How many bytes the trailers and the empty line behind them take.
fn trailers(bytes: &[u8]) -> Result<usize, Stopped> {
    if bytes.starts_with(b"\r\n") {
        return Ok(2);
    }
    let end = find(bytes, b"\r\n\r\n").ok_or(Stopped::Early)?;
    for line in split_lines(&bytes[..end]) {
        header(line)?;
    }
    Ok(end + 4)
}

/// An answer as the client has it.
#[derive(Debug)]
pub(super) struct Response {
    pub(super) status: u16,
    /// What the upstream calls it, if it is one of its own.
    pub(super) id: Option<u64>,
    pub(super) body: Vec<u8>,
}

impl Response {
    /// All answers that have come whole, in strict form. `methods`: those of the requests, in their
    /// order, as far as they are known.
    pub(super) fn read_all(received: &[u8], methods: &[String]) -> Vec<Self> {
        let (mut all, mut at, mut last): (Vec<Self>, _, _) = (Vec::new(), 0, 0);
        while at < received.len() {
            let rest = &received[at..];
            // An answer of the gateway's own may be to a request that the upstream has not seen.
            let is_head =
                |status| methods.get(last).is_some_and(|it| it == "HEAD") && status != 100;
            match Self::read(rest, is_head) {
                Ok((response, length)) => {
                    at += length;
                    last += usize::from(response.status >= 200);
                    all.push(response);
                }
                Err(Stopped::Early) => break,
                Err(Stopped::Fault(fault)) => {
                    panic!("{fault} in {:?}", String::from_utf8_lossy(received))
                }
            }
        }
        all
    }

    fn read(bytes: &[u8], is_head: impl Fn(u16) -> bool) -> Result<(Self, usize), Stopped> {
        let head = Head::read(bytes)?;
        let first = head.first.as_bytes();
        let version = head.first.starts_with("HTTP/1.1 ") || head.first.starts_with("HTTP/1.0 ");
        let status: Option<u16> = head.first.get(9..12).and_then(|status| status.parse().ok());
        let status = status.filter(|_| version && first.get(12).is_none_or(|it| *it == b' '));
        let Some(status) = status else { return Err(fault("status line", first)) };
        let id = match &head.all("x-answer")[..] {
            [id] => String::from_utf8_lossy(id).parse().ok(),
            _ => None,
        };
        let has_none = status < 200 || matches!(status, 204 | 304) || is_head(status);
        let framing = head.framing()?;
        if has_none {
            // Whatever length is said is that of something else.
            return Ok((Self { status, id, body: Vec::new() }, head.length));
        }
        let rest = &bytes[head.length..];
        let (body, length) = body(rest, framing.unwrap_or(Framing::ToTheEnd))?;
        Ok((Self { status, id, body }, head.length + length))
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|it| it == what)
}

fn split_lines(bytes: &[u8]) -> Vec<&[u8]> {
    let (mut lines, mut rest) = (Vec::new(), bytes);
    while let Some(end) = find(rest, b"\r\n") {
        lines.push(&rest[..end]);
        rest = &rest[end + 2..];
    }
    lines.push(rest);
    lines
}

pub(super) fn fault(what: &str, bytes: &[u8]) -> Stopped {
    Stopped::Fault(format!("a bad {what}: {:?}", String::from_utf8_lossy(bytes)))
}
