//! Why a request got no response.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;

use super::connect::ConnectError;
use crate::body::RequestBodyError;

/// A request that got no response from an endpoint, and how far it came.
#[derive(Debug)]
pub struct SendError {
    kind: SendErrorKind,
    endpoint: Arc<str>,
    never_sent: bool,
    goodbye: bool,
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// What went wrong, as retries and breakers tell failures apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SendErrorKind {
    /// No connection: the name could not be resolved, the port refused, or nobody answered within
    /// the connect timeout.
    Connect,
    /// HTTP/2 only: the endpoint refused the stream, or said goodbye, before working on it.
    RefusedStream,
    /// The connection was closed, or the stream reset, before the response headers.
    Reset,
    /// What came back is no valid HTTP.
    Protocol,
    /// The client's own body failed; the endpoint is not to blame.
    ClientBody,
}

/// How far a request over HTTP/2 came before it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lost {
    /// It was not even begun.
    Unsent,
    /// The endpoint has refused its stream, or has said goodbye before it.
    Refused,
    /// The connection ended while the request waited for its turn; some of it may have been sent.
    Unknown,
    /// The stream has failed, or the client's body.
    Failed,
}

impl Lost {
    pub(super) fn of(error: &hyper::Error) -> Self {
        match find::<h2::Error>(error).map(classify_http2) {
            Some(SendErrorKind::RefusedStream) => Self::Refused,
            Some(_) => Self::Failed,
            // hyper has dropped the request together with the connection.
            None if error.is_user() => Self::Unknown,
            None => Self::Failed,
        }
    }
}

impl SendErrorKind {
    /// The name in headers and metrics: `refused_stream`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::RefusedStream => "refused_stream",
            Self::Reset => "reset",
            Self::Protocol => "protocol",
            Self::ClientBody => "client_body",
        }
    }
}

impl SendError {
    fn new(
        endpoint: &Arc<str>,
        kind: SendErrorKind,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        let (endpoint, source) = (endpoint.clone(), Some(source.into()));
        Self { kind, endpoint, never_sent: false, goodbye: false, source }
    }

    pub(super) fn connect(endpoint: &Arc<str>, source: ConnectError) -> Self {
        Self { never_sent: true, ..Self::new(endpoint, SendErrorKind::Connect, source) }
    }

    pub(super) fn protocol(endpoint: &Arc<str>, what: &'static str) -> Self {
        Self::new(endpoint, SendErrorKind::Protocol, what)
    }

    /// The endpoint closed the connection before the request was written.
    pub(super) fn unsent(endpoint: &Arc<str>, source: hyper::Error) -> Self {
        Self { never_sent: true, ..Self::new(endpoint, SendErrorKind::Reset, source) }
    }

    /// The request was on its way.
    pub(super) fn sent(endpoint: &Arc<str>, source: hyper::Error, body_failed: bool) -> Self {
        let kind = if body_failed || find::<RequestBodyError>(&source).is_some() {
            SendErrorKind::ClientBody
        } else {
            classify(&source)
        };
        let never_sent = kind == SendErrorKind::RefusedStream;
        Self { never_sent, ..Self::new(endpoint, kind, source) }
    }

    /// The request was lost on an HTTP/2 connection, perhaps because the endpoint said goodbye.
    pub(super) fn lost(
        endpoint: &Arc<str>,
        source: hyper::Error,
        lost: Lost,
        goodbye: bool,
        body_failed: bool,
    ) -> Self {
        if body_failed {
            return Self::sent(endpoint, source, true);
        }
        let error = match lost {
            Lost::Unsent if goodbye => {
                let kind = SendErrorKind::RefusedStream;
                Self { never_sent: true, ..Self::new(endpoint, kind, source) }
            }
            Lost::Unsent => Self::unsent(endpoint, source),
            Lost::Unknown => Self::new(endpoint, SendErrorKind::Reset, source),
            Lost::Refused | Lost::Failed => Self::sent(endpoint, source, false),
        };
        Self { goodbye, ..error }
    }

    /// A reset that chaos made up.
    pub(crate) fn injected_reset(endpoint: &str) -> Self {
        let kind = SendErrorKind::Reset;
        let source = Some("the fault was injected".into());
        Self { kind, endpoint: endpoint.into(), never_sent: false, goodbye: false, source }
    }

    /// What went wrong.
    pub fn kind(&self) -> SendErrorKind {
        self.kind
    }

    /// `host:port` of the endpoint.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Whether the endpoint cannot have worked on the request, so that sending it again is safe
    /// whatever its method.
    pub fn never_sent(&self) -> bool {
        self.never_sent
    }

    /// Whether the endpoint has ended the HTTP/2 connection in peace, as any may at any time, before
    /// it took the request on. That is no failure of the endpoint.
    pub fn is_goodbye(&self) -> bool {
        self.goodbye
    }

    /// Whether a time limit ran out: connecting, or waiting for the client's body.
    pub fn is_timeout(&self) -> bool {
        let Some(source) = self.source() else { return false };
        find::<ConnectError>(source).is_some_and(ConnectError::is_timeout)
            || matches!(find::<RequestBodyError>(source), Some(RequestBodyError::IdleTimeout(_)))
    }
}

/// Connection errors of hyper by what they mean for the request.
fn classify(error: &hyper::Error) -> SendErrorKind {
    if let Some(stream) = find::<h2::Error>(error) {
        return classify_http2(stream);
    }
    if error.is_incomplete_message()
        || error.is_closed()
        || error.is_canceled()
        || find::<io::Error>(error).is_some()
    {
        return SendErrorKind::Reset;
    }
    SendErrorKind::Protocol
}

fn classify_http2(error: &h2::Error) -> SendErrorKind {
    let refused = error.reason() == Some(h2::Reason::REFUSED_STREAM);
    // A stream ends with a remote goodbye only where its number is beyond the last one that the
    // endpoint has taken on.
    if error.is_remote() && (refused || error.is_go_away()) {
        SendErrorKind::RefusedStream
    } else if error.is_io() || error.is_remote() {
        SendErrorKind::Reset
    } else {
        SendErrorKind::Protocol
    }
}

/// The first error of type `E` in a chain.
fn find<'e, E: Error + 'static>(error: &'e (dyn Error + 'static)) -> Option<&'e E> {
    chain(error).find_map(|error| error.downcast_ref::<E>())
}

/// An error and its causes.
fn chain<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    let mut next = Some(error);
    std::iter::from_fn(move || {
        let error = next?;
        next = error.source();
        Some(error)
    })
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let endpoint = &self.endpoint;
        match self.kind {
            SendErrorKind::Connect => write!(f, "cannot connect to {endpoint}")?,
            SendErrorKind::RefusedStream => {
                write!(f, "{endpoint} refused the stream before working on it")?;
            }
            SendErrorKind::Reset => {
                write!(f, "{endpoint} closed the connection before its response headers")?;
            }
            SendErrorKind::Protocol => write!(f, "{endpoint} sent no valid HTTP response")?,
            SendErrorKind::ClientBody => {
                return write!(f, "the client's request body failed on its way to {endpoint}");
            }
        }
        // The innermost cause says it best: "Connection refused", not "error trying to connect".
        match self.source().and_then(|source| chain(source).last()) {
            Some(root) => write!(f, ": {root}"),
            None => Ok(()),
        }
    }
}

impl Error for SendError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}
