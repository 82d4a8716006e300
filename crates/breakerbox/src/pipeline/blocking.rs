//! Calls of blocking operations through a pipeline.

use super::calling::{PanicGuard, injected, step_ended};
use super::faults::Faults;
use super::plan::Plan;
use super::prepared::{Blocking, PipelineCall};
use super::told::Told;
use super::{Pipeline, PipelineStats};
use crate::clock::{Clock, SystemClock};
use crate::inner::Inner;
use crate::{Error, ListenerId};
use breakerbox_core::breaker::Control;
use breakerbox_core::pipeline::{Action, Call, End, Ending, Event};
use std::sync::Arc;
use std::task::{Wake, Waker};
use std::thread::Thread;

/// All policies around blocking operations.
///
/// The same policies as a [`Pipeline`] has, but for those that would have to stop an operation: a
/// blocking one cannot be stopped, so the builder makes none with an attempt timeout or a hedge. The
/// deadline is looked at between attempts and while a call waits, never in an operation. Waiting, for
/// a retry, the bulkhead or the rate limit, blocks the thread; it goes by the clock of the pipeline, so
/// one that stands still unless somebody else moves it is not for calls that wait on their own.
///
/// ```
/// use breakerbox::{Pipeline, retry};
///
/// let numbers = Pipeline::builder("numbers").retry(retry::Settings::default()).build_blocking()?;
/// let mut texts = ["x", "7"].into_iter();
/// let seven = numbers.call(|| texts.next().unwrap().parse::<u32>());
/// assert_eq!((seven, numbers.stats().retries), (Ok(7), 1));
/// # Ok::<(), breakerbox::BuildError>(())
/// ```
#[derive(Clone, Debug)]
pub struct BlockingPipeline<C: Clock = SystemClock> {
    pipeline: Pipeline<C>,
}

impl<C: Clock> BlockingPipeline<C> {
    pub(super) fn of(pipeline: Pipeline<C>) -> Self {
        Self { pipeline }
    }

    /// Runs an operation through the pipeline, again where the retry settings say so: `Ok` is a
    /// success and `Err` a failure.
    ///
    /// # Errors
    /// [`Error::Rejected`] without running the operation or running it again, [`Error::Timeout`] when
    /// the deadline came first, [`Error::Inner`] with its own error.
    #[inline]
    pub fn call<T, E>(&self, operation: impl FnMut() -> Result<T, E>) -> Result<T, Error<E>> {
        self.protect().call(operation)
    }

    /// The same for an operation that must not be repeated.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    #[inline]
    pub fn call_once<T, E>(&self, operation: impl FnOnce() -> Result<T, E>) -> Result<T, Error<E>> {
        self.protect().call_once(operation)
    }

    /// A call that can be told more.
    #[inline]
    pub fn protect(&self) -> PipelineCall<'_, C, Blocking> {
        PipelineCall::new(&self.pipeline.inner)
    }

    /// What every policy has seen.
    pub fn stats(&self) -> PipelineStats {
        self.pipeline.stats()
    }

    /// Opens, isolates, closes or disables the breaker by hand: see [`Pipeline::control`].
    pub fn control(&self, control: Control) -> bool {
        self.pipeline.control(control)
    }

    /// Calls `listener` on every event: see [`Breaker::on_event`](crate::Breaker::on_event).
    pub fn on_event(&self, listener: impl Fn(&crate::Event) + Send + Sync + 'static) -> ListenerId {
        self.pipeline.on_event(listener)
    }

    /// The same pipeline for async operations, and for what is not here.
    pub fn to_async(&self) -> Pipeline<C> {
        self.pipeline.clone()
    }
}

/// Gives up a call that unwinds.
struct Unwinding<'a, C: Clock> {
    inner: &'a Inner<C>,
    call: Call,
}

impl<C: Clock> Drop for Unwinding<'_, C> {
    fn drop(&mut self) {
        self.inner.dropped(&mut self.call);
    }
}

