//! One request on its way through the policies: carries out what core's machine says.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use breakerbox::TimeoutKind;
use breakerbox::core::Timestamp;
use breakerbox::core::chaos::Fault;
use breakerbox::core::pipeline::{Action, Call, End, Ending, Event, Hint, Start};
use breakerbox::http as judge;
use http::{HeaderMap, Response};
use tokio::time::Instant;

use super::counts::count;
use super::kept::{Kept, KeptResponse};
use super::outcome;
use super::over::{Over, Stopped};
use super::timer::{Timer, poll_first, poll_others};
use super::{Class, Kind, Policies};
use crate::body::{BodyEnd, Upload};
use crate::pool::{SendError, UpstreamBody};

/// What an attempt comes to: a response, or none.
pub type Sent = Result<Response<UpstreamBody>, SendError>;

/// A call, until its response has ended. Dropping it gives the call up.
#[derive(Debug)]
pub struct Flight {
    policies: Arc<Policies>,
    call: Option<Call>,
    begun: Timestamp,
    /// When the whole call must be over, its body too, even where its outcome is known before.
    deadline: Timestamp,
    /// The attempt whose response is on its way to the client.
    streams: Option<u32>,
    /// How many attempts were made.
    attempts: u32,
    /// How far the request has come that was sent last, if that has a body.
    upload: Option<Upload>,
    /// What the attempts before came to, at last.
    kept: Option<Kept>,
}

/// One attempt to be made.
#[derive(Clone, Copy, Debug)]
pub struct Attempt {
    /// Its number, from 1.
    pub number: u32,
    /// The number of the endpoint it goes to.
    pub endpoint: usize,
    /// What chaos does to it.
    pub fault: Option<Fault>,
    /// How much time the call has left, to be told to the upstream.
    pub left: Option<Duration>,
}

/// The requests of a call.
pub trait Requests {
    /// Makes an attempt; with what tells how far its body has come, if it has one. `None`: that is not
    /// possible any more.
    fn send(
        &mut self,
        attempt: Attempt,
    ) -> Option<(impl Future<Output = Sent> + use<Self>, Option<Upload>)>;

    /// Whether all of the request that was sent can be sent again.
    fn is_kept(&self) -> bool;

    /// Looks whether the answer is elsewhere; what the machine says to that.
    fn look_up(&mut self, flight: &mut Flight) -> impl Future<Output = Action>;
}

/// What a driver does next.
enum Next {
    /// What the machine says.
    Act(Action),
    /// The client gets this.
    Answer(Result<Response<UpstreamBody>, Over>),
}

impl Flight {
    /// Begins a call; `true`: the answer may be elsewhere, and is to be looked for first.
    pub fn begin(policies: &Arc<Policies>, start: Start) -> (Self, Action) {
        let now = policies.now();
        let (call, action) = policies.pipeline().begin(now, start, &mut |endpoint, change| {
            policies.changed(endpoint, change);
        });
        let flight = Self {
            policies: Arc::clone(policies),
            deadline: call.deadline(),
            call: Some(call),
            begun: now,
            streams: None,
            attempts: 0,
            upload: None,
            kept: None,
        };
        (flight, action)
    }

    /// How much time the call has left, to be told to the upstream.
    pub fn left(&self) -> Option<Duration> {
        let deadline = self.deadline;
        (deadline != Timestamp::NEVER).then(|| deadline.since(self.policies.now()))
    }

    /// When the whole call must be over, on the timer's clock.
    pub fn deadline(&self) -> Option<Instant> {
        self.left().and_then(|left| Instant::now().checked_add(left))
    }

    /// Carries the call through until there is a response to pass on, or none.
    ///
    /// Of the attempts one runs here, in place; those that run beside it, which are hedges, are boxed.
    ///
    /// Whoever asked first counts what the client gets: see [`Over::kind`].
    ///
    /// # Errors
    ///
    /// A policy rejected it, time ran out, there was no response, or the fallback stands in for it.
    pub async fn answer<R: Requests>(
        &mut self,
        begun: Action,
        requests: &mut R,
    ) -> Result<Response<UpstreamBody>, Over> {
        let mut action = begun;
        loop {
            action = match action {
                Action::Done { end, fallback } => return Err(self.over(end, fallback)),
                Action::LookUp => requests.look_up(self).await,
                Action::Wait => match self.wait(requests).await {
                    Next::Act(action) => action,
                    Next::Answer(answer) => return answer,
                },
                Action::Run { attempt, endpoint } => {
                    match self.run(attempt, endpoint, requests).await {
                        Next::Act(action) => action,
                        Next::Answer(answer) => return answer,
                    }
                }
            }
        }
    }

