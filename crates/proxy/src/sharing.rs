//! One request that may have the answer of another, or give its own to others.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use breakerbox::core::Timestamp;
use breakerbox::core::coalesce::{Following as Now, Joined};
use breakerbox::core::pipeline::{Action, Ending};
use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::{Body, Frame};
use tokio::time::Instant;

use crate::answers;
use crate::body::ResponseBody;
use crate::headers;
use crate::policies::{Flight, Policies};
use crate::shelf::{Answer, Asked, Following, Leading, Shelf};

/// So long an answer of unknown length is held back, for others to have it too.
const HELD_BACK: Duration = Duration::from_millis(100);

/// A request whose answer may be others' as well.
#[derive(Debug)]
pub(crate) struct Sharing {
    policies: Arc<Policies>,
    asked: Asked,
    /// Others wait for what it comes to.
    lead: Option<Leading>,
    /// It waits for another.
    follows: Option<Following>,
    /// What it gets without being sent.
    found: Option<Arc<Answer>>,
}

impl Sharing {
    /// A request that may share. The policies must have a shelf.
    pub(crate) fn new<B>(policies: &Arc<Policies>, request: &Request<B>, host: &str) -> Self {
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        Self {
            policies: Arc::clone(policies),
            asked: Asked::new(request.method(), host, path, request.headers()),
            lead: None,
            follows: None,
            found: None,
        }
    }

    fn shelf(&self) -> Option<&Shelf> {
        self.policies.shelf()
    }

    /// Looks whether the answer is there, or on its way; what the machine says to that.
    pub(crate) async fn look_up(&mut self, flight: &mut Flight) -> Action {
        let policies = Arc::clone(&self.policies);
        let Some(shelf) = policies.shelf() else { return flight.unanswered() };
        if let Some(answer) = shelf.fresh(&self.asked, policies.now()) {
            self.found = Some(answer);
            return flight.answered(Ending::Success);
        }
        match shelf.join(&self.asked) {
            Some(Joined::Lead(lead)) => self.lead = Some(lead),
            Some(Joined::Follow(ticket)) => {
                self.follows = Some(ticket);
                match self.follow(shelf, flight).await {
                    Ok(Some(action)) | Err(action) => return action,
                    Ok(None) => {}
                }
            }
            Some(Joined::Apart) | None => {}
        }
        flight.unanswered()
    }

    /// Waits for the one that leads. `None`: it has no answer for this one.
    async fn follow(
        &mut self,
        shelf: &Shelf,
        flight: &mut Flight,
    ) -> Result<Option<Action>, Action> {
        let Some(groups) = shelf.groups() else { return Ok(None) };
        let now = flight
            .wait_for(|cx| {
                loop {
                    let Some(ticket) = self.follows.take() else { return Poll::Pending };
                    let decided = groups.listen(&ticket, cx.waker());
                    match groups.look(ticket) {
                        Now::Pending(ticket) => {
                            self.follows = Some(ticket);
                            if !decided {
                                return Poll::Pending;
                            }
                        }
                        now => return Poll::Ready(now),
                    }
                }
            })
            .await?;
        match now {
            Now::Shared(Some(answer)) if answer.is_for(&self.asked) => {
                let ending = if answer.is_failure() { Ending::Failure } else { Ending::Success };
                self.found = Some(answer);
                Ok(Some(flight.answered(ending)))
            }
            Now::Lead(lead) => {
                self.lead = Some(lead);
                Ok(None)
            }
            Now::Shared(_) | Now::Pending(_) => Ok(None),
        }
    }

    /// The answer that was found.
    pub(crate) fn found(&self) -> Option<Response<ResponseBody>> {
        Some(self.found.as_ref()?.respond(self.now()))
    }

    /// The last good answer, as a fallback for this reason.
    pub(crate) fn stale(&self, reason: &'static str) -> Option<Response<ResponseBody>> {
        let now = self.now();
        Some(self.shelf()?.usable(&self.asked, now)?.respond_stale(now, reason))
    }

    fn now(&self) -> Timestamp {
        self.policies.now()
    }

