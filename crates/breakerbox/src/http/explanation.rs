//! What somebody on the other side of a network is told of a call that came to nothing.

use super::headers::BREAKERBOX_REASON;
use crate::{Error, State, TimeoutKind};
use breakerbox_core::pipeline::Rejection;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use serde_json::json;
use std::time::Duration;

/// The code of gRPC for what took too long.
const DEADLINE_EXCEEDED: u8 = 4;
/// The code of gRPC for a rate limit.
const RESOURCE_EXHAUSTED: u8 = 8;
/// The code of gRPC for what may work later.
const UNAVAILABLE: u8 = 14;

/// What somebody on the other side of a network is told of a call that came to nothing: which status, why,
/// and when to ask again. Of names and addresses it says nothing: those are not a stranger's business.
///
/// ```
/// use breakerbox::{Control, Pipeline, breaker};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let posts = Pipeline::builder("posts").breaker(breaker::Settings::default()).build().unwrap();
/// posts.control(Control::Isolate);
/// let error = posts.call(async || Ok::<_, ()>("a post")).await.unwrap_err();
///
/// let response = error.explain().to_response();
/// assert_eq!(response.status(), 503);
/// assert_eq!(response.headers()["breakerbox-reason"], "breaker_open");
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Explanation {
    /// The status of HTTP: 429 for a rate limit, 503 for other rejections, 504 where time ran out, 502 where
    /// the operation failed.
    pub status: StatusCode,
    /// The code of gRPC: `RESOURCE_EXHAUSTED`, `UNAVAILABLE` or `DEADLINE_EXCEEDED`.
    pub grpc: u8,
    /// One word for programs.
    pub reason: &'static str,
    /// A sentence for people.
    pub message: &'static str,
    /// How long until it may be worth to ask again, where that can be told.
    pub retry_after: Option<Duration>,
}

impl<E> Error<E> {
    /// What somebody on the other side of a network is told of it.
    pub fn explain(&self) -> Explanation {
        match self {
            Self::Rejected(rejection) => Explanation::of_rejection(rejection.why()),
            Self::Timeout(timeout) => Explanation::of_timeout(timeout.kind()),
            Self::Inner(_) => Explanation {
                status: StatusCode::BAD_GATEWAY,
                grpc: UNAVAILABLE,
                reason: "failed",
                message: "The upstream failed.",
                retry_after: None,
            },
        }
    }
}

impl Explanation {
    /// Why a policy rejected it.
    pub fn of_rejection(rejection: Rejection) -> Self {
        let (status, grpc) = match rejection {
            Rejection::RateLimited { .. } => (StatusCode::TOO_MANY_REQUESTS, RESOURCE_EXHAUSTED),
            _ => (StatusCode::SERVICE_UNAVAILABLE, UNAVAILABLE),
        };
        let (reason, message) = (rejection.reason(), why(rejection));
        Self { status, grpc, reason, message, retry_after: rejection.retry_after() }
    }

    /// Which limit of time it ran into.
    pub fn of_timeout(kind: TimeoutKind) -> Self {
        let (reason, message) = match kind {
            TimeoutKind::Attempt => ("timeout", "The upstream did not answer in time."),
            TimeoutKind::Deadline => ("deadline", "The request ran into its deadline."),
            TimeoutKind::Idle => ("idle", "The upstream's response stopped coming."),
        };
        let (status, grpc) = (StatusCode::GATEWAY_TIMEOUT, DEADLINE_EXCEEDED);
        Self { status, grpc, reason, message, retry_after: None }
    }

    /// The same as a response of HTTP: a small JSON body, `breakerbox-reason`, and `Retry-After` where
    /// that can be told.
    pub fn to_response(&self) -> Response<Bytes> {
        let body = json!({ "error": self.message, "reason": self.reason });
        let mut response = Response::new(Bytes::from(body.to_string()));
        *response.status_mut() = self.status;
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(CONTENT_TYPE, json);
        self.add_to(response.headers_mut());
        response
    }

