//! The future of one call through a pipeline.

mod waiting;

use super::faults::Faults;
use super::operation::Operation;
use super::plan::Plan;
use super::told::Told;
use crate::Error;
use crate::clock::Clock;
use crate::inner::{GiveBack, Inner};
use breakerbox_core::Timestamp;
use breakerbox_core::pipeline::{Action, Call, End, Ending, Event, Hint};
use std::fmt;
use std::ops::Deref;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use waiting::{Turn, poll_attempt, poll_timer};

pub(super) use waiting::{injected, step_ended};

pin_project_lite::pin_project! {
    /// The future of one call through a pipeline. The call begins when it is first polled.
    ///
    /// Its attempts run inside it, one after the other; only a hedge beside another attempt is boxed.
    /// There is one timer, for whatever the call has to wait for next, made when it is first pending.
    /// Dropping it gives up the call and all that it holds.
    #[must_use = "futures do nothing unless polled"]
    pub struct PipelineFuture<I, C, O, P>
    where
        C: Clock,
        O: Operation,
        I: Deref<Target = Inner<C>>,
    {
        inner: I,
        operation: O,
        plan: P,
        told: Told,
        call: Call,
        // The operation of the attempt of this number.
        number: u32,
        #[pin]
        running: Option<O::Future>,
        rare: Option<Box<Rare<O>>>,
        #[pin]
        timer: Option<C::Sleep>,
        timer_at: Timestamp,
    }

    impl<I, C, O, P> PinnedDrop for PipelineFuture<I, C, O, P>
    where
        C: Clock,
        O: Operation,
        I: Deref<Target = Inner<C>>,
    {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            // What an operation holds is free before its place is: whoever gets that may need it.
            let _given_back = GiveBack { inner: this.inner, call: this.call };
            this.running.set(None);
            *this.rare = None;
        }
    }
}

/// The future of one call through a pipeline that is borrowed.
///
/// ```
/// use breakerbox::clock::SystemClock;
/// use breakerbox::{Alone, ByResult, NoFallback, NoHints, Pipeline, PipelineCalling, Repeatable};
///
/// /// What a call is that was told nothing.
/// type Plain<'a, Op> =
///     PipelineCalling<'a, SystemClock, Repeatable<Op>, Alone<ByResult, NoHints, NoFallback>>;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let posts = Pipeline::builder("posts").build().unwrap();
/// let call: Plain<'_, _> = posts.call(async || Ok::<_, ()>("a post"));
/// assert_eq!(call.await, Ok("a post"));
/// # }
/// ```
pub type PipelineCalling<'a, C, O, P> = PipelineFuture<&'a Inner<C>, C, O, P>;

impl<I, C, O, P> fmt::Debug for PipelineFuture<I, C, O, P>
where
    C: Clock,
    O: Operation,
    I: Deref<Target = Inner<C>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PipelineCalling")
            .field("pipeline", &self.inner.name)
            .finish_non_exhaustive()
    }
}

/// How the last attempt ended, and what it came to.
type Last<O> = (Ending, Result<<O as Operation>::Value, Error<<O as Operation>::Error>>);

/// What most calls have none of, and are the smaller for it.
struct Rare<O: Operation> {
    /// Attempts that run beside the one inside.
    beside: Vec<(u32, Pin<Box<O::Future>>)>,
    faults: Faults,
    /// The answer may be elsewhere.
    looking: bool,
    /// What the last attempt came to, while the call goes on.
    last: Option<Last<O>>,
}

impl<O: Operation> Rare<O> {
    fn of(place: &mut Option<Box<Self>>) -> &mut Self {
        place.get_or_insert_with(|| {
            let (beside, faults) = (Vec::new(), Faults::default());
            Box::new(Self { beside, faults, looking: false, last: None })
        })
    }
}

/// While the caller's code runs: if it unwinds, the attempt has panicked.
pub(super) struct PanicGuard<'a, C: Clock> {
    pub(super) inner: &'a Inner<C>,
    pub(super) call: &'a mut Call,
    pub(super) attempt: u32,
}

