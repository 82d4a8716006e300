//! An HTTP/2 client made of frames, for what no client library sends.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use super::within;

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const PRIORITY: u8 = 2;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const NO_FLAGS: u8 = 0;
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const ACK: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

pub(crate) const PROTOCOL_ERROR: u32 = 1;
pub(crate) const FLOW_CONTROL_ERROR: u32 = 3;
pub(crate) const REFUSED_STREAM: u32 = 7;
pub(crate) const CANCEL: u32 = 8;
pub(crate) const ENHANCE_YOUR_CALM: u32 = 11;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    pub(crate) fn bytes(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let mut frame = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
        frame.extend([kind, flags]);
        frame.extend(stream.to_be_bytes());
        frame.extend(payload);
        frame
    }

    /// The number at the end of the first eight bytes: the reason of a goodbye.
    fn reason_of_goodbye(&self) -> u32 {
        u32::from_be_bytes(self.payload[4..8].try_into().unwrap())
    }
}

/// What a connection came to.
#[derive(Debug, Default)]
pub(crate) struct End {
    pub(crate) frames: Vec<Frame>,
}

impl End {
    /// The reason of the last goodbye, if there was one.
    pub(crate) fn goodbye(&self) -> Option<u32> {
        let mut goodbyes = self.frames.iter().filter(|frame| frame.kind == GOAWAY);
        goodbyes.next_back().map(Frame::reason_of_goodbye)
    }

    /// The reason for which a stream was reset, if it was.
    pub(crate) fn reset(&self, stream: u32) -> Option<u32> {
        let reset = self.frames.iter().find(|it| it.kind == RST_STREAM && it.stream == stream)?;
        Some(u32::from_be_bytes(reset.payload[..4].try_into().unwrap()))
    }

    /// The status of a stream's answer, if it has one.
    pub(crate) fn status(&self, stream: u32) -> Option<u16> {
        let head = self.frames.iter().find(|it| it.kind == HEADERS && it.stream == stream)?;
        status(&head.payload)
    }
}

/// A client's connection.
pub(crate) struct RawHttp2 {
    stream: TcpStream,
    /// What has come and is no whole frame yet.
    bytes: Vec<u8>,
    end: End,
}

impl RawHttp2 {
    /// A connection whose settings say nothing.
    pub(crate) async fn new(address: SocketAddr) -> Self {
        Self::with_settings(address, &[]).await
    }

    /// A connection with these settings: numbers and values.
    pub(crate) async fn with_settings(address: SocketAddr, settings: &[(u16, u32)]) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        Self::over(stream, settings).await
    }

    /// One whose system takes no more than a few bytes that are not read.
    pub(crate) async fn with_small_buffer(address: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        Self::over(socket.connect(address).await.unwrap(), &[]).await
    }

    async fn over(stream: TcpStream, settings: &[(u16, u32)]) -> Self {
        stream.set_nodelay(true).unwrap();
        let mut client = Self { stream, bytes: Vec::new(), end: End::default() };
        let payload: Vec<u8> = settings
            .iter()
            .flat_map(|(number, value)| {
                [&number.to_be_bytes()[..], &value.to_be_bytes()[..]].concat()
            })
            .collect();
        let settings = Frame::bytes(SETTINGS, NO_FLAGS, 0, &payload);
        assert!(client.write(&[PREFACE, &settings].concat()).await);
        client
    }

    /// Writes bytes; false if the other end does not want them any more.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> bool {
        within(self.stream.write_all(bytes)).await.is_ok()
    }

    pub(crate) async fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> bool {
        self.write(&Frame::bytes(kind, flags, stream, payload)).await
    }

    /// A GET with this path.
    pub(crate) async fn get(&mut self, stream: u32, path: &str) -> bool {
        self.send(HEADERS, END_STREAM | END_HEADERS, stream, &get(path)).await
    }

    /// The next frame, or nothing at the end of the connection.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        loop {
            if let Some((head, rest)) = self.bytes.split_first_chunk::<9>() {
                let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
                if rest.len() >= length {
                    let stream = u32::from_be_bytes(head[5..].try_into().unwrap());
                    let payload = rest[..length].to_vec();
                    let frame = Frame { kind: head[3], flags: head[4], stream, payload };
                    self.bytes.drain(..9 + length);
                    self.end.frames.push(frame.clone());
                    return Some(frame);
                }
            }
            let mut part = [0; 16 * 1024];
            match self.stream.read(&mut part).await {
                Ok(0) | Err(_) => return None,
                Ok(count) => self.bytes.extend_from_slice(&part[..count]),
            }
        }
    }

    /// Reads until a frame of this kind has come for this stream; nothing if the connection ends.
    pub(crate) async fn await_frame(&mut self, kind: u8, stream: u32) -> Option<Frame> {
        within(async {
            loop {
                let frame = self.next().await?;
                if frame.kind == kind && frame.stream == stream {
                    return Some(frame);
                }
            }
        })
        .await
    }

    /// Reads, and answers pings and settings as a good client does, for so long or to the end.
    pub(crate) async fn behave(&mut self, time: Duration) {
        let behaving = async {
            while let Some(frame) = self.next().await {
                if matches!(frame.kind, PING | SETTINGS) && frame.flags & ACK == 0 {
                    let payload = if frame.kind == PING { frame.payload } else { Vec::new() };
                    self.send(frame.kind, ACK, 0, &payload).await;
                }
            }
        };
        let _ = tokio::time::timeout(time, behaving).await;
    }

    /// Reads to the end of the connection, which the other end has to make.
    pub(crate) async fn end(mut self) -> End {
        within(async { while self.next().await.is_some() {} }).await;
        self.end
    }

    /// What has come so far.
    pub(crate) fn so_far(&self) -> &End {
        &self.end
    }
}

