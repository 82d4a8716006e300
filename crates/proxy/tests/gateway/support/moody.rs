//! An HTTP/1 upstream that does what the path of a request tells it.

use std::net::SocketAddr;
use std::time::Duration;

use socket2::{Domain, SockRef, Socket, Type};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::raw;
use super::upstream::Upstream;

/// The ways in which an answer goes wrong before its headers are complete.
pub(crate) const NO_ANSWERS: [(&str, &str); 4] =
    [("/reset", "reset"), ("/close", "reset"), ("/half-head", "reset"), ("/nonsense", "protocol")];

/// The ways in which an answer goes wrong after its headers.
pub(crate) const HALF_ANSWERS: [&str; 3] = ["/half-body", "/half-chunked", "/reset-body"];

impl Upstream {
    /// | path | |
    /// |---|---|
    /// | `/503` | that status, with a body of a few bytes |
    /// | `/hang` | nothing ever |
    /// | `/slow-body/300` | headers and a byte at once, the other nine after so many milliseconds |
    /// | `/drip/503` | that status, and a byte every 20 ms without end |
    /// | `/reset`, `/close`, `/half-head`, `/nonsense` | no answer |
    /// | `/half-body`, `/half-chunked`, `/reset-body` | half an answer |
    pub(crate) async fn moody() -> Self {
        Self::script(|mut stream, count| async move {
            while let Some(path) = next_path(&mut stream).await {
                count();
                if answer(&mut stream, &path).await.is_none() {
                    return;
                }
            }
        })
        .await
    }
}

/// Reads the head of a request; `None` when there is no further one.
async fn next_path(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::with_capacity(1024);
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        if stream.read_buf(&mut head).await.ok()? == 0 {
            return None;
        }
    }
    Some(std::str::from_utf8(&head).ok()?.split(' ').nth(1)?.to_owned())
}

/// `None` where the connection is over.
async fn answer(stream: &mut TcpStream, path: &str) -> Option<()> {
    let (mood, argument) = path[1..].split_once('/').unwrap_or((&path[1..], ""));
    match mood {
        "hang" => drop(raw::read_to_close(stream).await),
        "reset" => reset(stream),
        "close" => {}
        "half-head" => write(stream, "HTTP/1.1 200 OK\r\ncontent-le").await?,
        "nonsense" => write(stream, "nonsense\r\n\r\n").await?,
        "half-body" => write(stream, "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n12345").await?,
        "half-chunked" => {
            write(stream, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n12345\r\n")
                .await?;
        }
        "reset-body" => {
            write(stream, "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n12345").await?;
            // What is reset at once may never have been seen.
            tokio::time::sleep(Duration::from_millis(20)).await;
            reset(stream);
        }
        "slow-body" => {
            write(stream, "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n1").await?;
            let pause = Duration::from_millis(argument.parse().unwrap());
            tokio::select! {
                () = tokio::time::sleep(pause) => return write(stream, "234567890").await,
                _ = raw::read_to_close(stream) => {}
            }
        }
        "drip" => {
            write(stream, &format!("HTTP/1.1 {argument} X\r\ncontent-length: 100000\r\n\r\n"))
                .await?;
            loop {
                write(stream, "x").await?;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        status => {
            let head = format!("HTTP/1.1 {status} X\r\ncontent-length: 6\r\n\r\nanswer");
            return write(stream, &head).await;
        }
    }
    None
}

async fn write(stream: &mut TcpStream, text: &str) -> Option<()> {
    stream.write_all(text.as_bytes()).await.ok()
}

/// Has the connection reset rather than closed when it is dropped.
pub(crate) fn reset(stream: &TcpStream) {
    SockRef::from(stream).set_linger(Some(Duration::ZERO)).unwrap();
}

/// An address that refuses connections, until somebody listens on the socket.
pub(crate) fn refusing() -> (Socket, SocketAddr) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    socket.bind(&any.into()).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    (socket, address)
}
