//! One request on its way through the policies: carries out what core's machine says.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::task::Poll;
use std::time::Duration;

use breakerbox::clock::Clock as _;
use breakerbox::core::Timestamp;
use breakerbox::core::pipeline::{Action, Call, End, Ending, Event, Hint, Rejection, Start};
use breakerbox::{Outcome, State, TimeoutKind};
use http::{HeaderMap, Response};
use tokio::time::{Instant, Sleep};

use super::kept::{Kept, KeptResponse};
use super::outcome;
use super::{Counts, Policies, count};
use crate::body::{BodyEnd, Upload};
use crate::pool::{SendError, UpstreamBody};

/// A call that the machine has let through, until its response has ended. Dropping it gives the
/// call up.
#[derive(Debug)]
pub struct Flight {
    policies: Arc<Policies>,
    call: Option<Call>,
    begun: Timestamp,
    /// When the whole call must be over, its body too, even where its outcome is known before.
    deadline: Timestamp,
    /// The attempt that runs, or ran last: its number, and where it goes.
    attempt: u32,
    endpoint: usize,
    /// How far its request has come, if that has a body.
    upload: Option<Upload>,
    /// What the attempts before came to, at last.
    kept: Option<Kept>,
    /// The response is on its way to the client.
    streaming: bool,
}

/// What an attempt came to: a response to pass on, or nothing that would not be worth another one.
#[derive(Debug)]
pub enum Attempted {
    /// The client gets this response.
    Response(Response<UpstreamBody>),
    /// The time for another attempt has come.
    Again,
}

/// Why a call is over without a response of the upstream.
#[derive(Debug)]
pub enum Stopped {
    /// No breaker admits it.
    BreakerOpen {
        /// The state of the breaker that will admit one first.
        state: State,
        /// When it may.
        retry_after: Option<Duration>,
    },
    /// Time ran out.
    Timeout(TimeoutKind),
    /// The upstream gave no response.
    NoResponse(SendError),
    /// The upstream's response was a failure, and the fallback stands in for it.
    Failed(Box<Response<UpstreamBody>>),
    /// The last real answer was this failure, and there was no time for a better one.
    Kept(Box<KeptResponse>),
}

impl Stopped {
    /// The reason in one word, as `breakerbox-reason` says it.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::BreakerOpen { .. } => "breaker_open",
            Self::Timeout(TimeoutKind::Attempt) => "timeout",
            Self::Timeout(TimeoutKind::Deadline) => "deadline",
            Self::NoResponse(error) => error.kind().name(),
            Self::Failed(_) | Self::Kept(_) => "status",
        }
    }
}

/// What there is to answer with.
#[derive(Debug)]
pub struct Over {
    /// What happened.
    pub stopped: Stopped,
    /// Whether the fallback stands in.
    pub fallback: bool,
}

impl Flight {
    /// Begins a call.
    ///
    /// # Errors
    ///
    /// It does not get through.
    pub async fn begin(policies: &Arc<Policies>, start: Start) -> Result<Self, Over> {
        let now = policies.now();
        let (call, action) = policies.pipeline.begin(now, start, &mut |endpoint, change| {
            policies.changed(endpoint, change);
        });
        let mut flight = Self {
            policies: Arc::clone(policies),
            deadline: call.deadline(),
            call: Some(call),
            begun: now,
            attempt: 1,
            endpoint: 0,
            upload: None,
            kept: None,
            streaming: false,
        };
        match action {
            Action::Run { attempt, endpoint } => {
                (flight.attempt, flight.endpoint) = (attempt, endpoint);
                Ok(flight)
            }
            Action::Done { end, fallback } => {
                flight.call = None;
                Err(flight.over(end, fallback))
            }
            // No breaker admits it yet.
            Action::Wait => flight.wait().await.map(|()| flight),
        }
    }

