//! One request to a service, as an operation of a pipeline.

use super::repeat::Repeat;
use crate::pipeline::Operation;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tower_service::Service;

/// A request to a service, once or several times.
pub(super) struct Requesting<S, Request, R> {
    /// It is ready for the first attempt.
    service: S,
    request: Option<Request>,
    /// Another one like it, for the next attempt.
    spare: Option<Request>,
    repeat: R,
    first: bool,
}

impl<S, Request, R: Repeat<Request>> Requesting<S, Request, R> {
    pub(super) fn new(service: S, request: Request, repeats: bool, repeat: R) -> Self {
        let spare = if repeats { repeat.repeat(&request) } else { None };
        Self { service, request: Some(request), spare, repeat, first: true }
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
        self.spare.is_some()
    }

    fn start(&mut self, _: u32, _: impl FnOnce() -> Option<Duration>) -> Attempt<S, Request> {
        let request = self.request.take().or_else(|| {
            let spare = self.spare.take()?;
            self.spare = self.repeat.repeat(&spare);
            Some(spare)
        });
        let request = request.expect("the machine repeats nothing that it was told not to repeat");
        if std::mem::replace(&mut self.first, false) {
            return Attempt::Responding { response: self.service.call(request) };
        }
        Attempt::Waiting { service: self.service.clone(), request: Some(request) }
    }
}

pin_project_lite::pin_project! {
    /// One attempt: a repeated one first waits until the service is ready.
    #[project = AttemptProjection]
    pub(super) enum Attempt<S, Request>
    where
        S: Service<Request>,
    {
        Waiting { service: S, request: Option<Request> },
        Responding { #[pin] response: S::Future },
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
