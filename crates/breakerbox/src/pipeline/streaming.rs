//! A call whose answer has begun, and goes on.

use crate::clock::Clock;
use crate::inner::{Inner, Stopped, count};
use crate::{EventKind, Interest, Timeout, TimeoutKind};
use breakerbox_core::Timestamp;
use breakerbox_core::pipeline::{Call, Ending, Hint};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

/// A call whose answer has begun, and goes on. It holds its place until that has ended; dropping it gives
/// the call up.
pub(crate) struct Streaming<C: Clock> {
    inner: Arc<Inner<C>>,
    call: Call,
    attempt: u32,
}

impl<C: Clock> Streaming<C> {
    /// Takes the call of this attempt over.
    pub(crate) fn take(inner: &Arc<Inner<C>>, call: &mut Call, attempt: u32) -> Self {
        let call = std::mem::replace(call, Call::NEW);
        Self { inner: Arc::clone(inner), call, attempt }
    }

    /// The present.
    pub(crate) fn now(&self) -> Timestamp {
        self.inner.clock.now()
    }

    /// The answer has ended like this.
    pub(crate) fn ended(mut self, ending: Ending) {
        self.inner.attempt_ended(&mut self.call, self.attempt, ending, Hint::NONE);
    }

    /// The deadline has passed, though something still comes.
    pub(crate) fn past_deadline(&mut self) -> Option<Timeout> {
        let due = self.call.due();
        if due == Timestamp::NEVER || self.now() < due {
            return None;
        }
        match self.inner.time_passed(&mut self.call)? {
            Stopped::Timeout(timeout) => Some(timeout),
            Stopped::Rejected(_) => None,
        }
    }

    /// Nothing has come for so long that the answer is given up.
    pub(crate) fn idle_for(self, after: Duration) -> Timeout {
        let (name, kind) = (self.inner.name.clone(), TimeoutKind::Idle);
        count(&self.inner.rare.idle_timeouts);
        self.inner.tell(Interest::TIMEOUTS, || EventKind::Timeout { kind, after });
        self.ended(Ending::Failure);
        Timeout { name, kind, after }
    }

    /// Waits until `at` or the deadline of the call. `None`: it was not the deadline.
    ///
    /// A timer that comes too early is waited for, and then made anew: most answers are over before it comes,
    /// so that there is one for each of them and not for each part.
    pub(crate) fn poll_until(
        &mut self,
        at: Timestamp,
        timer: &mut Option<(Timestamp, Pin<Box<C::Sleep>>)>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Timeout>> {
        loop {
            let deadline = self.call.due();
            let due = at.min(deadline);
            if due == Timestamp::NEVER {
                return Poll::Pending;
            }
            if timer.as_ref().is_none_or(|(timer_at, _)| *timer_at > due) {
                *timer = Some((due, Box::pin(self.inner.clock.sleep_until(due))));
            }
            if let Some((_, sleep)) = timer {
                ready!(sleep.as_mut().poll(cx));
            }
            *timer = None;
            let now = self.now();
            if deadline <= now {
                if let Some(Stopped::Timeout(timeout)) = self.inner.time_passed(&mut self.call) {
                    return Poll::Ready(Some(timeout));
                }
            } else if at <= now {
                return Poll::Ready(None);
            }
        }
    }
}

impl<C: Clock> Drop for Streaming<C> {
    fn drop(&mut self) {
        self.inner.dropped(&mut self.call);
    }
}

impl<C: Clock> std::fmt::Debug for Streaming<C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Streaming").field("pipeline", &self.inner.name).finish_non_exhaustive()
    }
}
