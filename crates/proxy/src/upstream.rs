//! A service behind the gateway, as one core sees it: its policies, and its connections.

use std::cell::OnceCell;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;

use breakerbox::TimeoutKind;
use breakerbox::core::pipeline::Action;
use http::{HeaderValue, Request, Response};
use http_body::Body as _;
use hyper::body::Incoming;
use tokio::time::Instant;

use crate::answers;
use crate::body::{ResponseBody, Upload, discard_upload};
use crate::chaos;
use crate::config;
use crate::headers::{
    BREAKERBOX_ATTEMPT, BREAKERBOX_FALLBACK, BREAKERBOX_REASON, Peer, prepare_response,
    tell_time_left,
};
use crate::outgoing::Outgoing;
use crate::policies::{Attempt, Class, Flight, Kind, Over, Policies, Requests, Sent, Stopped};
use crate::pool::{InvalidEndpoint, Pool, UpstreamBody};
use crate::sharing::{self, Sharing};
use crate::start::start_of;

/// One upstream with its connections from this core.
#[derive(Debug)]
pub struct Upstream {
    policies: Arc<Policies>,
    pool: Pool,
    idle_timeout: Duration,
    /// Who answers when this one does not.
    fallback: OnceCell<Weak<Upstream>>,
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
        Ok(Self { policies, pool, idle_timeout: settings.idle_timeout, fallback: OnceCell::new() })
    }

    /// Its connections.
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// What protects it.
    pub fn policies(&self) -> &Policies {
        &self.policies
    }

    /// The upstream that answers when this one does not.
    pub(crate) fn set_fallback(&self, upstream: &Rc<Self>) {
        // It is set once, when all of them are there.
        let _ = self.fallback.set(Rc::downgrade(upstream));
    }

    /// Answers a request whose headers are ready for the upstream: with the upstream's response,
    /// with the fallback, or with an answer that says why there is none.
    pub async fn answer(&self, request: Request<Incoming>, peer: &Peer) -> Response<ResponseBody> {
        let (parts, body) = request.into_parts();
        let host = sharing::host_of(&parts);
        let start = start_of(&parts, peer, !body.is_end_stream(), &self.policies);
        let request = Request::from_parts(parts, body);
        let sharing = start.lookup.then(|| Sharing::new(&self.policies, &request, &host));
        let (mut flight, action) = Flight::begin(&self.policies, start);
        let answer = if let Action::Done { end, fallback } = action
            && self.fallback.get().is_none()
        {
            discard_upload(request);
            let over = flight.over(end, fallback);
            Answer::counted_now(self.instead(over, sharing.as_ref()))
        } else {
            let outgoing = Outgoing::new(request, self.idle_timeout, self.policies.policy());
            self.carry_out(flight, action, outgoing, sharing, peer, &self.policies).await
        };
        if !answer.counts_at_end {
            self.policies.responses().count(Class::of_head(&answer.response));
        }
        answer.response
    }

    /// `asked`: the upstream that the client asked for, which counts what it gets.
    async fn carry_out(
        &self,
        mut flight: Flight,
        action: Action,
        outgoing: Outgoing,
        sharing: Option<Sharing>,
        peer: &Peer,
        asked: &Arc<Policies>,
    ) -> Answer {
        let mut sending = Sending { upstream: self, outgoing, sharing };
        let began = Instant::now();
        let mut answer = match flight.answer(action, &mut sending).await {
            Ok(response) => self.pass_on(response, flight, asked),
            Err(over) => match self.other_upstream(&over, &mut sending, peer, began, asked).await {
                Some(answer) => answer,
                None => Answer::counted_now(self.instead(over, sending.sharing.as_ref())),
            },
        };
        if let Some(sharing) = &mut sending.sharing {
            answer.response = sharing.give(answer.response).await;
        }
        answer
    }

    /// The answer of the upstream that stands in for this one, unless there is a last good answer of
    /// its own.
    async fn other_upstream(
        &self,
        over: &Over,
        sending: &mut Sending<'_>,
        peer: &Peer,
        began: Instant,
        asked: &Arc<Policies>,
    ) -> Option<Answer> {
        if !over.fallback {
            return None;
        }
        let other = self.fallback.get()?.upgrade()?;
        let reason = over.stopped.reason();
        let has_stale = sending.sharing.as_ref().and_then(|sharing| sharing.stale(reason));
        if has_stale.is_some() || !sending.outgoing.is_kept() {
            return None;
        }
        let mut start = sending.outgoing.start(peer, &other.policies)?;
        // What this one has worked on must not be done twice, unless that does no harm.
        if !over.stopped.never_sent() && !self.policies.may_repeat(sending.outgoing.method()) {
            return None;
        }
        if let Some(left) = &mut start.left {
            // The time of the client goes on.
            *left = left.checked_sub(began.elapsed()).filter(|left| !left.is_zero())?;
        }
        self.policies.counts().count(Kind::Fallback);
        let outgoing = std::mem::replace(&mut sending.outgoing, Outgoing::Once(None));
        let (flight, action) = Flight::begin(&other.policies, start);
        let answer = other.carry_out(flight, action, outgoing, None, peer, asked);
        // It may have a fallback of its own; the file has no circle of them.
        let mut answer = Box::pin(answer).await;
        let headers = answer.response.headers_mut();
        headers.insert(BREAKERBOX_FALLBACK, HeaderValue::from_static("upstream"));
        headers.entry(BREAKERBOX_REASON).or_insert(HeaderValue::from_static(reason));
        Some(answer)
    }

    /// Makes an upstream's response the client's.
    fn pass_on(
        &self,
        response: Response<UpstreamBody>,
        flight: Flight,
        asked: &Arc<Policies>,
    ) -> Answer {
        let version = response.version();
        let (mut parts, body) = response.into_parts();
        let mut body = ResponseBody::from_upstream(body, self.idle_timeout);
        if let Some(deadline) = flight.deadline() {
            body = body.with_deadline(deadline);
        }
        let counts_at_end = Class::comes_at_the_end(parts.status, &parts.headers);
        let counted = counts_at_end.then(|| Arc::clone(asked));
        if let Some(on_end) = flight.on_body_end(&parts.headers, counted) {
            body = body.on_end(on_end);
        }
        prepare_response(&mut parts.headers, version);
        // The client's connection has a version of its own.
        parts.version = http::Version::HTTP_11;
        Answer { response: Response::from_parts(parts, body), counts_at_end }
    }

    /// The answer where there is no response to pass on.
    fn instead(&self, over: Over, sharing: Option<&Sharing>) -> Response<ResponseBody> {
        let Over { stopped, fallback, kind } = over;
        let name = self.policies.name();
        let reason = stopped.reason();
        if let Stopped::NoResponse(error) = &stopped {
            tracing::debug!(upstream = name, %error, "no response");
        }
        let stands_in = || {
            let stale = sharing.and_then(|sharing| sharing.stale(reason));
            stale.or_else(|| Some(self.policies.fallback()?.respond(reason)))
        };
        let counts = self.policies.counts();
        if fallback && let Some(answer) = stands_in() {
            counts.count(Kind::Fallback);
            if let Stopped::Failed(response) = stopped {
                response.into_body().discard();
            }
            return answer;
        }
        counts.count(kind);
        match stopped {
            Stopped::Answered => {
                let found = sharing.and_then(Sharing::found);
                found.unwrap_or_else(|| answers::no_endpoint(name))
            }
            Stopped::Rejected(rejection) => answers::rejected(name, rejection),
            Stopped::Timeout(kind) => answers::timeout(name, kind),
            Stopped::NoResponse(error) => answers::send_failed(name, &error),
            Stopped::Kept(response) => {
                response.respond().unwrap_or_else(|| answers::timeout(name, TimeoutKind::Deadline))
            }
            // Only for a fallback is a response kept back, and there was none after all.
            Stopped::Failed(response) => self.pass_on_failure(*response),
        }
    }

    /// A failed response, whose outcome is known, for the client.
    fn pass_on_failure(&self, response: Response<UpstreamBody>) -> Response<ResponseBody> {
        let version = response.version();
        let (mut parts, body) = response.into_parts();
        prepare_response(&mut parts.headers, version);
        parts.version = http::Version::HTTP_11;
        Response::from_parts(parts, ResponseBody::from_upstream(body, self.idle_timeout))
    }
}

