//! One request to a service, as an operation of a pipeline.

use super::repeat::Repeat;
use crate::pipeline::Operation;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tower_service::Service;

/// A request to a service, once or several times.
pub(crate) struct Requesting<S, Request, R> {
    service: S,
    request: Option<Request>,
    /// Another one like it, for the next attempt.
    spare: Option<Request>,
    repeat: R,
    /// The service is ready, and nobody has used that yet.
    ready: bool,
}

impl<S, Request, R: Repeat<Request>> Requesting<S, Request, R> {
    pub(crate) fn new(service: S, request: Request, repeats: bool, repeat: R) -> Self {
        let spare = if repeats { repeat.repeat(&request) } else { None };
        Self { service, request: Some(request), spare, repeat, ready: true }
    }
}

impl<S, Request, R> Operation for Requesting<S, Request, R>
where
    S: Service<Request> + Clone,
    R: Repeat<Request>,
{
    type Value = S::Response;
    type Error = S::Error;
    type Future = Attempt<S, Request>;

    fn repeatable(&self) -> bool {
        self.spare.is_some()
    }

    fn can_start(&self) -> bool {
        self.request.is_some() || self.spare.is_some()
    }

    fn start(&mut self, _: u32, _: impl FnOnce() -> Option<Duration>) -> Attempt<S, Request> {
        let request = self.request.take().or_else(|| {
            let spare = self.spare.take()?;
            self.spare = self.repeat.repeat(&spare);
            Some(spare)
        });
        let request = request.expect("the machine repeats nothing that it was told not to repeat");
        Attempt::new(&mut self.service, request, std::mem::replace(&mut self.ready, false))
    }

    fn release(&mut self) {
        release(&mut self.service, &mut self.ready);
    }

    fn waits(attempt: &Self::Future) -> bool {
        attempt.waits()
    }
}

/// The one that is ready makes the call; what is left has to be asked again.
pub(crate) fn take_ready<S: Clone>(service: &mut S) -> S {
    let other = service.clone();
    std::mem::replace(service, other)
}

/// Gives the readiness of a service back, which another call may need to go on: a clone has none. Whoever
/// waits for a place while it holds this one's readiness could wait for somebody who has the place and
/// waits for the readiness.
pub(crate) fn release<S: Clone>(service: &mut S, ready: &mut bool) {
    if std::mem::replace(ready, false) {
        *service = service.clone();
    }
}

pin_project_lite::pin_project! {
    /// One attempt: a repeated one first waits until the service is ready.
    #[project = AttemptProjection]
    pub(crate) enum Attempt<S, Request>
    where
        S: Service<Request>,
    {
        Waiting { service: S, request: Option<Request> },
        Responding { #[pin] response: S::Future },
    }
}

impl<S: Service<Request> + Clone, Request> Attempt<S, Request> {
    /// `ready`: the service is, so that the request can be sent at once.
    pub(crate) fn new(service: &mut S, request: Request, ready: bool) -> Self {
        if ready {
            return Self::Responding { response: service.call(request) };
        }
        Self::Waiting { service: service.clone(), request: Some(request) }
    }

    /// Whether it waits for the service.
    pub(crate) fn waits(&self) -> bool {
        matches!(self, Self::Waiting { .. })
    }
}

impl<S, Request> Future for Attempt<S, Request>
where
    S: Service<Request>,
{
    type Output = Result<S::Response, S::Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let response = match self.as_mut().project() {
                AttemptProjection::Responding { response } => return response.poll(cx),
                AttemptProjection::Waiting { service, request } => {
                    if let Err(error) = ready!(service.poll_ready(cx)) {
                        return Poll::Ready(Err(error));
                    }
                    let request = request.take().expect("an attempt is not polled after its end");
                    service.call(request)
                }
            };
            self.set(Attempt::Responding { response });
        }
    }
}