    /// The number of the attempt, from 1.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// The number of the endpoint it goes to.
    pub fn endpoint(&self) -> usize {
        self.endpoint
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

    /// The request of the next attempt has a body that may take its client a while to send.
    pub fn watch(&mut self, upload: Option<Upload>) {
        self.upload = upload;
    }

    /// Tells the machine how much of the time so far was the client's.
    fn waited_for_client(&mut self) {
        if let (Some(upload), Some(call)) = (&self.upload, &mut self.call) {
            let from = self.policies.now() - upload.upstreams_turn();
            call.waited_for_caller(&self.policies.pipeline, from);
        }
    }

    /// Waits for the headers of the response, as long as the machine allows; where the machine wants
    /// another attempt, until its time has come. `is_kept`: whether the request can be sent again.
    ///
    /// # Errors
    ///
    /// Time ran out, there was no response, or the fallback stands in for it.
    pub async fn attempted(
        &mut self,
        attempt: impl Future<Output = Result<Response<UpstreamBody>, SendError>>,
        is_kept: impl Fn() -> bool,
    ) -> Result<Attempted, Over> {
        let result = self.run(attempt, &is_kept).await?;
        self.waited_for_client();
        if !is_kept() {
            self.not_repeatable();
        }
        match result {
            None => {}
            Some(Ok(response)) => {
                if let Some(response) = self.headers(response)? {
                    self.record_latency();
                    return Ok(Attempted::Response(response));
                }
            }
            Some(Err(error)) => self.no_response(error, is_kept())?,
        }
        self.wait().await?;
        Ok(Attempted::Again)
    }

    /// Runs an attempt to its end; `None` if it timed out and is to be repeated.
    async fn run(
        &mut self,
        attempt: impl Future<Output = Result<Response<UpstreamBody>, SendError>>,
        is_kept: &impl Fn() -> bool,
    ) -> Result<Option<Result<Response<UpstreamBody>, SendError>>, Over> {
        let mut attempt = pin!(attempt);
        let mut timer: Pin<&mut Option<Sleep>> = pin!(None);
        poll_fn(|cx| {
            if let Poll::Ready(result) = attempt.as_mut().poll(cx) {
                return Poll::Ready(Ok(Some(result)));
            }
            loop {
                let due = self.call.as_ref().map_or(Timestamp::NEVER, Call::due);
                if due == Timestamp::NEVER {
                    return Poll::Pending;
                }
                if timer.is_none() {
                    timer.set(Some(self.policies.sleep_until(due)));
                }
                let sleep = timer.as_mut().as_pin_mut().expect("it has just been made");
                std::task::ready!(sleep.poll(cx));
                timer.set(None);
                self.waited_for_client();
                if !is_kept() {
                    self.not_repeatable();
                }
                match self.step(Event::Time) {
                    Action::Done { end, fallback } => {
                        return Poll::Ready(Err(self.over(end, fallback)));
                    }
                    _ if !self.call.as_ref().is_some_and(Call::is_attempting) => {
                        return Poll::Ready(Ok(None));
                    }
                    Action::Wait | Action::Run { .. } => {}
                }
            }
        })
        .await
    }

    /// Waits until the machine begins the next attempt.
    async fn wait(&mut self) -> Result<(), Over> {
        loop {
            let due = self.call.as_ref().map_or(Timestamp::NEVER, Call::due);
            self.policies.sleep_until(due).await;
            match self.step(Event::Time) {
                Action::Run { attempt, endpoint } => {
                    (self.attempt, self.endpoint) = (attempt, endpoint);
                    return Ok(());
                }
                Action::Done { end, fallback } => return Err(self.over(end, fallback)),
                Action::Wait => {}
            }
        }
    }

    /// There is no response; another attempt is made if this returns.
    fn no_response(&mut self, error: SendError, is_kept: bool) -> Result<(), Over> {
        let hint = outcome::hint_of_error(&error);
        let hint = Hint { never_sent: hint.never_sent && is_kept, ..hint };
        match self.end(outcome::of_error(&error).into(), hint) {
            Action::Wait => {
                self.kept = Some(Kept::Error(error));
                Ok(())
            }
            Action::Run { .. } => Ok(()),
            Action::Done { fallback, .. } => {
                self.ended(fallback, |counts| &counts.no_response);

                Err(Over { stopped: Stopped::NoResponse(error), fallback })
            }
        }
    }

    /// The headers are here. If they are a failure, or say nothing, that is the outcome; else it is
    /// known at the end of the body. `None`: another attempt is made.
    fn headers(
        &mut self,
        response: Response<UpstreamBody>,
    ) -> Result<Option<Response<UpstreamBody>>, Over> {
        match outcome::of_headers(&response) {
            Outcome::Success => {
                self.step(Event::ResponseStarted { attempt: self.attempt });
                self.streaming = true;
            }
            outcome => match self.end(outcome.into(), outcome::hint_of_headers(&response)) {
                Action::Wait => {
                    self.kept = Some(Kept::Response(KeptResponse::new(response)));
                    return Ok(None);
                }
                Action::Done { fallback: true, .. } => {
                    self.ended(true, |counts| &counts.fallbacks);
                    let stopped = Stopped::Failed(Box::new(response));
                    return Err(Over { stopped, fallback: true });
                }
                Action::Done { .. } | Action::Run { .. } => {}
            },
        }
        count(&self.policies.counts.delivered);
        Ok(Some(response))
    }

    fn record_latency(&self) {
        self.policies.latency.record(self.policies.now().since(self.begun));
    }

    /// The request cannot be sent again.
    fn not_repeatable(&mut self) {
        if let Some(call) = &mut self.call {
            call.not_repeatable();
        }
    }

    /// What is to be told of the end of a response's body, if that is still of interest.
    pub fn on_body_end(mut self, headers: &HeaderMap) -> Option<impl FnOnce(BodyEnd) + 'static> {
        self.call.as_ref()?;
        let in_trailers = outcome::comes_in_trailers(headers);
        Some(move |end: BodyEnd| match end {
            BodyEnd::Complete { trailers } if in_trailers => {
                self.end(outcome::of_grpc_trailers(trailers.as_ref()).into(), Hint::NONE);
            }
            BodyEnd::Complete { .. } => {
                self.end(Ending::Success, Hint::NONE);
            }
            BodyEnd::UpstreamFailed | BodyEnd::IdleTimeout => {
                self.end(Ending::Failure, Hint::NONE);
            }
            BodyEnd::DeadlineExceeded => {
                // Its timer is a little finer than ours: the machine decides whose deadline it was.
                let due = self.call.as_ref().map_or(Timestamp::ZERO, Call::due);
                let now = self.policies.now().max(due);
                self.step_at(now, Event::Time);
                count(&self.policies.counts.deadlines);
            }
            // Dropping the flight gives the call up.
            BodyEnd::ClientGone => {}
        })
    }

