//! The two ports of a server.

use std::io;
use std::net::TcpListener;

/// Where HTTP/1.1 and HTTP/2 are spoken, without TLS.
#[derive(Clone, Copy)]
pub struct Ports {
    pub http1: u16,
    pub http2: u16,
}

impl Ports {
    /// Two that nobody listens on.
    pub fn free() -> io::Result<Self> {
        let (first, second) =
            (TcpListener::bind("127.0.0.1:0")?, TcpListener::bind("127.0.0.1:0")?);
        Ok(Self { http1: first.local_addr()?.port(), http2: second.local_addr()?.port() })
    }

    /// As the words of a command line.
    pub fn words(self) -> [String; 2] {
        [self.http1, self.http2].map(|port| port.to_string())
    }

    /// From the words of a command line.
    pub fn parse(words: &mut impl Iterator<Item = String>) -> io::Result<Self> {
        let mut port = || words.next().and_then(|word| word.parse().ok());
        let ports = port().zip(port()).map(|(http1, http2)| Self { http1, http2 });
        ports.ok_or_else(|| io::Error::other("two ports are missing"))
    }
}
