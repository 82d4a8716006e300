//! HTTP/1.1 connections to one endpoint: one request at a time each, reused the latest first.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::task::spawn_local;
use tokio::time::timeout;

use super::address::Address;
use super::body::UpstreamBody;
use super::connect::{ConnectError, connect};
use super::error::SendError;
use crate::body::RequestBody;
use crate::runtime::AbortOnDrop;

/// Idle connections kept per endpoint and core; the oldest is closed for the one too many.
const MAX_IDLE: usize = 256;

/// Sweeps that an idle connection outlives.
const IDLE_SWEEPS: u32 = 6;

/// Largest head of a response, in bytes.
const MAX_RESPONSE_HEAD: usize = 64 * 1024;

/// How long a connection whose response is over may still be busy with its request body before it
/// is closed.
const FINISH_UPLOAD: Duration = Duration::from_secs(60);

/// The connections of one endpoint.
#[derive(Debug)]
pub(super) struct Connections {
    address: Address,
    idle: RefCell<VecDeque<Idle>>,
    sweeps: Cell<u32>,
}

#[derive(Debug)]
struct Idle {
    connection: Connection,
    parked_at: u32,
}

/// A connection belongs to whoever holds this; dropping it closes the socket.
#[derive(Debug)]
struct Connection {
    sender: SendRequest<RequestBody>,
    _task: AbortOnDrop,
}

impl Connections {
    pub(super) fn new(address: Address) -> Rc<Self> {
        Rc::new(Self { address, idle: RefCell::default(), sweeps: Cell::new(0) })
    }

    pub(super) fn name(&self) -> &str {
        &self.address.name
    }

    pub(super) async fn send(
        self: &Rc<Self>,
        mut request: Request<RequestBody>,
    ) -> Result<Response<UpstreamBody>, SendError> {
        self.address.direct_http1(&mut request);
        frame_body(&mut request);
        loop {
            let kept = self.take_idle();
            let reused = kept.is_some();
            let mut connection = match kept {
                Some(connection) => connection,
                None => self.open().await?,
            };
            let mut failed = match connection.sender.try_send_request(request).await {
                Ok(response) => return self.answered(response, connection),
                Err(failed) => failed,
            };
            match failed.take_message() {
                // Closed while it was idle; each turn uses up one kept connection.
                Some(unsent) if reused => request = unsent,
                Some(_) => return Err(SendError::unsent(self.endpoint(), failed.into_error())),
                None => return Err(SendError::sent(self.endpoint(), failed.into_error(), false)),
            }
        }
    }

    /// Closes what has been idle for too long or was closed by the endpoint.
    pub(super) fn sweep(&self) {
        let now = self.sweeps.get().wrapping_add(1);
        self.sweeps.set(now);
        self.idle.borrow_mut().retain(|idle| {
            now.wrapping_sub(idle.parked_at) < IDLE_SWEEPS && !idle.connection.sender.is_closed()
        });
    }

    fn endpoint(&self) -> &Arc<str> {
        &self.address.name
    }

    fn take_idle(&self) -> Option<Connection> {
        let mut idle = self.idle.borrow_mut();
        while let Some(Idle { connection, .. }) = idle.pop_back() {
            if connection.sender.is_ready() {
                return Some(connection);
            }
        }
        None
    }

    fn park(&self, connection: Connection) {
        let mut idle = self.idle.borrow_mut();
        if idle.len() >= MAX_IDLE {
            idle.pop_front();
        }
        idle.push_back(Idle { connection, parked_at: self.sweeps.get() });
    }

    async fn open(&self) -> Result<Connection, SendError> {
        let failed = |error| SendError::connect(self.endpoint(), error);
        let stream = connect(&self.address).await.map_err(failed)?;
        let (sender, connection) = Builder::new()
            .max_header_size(MAX_RESPONSE_HEAD)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| failed(ConnectError::Handshake(Arc::new(error))))?;
        let endpoint = self.address.name.clone();
        let task = spawn_local(async move {
            if let Err(error) = connection.await {
                tracing::trace!(%endpoint, %error, "an upstream connection ended");
            }
        });
        Ok(Connection { sender, _task: AbortOnDrop::new(task) })
    }

    /// Checks what hyper lets pass, then hands out the body with its connection.
    fn answered(
        self: &Rc<Self>,
        response: Response<Incoming>,
        connection: Connection,
    ) -> Result<Response<UpstreamBody>, SendError> {
        let headers = response.headers();
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            let what = "it switched protocols without being asked";
            return Err(SendError::protocol(self.endpoint(), what));
        }
        // A body of known length has no coding.
        if response.body().size_hint().exact().is_none()
            && let Some(coding) = headers.get(TRANSFER_ENCODING)
        {
            if headers.contains_key(CONTENT_LENGTH) {
                let what = "it sent both Content-Length and Transfer-Encoding";
                return Err(SendError::protocol(self.endpoint(), what));
            }
            if !coding.as_bytes().eq_ignore_ascii_case(b"chunked") {
                let what = "it used a transfer coding other than chunked";
                return Err(SendError::protocol(self.endpoint(), what));
            }
        }
        let lease = Lease { connection, home: self.clone() };
        Ok(response.map(|incoming| UpstreamBody::http1(incoming, lease)))
    }
}

/// hyper leaves out the body of a GET or HEAD of unknown length unless it is told its framing.
fn frame_body(request: &mut Request<RequestBody>) {
    let unusual = matches!(*request.method(), Method::GET | Method::HEAD);
    let body = request.body();
    if unusual && !body.is_end_stream() && body.size_hint().exact().is_none() {
        let chunked = HeaderValue::from_static("chunked");
        request.headers_mut().insert(TRANSFER_ENCODING, chunked);
    }
}

/// A connection that is busy with a response, and where it goes afterwards.
#[derive(Debug)]
pub(super) struct Lease {
    connection: Connection,
    home: Rc<Connections>,
}

impl Lease {
    /// The response is over: the connection can be used again, now or when its request body is
    /// over as well.
    pub(super) fn release(self) {
        let Self { mut connection, home } = self;
        if connection.sender.is_ready() {
            home.park(connection);
        } else if !connection.sender.is_closed() {
            spawn_local(async move {
                if let Ok(Ok(())) = timeout(FINISH_UPLOAD, connection.sender.ready()).await {
                    home.park(connection);
                }
            });
        }
    }
}
