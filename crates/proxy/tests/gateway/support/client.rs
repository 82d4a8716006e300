//! Clients: one hyper connection each.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::task::{JoinHandle, JoinSet};

use super::{AnyBody, within};

/// An HTTP/1 connection to `address`; aborting the task closes it.
pub(crate) async fn http1(
    address: SocketAddr,
) -> (http1::SendRequest<AnyBody>, JoinHandle<hyper::Result<()>>) {
    let stream = TcpStream::connect(address).await.unwrap();
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    (sender, tokio::spawn(connection))
}

/// An HTTP/2 connection to `address`.
pub(crate) async fn http2(
    address: SocketAddr,
) -> (http2::SendRequest<AnyBody>, JoinHandle<hyper::Result<()>>) {
    let stream = TcpStream::connect(address).await.unwrap();
    let (sender, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    (sender, tokio::spawn(connection))
}

/// All of a response's body.
pub(crate) async fn body(response: Response<Incoming>) -> Result<Bytes, hyper::Error> {
    Ok(within(response.into_body().collect()).await?.to_bytes())
}

pub(crate) async fn text(response: Response<Incoming>) -> String {
    String::from_utf8(body(response).await.unwrap().to_vec()).unwrap()
}

/// A GET over a connection of its own.
pub(crate) async fn get(address: SocketAddr, path: &str) -> Response<Incoming> {
    let (mut sender, _) = http1(address).await;
    let request = Request::get(path).header("host", "front.example").body(super::empty()).unwrap();
    within(sender.send_request(request)).await.unwrap()
}

/// Sends so many requests over one HTTP/2 connection, a hundred at once; each POST has its number as
/// its body. How many were answered with 200 and with what is right for what was sent.
pub(crate) async fn crowd(
    address: SocketAddr,
    method: &Method,
    requests: usize,
    right: fn(sent: &str, got: &str) -> bool,
) -> usize {
    const AT_ONCE: usize = 100;
    let (client, _) = http2(address).await;
    let mut callers = JoinSet::new();
    for caller in 0..AT_ONCE {
        let (mut client, method) = (client.clone(), method.clone());
        callers.spawn(async move {
            let mut good = 0;
            for number in (caller..requests).step_by(AT_ONCE) {
                let sent = if method == Method::POST { number.to_string() } else { String::new() };
                let request = Request::builder().method(&method).uri("http://front.example/");
                let request = request.body(super::full(sent.clone())).unwrap();
                let response = within(client.send_request(request)).await.unwrap();
                if response.status() == 200 && right(&sent, &text(response).await) {
                    good += 1;
                }
            }
            good
        });
    }
    callers.join_all().await.into_iter().sum()
}