    /// Gives an answer to those who wait for it and those who will ask, if it is for them too.
    ///
    /// A short one is read whole first: those who wait are not to wait for a slow client as well. One
    /// of unknown length is held back for a moment only; then it goes on as it comes, nobody waits for
    /// it any longer, and it is kept if it turns out to be short.
    pub(crate) async fn give(
        &mut self,
        response: Response<ResponseBody>,
    ) -> Response<ResponseBody> {
        let policies = Arc::clone(&self.policies);
        let Some(shelf) = policies.shelf() else { return response };
        let max_body = shelf.max_body();
        let length = response.headers().get(CONTENT_LENGTH).and_then(|it| it.to_str().ok());
        let length = length.and_then(|it| it.parse::<u64>().ok());
        let streams = length.is_none() && is_event_stream(response.headers());
        let shared = self.found.is_none() && answers_many(&response, &self.asked);
        if !shared || streams || length.is_some_and(|length| length > max_body as u64) {
            self.told(None);
            return response;
        }
        let (parts, mut body) = response.into_parts();
        let until = length.is_none().then(|| Instant::now() + HELD_BACK);
        let mut all = BytesMut::new();
        let read = loop {
            let frame = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx));
            let frame = match until {
                None => frame.await,
                Some(until) => match tokio::time::timeout_at(until, frame).await {
                    Ok(frame) => frame,
                    Err(_) => break Read::Part(None),
                },
            };
            match frame {
                None => break Read::All,
                Some(Err(_)) => {
                    // The client has not had its head yet, and need not be cut off.
                    self.told(None);
                    return answers::body_failed(policies.name());
                }
                Some(Ok(frame)) => match frame.data_ref() {
                    Some(data) if all.len() + data.len() <= max_body => {
                        all.extend_from_slice(data);
                    }
                    _ => break Read::Part(Some(frame)),
                },
            }
        };
        let all = all.freeze();
        let Read::Part(frame) = read else {
            let response = Response::from_parts(parts, ResponseBody::full(all.clone()));
            let answer = Answer::new(&response, all, &self.asked, self.now());
            if let Some(answer) = &answer {
                shelf.keep(&self.asked, Arc::clone(answer));
            }
            self.told(answer);
            return response;
        };
        self.told(None);
        let mut begun = VecDeque::new();
        if !all.is_empty() {
            begun.push_back(Frame::data(all));
        }
        // With a frame in hand it is too long, or has trailers, which are not kept.
        let keeping = frame.is_none().then(|| {
            let head = Response::from_parts(parts.clone(), ());
            Keeping::new(&policies, self.asked.clone(), head)
        });
        begun.extend(frame);
        let body = ResponseBody::begun(begun, body);
        let body = match keeping {
            Some(keeping) => body.kept_by(keeping),
            None => body,
        };
        Response::from_parts(parts, body)
    }

    /// Tells those who wait.
    fn told(&mut self, answer: Option<Arc<Answer>>) {
        let groups = self.policies.shelf().and_then(Shelf::groups);
        if let Some((groups, lead)) = groups.zip(self.lead.take()) {
            groups.finished(lead, answer);
        }
    }
}

impl Drop for Sharing {
    fn drop(&mut self) {
        let Some(groups) = self.policies.shelf().and_then(Shelf::groups) else { return };
        if let Some(lead) = self.lead.take() {
            groups.lost(lead);
        }
        if let Some(follows) = self.follows.take() {
            groups.give_up(follows);
        }
    }
}

/// How an answer was read.
enum Read {
    All,
    /// There is more of it, this frame for instance.
    Part(Option<Frame<Bytes>>),
}

/// Whether an answer with this head may be given to others who ask the same.
fn answers_many(head: &Response<ResponseBody>, asked: &Asked) -> bool {
    Answer::new(head, Bytes::new(), asked, Timestamp::ZERO).is_some()
}

/// A stream of events has no end that anybody waits for.
fn is_event_stream(headers: &HeaderMap) -> bool {
    let media_type = headers.get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    let is = |it: &str| {
        media_type.get(..it.len()).is_some_and(|it2| it2.eq_ignore_ascii_case(it.as_bytes()))
    };
    is("text/event-stream") || is("application/grpc")
}

/// An answer that is on its way to its client, and kept if it comes to its end and is short.
#[derive(Debug)]
pub(crate) struct Keeping {
    policies: Arc<Policies>,
    asked: Asked,
    head: Response<()>,
    all: BytesMut,
}

impl Keeping {
    fn new(policies: &Arc<Policies>, asked: Asked, head: Response<()>) -> Self {
        Self { policies: Arc::clone(policies), asked, head, all: BytesMut::new() }
    }

    /// Whether it is still worth it after this frame.
    pub(crate) fn add(&mut self, frame: &Frame<Bytes>) -> bool {
        let max = self.policies.shelf().map_or(0, Shelf::max_body);
        match frame.data_ref() {
            Some(data) if self.all.len() + data.len() <= max => {
                self.all.extend_from_slice(data);
                true
            }
            _ => false,
        }
    }

    /// It has come to its end.
    pub(crate) fn end(self) {
        let Some(shelf) = self.policies.shelf() else { return };
        let now = self.policies.now();
        if let Some(answer) = Answer::new(&self.head, self.all.freeze(), &self.asked, now) {
            shelf.keep(&self.asked, answer);
        }
    }
}

/// The host that a request asks for.
pub(crate) fn host_of(parts: &http::request::Parts) -> String {
    headers::host(parts).to_owned()
}