impl<C: Clock> Drop for PanicGuard<'_, C> {
    fn drop(&mut self) {
        self.inner.attempt_ended(self.call, self.attempt, Ending::Panicked, Hint::NONE);
    }
}

impl<C: Clock> PanicGuard<'_, C> {
    /// The caller's code has come back.
    #[inline(always)]
    pub(super) fn passed(self) {
        std::mem::forget(self);
    }
}

/// What an attempt came to, and what that counts as.
type Ended<T, E> = (Result<T, E>, Ending);

impl<I, C, O, P> PipelineFuture<I, C, O, P>
where
    C: Clock,
    O: Operation,
    I: Deref<Target = Inner<C>>,
{
    #[inline(always)]
    pub(crate) fn new(inner: I, operation: O, plan: P, told: Told) -> Self {
        Self {
            inner,
            operation,
            plan,
            told,
            call: Call::NEW,
            number: 0,
            running: None,
            rare: None,
            timer: None,
            timer_at: Timestamp::NEVER,
        }
    }

    /// While nothing runs nothing is held ready.
    fn release(self: Pin<&mut Self>) {
        let this = self.project();
        if this.running.is_none() {
            this.operation.release();
        }
    }

    /// Begins the operation of an attempt, if nothing holds it up.
    #[inline(always)]
    fn start(self: Pin<&mut Self>, attempt: u32) {
        let mut this = self.project();
        let inner: &Inner<C> = this.inner;
        let call = this.call;
        if let Some(fault) = call.fault(attempt) {
            Rare::of(this.rare).faults.add(attempt, fault, inner.clock.now());
            return;
        }
        Self::run(inner, call, attempt, this.operation, &mut this.running, this.number, this.rare);
    }

    #[inline(always)]
    fn run(
        inner: &Inner<C>,
        call: &mut Call,
        attempt: u32,
        operation: &mut O,
        running: &mut Pin<&mut Option<O::Future>>,
        number: &mut u32,
        rare: &mut Option<Box<Rare<O>>>,
    ) {
        let guard = PanicGuard { inner, call, attempt };
        let (deadline, clock) = (guard.call.deadline(), &inner.clock);
        let left = || (deadline != Timestamp::NEVER).then(|| deadline.since(clock.now()));
        let future = operation.start(attempt, left);
        guard.passed();
        if running.is_none() {
            running.set(Some(future));
            *number = attempt;
        } else {
            Rare::of(rare).beside.push((attempt, Box::pin(future)));
        }
    }
}

impl<I, C, O, P> Future for PipelineFuture<I, C, O, P>
where
    I: Deref<Target = Inner<C>>,
    C: Clock,
    O: Operation,
    P: Plan<O::Value, O::Error>,
{
    type Output = Result<P::Answer, Error<O::Error>>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if !self.call.has_begun() {
            let this = self.as_mut().project();
            let (repeatable, hedgeable) = (this.operation.repeatable(), this.operation.hedgeable());
            let action = this.inner.begin_in(this.call, &this.told.start(repeatable, hedgeable));
            let Action::Run { attempt, .. } = action else { return self.go_on(cx, &action) };
            self.as_mut().start(attempt);
        }
        match self.as_mut().poll_running(cx) {
            Some(ended) => self.ended(cx, ended),
            None => self.wait(cx),
        }
    }
}

