//! What an attempt came to before the next one, in case there is no better one.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::response::Parts;
use http::{HeaderValue, Response};
use http_body_util::BodyExt as _;
use tokio::task::spawn_local;

use crate::body::ResponseBody;
use crate::headers::{BREAKERBOX_REASON, prepare_response};
use crate::pool::{SendError, UpstreamBody};

/// The body of a failure is read to its end, so that its connection can be used again and the client
/// can have it after all, if it is no longer than this and comes within a second.
const KEPT_BYTES: usize = 64 * 1024;
const KEPT_WITHIN: Duration = Duration::from_secs(1);

/// What an attempt came to.
#[derive(Debug)]
pub(super) enum Kept {
    /// A response that was a failure.
    Response(KeptResponse),
    /// No response.
    Error(SendError),
}

/// A failed response whose body is read in the background.
#[derive(Debug)]
pub struct KeptResponse {
    parts: Parts,
    body: Rc<RefCell<Option<Bytes>>>,
}

impl KeptResponse {
    /// Keeps a response, and begins to read its body.
    pub(super) fn new(response: Response<UpstreamBody>) -> Self {
        let (parts, body) = response.into_parts();
        let kept = Rc::new(RefCell::new(None));
        let place = Rc::clone(&kept);
        spawn_local(async move {
            // Too long is as good as too large: dropping the body closes the connection.
            if let Ok(all) = tokio::time::timeout(KEPT_WITHIN, short(body)).await {
                *place.borrow_mut() = all;
            }
        });
        Self { parts, body: kept }
    }

    /// The response for the client, marked as the last one before time ran out; `None` where its body
    /// is not here: without it nobody could tell that it is not whole.
    pub fn respond(self) -> Option<Response<ResponseBody>> {
        let Self { mut parts, body } = self;
        prepare_response(&mut parts.headers, parts.version);
        parts.version = http::Version::HTTP_11;
        parts.headers.insert(BREAKERBOX_REASON, HeaderValue::from_static("deadline"));
        let body = body.borrow_mut().take()?;
        Some(Response::from_parts(parts, ResponseBody::full(body)))
    }
}

/// All of a body, if it is short and whole.
async fn short(mut body: UpstreamBody) -> Option<Bytes> {
    let mut all = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.ok()?;
        if let Some(data) = frame.data_ref() {
            if all.len() + data.len() > KEPT_BYTES {
                return None;
            }
            all.extend_from_slice(data);
        }
    }
    Some(all.freeze())
}
