//! The bare hyper proxy: one thread, hyper at both ends, connections that are kept, bodies that are
//! streamed, and nothing else. What a gateway of this shape cannot do without.

use crate::ports::Ports;
use crate::serve::{Here, serve};
use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper::header::{CONNECTION, HOST, HeaderValue};
use hyper::{Request, Response, StatusCode, Uri, Version};
use hyper_util::rt::TokioIo;
use std::cell::RefCell;
use std::convert::Infallible;
use std::error::Error;
use std::io;
use std::rc::Rc;
use tokio::net::TcpStream;
use tokio::task::spawn_local;

type AnyBody = UnsyncBoxBody<Bytes, hyper::Error>;

/// Proxies for ever.
pub async fn run(ports: Ports, upstream: Ports) -> io::Result<()> {
    let proxy = Rc::new(Proxy {
        upstream,
        idle: RefCell::default(),
        shared: RefCell::default(),
        host: HeaderValue::from_static("upstream"),
    });
    serve(ports, move |request| {
        let proxy = proxy.clone();
        async move {
            let answered = proxy.forward(request).await;
            Ok::<_, Infallible>(answered.unwrap_or_else(|_| bad_gateway()))
        }
    })
    .await
}

struct Proxy {
    upstream: Ports,
    /// Connections of HTTP/1.1, some of which still have the body of an answer under way.
    idle: RefCell<Vec<http1::SendRequest<Incoming>>>,
    /// The one connection of HTTP/2.
    shared: RefCell<Option<http2::SendRequest<Incoming>>>,
    host: HeaderValue,
}

impl Proxy {
    async fn forward(
        &self,
        mut request: Request<Incoming>,
    ) -> Result<Response<AnyBody>, Box<dyn Error>> {
        request.headers_mut().remove(CONNECTION);
        let version = request.version();
        let mut response = if version == Version::HTTP_2 {
            let mut sender = self.second().await?;
            sender.send_request(request).await?
        } else {
            let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
            *request.uri_mut() = path.parse::<Uri>()?;
            request.headers_mut().insert(HOST, self.host.clone());
            let mut sender = self.first().await?;
            let response = sender.send_request(request).await?;
            self.idle.borrow_mut().push(sender);
            response
        };
        response.headers_mut().remove(CONNECTION);
        Ok(response.map(BodyExt::boxed_unsync))
    }

    /// A connection of HTTP/1.1 that is ready.
    async fn first(&self) -> Result<http1::SendRequest<Incoming>, Box<dyn Error>> {
        let kept = {
            let mut idle = self.idle.borrow_mut();
            idle.retain(|sender| !sender.is_closed());
            let ready = idle.iter().position(|sender| sender.is_ready());
            ready.map(|place| idle.swap_remove(place))
        };
        if let Some(sender) = kept {
            return Ok(sender);
        }
        let stream = connect(self.upstream.http1).await?;
        let (sender, connection) = http1::handshake(stream).await?;
        spawn_local(async { connection.await.is_ok() });
        Ok(sender)
    }

    async fn second(&self) -> Result<http2::SendRequest<Incoming>, Box<dyn Error>> {
        if let Some(sender) = &*self.shared.borrow() {
            return Ok(sender.clone());
        }
        let stream = connect(self.upstream.http2).await?;
        let (sender, connection) = http2::handshake(Here, stream).await?;
        spawn_local(async { connection.await.is_ok() });
        *self.shared.borrow_mut() = Some(sender.clone());
        Ok(sender)
    }
}

/// A connection to a port of this machine.
pub async fn connect(port: u16) -> io::Result<TokioIo<TcpStream>> {
    let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.set_nodelay(true)?;
    Ok(TokioIo::new(stream))
}

fn bad_gateway() -> Response<AnyBody> {
    let body = Empty::new().map_err(|never: Infallible| match never {}).boxed_unsync();
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::BAD_GATEWAY;
    response
}
