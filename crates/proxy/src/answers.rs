//! The gateway's own answers: a status, a small JSON body and `breakerbox-reason`.

use std::fmt::Display;

use breakerbox::TimeoutKind;
use breakerbox::core::pipeline::Rejection;
use breakerbox::http::Explanation;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};
use serde_json::{Map, Value};

use crate::body::ResponseBody;
use crate::headers::{BREAKERBOX_REASON, Refusal};
use crate::pool::{SendError, SendErrorKind};

/// An answer that no upstream gave: `{"error": ..., "upstream": ..., "reason": ...}`.
///
/// `reason` is one word for programs and stands in the header `breakerbox-reason` too; `error` is a
/// sentence for people.
pub fn answer(
    status: StatusCode,
    reason: &'static str,
    error: impl Display,
    upstream: Option<&str>,
) -> Response<ResponseBody> {
    let mut body = Map::new();
    body.insert("error".to_owned(), Value::String(error.to_string()));
    if let Some(upstream) = upstream {
        body.insert("upstream".to_owned(), Value::String(upstream.to_owned()));
    }
    body.insert("reason".to_owned(), Value::String(reason.to_owned()));
    let mut response = json(status, &Value::Object(body));
    response.headers_mut().insert(BREAKERBOX_REASON, HeaderValue::from_static(reason));
    response
}

/// A JSON document and nothing else.
pub fn json(status: StatusCode, document: &Value) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::full(Bytes::from(document.to_string())));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// A text and nothing else.
pub fn text(text: String) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::full(Bytes::from(text)));
    let content_type = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

/// No route of the listener matches: 404.
pub fn no_route() -> Response<ResponseBody> {
    answer(StatusCode::NOT_FOUND, "no_route", "No route matches this host and path.", None)
}

/// The upstream has no endpoint at all: 502.
pub fn no_endpoint(upstream: &str) -> Response<ResponseBody> {
    answer(StatusCode::BAD_GATEWAY, "connect", "The upstream has no endpoint.", Some(upstream))
}

/// The request itself is refused: 400 or 501.
pub fn refused(refusal: Refusal) -> Response<ResponseBody> {
    match refusal {
        Refusal::BadRequest(error) => answer(StatusCode::BAD_REQUEST, "bad_request", error, None),
        Refusal::NotImplemented(error) => {
            answer(StatusCode::NOT_IMPLEMENTED, "not_implemented", error, None)
        }
    }
}

/// The upstream gave no response: 502, or 504 where time ran out; 400, or 408, where the client's
/// own body failed.
pub fn send_failed(upstream: &str, error: &SendError) -> Response<ResponseBody> {
    let (failed, timed_out) = match error.kind() {
        SendErrorKind::ClientBody => (StatusCode::BAD_REQUEST, StatusCode::REQUEST_TIMEOUT),
        SendErrorKind::Connect
        | SendErrorKind::RefusedStream
        | SendErrorKind::Reset
        | SendErrorKind::Protocol => (StatusCode::BAD_GATEWAY, StatusCode::GATEWAY_TIMEOUT),
    };
    let status = if error.is_timeout() { timed_out } else { failed };
    answer(status, error.kind().name(), public(error.kind()), Some(upstream))
}

/// What strangers are told: where the endpoints are is none of their business.
fn public(kind: SendErrorKind) -> &'static str {
    match kind {
        SendErrorKind::Connect => "The upstream cannot be connected to.",
        SendErrorKind::RefusedStream => "The upstream refused the request before working on it.",
        SendErrorKind::Reset => "The upstream closed the connection before its response.",
        SendErrorKind::Protocol => "The upstream sent no valid HTTP response.",
        SendErrorKind::ClientBody => "The body of the request ended early or stopped coming.",
    }
}

/// The upstream's response broke off before the client had any of it: 502.
pub fn body_failed(upstream: &str) -> Response<ResponseBody> {
    let error = "The upstream's response ended early.";
    answer(StatusCode::BAD_GATEWAY, "reset", error, Some(upstream))
}

/// A policy rejects the request: 503, or 429 for the rate limit, with `Retry-After` in whole seconds,
/// rounded up, where that can be told.
pub fn rejected(upstream: &str, rejection: Rejection) -> Response<ResponseBody> {
    explained(upstream, Explanation::of_rejection(rejection))
}

/// Time ran out: 504.
pub fn timeout(upstream: &str, kind: TimeoutKind) -> Response<ResponseBody> {
    explained(upstream, Explanation::of_timeout(kind))
}

fn explained(upstream: &str, told: Explanation) -> Response<ResponseBody> {
    let mut response = answer(told.status, told.reason, told.message, Some(upstream));
    told.add_to(response.headers_mut());
    response
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    #[tokio::test]
    async fn says_it_to_people_and_to_programs() {
        let response = answer(StatusCode::BAD_GATEWAY, "reset", "a \"b\"", Some("posts"));
        assert_eq!(response.status(), 502);
        assert_eq!(response.headers()["breakerbox-reason"], "reset");
        assert_eq!(response.headers()["content-type"], "application/json");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body, r#"{"error":"a \"b\"","upstream":"posts","reason":"reset"}"#);
    }
}
