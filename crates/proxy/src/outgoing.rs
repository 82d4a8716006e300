//! A request on its way to an upstream, as often as it has to be sent.

use std::time::Duration;

use breakerbox::config::Policy;
use breakerbox::core::pipeline::Start;
use breakerbox::core::retry::DEFAULT_KEPT_BODY;
use http::header::HOST;
use http::request::Parts;
use http::{HeaderMap, Method, Request, Uri};
use http_body::Body as _;
use hyper::body::Incoming;

use crate::body::{Kept, RequestBody, Waited};
use crate::headers::Peer;
use crate::policies::Policies;
use crate::start::start;

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
        body: Option<Kept>,
    },
}

impl Outgoing {
    /// The request of a client, to be sent to an upstream with this policy.
    pub(crate) fn new(request: Request<Incoming>, idle_timeout: Duration, policy: &Policy) -> Self {
        let other = policy.fallback.as_ref().is_some_and(|fallback| fallback.upstream.is_some());
        if policy.retry.is_none() && policy.hedge.is_none() && !other {
            let version = request.version();
            let request = request.map(|body| RequestBody::from_client(body, version, idle_timeout));
            return Self::Once(Some(request));
        }
        let max_body = policy.retry.as_ref().map_or(DEFAULT_KEPT_BODY, |retry| retry.max_body);
        let (Parts { method, uri, headers, version, .. }, body) = request.into_parts();
        let body = (!body.is_end_stream())
            .then(|| Kept::new(Waited::new(body, version, idle_timeout), max_body));
        Self::Again { method, uri, headers, body }
    }

    /// What the machine of another upstream is to know of it; `None` if it cannot be sent again.
    pub(crate) fn start(&self, peer: &Peer, policies: &Policies) -> Option<Start> {
        let Self::Again { method, uri, headers, body } = self else { return None };
        let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let start = start(method, uri, headers, host, peer, body.is_some(), policies);
        // What it would look for is the other one's to keep.
        Some(Start { lookup: false, ..start })
    }

    /// The request for the next attempt; `None` if it was for one only and that has been made.
    pub(crate) fn next(&mut self) -> Option<Request<RequestBody>> {
        match self {
            Self::Once(request) => request.take(),
            Self::Again { method, uri, headers, body } => {
                let body = body
                    .as_ref()
                    .map_or_else(RequestBody::empty, |kept| RequestBody::kept(kept.body()));
                let mut request = Request::new(body);
                *request.method_mut() = method.clone();
                *request.uri_mut() = uri.clone();
                *request.headers_mut() = headers.clone();
                Some(request)
            }
        }
    }

    /// Its method, while there may be another attempt.
    pub(crate) fn method(&self) -> Option<&Method> {
        match self {
            Self::Once(_) => None,
            Self::Again { method, .. } => Some(method),
        }
    }

    /// Whether there may be more than one attempt.
    pub(crate) fn is_for_more(&self) -> bool {
        matches!(self, Self::Again { .. })
    }

    /// Whether it can be sent once more.
    pub(crate) fn is_kept(&self) -> bool {
        match self {
            Self::Once(_) => false,
            Self::Again { body, .. } => body.as_ref().is_none_or(Kept::is_kept),
        }
    }
}
