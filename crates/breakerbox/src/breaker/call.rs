//! The future of one call.

use super::protect::{Classify, Recover};
use crate::Error;
use crate::clock::Clock;
use crate::inner::{GiveBack, Inner};
use breakerbox_core::Timestamp;
use breakerbox_core::pipeline::{Call, Ending};
use std::pin::Pin;
use std::task::{Context, Poll};

pin_project_lite::pin_project! {
    /// The future of one call through a breaker. The call begins when it is first polled.
    ///
    /// ```
    /// use breakerbox::Breaker;
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let posts = Breaker::new("posts");
    /// let call = posts.call(async || Ok::<_, ()>("a post"));
    /// assert_eq!(posts.stats().started, 0);
    /// assert_eq!(call.await, Ok("a post"));
    ///
    /// // Dropped before its end: the caller has given up, and nobody is to blame.
    /// let call = posts.call(std::future::pending::<Result<(), ()>>);
    /// let _ = tokio::time::timeout(std::time::Duration::from_millis(1), call).await;
    /// assert_eq!((posts.stats().cancelled, posts.stats().failures), (1, 0));
    /// # }
    /// ```
    #[must_use = "futures do nothing unless polled"]
    pub struct Calling<'a, C, Op, Fut, K, F>
    where
        C: Clock,
    {
        inner: &'a Inner<C>,
        operation: Option<Op>,
        classify: K,
        fallback: Option<F>,
        call: Call,
        #[pin]
        running: Option<Fut>,
        // Made when the operation is first pending, if time matters at all.
        #[pin]
        timer: Option<C::Sleep>,
    }

    impl<C, Op, Fut, K, F> PinnedDrop for Calling<'_, C, Op, Fut, K, F>
    where
        C: Clock,
    {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            // What an operation holds is free before its permit is.
            let _given_back = GiveBack { inner: this.inner, call: this.call };
            this.running.set(None);
        }
    }
}

impl<C: Clock, Op, Fut, K, F> std::fmt::Debug for Calling<'_, C, Op, Fut, K, F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Calling").field("breaker", &self.inner.name).finish_non_exhaustive()
    }
}

/// While the caller's code runs: if it unwinds, the call has panicked.
///
/// It does not ask whether the thread is panicking: calls are also made while it is, by what is
/// dropped then.
pub(super) struct PanicGuard<'a, C: Clock> {
    pub(super) inner: &'a Inner<C>,
    pub(super) call: &'a mut Call,
}

impl<C: Clock> Drop for PanicGuard<'_, C> {
    fn drop(&mut self) {
        self.inner.ended(self.call, Ending::Panicked);
    }
}

impl<C: Clock> PanicGuard<'_, C> {
    /// The caller's code has come back.
    #[inline]
    pub(super) fn passed(self) {
        std::mem::forget(self);
    }
}

impl<'a, C: Clock, Op, Fut, K, F> Calling<'a, C, Op, Fut, K, F> {
    #[inline]
    pub(super) fn new(inner: &'a Inner<C>, operation: Op, classify: K, fallback: F) -> Self {
        Self {
            inner,
            operation: Some(operation),
            classify,
            fallback: Some(fallback),
            call: Call::NEW,
            running: None,
            timer: None,
        }
    }
}

impl<C, Op, Fut, T, E, K, F> Future for Calling<'_, C, Op, Fut, K, F>
where
    C: Clock,
    Op: FnOnce() -> Fut,
    Fut: Future<Output = Result<T, E>>,
    K: Classify<T, E>,
    F: Recover<T, E>,
{
    type Output = Result<F::Answer, Error<E>>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let inner = *this.inner;
        if let Some(operation) = this.operation.take() {
            if let Err(stopped) = inner.begin(this.call) {
                return Poll::Ready(instead(inner, this.fallback, Err(stopped.into())));
            }
            let guard = PanicGuard { inner, call: &mut *this.call };
            this.running.set(Some(operation()));
            guard.passed();
        }
        let polled = {
            // After a panic the call is there, and over.
            assert!(this.call.is_running(), "a call is not polled again after its end");
            let guard = PanicGuard { inner, call: &mut *this.call };
            let running = this.running.as_mut().as_pin_mut();
            let running = running.expect("a call is not polled again after its end");
            let polled = running.poll(cx).map(|result| {
                let ending = Ending::from(this.classify.classify(&result));
                (result.map_err(Error::Inner), inner.ended(guard.call, ending))
            });
            guard.passed();
            polled
        };
        match polled {
            Poll::Ready((result, fallback)) => {
                this.running.set(None);
                Poll::Ready(if fallback {
                    instead(inner, this.fallback, result)
                } else {
                    result.map(F::real)
                })
            }
            Poll::Pending => loop {
                let call = &mut *this.call;
                let due = call.due();
                if due == Timestamp::NEVER {
                    return Poll::Pending;
                }
                if this.timer.is_none() {
                    this.timer.set(Some(inner.clock.sleep_until(due)));
                }
                let timer = this.timer.as_mut().as_pin_mut();
                std::task::ready!(timer.expect("it has just been made").poll(cx));
                this.timer.set(None);
                if let Some(stopped) = inner.time_passed(call) {
                    this.running.set(None);
                    return Poll::Ready(instead(inner, this.fallback, Err(stopped.into())));
                }
            },
        }
    }
}

/// The fallback, where there is one.
#[cold]
fn instead<C: Clock, T, E, F: Recover<T, E>>(
    inner: &Inner<C>,
    fallback: &mut Option<F>,
    result: Result<T, Error<E>>,
) -> Result<F::Answer, Error<E>> {
    let Some(fallback) = fallback.take() else { return result.map(F::real) };
    inner.instead(fallback, result)
}
