//! A request on its way to an upstream, as often as it has to be sent.

use std::time::Duration;

use breakerbox::config::Retry;
use http::request::Parts;
use http::{HeaderMap, Method, Request, Uri};
use http_body::Body as _;
use hyper::body::Incoming;

use crate::body::{Replay, RequestBody};

/// A request for one attempt after the other.
#[derive(Debug)]
pub(crate) enum Outgoing {
    /// There will be one attempt.
    Once(Option<Request<RequestBody>>),
    /// There may be more: what each one begins with.
    Again {
        method: Method,
        uri: Uri,
        headers: HeaderMap,
        /// `None`: there is no body.
        body: Option<Replay>,
    },
}

impl Outgoing {
    /// The request of a client, to be sent to an upstream with this retry policy.
    pub(crate) fn new(
        request: Request<Incoming>,
        idle_timeout: Duration,
        retry: Option<&Retry>,
    ) -> Self {
        let Some(retry) = retry else {
            let request = request.map(|body| RequestBody::from_client(body, idle_timeout));
            return Self::Once(Some(request));
        };
        let (Parts { method, uri, headers, .. }, body) = request.into_parts();
        let body = (!body.is_end_stream()).then(|| Replay::new(body, idle_timeout, retry.max_body));
        Self::Again { method, uri, headers, body }
    }

    /// The request for the next attempt; `None` if it was for one only and that has been made.
    pub(crate) fn next(&mut self) -> Option<Request<RequestBody>> {
        match self {
            Self::Once(request) => request.take(),
            Self::Again { method, uri, headers, body } => {
                let body = body.as_ref().map_or_else(RequestBody::empty, Replay::body);
                let mut request = Request::new(body);
                *request.method_mut() = method.clone();
                *request.uri_mut() = uri.clone();
                *request.headers_mut() = headers.clone();
                Some(request)
            }
        }
    }

    /// Whether it can be sent once more.
    pub(crate) fn is_kept(&self) -> bool {
        match self {
            Self::Once(_) => false,
            Self::Again { body, .. } => body.as_ref().is_none_or(Replay::is_kept),
        }
    }
}
