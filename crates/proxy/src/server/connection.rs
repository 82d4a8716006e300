//! One client connection: which protocol it speaks, and serving it until it ends.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

use super::activity::Activity;
use super::heads::Heads;
use super::limits::{
    CONNECTION_WINDOW, MAX_CONCURRENT_STREAMS, MAX_ERROR_RESETS, MAX_HEAD_BYTES,
    MAX_PENDING_RESETS, PING_INTERVAL, PING_TIMEOUT, STREAM_WINDOW,
};
use super::tracked::Tracked;
use super::watched::Watched;
use crate::body::ResponseBody;
use crate::headers::Peer;
use crate::runtime::{StreamExecutor, own_stream};

/// What a client sends first when it speaks HTTP/2 without having asked.
const HTTP2_PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What answers the requests of a listener.
pub(super) trait Handler: 'static {
    /// Answers one request; see [`Front::handle`](crate::gateway::Front::handle).
    fn handle(
        &self,
        request: Request<Incoming>,
        peer: &Peer,
        two_lengths: bool,
    ) -> impl Future<Output = Response<ResponseBody>>;

    /// What came is no HTTP/1, or its head is too large; hyper has answered that.
    fn unreadable(&self, _too_large: bool) {}
}

/// hyper's servers with our bounds set, made once per core.
#[derive(Debug)]
pub(super) struct Protocols {
    http1: http1::Builder,
    http2: http2::Builder<StreamExecutor>,
}

impl Protocols {
    pub(super) fn new() -> Self {
        let mut http1 = http1::Builder::new();
        http1
            // The clock of all connections keeps this bound, and the one between requests, which
            // hyper does not tell apart.
            .header_read_timeout(None)
            .max_header_size(MAX_HEAD_BYTES);
        let mut http2 = http2::Builder::new(StreamExecutor);
        http2
            .timer(TokioTimer::new())
            .keep_alive_interval(PING_INTERVAL)
            .keep_alive_timeout(PING_TIMEOUT)
            .max_concurrent_streams(MAX_CONCURRENT_STREAMS)
            .max_pending_accept_reset_streams(MAX_PENDING_RESETS)
            .max_local_error_reset_streams(MAX_ERROR_RESETS)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(MAX_HEAD_BYTES as u32);
        Self { http1, http2 }
    }
}

/// Serves a connection until the client closes it, its time is over or draining has ended it.
pub(super) async fn serve<H: Handler>(
    stream: TcpStream,
    peer: Peer,
    handler: Rc<H>,
    protocols: Rc<Protocols>,
    activity: Rc<Activity>,
) {
    // A connection without it works as well, only slower.
    let _ = stream.set_nodelay(true);
    let mut socket = Watched::new(stream, activity.clone());
    let detected = until_over(&activity, detect_http2(&mut socket)).await;
    let Some(Ok(is_http2)) = detected else { return };
    let heads = (!is_http2).then(|| socket.follow_heads());
    let unread = Rc::clone(&handler);
    let session = Rc::new(Session { handler, peer, activity: activity.clone(), heads });
    let io = TokioIo::new(socket);
    let ended = if is_http2 {
        activity.idle();
        // The future of a request is large, and a task for each stream moves it about eight times: what
        // is moved is its box.
        let service = service_fn(move |request| {
            let session = session.clone();
            Box::pin(async move { Ok::<_, Infallible>(session.answer(request).await) })
        });
        let connection = protocols.http2.serve_connection(io, service);
        drive(&activity, connection, true, |connection| connection.graceful_shutdown()).await
    } else {
        let service = service_fn(move |request| {
            let session = session.clone();
            async move { Ok::<_, Infallible>(session.answer(request).await) }
        });
        let connection = protocols.http1.serve_connection(io, service);
        drive(&activity, connection, false, |connection| connection.graceful_shutdown()).await
    };
    if let Err(error) = ended {
        if error.is_parse() {
            unread.unreadable(error.is_parse_too_large());
        }
        tracing::debug!(%error, "a client connection ended early");
    }
}

/// Reads the first bytes, only as many as it takes to tell, and puts them back.
async fn detect_http2(socket: &mut Watched) -> io::Result<bool> {
    let mut first = [0; HTTP2_PREFACE.len()];
    let mut read = 0;
    while read < first.len() && first[..read] == HTTP2_PREFACE[..read] {
        match socket.read(&mut first[read..]).await? {
            0 => break,
            count => read += count,
        }
    }
    socket.read_again(Bytes::copy_from_slice(&first[..read]));
    Ok(first == *HTTP2_PREFACE)
}

/// Runs a future until the connection's time is over or draining begins.
async fn until_over<F: Future>(activity: &Activity, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    poll_fn(|cx| {
        activity.attach(cx.waker());
        if activity.expired() || activity.draining() {
            return Poll::Ready(None);
        }
        future.as_mut().poll(cx).map(Some)
    })
    .await
}

/// Runs a connection to its end. When draining begins `finish` tells it to take no more requests.
/// When its time is over it is cut; one that can say goodbye is told to do so first, and cut when
/// its time is over once more.
async fn drive<C>(
    activity: &Activity,
    connection: C,
    says_goodbye: bool,
    finish: impl Fn(Pin<&mut C>),
) -> hyper::Result<()>
where
    C: Future<Output = hyper::Result<()>>,
{
    let mut connection = pin!(connection);
    let mut finishing = false;
    poll_fn(|cx| {
        activity.attach(cx.waker());
        if activity.expired() {
            if finishing || !says_goodbye {
                return Poll::Ready(Ok(()));
            }
            activity.renew();
            finishing = true;
            finish(connection.as_mut());
        } else if !finishing && activity.draining() {
            finishing = true;
            finish(connection.as_mut());
        }
        let polled = connection.as_mut().poll(cx);
        activity.had_turn();
        polled
    })
    .await
}

/// What all requests of a connection have in common.
struct Session<H> {
    handler: Rc<H>,
    peer: Peer,
    activity: Rc<Activity>,
    heads: Option<Rc<Heads>>,
}

impl<H: Handler> Session<H> {
    async fn answer(&self, request: Request<Incoming>) -> Response<Tracked> {
        let two_lengths = self.heads.as_ref().is_some_and(|heads| heads.take_two_lengths(&request));
        let mut in_flight = self.activity.request_began();
        let response = self.handler.handle(request, &self.peer, two_lengths).await;
        // A client that does not read keeps hyper from asking the body, which has an eye on its
        // deadline only while it is asked. Over HTTP/2 it can do so by its window alone.
        let http2 = self.heads.is_none();
        let stream = if http2 { own_stream() } else { None };
        in_flight.answer_began(response.body().deadline(), stream);
        response.map(|body| Tracked::new(body, in_flight, http2))
    }
}
