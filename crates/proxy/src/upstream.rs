//! A service behind the gateway, as one core sees it: its policies, and its connections.

use std::sync::Arc;
use std::time::Duration;

use breakerbox::core::pipeline::Start;
use http::{HeaderValue, Request, Response};
use hyper::body::Incoming;

use crate::answers;
use crate::body::{ResponseBody, discard_upload};
use crate::config;
use crate::headers::{BREAKERBOX_ATTEMPT, BREAKERBOX_DEADLINE_MS, prepare_response};
use crate::outgoing::Outgoing;
use crate::policies::{Attempted, Flight, Over, Policies, Stopped};
use crate::pool::{InvalidEndpoint, Pool, UpstreamBody};

/// One upstream with its connections from this core.
#[derive(Debug)]
pub struct Upstream {
    policies: Arc<Policies>,
    pool: Pool,
    idle_timeout: Duration,
}

impl Upstream {
    /// An upstream without any connection yet.
    ///
    /// # Errors
    ///
    /// Where one of its endpoints is no address.
    pub fn new(
        settings: &config::Upstream,
        policies: Arc<Policies>,
    ) -> Result<Self, InvalidEndpoint> {
        let pool = Pool::new(settings)?;
        Ok(Self { policies, pool, idle_timeout: settings.idle_timeout })
    }

    /// Its connections.
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Answers a request whose headers are ready for the upstream: with the upstream's response,
    /// with the fallback, or with an answer that says why there is none. `left`: how much time its
    /// client has, where that is known and believed.
    pub async fn answer(
        &self,
        request: Request<Incoming>,
        left: Option<Duration>,
    ) -> Response<ResponseBody> {
        let retry = self.policies.retry();
        let repeatable = retry.is_some_and(|retry| retry.may_repeat(request.method().as_str()));
        let start = Start { left, repeatable };
        let mut flight = match Flight::begin(&self.policies, start).await {
            Ok(flight) => flight,
            Err(over) => {
                discard_upload(request);
                return self.instead(over);
            }
        };
        let mut outgoing = Outgoing::new(request, self.idle_timeout, retry);
        loop {
            let Some(endpoint) = self.pool.endpoints().get(flight.endpoint()) else {
                return answers::no_endpoint(self.policies.name());
            };
            let Some(mut request) = outgoing.next() else {
                return answers::no_endpoint(self.policies.name());
            };
            if let Some(left) = flight.left() {
                let millis = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
                request.headers_mut().insert(BREAKERBOX_DEADLINE_MS, HeaderValue::from(millis));
            }
            if retry.is_some() {
                let attempt = HeaderValue::from(flight.attempt());
                request.headers_mut().insert(BREAKERBOX_ATTEMPT, attempt);
            }
            flight.watch(request.body_mut().upload());
            let attempted = flight.attempted(endpoint.send(request), || outgoing.is_kept()).await;
            match attempted {
                Ok(Attempted::Response(response)) => return self.pass_on(response, flight),
                Ok(Attempted::Again) => {}
                Err(over) => return self.instead(over),
            }
        }
    }

    /// Makes an upstream's response the client's.
    fn pass_on(&self, response: Response<UpstreamBody>, flight: Flight) -> Response<ResponseBody> {
        let version = response.version();
        let (mut parts, body) = response.into_parts();
        let mut body = ResponseBody::from_upstream(body, self.idle_timeout);
        if let Some(deadline) = flight.deadline() {
            body = body.with_deadline(deadline);
        }
        if let Some(on_end) = flight.on_body_end(&parts.headers) {
            body = body.on_end(on_end);
        }
        prepare_response(&mut parts.headers, version);
        // The client's connection has a version of its own.
        parts.version = http::Version::HTTP_11;
        Response::from_parts(parts, body)
    }

    /// The answer where there is no response to pass on.
    fn instead(&self, Over { stopped, fallback }: Over) -> Response<ResponseBody> {
        let name = self.policies.name();
        let reason = stopped.reason();
        if let Stopped::NoResponse(error) = &stopped {
            tracing::debug!(upstream = name, %error, "no response");
        }
        if fallback && let Some(fallback) = self.policies.fallback() {
            if let Stopped::Failed(response) = stopped {
                response.into_body().discard();
            }
            return fallback.respond(reason);
        }
        match stopped {
            Stopped::BreakerOpen { state, retry_after } => {
                answers::breaker_open(name, state, retry_after)
            }
            Stopped::Timeout(kind) => answers::timeout(name, kind),
            Stopped::NoResponse(error) => answers::send_failed(name, &error),
            Stopped::Kept(response) => response.respond(),
            // Only for a fallback is a response kept back.
            Stopped::Failed(response) => {
                response.map(|body| ResponseBody::from_upstream(body, self.idle_timeout))
            }
        }
    }
}
