//! What a call runs: an operation that can be run again, or one that cannot.

use std::time::Duration;

/// Makes the future of one attempt.
pub trait Operation {
    /// What it brings when it goes well.
    type Value;
    /// What it brings when not.
    type Error;
    /// One attempt.
    type Future: Future<Output = Result<Self::Value, Self::Error>>;

    /// Whether running it twice does no harm.
    fn repeatable(&self) -> bool;

    /// Whether running it twice at the same time does no harm either.
    #[inline(always)]
    fn hedgeable(&self) -> bool {
        self.repeatable()
    }

    /// Whether it can be run once more, if that does harm or not.
    fn can_start(&self) -> bool;

    /// Begins the attempt of this number; `left` says how much time the call has, if that is bounded.
    fn start(&mut self, number: u32, left: impl FnOnce() -> Option<Duration>) -> Self::Future;

    /// Nothing of it runs, and it may be long until it does: what it has ready for that is given back.
    #[inline(always)]
    fn release(&mut self) {}

    /// Whether an attempt still waits for something of our own, so that its time has not begun.
    #[inline(always)]
    fn waits(_: &Self::Future) -> bool {
        false
    }
}

/// An operation that can be run as often as needed.
///
/// What [`Pipeline::call`](super::Pipeline::call) runs:
///
/// ```
/// use breakerbox::{Pipeline, retry};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), breakerbox::BuildError> {
/// let posts = Pipeline::builder("posts").retry(retry::Settings::default()).build()?;
/// let mut answers = [Err("down"), Ok("a post")].into_iter();
/// let post = posts.call(|| std::future::ready(answers.next().unwrap_or(Err("gone")))).await;
/// assert_eq!((post, posts.stats().retries), (Ok("a post"), 1));
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Repeatable<Op>(pub(super) Op);

impl<Op, Fut, T, E> Operation for Repeatable<Op>
where
    Op: FnMut() -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    type Value = T;
    type Error = E;
    type Future = Fut;

    #[inline(always)]
    fn repeatable(&self) -> bool {
        true
    }

    #[inline(always)]
    fn can_start(&self) -> bool {
        true
    }

    #[inline(always)]
    fn start(&mut self, _: u32, _: impl FnOnce() -> Option<Duration>) -> Fut {
        (self.0)()
    }
}

/// An operation that can be run once.
///
/// What [`Pipeline::call_once`](super::Pipeline::call_once) runs:
///
/// ```
/// use breakerbox::{Pipeline, retry};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), breakerbox::BuildError> {
/// let payments = Pipeline::builder("payments").retry(retry::Settings::default()).build()?;
/// let payment = String::from("1 crown");
/// // It takes the payment along, so there is nothing to do it twice with.
/// let paid = payments.call_once(|| async move { Err::<(), _>(payment) }).await;
/// assert!(paid.is_err());
/// assert_eq!(payments.stats().retries, 0);
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Once<Op>(pub(super) Option<Op>);

impl<Op, Fut, T, E> Operation for Once<Op>
where
    Op: FnOnce() -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    type Value = T;
    type Error = E;
    type Future = Fut;

    #[inline(always)]
    fn repeatable(&self) -> bool {
        false
    }

    #[inline(always)]
    fn can_start(&self) -> bool {
        self.0.is_some()
    }

    #[inline(always)]
    fn start(&mut self, _: u32, _: impl FnOnce() -> Option<Duration>) -> Fut {
        let operation = self.0.take();
        operation.expect("the machine repeats nothing that it was told not to repeat")()
    }
}
