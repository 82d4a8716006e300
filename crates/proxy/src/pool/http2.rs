//! HTTP/2 to one endpoint: a single connection for all requests of this core, made anew when it
//! dies.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::watch;
use tokio::task::spawn_local;
use tokio::time::timeout;

use super::address::Address;
use super::body::UpstreamBody;
use super::connect::{ConnectError, connect};
use super::error::SendError;
use crate::body::RequestBody;
use crate::runtime::LocalExecutor;

/// A connection with requests in flight is asked for a sign of life this often.
const PING_INTERVAL: Duration = Duration::from_secs(20);

/// Without an answer to that for so long it is given up.
const PING_TIMEOUT: Duration = Duration::from_secs(10);

/// Bytes that one response may send ahead of its reader.
const STREAM_WINDOW: u32 = 1024 * 1024;

/// Bytes that all responses of a connection together may send ahead.
const CONNECTION_WINDOW: u32 = 4 * 1024 * 1024;

/// Largest header list of a response, in bytes.
const MAX_RESPONSE_HEAD: u32 = 64 * 1024;

/// The one connection of an endpoint.
#[derive(Debug)]
pub(super) struct SharedConnection {
    address: Address,
    state: RefCell<State>,
}

#[derive(Debug)]
enum State {
    Closed,
    Connecting(watch::Receiver<Option<Connected>>),
    Open(SendRequest<RequestBody>),
}

type Connected = Result<SendRequest<RequestBody>, ConnectError>;

impl SharedConnection {
    pub(super) fn new(address: Address) -> Rc<Self> {
        Rc::new(Self { address, state: RefCell::new(State::Closed) })
    }

    pub(super) fn name(&self) -> &str {
        &self.address.name
    }

    pub(super) async fn send(
        self: &Rc<Self>,
        mut request: Request<RequestBody>,
    ) -> Result<Response<UpstreamBody>, SendError> {
        self.address.direct_http2(&mut request);
        let body_failed = request.body_mut().failure_flag();
        let endpoint = &self.address.name;
        let mut replaced = false;
        loop {
            let mut sender = self
                .sender()
                .await
                .map_err(|error| SendError::connect(&self.address.name, error))?;
            let mut failed = match sender.try_send_request(request).await {
                Ok(response) => {
                    return Ok(response.map(|incoming| UpstreamBody::new(incoming, None)));
                }
                Err(failed) => failed,
            };
            match failed.take_message() {
                // The connection had died; once is enough to tell bad luck from a bad endpoint.
                Some(unsent) if !replaced => {
                    replaced = true;
                    self.forget_open();
                    request = unsent;
                }
                Some(_) => return Err(SendError::unsent(endpoint, failed.into_error())),
                None => {
                    let failed_body = body_failed.is_some_and(|flag| flag.get());
                    return Err(SendError::sent(endpoint, failed.into_error(), failed_body));
                }
            }
        }
    }

    /// The sender of the open connection, after waiting for it where it is being made.
    async fn sender(self: &Rc<Self>) -> Connected {
        let mut connecting = match &mut *self.state.borrow_mut() {
            State::Open(sender) if !sender.is_closed() => return Ok(sender.clone()),
            State::Connecting(connecting) => connecting.clone(),
            state => {
                let connecting = self.start_connecting();
                *state = State::Connecting(connecting.clone());
                connecting
            }
        };
        let connected = match connecting.wait_for(Option::is_some).await {
            Ok(connected) => connected.clone(),
            Err(_) => None,
        };
        // The task says its result before it ends, unless the whole core is going down.
        connected.unwrap_or(Err(ConnectError::Timeout(self.address.connect_timeout)))
    }

    /// Connects in a task of its own: whoever asked first may go away, the others still wait.
    fn start_connecting(self: &Rc<Self>) -> watch::Receiver<Option<Connected>> {
        let (said, connecting) = watch::channel(None);
        let this = self.clone();
        spawn_local(async move {
            let connected = this.connect().await;
            *this.state.borrow_mut() = match &connected {
                Ok(sender) => State::Open(sender.clone()),
                Err(_) => State::Closed,
            };
            // Nobody listens when all who waited have gone.
            let _ = said.send(Some(connected));
        });
        connecting
    }

    async fn connect(&self) -> Connected {
        let stream = connect(&self.address).await?;
        let mut builder = Builder::new(LocalExecutor);
        builder
            .timer(TokioTimer::new())
            .keep_alive_interval(PING_INTERVAL)
            .keep_alive_timeout(PING_TIMEOUT)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(MAX_RESPONSE_HEAD);
        let limit = self.address.connect_timeout;
        let (sender, connection) =
            match timeout(limit, builder.handshake(TokioIo::new(stream))).await {
                Ok(Ok(connected)) => connected,
                Ok(Err(error)) => return Err(ConnectError::Handshake(Arc::new(error))),
                Err(_) => return Err(ConnectError::Timeout(limit)),
            };
        let endpoint = self.address.name.clone();
        spawn_local(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%endpoint, %error, "an upstream connection ended");
            }
        });
        Ok(sender)
    }

    fn forget_open(&self) {
        let mut state = self.state.borrow_mut();
        if matches!(*state, State::Open(_)) {
            *state = State::Closed;
        }
    }
}