/// What a client gets.
struct Answer {
    response: Response<ResponseBody>,
    /// Its class is known, and counted, when its body has ended.
    counts_at_end: bool,
}

impl Answer {
    fn counted_now(response: Response<ResponseBody>) -> Self {
        Self { response, counts_at_end: false }
    }
}

/// The requests of one call.
struct Sending<'a> {
    upstream: &'a Upstream,
    outgoing: Outgoing,
    /// Its answer may be others' as well.
    sharing: Option<Sharing>,
}

impl<'a> Requests for Sending<'a> {
    fn send(
        &mut self,
        attempt: Attempt,
    ) -> Option<(impl Future<Output = Sent> + use<'a>, Option<Upload>)> {
        let endpoint = self.upstream.pool.endpoints().get(attempt.endpoint)?;
        let mut request = self.outgoing.next()?;
        let headers = request.headers_mut();
        if let Some(left) = attempt.left {
            tell_time_left(headers, left);
        }
        if self.outgoing.is_for_more() {
            headers.insert(BREAKERBOX_ATTEMPT, HeaderValue::from(attempt.number));
        }
        let upload = request.body_mut().upload();
        let sent = async move {
            match attempt.fault {
                None => endpoint.send(request).await,
                Some(fault) => chaos::meet(fault, endpoint, request).await,
            }
        };
        Some((sent, upload))
    }

    fn is_kept(&self) -> bool {
        self.outgoing.is_kept()
    }

    async fn look_up(&mut self, flight: &mut Flight) -> Action {
        match &mut self.sharing {
            Some(sharing) => sharing.look_up(flight).await,
            None => flight.unanswered(),
        }
    }
}
