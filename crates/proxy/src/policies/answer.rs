//! The fallback of the file, ready to be sent.

use breakerbox::config::{self, FallbackBody};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};

use crate::body::ResponseBody;
use crate::headers::{BREAKERBOX_FALLBACK, BREAKERBOX_REASON};

/// What a client gets instead of a failure.
#[derive(Debug)]
pub struct FallbackAnswer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl FallbackAnswer {
    /// The answer that a file describes; what is no header or status has been refused with it.
    pub fn new(fallback: &config::FallbackAnswer) -> Self {
        let (content_type, body) = match &fallback.body {
            FallbackBody::Json(value) => (Some("application/json"), value.to_string()),
            FallbackBody::Text(text) => (Some("text/plain; charset=utf-8"), text.clone()),
            FallbackBody::Empty => (None, String::new()),
        };
        let mut headers = HeaderMap::new();
        if let Some(content_type) = content_type {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        }
        for (name, value) in &fallback.headers {
            let name = HeaderName::try_from(name.as_str());
            if let (Ok(name), Ok(value)) = (name, HeaderValue::try_from(value.as_str())) {
                headers.insert(name, value);
            }
        }
        headers.insert(BREAKERBOX_FALLBACK, HeaderValue::from_static("static"));
        let status = StatusCode::from_u16(fallback.status).unwrap_or(StatusCode::OK);
        Self { status, headers, body: body.into() }
    }

    /// The answer, marked with the reason why it stands in.
    pub fn respond(&self, reason: &'static str) -> Response<ResponseBody> {
        let mut response = Response::new(ResponseBody::full(self.body.clone()));
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers.clone();
        response.headers_mut().insert(BREAKERBOX_REASON, HeaderValue::from_static(reason));
        response
    }
}
