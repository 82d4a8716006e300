//! What an operation came to.

/// What an operation came to, as a policy counts it.
///
/// ```
/// use breakerbox_core::Outcome;
/// use std::io::{Error, ErrorKind};
///
/// let outcome = |result: &Result<(), Error>| match result {
///     Ok(()) => Outcome::Success,
///     Err(error) if error.kind() == ErrorKind::InvalidInput => Outcome::Ignored,
///     Err(_) => Outcome::Failure,
/// };
/// assert_eq!(outcome(&Err(ErrorKind::InvalidInput.into())), Outcome::Ignored);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The operation did what it is for.
    Success,
    /// The operation failed in a way that says something about the other side's health.
    Failure,
    /// The operation ended in a way that says nothing about the other side, a caller's own mistake
    /// for instance. It counts nowhere but in `ignored`.
    Ignored,
}
