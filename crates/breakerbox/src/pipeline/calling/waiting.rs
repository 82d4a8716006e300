//! Whatever else a call may wait for: other attempts, faults, a look for the answer, its turn, time.

use super::super::operation::Operation;
use super::super::plan::{Found, Plan};
use super::{Ended, PanicGuard, PipelineFuture};
use crate::clock::Clock;
use crate::inner::{Inner, count};
use crate::{Error, Rejection};
use breakerbox_core::Timestamp;
use breakerbox_core::chaos::FaultKind;
use breakerbox_core::pipeline::{Action, Call, End, Ending, Event, Hint, Rejection as Why};
use breakerbox_core::retry::Failure;
use std::ops::Deref;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

impl<I, C, O, P> PipelineFuture<I, C, O, P>
where
    I: Deref<Target = Inner<C>>,
    C: Clock,
    O: Operation,
    P: Plan<O::Value, O::Error>,
{
    /// Looks at all else that the call may wait for.
    pub(super) fn poll_others(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Turn<O::Value, O::Error>> {
        let mut this = self.project();
        let inner: &Inner<C> = this.inner;
        let call = this.call;
        if let Some(rare) = this.rare.as_deref_mut() {
            for (number, running) in &mut rare.beside {
                let running = running.as_mut();
                let polled = poll_attempt::<_, O>(inner, call, this.plan, *number, running, cx);
                if let Some((result, ending)) = polled {
                    let again = this.operation.can_start();
                    let action =
                        step_ended(inner, call, this.plan, *number, ending, &result, again);
                    rare.last = Some((ending, result.map_err(Error::Inner)));
                    return Poll::Ready(Turn::Did(action));
                }
            }
            if rare.looking
                && let Poll::Ready(found) = this.plan.poll_look_up(cx, inner.clock.now())
            {
                rare.looking = false;
                return Poll::Ready(match found {
                    None => Turn::Did(inner.step(call, Event::Unanswered)),
                    Some(found) => {
                        let action = inner.step(call, Event::Answered { ending: found.0 });
                        Turn::Found(found, action)
                    }
                });
            }
        }
        if call.is_queued() && call.listen(&inner.pipeline, cx.waker()) {
            return Poll::Ready(Turn::Did(inner.step(call, Event::Time)));
        }
        loop {
            if let Some(rare) = this.rare.as_deref_mut()
                && !rare.faults.is_empty()
                && let Some((attempt, kind)) = rare.faults.take_due(inner.clock.now())
            {
                let Some(kind) = kind else {
                    let (running, rare) = (&mut this.running, this.rare);
                    Self::run(inner, call, attempt, this.operation, running, this.number, rare);
                    return Poll::Ready(Turn::Began);
                };
                let (error, action) = injected(inner, call, attempt, kind);
                rare.last = Some((Ending::Failure, Err(error)));
                return Poll::Ready(Turn::Did(action));
            }
            let fault = this.rare.as_ref().map_or(Timestamp::NEVER, |rare| rare.faults.next());
            let due = call.due().min(fault);
            ready!(poll_timer(inner, this.timer.as_mut(), this.timer_at, due, cx));
            if inner.clock.now() >= call.due() {
                if !this.operation.can_start() {
                    call.not_repeatable();
                }
                return Poll::Ready(Turn::Did(inner.step(call, Event::Time)));
            }
        }
    }

    /// Drops the operations of attempts that are over.
    pub(super) fn drop_stopped(self: Pin<&mut Self>) {
        let mut this = self.project();
        let call = this.call;
        if this.running.is_some() && !call.runs(*this.number) {
            this.running.set(None);
        }
        if let Some(rare) = this.rare {
            rare.beside.retain(|(number, _)| call.runs(*number));
            rare.faults.keep(|number| call.runs(number));
        }
    }

    /// The machine says that the call is over.
    pub(super) fn done(
        mut self: Pin<&mut Self>,
        end: End,
        fallback: bool,
    ) -> Result<P::Answer, Error<O::Error>> {
        let mut this = self.as_mut().project();
        this.running.set(None);
        this.timer.set(None);
        this.operation.release();
        let last = this.rare.take().and_then(|rare| rare.last);
        let result = match end {
            End::Delivered { .. } | End::Answered => last,
            End::Rejected(_) | End::AttemptTimeout { .. } | End::DeadlineExceeded { .. } => None,
        };
        let (ending, result) = match result {
            Some((ending, result)) => (ending, result),
            None => (Ending::Failure, Err(this.inner.stopped(end).into())),
        };
        self.deliver(result, ending, fallback)
    }

    #[inline(always)]
    pub(super) fn deliver(
        self: Pin<&mut Self>,
        result: Result<O::Value, Error<O::Error>>,
        ending: Ending,
        fallback: bool,
    ) -> Result<P::Answer, Error<O::Error>> {
        let this = self.project();
        let inner: &Inner<C> = this.inner;
        this.plan.came_to(|| inner.clock.now(), ending, &result);
        this.plan.answer(inner, result, fallback)
    }
}

/// What has happened while a call waited.
pub(super) enum Turn<T, E> {
    /// Something, and the machine said this to it.
    Did(Action),
    /// An operation that chaos had held up has begun.
    Began,
    /// The answer was there.
    Found(Found<T, E>, Action),
}

/// Waits until `due` with the one timer that a call has.
#[inline]
pub(super) fn poll_timer<C: Clock>(
    inner: &Inner<C>,
    mut timer: Pin<&mut Option<C::Sleep>>,
    timer_at: &mut Timestamp,
    due: Timestamp,
    cx: &mut Context<'_>,
) -> Poll<()> {
    if due == Timestamp::NEVER {
        timer.set(None);
        return Poll::Pending;
    }
    if timer.is_none() || *timer_at != due {
        timer.set(Some(inner.clock.sleep_until(due)));
        *timer_at = due;
    }
    let sleep = timer.as_mut().as_pin_mut().expect("it has just been made");
    ready!(sleep.poll(cx));
    timer.set(None);
    Poll::Ready(())
}

/// Polls the operation of an attempt.
#[inline(always)]
pub(super) fn poll_attempt<C: Clock, O: Operation>(
    inner: &Inner<C>,
    call: &mut Call,
    plan: &impl Plan<O::Value, O::Error>,
    attempt: u32,
    running: Pin<&mut O::Future>,
    cx: &mut Context<'_>,
) -> Option<Ended<O::Value, O::Error>> {
    if O::waits(&running) {
        call.attempt_waited(&inner.pipeline, attempt, inner.clock.now());
    }
    let guard = PanicGuard { inner, call, attempt };
    let ended = match running.poll(cx) {
        Poll::Ready(result) => {
            let ending = plan.ending(&result);
            Some((result, ending))
        }
        Poll::Pending => None,
    };
    guard.passed();
    ended
}

/// Tells the machine, and whoever listens, that an attempt has ended.
///
/// `can_start`: the operation can be run once more, as far as it is concerned.
pub(in super::super) fn step_ended<C: Clock, T, E, P: Plan<T, E>>(
    inner: &Inner<C>,
    call: &mut Call,
    plan: &mut P,
    attempt: u32,
    ending: Ending,
    result: &Result<T, E>,
    can_start: bool,
) -> Action {
    if ending == Ending::Success {
        if P::STREAMS && result.is_ok() {
            inner.step_unwatched(call, Event::ResponseStarted { attempt });
            plan.goes_on(call, attempt);
            return Action::Done { end: End::Delivered { attempt }, fallback: false };
        }
        return inner.attempt_ended(call, attempt, ending, Hint::NONE);
    }
    let guard = PanicGuard { inner, call, attempt };
    let mut hint = plan.hint(result);
    guard.passed();
    if !can_start {
        hint.never_sent = false;
        call.not_repeatable();
    }
    inner.attempt_ended(call, attempt, ending, hint)
}

/// Chaos ends an attempt that has not been made.
#[cold]
pub(in super::super) fn injected<C: Clock, E>(
    inner: &Inner<C>,
    call: &mut Call,
    attempt: u32,
    kind: FaultKind,
) -> (Error<E>, Action) {
    let failure = match kind {
        FaultKind::Error(status) => Failure::Status(status),
        FaultKind::Reset | FaultKind::BlackHole => Failure::Reset,
    };
    let error = Error::Rejected(Rejection::new(inner.name.clone(), Why::Chaos));
    count(&inner.rare.rejected[Why::Chaos.number()]);
    let hint = Hint { failure, ..Hint::NONE };
    (error, inner.attempt_ended(call, attempt, Ending::Failure, hint))
}
