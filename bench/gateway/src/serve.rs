//! A hyper server on one thread: HTTP/1.1 on one port, HTTP/2 on the other.

use crate::ports::Ports;
use hyper::body::{Body, Incoming};
use hyper::rt::Executor;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::io;
use tokio::net::TcpListener;
use tokio::task::spawn_local;

/// Spawns on this thread.
#[derive(Clone, Copy)]
pub struct Here;

impl<F: Future + 'static> Executor<F> for Here
where
    F::Output: 'static,
{
    fn execute(&self, future: F) {
        spawn_local(future);
    }
}

/// Answers requests for ever.
pub async fn serve<H, F, B>(ports: Ports, handle: H) -> io::Result<()>
where
    H: Fn(Request<Incoming>) -> F + Clone + 'static,
    F: Future<Output = Result<Response<B>, Infallible>> + 'static,
    B: Body<Data: 'static, Error: std::error::Error + Send + Sync> + 'static,
{
    let first = TcpListener::bind(("127.0.0.1", ports.http1)).await?;
    let second = TcpListener::bind(("127.0.0.1", ports.http2)).await?;
    loop {
        let (accepted, is_first) = tokio::select! {
            accepted = first.accept() => (accepted, true),
            accepted = second.accept() => (accepted, false),
        };
        let (stream, _) = accepted?;
        stream.set_nodelay(true)?;
        let (stream, service) = (TokioIo::new(stream), service_fn(handle.clone()));
        // A connection that ends badly is the matter of the other side, which measures.
        if is_first {
            let connection = http1::Builder::new().serve_connection(stream, service);
            spawn_local(async { connection.await.is_ok() });
        } else {
            let connection = http2::Builder::new(Here).serve_connection(stream, service);
            spawn_local(async { connection.await.is_ok() });
        }
    }
}
