//! What a call runs: an operation that can be run again, or one that cannot.

/// Makes the future of one attempt.
pub trait Operation {
    /// What it brings when it goes well.
    type Value;
    /// What it brings when not.
    type Error;
    /// One attempt.
    type Future: Future<Output = Result<Self::Value, Self::Error>>;

    /// Whether it can be run again.
    fn repeatable(&self) -> bool;

    /// Begins an attempt.
    fn start(&mut self) -> Self::Future;
}

/// An operation that can be run as often as needed.
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
    fn start(&mut self) -> Fut {
        (self.0)()
    }
}

/// An operation that can be run once.
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
    fn start(&mut self) -> Fut {
        let operation = self.0.take();
        operation.expect("the machine repeats nothing that it was told not to repeat")()
    }
}
