//! The right to run one call, for code that cannot be wrapped.

use crate::Rejection;
use crate::clock::{Clock, SystemClock};
use crate::inner::{Inner, Stopped};
use breakerbox_core::Outcome;
use breakerbox_core::pipeline::{Call, Ending};
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// The right to run one call.
///
/// Say how the call ended. A permit that is dropped without a word counts as a call given up by its
/// caller, or, while its thread panics, as a failure.
///
/// ```
/// use breakerbox::Breaker;
///
/// let breaker = Breaker::new("posts");
/// let permit = breaker.permit()?;
/// match "7".parse::<u32>() {
///     Ok(_) => permit.success(),
///     Err(_) => permit.failure(),
/// }
/// drop(breaker.permit()?);
/// let stats = breaker.stats();
/// assert_eq!((stats.successes, stats.ignored, stats.cancelled), (1, 1, 1));
/// # Ok::<(), breakerbox::Rejection>(())
/// ```
#[must_use = "a permit that is dropped counts as a call given up"]
pub struct Permit<'a, C: Clock = SystemClock> {
    inner: Holder<'a, C>,
    call: Call,
    /// It was taken while its thread was already unwinding: that panic is not this call's.
    unwinding: bool,
}

/// A [`Permit`] that borrows nothing.
///
/// ```
/// use breakerbox::{Breaker, OwnedPermit};
///
/// let breaker = Breaker::new("posts");
/// let permit: OwnedPermit = breaker.owned_permit()?;
/// std::thread::spawn(move || permit.success()).join().unwrap();
/// assert_eq!(breaker.stats().successes, 1);
/// # Ok::<(), breakerbox::Rejection>(())
/// ```
pub type OwnedPermit<C = SystemClock> = Permit<'static, C>;

enum Holder<'a, C> {
    Borrowed(&'a Inner<C>),
    Owned(Arc<Inner<C>>),
}

impl<C> Deref for Holder<'_, C> {
    type Target = Inner<C>;

    fn deref(&self) -> &Inner<C> {
        match self {
            Self::Borrowed(inner) => inner,
            Self::Owned(inner) => inner,
        }
    }
}

impl<'a, C: Clock> Permit<'a, C> {
    pub(super) fn borrowed(inner: &'a Inner<C>) -> Result<Self, Rejection> {
        Self::take(Holder::Borrowed(inner))
    }

    pub(super) fn owned(inner: Arc<Inner<C>>) -> Result<Self, Rejection> {
        Self::take(Holder::Owned(inner))
    }

    fn take(inner: Holder<'a, C>) -> Result<Self, Rejection> {
        let mut permit = Self { inner, call: Call::NEW, unwinding: std::thread::panicking() };
        let Self { inner, call, .. } = &mut permit;
        match inner.begin(call) {
            Ok(()) => Ok(permit),
            Err(Stopped::Rejected(rejection)) => Err(rejection),
            Err(Stopped::Timeout(_)) => unreachable!("a call that just begins has all its time"),
        }
    }

    /// The call did what it is for.
    pub fn success(self) {
        self.record(Outcome::Success);
    }

    /// The call failed.
    pub fn failure(self) {
        self.record(Outcome::Failure);
    }

    /// The call ended in a way that says nothing.
    pub fn ignore(self) {
        self.record(Outcome::Ignored);
    }

    /// The call ended so.
    pub fn record(mut self, outcome: Outcome) {
        let Self { inner, call, .. } = &mut self;
        inner.ended(call, outcome.into());
    }
}

impl<C: Clock> Drop for Permit<'_, C> {
    fn drop(&mut self) {
        let Self { inner, call, unwinding } = self;
        if call.is_running() && std::thread::panicking() && !*unwinding {
            inner.ended(call, Ending::Panicked);
        }
        inner.dropped(call);
    }
}

impl<C: Clock> fmt::Debug for Permit<'_, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").field("breaker", &self.inner.name).finish_non_exhaustive()
    }
}