/// Carries out what the machine says until the call is over.
#[inline]
pub(super) fn call<C: Clock, T, E, P: Plan<T, E>>(
    inner: &Inner<C>,
    told: Told,
    repeatable: bool,
    mut plan: P,
    mut operation: impl FnMut() -> Result<T, E>,
) -> Result<P::Answer, Error<E>> {
    let mut unwinding = Unwinding { inner, call: Call::NEW };
    let call = &mut unwinding.call;
    let action = inner.begin_in(call, &told.start(repeatable, repeatable));
    let Action::Run { attempt, .. } = action else {
        return go_on(inner, call, plan, (repeatable, operation), &action, None);
    };
    if call.fault(attempt).is_some() {
        return go_on(inner, call, plan, (repeatable, operation), &action, None);
    }
    let (result, ending) = run(inner, call, attempt, &plan, &mut operation);
    if ending == Ending::Success && !inner.watched() {
        let action = inner.step_unwatched(call, Event::ended(attempt, ending));
        if let Action::Done { end: End::Delivered { .. }, fallback } = action {
            return plan.answer(inner, result.map_err(Error::Inner), fallback);
        }
    }
    let action = step_ended(inner, call, &mut plan, attempt, ending, &result, repeatable);
    let last = Some(result.map_err(Error::Inner));
    go_on(inner, call, plan, (repeatable, operation), &action, last)
}

/// Runs the operation.
#[inline(always)]
fn run<C: Clock, T, E>(
    inner: &Inner<C>,
    call: &mut Call,
    attempt: u32,
    plan: &impl Plan<T, E>,
    operation: &mut impl FnMut() -> Result<T, E>,
) -> (Result<T, E>, Ending) {
    let guard = PanicGuard { inner, call, attempt };
    let result = operation();
    let ending = plan.ending(&result);
    guard.passed();
    (result, ending)
}

/// Whatever is not the plain way.
#[inline(never)]
fn go_on<C: Clock, T, E, P: Plan<T, E>>(
    inner: &Inner<C>,
    call: &mut Call,
    mut plan: P,
    (repeatable, mut operation): (bool, impl FnMut() -> Result<T, E>),
    action: &Action,
    mut last: Option<Result<T, Error<E>>>,
) -> Result<P::Answer, Error<E>> {
    let mut action = *action;
    loop {
        action = match action {
            Action::Run { attempt, .. } => match held_up(inner, call, attempt) {
                None => {
                    let (result, ending) = run(inner, call, attempt, &plan, &mut operation);
                    let action =
                        step_ended(inner, call, &mut plan, attempt, ending, &result, repeatable);
                    last = Some(result.map_err(Error::Inner));
                    action
                }
                Some((error, action)) => {
                    last = error.map(Err).or(last);
                    action
                }
            },
            Action::Wait => wait(inner, call),
            // It shares nothing.
            Action::LookUp => inner.step(call, Event::Unanswered),
            Action::Done { end, fallback } => {
                let last = if matches!(end, End::Delivered { .. }) { last } else { None };
                let result = last.unwrap_or_else(|| Err(inner.stopped(end).into()));
                return plan.answer(inner, result, fallback);
            }
        };
    }
}

/// What chaos does to an attempt; `None`: it is made.
#[inline]
fn held_up<C: Clock, E>(
    inner: &Inner<C>,
    call: &mut Call,
    attempt: u32,
) -> Option<(Option<Error<E>>, Action)> {
    let fault = call.fault(attempt)?;
    let mut faults = Faults::default();
    faults.add(attempt, fault, inner.clock.now());
    loop {
        let now = inner.clock.now();
        if let Some((_, kind)) = faults.take_due(now) {
            let (error, action) = injected(inner, call, attempt, kind?);
            return Some((Some(error), action));
        }
        if now >= call.due() {
            let action = inner.step(call, Event::Time);
            if !call.runs(attempt) {
                return Some((None, action));
            }
        }
        inner.clock.park_until(call.due().min(faults.next()));
    }
}

/// Waits until the machine has something new to say.
#[cold]
fn wait<C: Clock>(inner: &Inner<C>, call: &mut Call) -> Action {
    let waker = Waker::from(Arc::new(Parked(std::thread::current())));
    loop {
        if (call.is_queued() && call.listen(&inner.pipeline, &waker))
            || inner.clock.now() >= call.due()
        {
            return inner.step(call, Event::Time);
        }
        inner.clock.park_until(call.due());
    }
}

/// A thread that waits.
struct Parked(Thread);

impl Wake for Parked {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
