//! Upstreams: hyper servers with an answer for every request, or scripts over a raw socket.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use super::AnyBody;

/// A server that counts what comes in.
#[derive(Clone)]
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    accepted: AtomicUsize,
    open: AtomicUsize,
    requests: AtomicUsize,
    closed: Notify,
}

impl Upstream {
    /// Connections accepted so far.
    pub(crate) fn connections(&self) -> usize {
        self.counts.accepted.load(Ordering::SeqCst)
    }

    pub(crate) fn requests(&self) -> usize {
        self.counts.requests.load(Ordering::SeqCst)
    }

    /// Waits until no connection is open.
    pub(crate) async fn all_closed(&self) {
        loop {
            let closed = self.counts.closed.notified();
            if self.counts.open.load(Ordering::SeqCst) == 0 {
                return;
            }
            closed.await;
        }
    }

    pub(crate) async fn http1<F, R>(answer: F) -> Self
    where
        F: Fn(Request<Incoming>) -> R + Clone + Send + Sync + 'static,
        R: Future<Output = Response<AnyBody>> + Send + 'static,
    {
        Self::script(move |stream, counts| {
            let answer = answer.clone();
            async move {
                let service = service_fn(move |request| {
                    counts();
                    let response = answer(request);
                    async move { Ok::<_, Infallible>(response.await) }
                });
                let server = hyper::server::conn::http1::Builder::new();
                let _ = server.serve_connection(TokioIo::new(stream), service).await;
            }
        })
        .await
    }

    pub(crate) async fn http2<F, R>(answer: F) -> Self
    where
        F: Fn(Request<Incoming>) -> R + Clone + Send + Sync + 'static,
        R: Future<Output = Response<AnyBody>> + Send + 'static,
    {
        Self::script(move |stream, counts| {
            let answer = answer.clone();
            async move {
                let service = service_fn(move |request| {
                    counts();
                    let response = answer(request);
                    async move { Ok::<_, Infallible>(response.await) }
                });
                let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                let _ = server.serve_connection(TokioIo::new(stream), service).await;
            }
        })
        .await
    }

    /// Does as it is told with every connection; the second argument counts a request.
    pub(crate) async fn script<F, R>(serve: F) -> Self
    where
        F: Fn(TcpStream, Arc<dyn Fn() + Send + Sync>) -> R + Clone + Send + Sync + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let counts = Arc::new(Counts::default());
        let upstream = Self { address, counts: counts.clone() };
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                counts.accepted.fetch_add(1, Ordering::SeqCst);
                counts.open.fetch_add(1, Ordering::SeqCst);
                let (all, serve) = (counts.clone(), serve.clone());
                tokio::spawn(async move {
                    let requests = all.clone();
                    let count: Arc<dyn Fn() + Send + Sync> = Arc::new(move || {
                        requests.requests.fetch_add(1, Ordering::SeqCst);
                    });
                    serve(stream, count).await;
                    all.open.fetch_sub(1, Ordering::SeqCst);
                    all.closed.notify_waiters();
                });
            }
        });
        upstream
    }
}