    /// Waits until the machine begins an attempt, or ends the call.
    async fn wait<R: Requests>(&mut self, requests: &R) -> Next {
        let mut timer = pin!(Timer::default());
        poll_fn(|cx| self.poll_machine(cx, timer.as_mut(), requests)).await
    }

    /// Runs an attempt, and the hedges beside it, until none runs.
    async fn run<R: Requests>(&mut self, number: u32, endpoint: usize, requests: &mut R) -> Next {
        let mut running = Vec::new();
        let Some((first, upload)) = requests.send(self.attempt(number, endpoint)) else {
            return Next::Answer(Err(self.impossible()));
        };
        self.upload = upload;
        let mut first = pin!(Some(first));
        let mut first_number = number;
        let mut timer = pin!(Timer::default());
        poll_fn(|cx| {
            loop {
                let sent = poll_first(&mut first, first_number, cx)
                    .or_else(|| poll_others(&mut running, cx));
                let next = match sent {
                    Some((number, sent)) => self.ended(number, sent, requests),
                    None => match self.poll_machine(cx, timer.as_mut(), requests) {
                        Poll::Ready(next) => next,
                        Poll::Pending => return Poll::Pending,
                    },
                };
                match next {
                    Next::Act(Action::Run { attempt, endpoint }) if self.runs_beside(attempt) => {
                        let made = requests.send(self.attempt(attempt, endpoint));
                        let Some((hedge, upload)) = made else {
                            return Poll::Ready(Next::Answer(Err(self.impossible())));
                        };
                        self.upload = upload;
                        running.push((attempt, Box::pin(hedge)));
                    }
                    Next::Act(Action::Wait) => {}
                    next => return Poll::Ready(next),
                }
                if first_number != 0 && !self.runs(first_number) {
                    first.set(None);
                    first_number = 0;
                }
                running.retain(|(number, _)| self.runs(*number));
                if first_number == 0 && running.is_empty() {
                    return Poll::Ready(Next::Act(Action::Wait));
                }
            }
        })
        .await
    }

    fn attempt(&mut self, number: u32, endpoint: usize) -> Attempt {
        self.attempts += 1;
        let fault = self.call.as_ref().and_then(|call| call.fault(number));
        Attempt { number, endpoint, fault, left: self.left() }
    }

    fn runs(&self, attempt: u32) -> bool {
        self.call.as_ref().is_some_and(|call| call.runs(attempt))
    }

    /// Whether others run beside this one.
    fn runs_beside(&self, attempt: u32) -> bool {
        (1..attempt).any(|other| self.runs(other))
    }

    /// Looks at the time, and at the queues that the call may wait in.
    fn poll_machine<R: Requests>(
        &mut self,
        cx: &mut Context<'_>,
        mut timer: Pin<&mut Timer>,
        requests: &R,
    ) -> Poll<Next> {
        loop {
            let Some(call) = &self.call else { return Poll::Pending };
            if !(call.is_queued() && call.listen(self.policies.pipeline(), cx.waker())) {
                let due = call.due();
                if due == Timestamp::NEVER {
                    return Poll::Pending;
                }
                std::task::ready!(timer.as_mut().poll_until(due, &self.policies, cx));
            }
            self.waited_for_client();
            if !requests.is_kept() {
                self.not_repeatable();
            }
            match self.step(Event::Time) {
                Action::Done { end, fallback } => {
                    return Poll::Ready(Next::Answer(Err(self.over(end, fallback))));
                }
                Action::Wait if self.call.as_ref().is_some_and(Call::is_queued) => {}
                action => return Poll::Ready(Next::Act(action)),
            }
        }
    }

