//! Requests and responses as bytes.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::within;

/// Sends bytes and reads until the other end closes the connection.
pub(crate) async fn exchange(address: SocketAddr, bytes: impl AsRef<[u8]>) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes.as_ref()).await.unwrap();
    read_to_close(&mut stream).await
}

/// Reads until the other end closes; a reset is a close.
pub(crate) async fn read_to_close(stream: &mut TcpStream) -> String {
    let mut all = Vec::new();
    let _ = within(stream.read_to_end(&mut all)).await;
    String::from_utf8_lossy(&all).into_owned()
}

/// Reads until `end` has come.
pub(crate) async fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut all = Vec::new();
    while !String::from_utf8_lossy(&all).contains(end) {
        let mut part = [0; 4096];
        let count = within(stream.read(&mut part)).await.unwrap();
        assert_ne!(count, 0, "closed after {:?}", String::from_utf8_lossy(&all));
        all.extend_from_slice(&part[..count]);
    }
    String::from_utf8(all).unwrap()
}

/// The status of a response.
pub(crate) fn status(response: &str) -> u16 {
    let line = response.lines().next().unwrap_or_default();
    line.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
}