    /// The same as a response of gRPC that has no message: its status stands in the headers.
    pub fn to_grpc_response(&self) -> Response<Bytes> {
        let mut response = Response::new(Bytes::new());
        let grpc = HeaderValue::from_static("application/grpc");
        response.headers_mut().insert(CONTENT_TYPE, grpc);
        self.add_to_grpc(response.headers_mut());
        response
    }

    /// The status of gRPC, where its headers or trailers say it.
    pub(super) fn add_to_grpc(&self, headers: &mut HeaderMap) {
        headers.insert("grpc-status", HeaderValue::from(u16::from(self.grpc)));
        headers.insert("grpc-message", HeaderValue::from_static(self.message));
        headers.insert(BREAKERBOX_REASON, HeaderValue::from_static(self.reason));
        if let Some(wait) = self.retry_after {
            let millis = u32::try_from(wait.as_millis()).unwrap_or(u32::MAX);
            headers.insert("grpc-retry-pushback-ms", HeaderValue::from(millis));
        }
    }

    /// Sets `breakerbox-reason`, and `Retry-After` in whole seconds, rounded up.
    pub fn add_to(&self, headers: &mut HeaderMap) {
        headers.insert(BREAKERBOX_REASON, HeaderValue::from_static(self.reason));
        if let Some(wait) = self.retry_after {
            let seconds = wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0));
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds.max(1)));
        }
    }
}

fn why(rejection: Rejection) -> &'static str {
    match rejection {
        Rejection::BreakerOpen { state: State::Isolated, .. } => {
            "The circuit breaker of the upstream has been isolated by hand."
        }
        Rejection::BreakerOpen { state: State::HalfOpen, .. } => {
            "The circuit breaker of the upstream is testing whether it works again."
        }
        Rejection::BreakerOpen { .. } => "The circuit breaker of the upstream is open.",
        Rejection::BulkheadFull => "As many requests as may run at once are under way.",
        Rejection::QueueTimeout { .. } => "The request waited for its turn as long as it may.",
        Rejection::RateLimited { .. } => "The rate limit is reached.",
        Rejection::Shed => "There is too much to do; more important requests go first.",
        Rejection::Throttled => "The upstream accepts too few requests at present.",
        Rejection::LimitReached => "As many requests as the upstream can handle are under way.",
        Rejection::Chaos => "A fault was injected.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_limit_is_429_and_says_when_in_whole_seconds() {
        let wait = |millis| Some(Duration::from_millis(millis));
        for (retry_after, header) in
            [(wait(1), "1"), (wait(1000), "1"), (wait(1001), "2"), (wait(0), "1")]
        {
            let told = Explanation::of_rejection(Rejection::RateLimited { retry_after });
            let response = told.to_response();
            assert_eq!((response.status().as_u16(), told.grpc), (429, 8));
            assert_eq!(response.headers()["retry-after"], header);
        }
        let never = Explanation::of_rejection(Rejection::RateLimited { retry_after: None });
        assert!(!never.to_response().headers().contains_key("retry-after"));
    }

    #[test]
    fn grpc_gets_its_own_status() {
        let retry_after = Some(Duration::from_millis(1500));
        let open = Rejection::BreakerOpen { state: State::Open, retry_after };
        let response = Explanation::of_rejection(open).to_grpc_response();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["grpc-status"], "14");
        assert_eq!(response.headers()["grpc-retry-pushback-ms"], "1500");
        let late = Explanation::of_timeout(TimeoutKind::Deadline).to_grpc_response();
        assert_eq!(late.headers()["grpc-status"], "4");
    }

    #[test]
    fn a_body_says_why_to_people_and_to_programs() {
        let response = Explanation::of_timeout(TimeoutKind::Attempt).to_response();
        assert_eq!(response.status(), 504);
        let body = r#"{"error":"The upstream did not answer in time.","reason":"timeout"}"#;
        assert_eq!(response.body(), body);
    }
}