    /// Tells the machine how much of the time so far was the client's.
    fn waited_for_client(&mut self) {
        if let (Some(upload), Some(call)) = (&self.upload, &mut self.call) {
            let from = self.policies.now() - upload.upstreams_turn();
            call.waited_for_caller(self.policies.pipeline(), from);
        }
    }

    /// An attempt has come to this.
    fn ended<R: Requests>(&mut self, attempt: u32, sent: Sent, requests: &R) -> Next {
        self.waited_for_client();
        if !requests.is_kept() {
            self.not_repeatable();
        }
        match sent {
            Ok(response) => self.headers(attempt, response),
            Err(error) => self.no_response(attempt, error, requests.is_kept()),
        }
    }

    /// There is no response.
    fn no_response(&mut self, attempt: u32, error: SendError, is_kept: bool) -> Next {
        let hint = outcome::hint_of_error(&error);
        let hint = Hint { never_sent: hint.never_sent && is_kept, ..hint };
        let ending = outcome::of_error(&error).into();
        match self.step(Event::Ended { attempt, ending, hint }) {
            Action::Done { end: End::Delivered { .. }, fallback } => {
                self.record_latency();
                let stopped = Stopped::NoResponse(error);
                Next::Answer(Err(Over { stopped, fallback, kind: Kind::NoResponse }))
            }
            action => {
                self.kept = Some(Kept::Error(error));
                Next::Act(action)
            }
        }
    }

    /// The headers are here. If they are a failure, or say nothing, that is the outcome; else it is
    /// known at the end of the body.
    fn headers(&mut self, attempt: u32, response: Response<UpstreamBody>) -> Next {
        let outcome = judge::of_headers(&response);
        if outcome == breakerbox::Outcome::Success {
            self.step(Event::ResponseStarted { attempt });
            self.streams = Some(attempt);
            self.delivered();
            return Next::Answer(Ok(response));
        }
        let hint = judge::hint_of_headers(&response);
        match self.step(Event::Ended { attempt, ending: outcome.into(), hint }) {
            Action::Done { end: End::Delivered { .. }, fallback: true } => {
                self.record_latency();
                let stopped = Stopped::Failed(Box::new(response));
                Next::Answer(Err(Over { stopped, fallback: true, kind: Kind::Delivered }))
            }
            Action::Done { end: End::Delivered { .. }, .. } => {
                self.delivered();
                Next::Answer(Ok(response))
            }
            action => {
                self.kept = Some(Kept::Response(KeptResponse::new(response)));
                Next::Act(action)
            }
        }
    }

    /// The request cannot be sent again.
    fn not_repeatable(&mut self) {
        if let Some(call) = &mut self.call {
            call.not_repeatable();
        }
    }