impl<I, C, O, P> PipelineFuture<I, C, O, P>
where
    I: Deref<Target = Inner<C>>,
    C: Clock,
    O: Operation,
    P: Plan<O::Value, O::Error>,
{
    /// Polls the operation that runs inside.
    #[inline(always)]
    fn poll_running(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Option<Ended<O::Value, O::Error>> {
        let this = self.project();
        let running = this.running.as_pin_mut()?;
        // After a panic the call is there, and over.
        assert!(this.call.is_running(), "a call is not polled again after its end");
        poll_attempt::<_, O>(this.inner, this.call, this.plan, *this.number, running, cx)
    }

    /// The operation inside has ended. What the machine says to that is large: where it is the usual,
    /// it stays where it is.
    #[inline(always)]
    fn ended(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        (result, ending): Ended<O::Value, O::Error>,
    ) -> Poll<Result<P::Answer, Error<O::Error>>> {
        let this = self.as_mut().project();
        if P::STREAMS || ending != Ending::Success || this.inner.watched() {
            return self.ended_otherwise(cx, result, ending);
        }
        let event = Event::ended(*this.number, ending);
        let action = this.inner.step_unwatched(this.call, event);
        if let Action::Done { end: End::Delivered { .. }, fallback } = action {
            let mut this = self.as_mut().project();
            this.running.set(None);
            this.timer.set(None);
            if this.rare.is_some() {
                *this.rare = None;
            }
            let result = result.map_err(Error::Inner);
            return Poll::Ready(self.deliver(result, ending, fallback));
        }
        self.go_on(cx, &action)
    }

    /// Nothing to do but to wait for the operation inside, or for time.
    #[inline]
    fn wait(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<P::Answer, Error<O::Error>>> {
        let this = self.as_mut().project();
        assert!(this.call.is_running(), "a call is not polled again after its end");
        if this.rare.is_some() || this.call.is_queued() {
            return self.go_on(cx, &Action::Wait);
        }
        let due = this.call.due();
        ready!(poll_timer(this.inner, this.timer, this.timer_at, due, cx));
        if !this.operation.can_start() {
            this.call.not_repeatable();
        }
        let action = this.inner.step(this.call, Event::Time);
        self.go_on(cx, &action)
    }

    #[inline(never)]
    fn ended_otherwise(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        result: Result<O::Value, O::Error>,
        ending: Ending,
    ) -> Poll<Result<P::Answer, Error<O::Error>>> {
        let mut this = self.as_mut().project();
        let (number, again) = (*this.number, this.operation.can_start());
        let action = step_ended(this.inner, this.call, this.plan, number, ending, &result, again);
        this.running.set(None);
        Rare::of(this.rare).last = Some((ending, result.map_err(Error::Inner)));
        self.go_on(cx, &action)
    }

    /// Whatever is not the plain way: carries out what the machine says until there is nothing to do
    /// but to wait.
    #[inline(never)]
    fn go_on(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        said: &Action,
    ) -> Poll<Result<P::Answer, Error<O::Error>>> {
        let (mut next, mut began) = (Some(*said), false);
        loop {
            self.as_mut().drop_stopped();
            match next.take() {
                Some(Action::Done { end, fallback }) => {
                    return Poll::Ready(self.done(end, fallback));
                }
                Some(Action::Run { attempt, .. }) => {
                    self.as_mut().start(attempt);
                    began = true;
                }
                Some(Action::LookUp) => Rare::of(self.as_mut().project().rare).looking = true,
                Some(Action::Wait) | None => self.as_mut().release(),
            }
            if std::mem::take(&mut began)
                && let Some((result, ending)) = self.as_mut().poll_running(cx)
            {
                let mut this = self.as_mut().project();
                let (call, number) = (this.call, *this.number);
                let again = this.operation.can_start();
                next =
                    Some(step_ended(this.inner, call, this.plan, number, ending, &result, again));
                this.running.set(None);
                Rare::of(this.rare).last = Some((ending, result.map_err(Error::Inner)));
                continue;
            }
            match self.as_mut().poll_others(cx) {
                Poll::Ready(Turn::Did(action)) => next = Some(action),
                Poll::Ready(Turn::Began) => began = true,
                Poll::Ready(Turn::Found(found, action)) => {
                    let Action::Done { fallback, .. } = action else { continue };
                    let this = self.project();
                    return Poll::Ready(this.plan.found(this.inner, found, fallback));
                }
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}
