//! One request to a service, as often as it has to be sent.

use super::headers::{
    BREAKERBOX_ATTEMPT, GRPC_TIMEOUT, grpc_timeout, tell_time_left, to_grpc_timeout,
};
use super::outcome;
use super::replay::{Replay, ReplayBody};
use crate::pipeline::Operation;
use crate::tower::{Attempt, release};
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request};
use http_body::Body;
use std::time::Duration;
use tower_service::Service;

/// What the body of a request is made into for the service that sends it.
///
/// [`AsItIs`] is for services that take any body; those of reqwest and tonic take their own.
///
/// ```
/// use breakerbox::http::{Replay, ReplayBody, ReplayError, SendBody};
/// use bytes::Bytes;
/// use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
///
/// /// For a client that takes boxed bodies.
/// #[derive(Clone)]
/// struct Boxed;
///
/// impl SendBody<Full<Bytes>> for Boxed {
///     type Body = UnsyncBoxBody<Bytes, ReplayError>;
///
///     fn send(&self, body: ReplayBody<Full<Bytes>>) -> Self::Body {
///         body.boxed_unsync()
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let body = Boxed.send(Replay::new(Full::from("a post"), 1024).body());
/// assert_eq!(body.collect().await.unwrap().to_bytes(), "a post");
/// # }
/// ```
pub trait SendBody<B> {
    /// What the service takes.
    type Body;

    /// The same as that.
    fn send(&self, body: ReplayBody<B>) -> Self::Body;
}

/// The service takes bodies as they are.
///
/// ```
/// use breakerbox::http::{AsItIs, Replay, SendBody};
/// use http_body::Body;
///
/// let body = AsItIs.send(Replay::new(String::from("a post"), 1024).body());
/// assert_eq!(body.size_hint().exact(), Some(6));
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct AsItIs;

impl<B> SendBody<B> for AsItIs {
    type Body = ReplayBody<B>;

    fn send(&self, body: ReplayBody<B>) -> ReplayBody<B> {
        body
    }
}

/// One request, once or several times.
pub(super) struct Sending<S, B, W> {
    service: S,
    request: Outgoing<B>,
    send: W,
    /// Running it twice does no harm.
    repeatable: bool,
    hedgeable: bool,
    /// Whether the other side is told how much time is left, and which attempt it is.
    tells: bool,
    /// The service is ready, and nobody has used that yet.
    ready: bool,
}

enum Outgoing<B> {
    /// There will be one attempt.
    Once(Option<Request<B>>),
    Again {
        head: Parts,
        body: Replay<B>,
    },
}

impl<S, B: Body<Data = Bytes> + Unpin, W> Sending<S, B, W> {
    /// `keep`: so much of the body, if there may be more than one attempt.
    pub(super) fn new(
        service: S,
        request: Request<B>,
        send: W,
        keep: Option<usize>,
        repeatable: bool,
        tells: bool,
    ) -> Self {
        let Some(limit) = keep else {
            let request = Outgoing::Once(Some(request));
            let (repeatable, hedgeable) = (false, false);
            return Self { service, request, send, repeatable, hedgeable, tells, ready: true };
        };
        let (head, body) = request.into_parts();
        let body = Replay::new(body, limit);
        let hedgeable = repeatable && is_hedgeable(&head.method, body.is_empty());
        let request = Outgoing::Again { head, body };
        Self { service, request, send, repeatable, hedgeable, tells, ready: true }
    }

    fn next(&mut self) -> Request<ReplayBody<B>> {
        match &mut self.request {
            Outgoing::Once(request) => {
                let request = request.take();
                let request =
                    request.expect("the machine repeats nothing that it was told not to repeat");
                request.map(ReplayBody::direct)
            }
            Outgoing::Again { head, body } => Request::from_parts(head.clone(), body.body()),
        }
    }
}

impl<S, B, W> Operation for Sending<S, B, W>
where
    B: Body<Data = Bytes> + Unpin,
    W: SendBody<B>,
    S: Service<Request<W::Body>> + Clone,
{
    type Value = S::Response;
    type Error = S::Error;
    type Future = Attempt<S, Request<W::Body>>;

    fn repeatable(&self) -> bool {
        self.repeatable
    }

    fn hedgeable(&self) -> bool {
        self.hedgeable
    }

    fn can_start(&self) -> bool {
        match &self.request {
            Outgoing::Once(request) => request.is_some(),
            Outgoing::Again { body, .. } => body.is_kept(),
        }
    }

    fn start(&mut self, number: u32, left: impl FnOnce() -> Option<Duration>) -> Self::Future {
        let mut request = self.next();
        if self.tells {
            tell(request.headers_mut(), number, left());
        }
        let request = request.map(|body| self.send.send(body));
        Attempt::new(&mut self.service, request, std::mem::replace(&mut self.ready, false))
    }

    fn release(&mut self) {
        release(&mut self.service, &mut self.ready);
    }

    fn waits(attempt: &Self::Future) -> bool {
        attempt.waits()
    }
}

/// Tells the other side how much time is left, and which attempt it is.
pub(super) fn tell(headers: &mut HeaderMap, number: u32, left: Option<Duration>) {
    if let Some(left) = left {
        tell_time_left(headers, left);
        if outcome::is_grpc(headers)
            && grpc_timeout(headers).is_none()
            && let Ok(value) = HeaderValue::try_from(to_grpc_timeout(left))
        {
            headers.insert(GRPC_TIMEOUT, value);
        }
    }
    if number > 1 {
        headers.insert(BREAKERBOX_ATTEMPT, HeaderValue::from(number));
    }
}

/// Whether a request may be sent twice at the same time. A body is read once, so two attempts cannot both have
/// it.
pub(super) fn is_hedgeable(method: &Method, without_body: bool) -> bool {
    method.is_safe() && without_body
}
