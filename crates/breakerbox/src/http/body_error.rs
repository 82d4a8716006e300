//! Why a body failed, whatever its error is.

use std::error::Error;
use std::fmt;

pub(super) type BoxError = Box<dyn Error + Send + Sync>;

/// Why a body failed: the body's own error, whatever type that is of. Boxed errors are errors here too,
/// which they are not by themselves.
///
/// It says what the body's own error says, and that one is its [`source`](Error::source), so that whoever
/// looks for it among the sources finds it.
///
/// ```
/// use breakerbox::http::BodyError;
/// use std::error::Error;
/// use std::io;
///
/// let boxed: Box<dyn Error + Send + Sync> = Box::new(io::Error::other("the disk is gone"));
/// let error = BodyError::new(boxed);
/// assert_eq!(error.to_string(), "the disk is gone");
/// assert!(error.source().unwrap().is::<io::Error>());
/// assert_eq!(error.downcast::<io::Error>().unwrap().kind(), io::ErrorKind::Other);
/// ```
#[derive(Debug)]
pub struct BodyError(BoxError);

impl BodyError {
    /// Of the body's own error. One that is a `BodyError` already stays what it is.
    pub fn new(error: impl Into<BoxError>) -> Self {
        error.into().downcast::<Self>().map_or_else(Self, |already| *already)
    }

    /// The body's own error.
    pub fn into_inner(self) -> BoxError {
        self.0
    }

    /// The body's own error, if it is of this type.
    ///
    /// ```
    /// use breakerbox::http::BodyError;
    ///
    /// let error = BodyError::new(std::fmt::Error);
    /// assert!(error.downcast_ref::<std::fmt::Error>().is_some());
    /// assert!(error.downcast_ref::<std::io::Error>().is_none());
    /// ```
    pub fn downcast_ref<E: Error + 'static>(&self) -> Option<&E> {
        self.0.downcast_ref()
    }

    /// The body's own error, if it is of this type; else the same as before.
    pub fn downcast<E: Error + 'static>(self) -> Result<E, Self> {
        self.0.downcast().map(|error| *error).map_err(Self)
    }
}

impl From<BoxError> for BodyError {
    fn from(error: BoxError) -> Self {
        Self::new(error)
    }
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for BodyError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.0)
    }
}