    /// What is to be told of the end of a response's body, if that is still of interest. `counted`: whose
    /// responses it is to be counted among then, by its class.
    pub fn on_body_end(
        mut self,
        headers: &HeaderMap,
        counted: Option<Arc<Policies>>,
    ) -> Option<impl FnOnce(BodyEnd) + 'static> {
        let attempt = self.call.as_ref().and(self.streams);
        if attempt.is_none() && counted.is_none() {
            return None;
        }
        let in_trailers = judge::comes_in_trailers(headers);
        Some(move |end: BodyEnd| {
            if let Some(policies) = counted {
                policies.responses().count(Class::of_end(&end));
            }
            if let Some(attempt) = attempt {
                self.body_ended(attempt, end, in_trailers);
            }
        })
    }

    /// The body of the response to an attempt has ended like this.
    fn body_ended(&mut self, attempt: u32, end: BodyEnd, in_trailers: bool) {
        match end {
            BodyEnd::Complete { trailers } if in_trailers => {
                let ending = judge::of_grpc_trailers(trailers.as_ref()).into();
                self.step(Event::ended(attempt, ending));
            }
            BodyEnd::Complete { .. } => {
                self.step(Event::ended(attempt, Ending::Success));
            }
            BodyEnd::UpstreamFailed | BodyEnd::IdleTimeout => {
                self.step(Event::ended(attempt, Ending::Failure));
            }
            BodyEnd::DeadlineExceeded => {
                // Its timer is a little finer than ours: the machine decides whose deadline it was.
                let due = self.call.as_ref().map_or(Timestamp::ZERO, Call::due);
                let now = self.policies.now().max(due);
                self.step_at(now, Event::Time);
                count(&self.policies.counts().deadlines);
            }
            // Dropping the flight gives the call up.
            BodyEnd::ClientGone => {}
        }
    }

    /// The answer came from elsewhere: a cache, or an equal call.
    pub fn answered(&mut self, ending: Ending) -> Action {
        self.step(Event::Answered { ending })
    }

    /// The answer is nowhere else.
    pub fn unanswered(&mut self) -> Action {
        self.step(Event::Unanswered)
    }

    /// There is nothing to send: an endpoint or a body that is not there any more.
    fn impossible(&self) -> Over {
        let stopped = Stopped::Timeout(TimeoutKind::Attempt);
        Over { stopped, fallback: false, kind: Kind::NoResponse }
    }

    /// The call is over without a response to pass on.
    pub fn over(&mut self, end: End, fallback: bool) -> Over {
        self.call = None;
        let counts = self.policies.counts();
        let (stopped, kind) = match end {
            End::Rejected(rejection) => {
                count(&counts.rejections[rejection.number()]);
                (Stopped::Rejected(rejection), Kind::Rejected(rejection.number()))
            }
            End::AttemptTimeout { .. } => {
                count(&counts.attempt_timeouts);
                (Stopped::Timeout(TimeoutKind::Attempt), Kind::Timeout)
            }
            End::Answered => (Stopped::Answered, Kind::Shared),
            // Only where time ran out is what an attempt came to before taken out again.
            End::DeadlineExceeded { .. } | End::Delivered { .. } => {
                count(&counts.deadlines);
                match self.kept.take() {
                    Some(Kept::Response(response)) => {
                        (Stopped::Kept(Box::new(response)), Kind::Delivered)
                    }
                    Some(Kept::Error(error)) => (Stopped::NoResponse(error), Kind::NoResponse),
                    None => (Stopped::Timeout(TimeoutKind::Deadline), Kind::Deadline),
                }
            }
        };
        if !matches!(stopped, Stopped::Rejected(_) | Stopped::Answered) {
            self.record_latency();
        }
        Over { stopped, fallback, kind }
    }

    /// The upstream's response goes to the client.
    fn delivered(&self) {
        self.policies.counts().count(Kind::Delivered);
        self.record_latency();
    }

    fn record_latency(&self) {
        self.policies.latency().record(self.policies.now().since(self.begun));
    }

    /// Waits for `ready`, as long as the call has time.
    ///
    /// # Errors
    ///
    /// It has none left: what the machine says to that.
    pub async fn wait_for<T>(
        &mut self,
        mut ready: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Result<T, Action> {
        let mut timer = pin!(Timer::default());
        poll_fn(|cx| {
            loop {
                if let Poll::Ready(value) = ready(cx) {
                    return Poll::Ready(Ok(value));
                }
                let due = self.call.as_ref().map_or(Timestamp::NEVER, Call::due);
                if due == Timestamp::NEVER {
                    return Poll::Pending;
                }
                std::task::ready!(timer.as_mut().poll_until(due, &self.policies, cx));
                let action = self.step(Event::Time);
                if action != Action::Wait {
                    return Poll::Ready(Err(action));
                }
            }
        })
        .await
    }

    fn step(&mut self, event: Event) -> Action {
        self.step_at(self.policies.now(), event)
    }

    fn step_at(&mut self, now: Timestamp, event: Event) -> Action {
        let Some(call) = &mut self.call else { return Action::Wait };
        let policies = &self.policies;
        let action = call.step(policies.pipeline(), now, event, &mut |endpoint, change| {
            policies.changed(endpoint, change);
        });
        if matches!(action, Action::Done { .. }) {
            self.call = None;
        }
        action
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        if self.policies.repeats() {
            self.policies.attempts.record(self.attempts);
        }
        if let Some(call) = self.call.take() {
            let policies = &self.policies;
            if self.streams.is_none() {
                policies.counts().count(Kind::Cancelled);
            }
            call.cancel(policies.pipeline(), policies.now(), &mut |endpoint, change| {
                policies.changed(endpoint, change);
            });
        }
    }
}