/// A header block of literals that nobody is to remember.
pub(crate) fn headers(headers: &[(&str, &[u8])]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in headers {
        block.push(0);
        for text in [name.as_bytes(), value] {
            // A number of HPACK: seven bits, then seven for each byte.
            if text.len() < 127 {
                block.push(u8::try_from(text.len()).unwrap());
            } else {
                block.push(127);
                let mut rest = text.len() - 127;
                while rest >= 128 {
                    block.push(u8::try_from(rest % 128).unwrap() | 128);
                    rest /= 128;
                }
                block.push(u8::try_from(rest).unwrap());
            }
            block.extend_from_slice(text);
        }
    }
    block
}

/// The header block of a GET.
pub(crate) fn get(path: &str) -> Vec<u8> {
    request("GET", path, &[])
}

pub(crate) fn request(method: &str, path: &str, more: &[(&str, &[u8])]) -> Vec<u8> {
    let pseudo: [(&str, &[u8]); 4] = [
        (":method", method.as_bytes()),
        (":scheme", b"http"),
        (":authority", b"front.example"),
        (":path", path.as_bytes()),
    ];
    headers(&[&pseudo[..], more].concat())
}

/// The status at the beginning of an answer's header block, as hyper writes it.
fn status(block: &[u8]) -> Option<u16> {
    // Updates of the table's size may stand before it.
    let block = &block[block.iter().position(|byte| byte & 0xe0 != 0x20)?..];
    match *block.first()? {
        indexed @ 0x88..=0x8e => {
            Some([200, 204, 206, 304, 400, 404, 500][usize::from(indexed - 0x88)])
        }
        // A literal with the name of entry 8, or 0: huffman or plain digits.
        _ => {
            let length = usize::from(block.get(1)? & 0x7f);
            let value = block.get(2..2 + length)?;
            if block[1] & 0x80 == 0 {
                return std::str::from_utf8(value).ok()?.parse().ok();
            }
            huffman_digits(value)
        }
    }
}

/// Three digits in HPACK's code: 0 to 2 have five bits, 3 to 9 six.
fn huffman_digits(bytes: &[u8]) -> Option<u16> {
    let bits: String = bytes.iter().map(|byte| format!("{byte:08b}")).collect();
    let (mut rest, mut number) = (bits.as_str(), 0);
    for _ in 0..3 {
        let (digit, length) = match rest.get(..5)? {
            "00000" => (0, 5),
            "00001" => (1, 5),
            "00010" => (2, 5),
            _ => (u16::from_str_radix(rest.get(..6)?, 2).ok()?.checked_sub(0b01_1001)? + 3, 6),
        };
        number = number * 10 + digit;
        rest = &rest[length..];
    }
    Some(number)
}
