//! HTTP/2 to one endpoint: a single connection for all requests of this core, made anew when it
//! dies or when the endpoint says goodbye.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::client::conn::TrySendError;
use hyper::client::conn::http2::Builder;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::watch;
use tokio::task::spawn_local;
use tokio::time::timeout;

use super::address::Address;
use super::body::UpstreamBody;
use super::connect::{ConnectError, connect};
use super::error::{Lost, SendError};
use super::link::Link;
use super::rewind::{Rewind, StreamBody};
use super::room::Place;
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

/// An answer that was given up may still come in pieces for so long, and of so many it is remembered that
/// they were.
const GIVEN_UP_TIME: Duration = Duration::from_secs(10);
const GIVEN_UP: usize = 1_000;

/// So many frames of answers that are not remembered any more a connection may bring in its whole life: each
/// is answered with a reset, which waits in memory until it is sent. With h2's own bound, 1,024, some dozens
/// of large answers given up at once would end the connection for all others.
const FORGOTTEN_FRAMES: usize = 65_536;

/// Largest header list of a response, in bytes.
const MAX_RESPONSE_HEAD: u32 = 64 * 1024;

/// How often a request is sent anew because the endpoint said goodbye before working on it. Each
/// time it shares the new connection with all the others, so only an endpoint that ends every
/// connection after a few requests makes one go round so often.
const MAX_RESENDS: u32 = 10;

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
    Open(Link),
}

type Connected = Result<Link, ConnectError>;

impl SharedConnection {
    pub(super) fn new(address: Address) -> Rc<Self> {
        Rc::new(Self { address, state: RefCell::new(State::Closed) })
    }

    pub(super) fn name(&self) -> &str {
        &self.address.name
    }

    /// Sends a request, and once more where it has certainly not been worked on: an endpoint may end
    /// a connection at any time, and all that it has not taken on by then belongs on the next one.
    pub(super) async fn send(
        self: &Rc<Self>,
        mut request: Request<RequestBody>,
    ) -> Result<Response<UpstreamBody>, SendError> {
        self.address.direct_http2(&mut request);
        let (head, body) = request.into_parts();
        let body = Rewind::new(body);
        let body_failed = body.failure_flag();
        let endpoint = &self.address.name;
        let (mut resent, mut replaced) = (0, false);
        loop {
            let (mut link, place) =
                self.place().await.map_err(|error| SendError::connect(endpoint, error))?;
            let request = Request::from_parts(head.clone(), body.body());
            let failed = match link.sender.try_send_request(request).await {
                Ok(response) => {
                    return Ok(response.map(|incoming| UpstreamBody::http2(incoming, place)));
                }
                Err(failed) => failed,
            };
            let body_failed = body_failed.as_ref().is_some_and(|flag| flag.get());
            let (lost, goodbye) = self.look_into(&failed, &link).await;
            let again = match lost {
                // The connection had died; once is enough to tell bad luck from a bad endpoint.
                Lost::Unsent if !goodbye => !std::mem::replace(&mut replaced, true),
                Lost::Unsent | Lost::Refused => goodbye,
                Lost::Unknown => goodbye && head.method.is_idempotent(),
                Lost::Failed => false,
            };
            if again && resent < MAX_RESENDS && body.is_whole() && !body_failed {
                resent += 1;
                continue;
            }
            let error = failed.into_error();
            return Err(SendError::lost(endpoint, error, lost, goodbye, body_failed));
        }
    }

    /// What has become of a request, and whether that is because the endpoint said goodbye. The
    /// connection is used no more if it did, or if it is dead.
    async fn look_into(
        &self,
        failed: &TrySendError<Request<StreamBody>>,
        link: &Link,
    ) -> (Lost, bool) {
        let lost = match failed.message() {
            Some(_) => Lost::Unsent,
            None => Lost::of(failed.error()),
        };
        let goodbye = lost != Lost::Failed && link.said_goodbye().await;
        if goodbye || lost == Lost::Unsent {
            self.retire(link);
        }
        (lost, goodbye)
    }

    /// The open connection and a place on it, after waiting for both.
    async fn place(self: &Rc<Self>) -> Result<(Link, Place), ConnectError> {
        loop {
            let link = self.link().await?;
            match link.place().await {
                Some(place) => return Ok((link, place)),
                None => self.retire(&link),
            }
        }
    }

    /// The open connection, after waiting for it where it is being made.
    async fn link(self: &Rc<Self>) -> Connected {
        let mut connecting = match &mut *self.state.borrow_mut() {
            State::Open(link) if link.is_open() => return Ok(link.clone()),
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
                Ok(link) => State::Open(link.clone()),
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
            .max_header_list_size(MAX_RESPONSE_HEAD)
            .reset_stream_duration(GIVEN_UP_TIME)
            .max_concurrent_reset_streams(GIVEN_UP)
            .max_local_error_reset_streams(FORGOTTEN_FRAMES);
        let limit = self.address.connect_timeout;
        let (sender, connection) =
            match timeout(limit, builder.handshake(TokioIo::new(stream))).await {
                Ok(Ok(connected)) => connected,
                Ok(Err(error)) => return Err(ConnectError::Handshake(Arc::new(error))),
                Err(_) => return Err(ConnectError::Timeout(limit)),
            };
        Ok(Link::new(sender, connection, self.address.name.clone()))
    }

    /// Gives no further request to this connection; what is under way on it goes on.
    fn retire(&self, link: &Link) {
        let mut state = self.state.borrow_mut();
        if matches!(&*state, State::Open(open) if open.is(link)) {
            *state = State::Closed;
        }
    }
}