    /// The attempt has ended so.
    fn end(&mut self, ending: Ending, hint: Hint) -> Action {
        let attempt = self.attempt;
        self.step(Event::Ended { attempt, ending, hint })
    }

    /// The call is over without a response to pass on.
    fn over(&mut self, end: End, fallback: bool) -> Over {
        let counts = &self.policies.counts;
        let (stopped, kind): (_, fn(&Counts) -> &AtomicU64) = match end {
            End::Rejected(rejection) => {
                count(&counts.rejections);
                let Rejection::BreakerOpen { state, retry_after } = rejection;
                (Stopped::BreakerOpen { state, retry_after }, |counts| &counts.breaker_open)
            }
            End::AttemptTimeout { .. } => {
                count(&counts.attempt_timeouts);
                (Stopped::Timeout(TimeoutKind::Attempt), |counts| &counts.timeout)
            }
            // Only where time ran out is what an attempt came to before taken out again.
            End::DeadlineExceeded { .. } | End::Delivered { .. } => {
                count(&counts.deadlines);
                match self.kept.take() {
                    Some(Kept::Response(response)) => {
                        (Stopped::Kept(Box::new(response)), |counts| &counts.delivered)
                    }
                    Some(Kept::Error(error)) => {
                        (Stopped::NoResponse(error), |counts| &counts.no_response)
                    }
                    None => (Stopped::Timeout(TimeoutKind::Deadline), |counts| &counts.deadline),
                }
            }
        };
        count(self.counter(fallback, kind));
        if !matches!(stopped, Stopped::BreakerOpen { .. }) {
            self.record_latency();
        }
        Over { stopped, fallback }
    }

    /// Counts a call whose attempt has ended, and how long it took.
    fn ended(&self, fallback: bool, kind: fn(&Counts) -> &AtomicU64) {
        count(self.counter(fallback, kind));
        self.record_latency();
    }

    /// Calls are counted by their kind, or as such that the fallback answers.
    fn counter(&self, fallback: bool, kind: fn(&Counts) -> &AtomicU64) -> &AtomicU64 {
        let counts = &self.policies.counts;
        if fallback { &counts.fallbacks } else { kind(counts) }
    }

    fn step(&mut self, event: Event) -> Action {
        self.step_at(self.policies.now(), event)
    }

    fn step_at(&mut self, now: Timestamp, event: Event) -> Action {
        let Some(call) = &mut self.call else { return Action::Wait };
        let policies = &self.policies;
        let action = call.step(&policies.pipeline, now, event, &mut |endpoint, change| {
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
        if let Some(call) = self.call.take() {
            let policies = &self.policies;
            if !self.streaming {
                count(&policies.counts.cancelled);
            }
            call.cancel(&policies.pipeline, policies.now(), &mut |endpoint, change| {
                policies.changed(endpoint, change);
            });
        }
    }
}

impl Policies {
    fn sleep_until(&self, due: Timestamp) -> Sleep {
        let tick = self.clock.tick();
        // A coarse clock lags behind by up to a tick: with one more it has arrived as well.
        tokio::time::sleep(due.since(self.now()).saturating_add(tick))
    }
}
