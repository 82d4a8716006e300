//! One request that may have the answer of another, or give its own to others.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use breakerbox::core::Timestamp;
use breakerbox::core::coalesce::{Following as Now, Joined};
use breakerbox::core::pipeline::{Action, Ending};
use bytes::BytesMut;
use http::header::CONTENT_LENGTH;
use http::{Request, Response};
use http_body::Body;

use crate::answers;
use crate::body::ResponseBody;
use crate::headers;
use crate::policies::{Flight, Policies};
use crate::shelf::{Answer, Asked, Following, Leading, Shelf};

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

    /// Gives an answer to those who wait for it and those who will ask, if it is for them too. It is
    /// read as far as that needs, which is no further than the longest body that is kept.
    pub(crate) async fn give(
        &mut self,
        response: Response<ResponseBody>,
    ) -> Response<ResponseBody> {
        let policies = Arc::clone(&self.policies);
        let Some(shelf) = policies.shelf() else { return response };
        let length = response.headers().get(CONTENT_LENGTH).and_then(|it| it.to_str().ok());
        let too_long = length
            .and_then(|it| it.parse().ok())
            .is_some_and(|it: u64| it > shelf.max_body() as u64);
        let head = self
            .found
            .is_none()
            .then(|| Answer::new(&response, Default::default(), &self.asked, self.now()));
        if too_long || head.flatten().is_none() {
            self.told(None);
            return response;
        }
        let (parts, mut body) = response.into_parts();
        let mut all = BytesMut::new();
        loop {
            let frame = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await;
            match frame {
                None => break,
                Some(Err(_)) => {
                    // The client has not had its head yet, and need not be cut off.
                    self.told(None);
                    return answers::body_failed(policies.name());
                }
                Some(Ok(frame)) => {
                    let long = frame
                        .data_ref()
                        .is_none_or(|data| all.len() + data.len() > shelf.max_body());
                    if long {
                        self.told(None);
                        let mut read = VecDeque::new();
                        if !all.is_empty() {
                            read.push_back(http_body::Frame::data(all.freeze()));
                        }
                        read.push_back(frame);
                        return Response::from_parts(parts, ResponseBody::begun(read, body));
                    }
                    if let Some(data) = frame.data_ref() {
                        all.extend_from_slice(data);
                    }
                }
            }
        }
        let all = all.freeze();
        let response = Response::from_parts(parts, ResponseBody::full(all.clone()));
        let answer = Answer::new(&response, all, &self.asked, self.now());
        if let Some(answer) = &answer {
            shelf.keep(&self.asked, Arc::clone(answer));
        }
        self.told(answer);
        response
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

/// The host that a request asks for.
pub(crate) fn host_of(parts: &http::request::Parts) -> String {
    headers::host(parts).to_owned()
}
