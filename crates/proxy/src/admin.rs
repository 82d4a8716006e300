//! The admin API: what people and orchestrators ask the gateway about itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use breakerbox::Control;
use http::header::{ALLOW, CONTENT_TYPE, ORIGIN};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use percent_encoding::percent_decode_str;
use serde_json::json;

use crate::answers;
use crate::body::ResponseBody;
use crate::policies::{AllPolicies, metrics, view};

/// Answers the requests of the admin listener.
#[derive(Debug)]
pub struct Admin {
    readiness: Arc<Readiness>,
    policies: Arc<AllPolicies>,
}

impl Admin {
    /// The admin API of a server.
    pub fn new(readiness: Arc<Readiness>, policies: Arc<AllPolicies>) -> Self {
        Self { readiness, policies }
    }

    /// Answers one request.
    #[expect(clippy::unused_async, reason = "routes that read a request's body wait for it")]
    pub async fn handle(&self, request: Request<Incoming>) -> Response<ResponseBody> {
        if request.headers().contains_key(ORIGIN) {
            let error = "This API is not for web pages: send the request without `Origin`.";
            return answers::answer(StatusCode::FORBIDDEN, "origin", error, None);
        }
        let path = request.uri().path();
        match (request.method(), path) {
            (&Method::GET | &Method::HEAD, "/ready") => self.ready(),
            (&Method::GET | &Method::HEAD, "/health") => self.health(),
            (&Method::GET | &Method::HEAD, "/metrics") => self.metrics(),
            (&Method::GET | &Method::HEAD, "/breakers") => {
                answers::json(StatusCode::OK, &view::breakers(&self.policies))
            }
            (&Method::GET | &Method::HEAD, "/policies") => {
                answers::json(StatusCode::OK, &view::policies(&self.policies))
            }
            (_, "/ready" | "/health" | "/metrics" | "/breakers" | "/policies") => {
                method_not_allowed("GET, HEAD")
            }
            (method, path) => {
                let command: fn(&Self, &str) -> Response<ResponseBody>;
                let rest = if let Some(rest) = path.strip_prefix("/breakers/") {
                    command = Self::control;
                    rest
                } else if let Some(rest) = path.strip_prefix("/chaos/") {
                    command = Self::chaos;
                    rest
                } else {
                    return not_found("The admin API has no such path.");
                };
                if method != Method::POST {
                    return method_not_allowed("POST");
                }
                command(self, rest)
            }
        }
    }

    fn health(&self) -> Response<ResponseBody> {
        let (healthy, view) = view::health(&self.policies);
        let status = if healthy { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        answers::json(status, &view)
    }

    fn metrics(&self) -> Response<ResponseBody> {
        let mut response = answers::text(metrics::text(&self.policies));
        let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        response
    }

    /// `NAME/COMMAND`, where a name is a breaker's, or an upstream's for all of its breakers.
    fn control(&self, command: &str) -> Response<ResponseBody> {
        let Some((name, command)) = command.rsplit_once('/') else {
            return not_found("Commands are POST /breakers/NAME/COMMAND.");
        };
        let Some(control) = Control::ALL.into_iter().find(|control| control.name() == command)
        else {
            let all = Control::ALL.map(Control::name).join(", ");
            let error = format!("There is no such command; there are {all}.");
            return not_found(error);
        };
        let name = percent_decode_str(name).decode_utf8_lossy();
        let done = self.policies.iter().any(|policies| policies.control(&name, control));
        if !done {
            return not_found(format!("There is no breaker `{name}`: see GET /breakers."));
        }
        tracing::info!(breaker = %name, %control, "told by hand");
        answers::json(StatusCode::OK, &view::breakers(&self.policies))
    }

    /// `UPSTREAM/on` or `UPSTREAM/off`.
    fn chaos(&self, command: &str) -> Response<ResponseBody> {
        let (name, on) = match command.rsplit_once('/') {
            Some((name, "on")) => (name, true),
            Some((name, "off")) => (name, false),
            _ => return not_found("Commands are POST /chaos/UPSTREAM/on and /chaos/UPSTREAM/off."),
        };
        let name = percent_decode_str(name).decode_utf8_lossy();
        match self.policies.find(&name) {
            Some(policies) if policies.switch_chaos(on) => {
                answers::json(StatusCode::OK, &view::policies(&self.policies))
            }
            Some(_) => not_found(format!(
                "The upstream `{name}` has no `chaos` in the file, so there is nothing to switch."
            )),
            None => not_found(format!("There is no upstream `{name}`: see GET /policies.")),
        }
    }

    fn ready(&self) -> Response<ResponseBody> {
        let (status, state) = match self.readiness.state() {
            State::Starting => (StatusCode::SERVICE_UNAVAILABLE, "starting"),
            State::Ready => (StatusCode::OK, "ready"),
            State::Draining => (StatusCode::SERVICE_UNAVAILABLE, "draining"),
        };
        answers::json(status, &json!({ "ready": status == StatusCode::OK, "state": state }))
    }
}

fn not_found(error: impl std::fmt::Display) -> Response<ResponseBody> {
    answers::answer(StatusCode::NOT_FOUND, "not_found", error, None)
}

fn method_not_allowed(allow: &'static str) -> Response<ResponseBody> {
    let mut response = answers::answer(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        format_args!("This path takes {allow} only."),
        None,
    );
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
    response
}

/// Whether traffic should be sent here: shared by all cores, read by `GET /ready`.
#[derive(Debug, Default)]
pub struct Readiness(AtomicU8);

/// What [`Readiness`] holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Not every core accepts connections yet.
    Starting,
    /// Requests are welcome.
    Ready,
    /// Shutting down: what is in flight is finished, nothing new should come.
    Draining,
}

impl Readiness {
    /// The state as of now.
    pub fn state(&self) -> State {
        match self.0.load(Ordering::Acquire) {
            0 => State::Starting,
            1 => State::Ready,
            _ => State::Draining,
        }
    }

    /// All cores accept connections. Does nothing once draining has begun.
    pub(crate) fn started(&self) {
        let _ = self.0.compare_exchange(0, 1, Ordering::AcqRel, Ordering::Acquire);
    }

    /// Shutting down has begun.
    pub(crate) fn draining(&self) {
        self.0.store(2, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_drains_is_never_ready_again() {
        let readiness = Readiness::default();
        assert_eq!(readiness.state(), State::Starting);
        readiness.started();
        assert_eq!(readiness.state(), State::Ready);
        readiness.draining();
        readiness.started();
        assert_eq!(readiness.state(), State::Draining);
    }
}
