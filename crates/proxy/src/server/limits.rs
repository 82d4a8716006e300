//! What a client may take, in bytes, numbers and seconds.

use std::time::Duration;

/// Largest head of a request (request line and headers; with HTTP/2 the header list), in bytes:
/// 64 KiB. More is answered with 431.
pub const MAX_HEAD_BYTES: usize = 64 * 1024;

/// Most header lines in a request: 100, hyper's own default for HTTP/1, which it keeps on the
/// stack; more is answered with 431. HTTP/2 is bounded by [`MAX_HEAD_BYTES`] alone.
pub const MAX_HEADERS: usize = 100;

/// Most requests that one HTTP/2 connection may have in flight: 250.
pub const MAX_CONCURRENT_STREAMS: u32 = 250;

/// HTTP/2 streams that a client may reset before they were looked at: 64. One more and the
/// connection is closed (rapid reset, CVE-2023-44487).
pub const MAX_PENDING_RESETS: usize = 64;

/// HTTP/2 streams of one connection that may be reset for a client's protocol errors: 256. One more
/// and the connection is closed.
pub const MAX_ERROR_RESETS: usize = 256;

/// Bytes of a request body that an HTTP/2 client may send ahead on one stream: 256 KiB.
pub const STREAM_WINDOW: u32 = 256 * 1024;

/// Bytes of request bodies that an HTTP/2 client may send ahead on one connection: 1 MiB.
pub const CONNECTION_WINDOW: u32 = 1024 * 1024;

/// An HTTP/2 client is asked for a sign of life this often: 20 s.
pub const PING_INTERVAL: Duration = Duration::from_secs(20);

/// Without an answer to that for so long its connection is closed: 10 s.
pub const PING_TIMEOUT: Duration = Duration::from_secs(10);

/// The bounds of client connections. They are kept by one clock per core that ticks every
/// [`TICK`](Self::TICK), so a connection may live that much longer or shorter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Open client connections per core; more wait in the kernel's backlog. Default: 16,384.
    pub connections: usize,
    /// How long the head of a request may take from its first byte, and the first request from the
    /// connection on; also how long a client may go on with a request body after the response is
    /// over (HTTP/1). Default: 10 s.
    pub header_timeout: Duration,
    /// How long a connection may stay open without a request. Default: 75 s.
    pub keep_alive_timeout: Duration,
    /// How long a client may take not a single byte of what is written to it. Default: 60 s.
    pub write_timeout: Duration,
}

impl Limits {
    /// How often connections are looked at: 250 ms.
    pub const TICK: Duration = Duration::from_millis(250);
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 16_384,
            header_timeout: Duration::from_secs(10),
            keep_alive_timeout: Duration::from_secs(75),
            write_timeout: Duration::from_secs(60),
        }
    }
}
