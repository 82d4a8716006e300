//! What one request is told of how its responses are judged, and what its sender gets.

use super::response_body::ResponseBody;
use crate::clock::Clock;
use crate::inner::Inner;
use crate::pipeline::{Found, Plan, Streaming};
use crate::{Classify, Error, Hints};
use breakerbox_core::Timestamp;
use breakerbox_core::pipeline::{Call, Ending, Hint};
use http::Response;
use http_body::Body;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

/// A response counts at the end of its body, unless its head is a failure or says nothing.
pub(super) struct ByBody<C: Clock, K, H> {
    pub(super) inner: Arc<Inner<C>>,
    pub(super) classify: K,
    pub(super) hints: H,
    /// How long a body may be silent.
    pub(super) idle: Option<Duration>,
    /// The call ends with the head.
    pub(super) until_head: bool,
    /// The call, once the response has begun.
    pub(super) call: Option<Streaming<C>>,
}

impl<RB, E, C, K, H> Plan<Response<RB>, E> for ByBody<C, K, H>
where
    RB: Body,
    C: Clock,
    K: Classify<Response<RB>, E>,
    H: Hints<Response<RB>, E>,
{
    type Answer = Response<ResponseBody<RB, C>>;

    const STREAMS: bool = true;

    fn goes_on(&mut self, call: &mut Call, attempt: u32) {
        self.call = Some(Streaming::take(&self.inner, call, attempt));
    }

    fn ending(&self, result: &Result<Response<RB>, E>) -> Ending {
        self.classify.classify(result).into()
    }

    fn hint(&self, result: &Result<Response<RB>, E>) -> Hint {
        self.hints.hint(result)
    }

    fn poll_look_up(
        &mut self,
        _: &mut Context<'_>,
        _: Timestamp,
    ) -> Poll<Option<Found<Response<RB>, E>>> {
        Poll::Ready(None)
    }

    fn came_to(
        &mut self,
        _: impl FnOnce() -> Timestamp,
        _: Ending,
        _: &Result<Response<RB>, Error<E>>,
    ) {
    }

    fn answer<D: Clock>(
        &mut self,
        _: &Inner<D>,
        result: Result<Response<RB>, Error<E>>,
        _: bool,
    ) -> Result<Self::Answer, Error<E>> {
        if self.until_head
            && let Some(call) = self.call.take()
        {
            call.ended(Ending::Success);
        }
        result.map(|response| ResponseBody::passed(response, self.call.take(), self.idle))
    }

    fn found<D: Clock>(
        &mut self,
        inner: &Inner<D>,
        (_, found): Found<Response<RB>, E>,
        instead: bool,
    ) -> Result<Self::Answer, Error<E>> {
        self.answer(inner, found.map(|(response, _)| response), instead)
    }
}
