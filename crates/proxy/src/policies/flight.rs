//! One request on its way through the policies: carries out what core's machine says.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use breakerbox::clock::Clock as _;
use breakerbox::core::Timestamp;
use breakerbox::core::pipeline::{Action, Call, End, Ending, Event};
use breakerbox::{Outcome, TimeoutKind};
use http::{HeaderMap, Response};
use tokio::time::{Instant, Sleep};

use super::outcome;
use super::{Policies, count};
use crate::body::BodyEnd;
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
    endpoint: usize,
    /// The response is on its way to the client.
    streaming: bool,
}

/// Why a call is over without a response of the upstream.
#[derive(Debug)]
pub enum Stopped {
    /// No breaker admits it.
    BreakerOpen {
        /// When one may.
        retry_after: Option<Duration>,
    },
    /// Time ran out.
    Timeout(TimeoutKind),
    /// The upstream gave no response.
    NoResponse(SendError),
    /// The upstream's response was a failure, and the fallback stands in for it.
    Failed(Box<Response<UpstreamBody>>),
}

impl Stopped {
    /// The reason in one word, as `breakerbox-reason` says it.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::BreakerOpen { .. } => "breaker_open",
            Self::Timeout(TimeoutKind::Attempt) => "timeout",
            Self::Timeout(TimeoutKind::Deadline) => "deadline",
            Self::NoResponse(error) => error.kind().name(),
            Self::Failed(_) => "status",
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
    /// Begins a call. `left`: how much time its client has, where that is known and believed.
    ///
    /// # Errors
    ///
    /// It does not get through.
    pub fn begin(policies: &Arc<Policies>, left: Option<Duration>) -> Result<Self, Over> {
        let now = policies.now();
        let (call, action) = policies.pipeline.begin(now, left, &mut |endpoint, change| {
            policies.changed(endpoint, change);
        });
        let policies = Arc::clone(policies);
        match action {
            Action::Run { endpoint, .. } => {
                let deadline = call.deadline();
                let call = Some(call);
                Ok(Self { policies, call, begun: now, deadline, endpoint, streaming: false })
            }
            Action::Done { end, fallback } => Err(policies.over(end, fallback)),
            Action::Wait => unreachable!("the machine has begun the call or ended it"),
        }
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

    /// Waits for the headers of the response, as long as the machine allows.
    ///
    /// # Errors
    ///
    /// Time ran out, there was no response, or the fallback stands in for it.
    pub async fn response(
        &mut self,
        attempt: impl Future<Output = Result<Response<UpstreamBody>, SendError>>,
    ) -> Result<Response<UpstreamBody>, Over> {
        let mut attempt = pin!(attempt);
        let mut timer: Pin<&mut Option<Sleep>> = pin!(None);
        let answer = poll_fn(|cx| {
            if let Poll::Ready(result) = attempt.as_mut().poll(cx) {
                return Poll::Ready(Ok(result));
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
                // What time does happens when it is due, however late it is noticed: else a probe
                // that times out would always be found after its lease.
                if let Action::Done { end, fallback } = self.step_at(due, Event::Time) {
                    return Poll::Ready(Err(self.policies.over(end, fallback)));
                }
            }
        })
        .await;
        self.policies.latency.record(self.policies.now().since(self.begun));
        match answer {
            Ok(Ok(response)) => self.headers(response),
            Ok(Err(error)) => {
                let fallback = self.end(outcome::of_error(&error).into());
                count(&self.policies.counts.no_response);
                Err(Over { stopped: Stopped::NoResponse(error), fallback })
            }
            Err(over) => Err(over),
        }
    }

    /// The headers are here. If they are a failure, or say nothing, that is the outcome; else it is
    /// known at the end of the body.
    fn headers(
        &mut self,
        response: Response<UpstreamBody>,
    ) -> Result<Response<UpstreamBody>, Over> {
        match outcome::of_headers(&response) {
            Outcome::Success => {
                self.step(Event::ResponseStarted { attempt: 1 });
                self.streaming = true;
            }
            outcome => {
                if self.end(outcome.into()) {
                    return Err(Over { stopped: Stopped::Failed(Box::new(response)), fallback: true });
                }
            }
        }
        count(&self.policies.counts.delivered);
        Ok(response)
    }

    /// What is to be told of the end of a response's body, if that is still of interest.
    pub fn on_body_end(mut self, headers: &HeaderMap) -> Option<impl FnOnce(BodyEnd) + 'static> {
        self.call.as_ref()?;
        let in_trailers = outcome::comes_in_trailers(headers);
        Some(move |end: BodyEnd| match end {
            BodyEnd::Complete { trailers } if in_trailers => {
                self.end(outcome::of_grpc_trailers(trailers.as_ref()).into());
            }
            BodyEnd::Complete { .. } => drop(self.end(Ending::Success)),
            BodyEnd::UpstreamFailed | BodyEnd::IdleTimeout => drop(self.end(Ending::Failure)),
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

    /// The attempt has ended so. Whether the fallback stands in.
    fn end(&mut self, ending: Ending) -> bool {
        let action = self.step(Event::Ended { attempt: 1, ending });
        matches!(action, Action::Done { fallback: true, .. })
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

    fn over(&self, end: End, fallback: bool) -> Over {
        let stopped = match end {
            End::Rejected(rejection) => {
                count(&self.counts.breaker_open);
                Stopped::BreakerOpen { retry_after: rejection.retry_after() }
            }
            End::AttemptTimeout { .. } => {
                count(&self.counts.attempt_timeouts);
                Stopped::Timeout(TimeoutKind::Attempt)
            }
            End::DeadlineExceeded { .. } => {
                count(&self.counts.deadlines);
                Stopped::Timeout(TimeoutKind::Deadline)
            }
            End::Delivered { .. } => unreachable!("a delivered response is not over"),
        };
        Over { stopped, fallback }
    }
}
