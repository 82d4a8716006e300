//! What the tests share: a gateway, upstreams and clients, all over real sockets on loopback.

pub(crate) mod client;
pub(crate) mod frames;
pub(crate) mod http2;
pub(crate) mod moody;
pub(crate) mod protected;
pub(crate) mod raw;
pub(crate) mod upstream;

use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use breakerbox_proxy::config::{
    Admin, Config, Endpoint, Listener, PathMatch, Protocol, Route, Upstream,
};
use breakerbox_proxy::server::limits::Limits;
use breakerbox_proxy::server::{Options, Running, Server};
use bytes::Bytes;
use http_body::{Body, Frame};
use tokio::sync::mpsc;

/// Nothing in a test takes longer than this.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Awaits, but not for ever.
pub(crate) async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future).await.expect("the test hangs")
}

/// A configuration with one listener and one upstream, ready to be changed.
pub(crate) fn config(protocol: Protocol, endpoints: &[SocketAddr]) -> Config {
    let listener = Listener {
        listen: "127.0.0.1:0".parse().unwrap(),
        trust: false,
        routes: vec![Route {
            host: None,
            matcher: PathMatch::Prefix("/".to_owned()),
            rewrite: None,
            upstream: "posts".to_owned(),
        }],
    };
    let upstream = Upstream {
        endpoints: endpoints
            .iter()
            .map(|address| Endpoint { host: address.ip().to_string(), port: address.port() })
            .collect(),
        protocol,
        connect_timeout: Duration::from_secs(5),
        idle_timeout: Duration::from_secs(60),
        policy: Default::default(),
    };
    Config {
        admin: Some(Admin { listen: "127.0.0.1:0".parse().unwrap() }),
        state_file: None,
        listeners: vec![listener],
        upstreams: BTreeMap::from([("posts".to_owned(), upstream)]),
    }
}

/// A gateway on one core, so that its connections can be counted.
pub(crate) fn start(config: Config) -> Running {
    start_with(config, Limits::default())
}

pub(crate) fn start_with(config: Config, limits: Limits) -> Running {
    let options = Options { cores: NonZeroUsize::MIN, limits };
    Server::start_with(config, options).expect("the gateway starts")
}

/// A gateway in front of one HTTP/1 upstream, and its address.
pub(crate) fn gateway(upstream: SocketAddr) -> (Running, SocketAddr) {
    let running = start(config(Protocol::Http1, &[upstream]));
    let address = running.addresses()[0];
    (running, address)
}

/// A body that is sent piece by piece.
pub(crate) struct ChannelBody(mpsc::Receiver<Result<Frame<Bytes>, std::io::Error>>);

/// Its other end; dropping it ends the body.
#[derive(Clone)]
pub(crate) struct BodySender(mpsc::Sender<Result<Frame<Bytes>, std::io::Error>>);

impl ChannelBody {
    pub(crate) fn new() -> (BodySender, Self) {
        let (sender, receiver) = mpsc::channel(1);
        (BodySender(sender), Self(receiver))
    }
}

impl BodySender {
    /// Sends a piece; false when nobody takes it any more.
    pub(crate) async fn data(&self, data: impl Into<Bytes>) -> bool {
        self.0.send(Ok(Frame::data(data.into()))).await.is_ok()
    }

    pub(crate) async fn trailers(&self, trailers: http::HeaderMap) {
        let _ = self.0.send(Ok(Frame::trailers(trailers))).await;
    }

    /// Breaks the body off.
    pub(crate) async fn fail(&self) {
        let _ = self.0.send(Err(std::io::Error::other("on purpose"))).await;
    }

    /// Waits until the body is dropped at the other end.
    pub(crate) async fn gone(&self) {
        self.0.closed().await;
    }
}

impl Body for ChannelBody {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        self.0.poll_recv(cx)
    }
}

/// Any body, for upstreams and clients.
pub(crate) type AnyBody = http_body_util::combinators::BoxBody<Bytes, std::io::Error>;

pub(crate) fn full(bytes: impl Into<Bytes>) -> AnyBody {
    use http_body_util::BodyExt as _;
    http_body_util::Full::new(bytes.into()).map_err(|never| match never {}).boxed()
}

pub(crate) fn empty() -> AnyBody {
    full(Bytes::new())
}

pub(crate) fn channel() -> (BodySender, AnyBody) {
    use http_body_util::BodyExt as _;
    let (sender, body) = ChannelBody::new();
    (sender, body.boxed())
}

/// A body that comes in these pieces, each after a pause but the first.
pub(crate) fn slowly<I>(pieces: I, pause: Duration) -> AnyBody
where
    I: IntoIterator<Item: Into<Bytes> + Send + 'static, IntoIter: Send + 'static>,
{
    let (sender, body) = channel();
    let pieces = pieces.into_iter();
    tokio::spawn(async move {
        for piece in pieces {
            sender.data(piece).await;
            tokio::time::sleep(pause).await;
        }
    });
    body
}

/// A sum that changes when bytes are lost, doubled or swapped (FNV-1a, 64 bits).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Checksum {
    sum: u64,
    length: u64,
}

impl Checksum {
    pub(crate) fn new() -> Self {
        Self { sum: 0xcbf2_9ce4_8422_2325, length: 0 }
    }

    pub(crate) fn add(&mut self, bytes: &[u8]) {
        self.length += bytes.len() as u64;
        for byte in bytes {
            self.sum = (self.sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

/// The `number`-th piece of a large body.
pub(crate) fn piece(number: u32, size: usize) -> Bytes {
    let mut state = number.wrapping_mul(0x9e37_79b9) | 1;
    let mut piece = Vec::with_capacity(size);
    while piece.len() < size {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        piece.extend_from_slice(&state.to_le_bytes());
    }
    piece.truncate(size);
    piece.into()
}
