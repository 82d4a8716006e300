//! What a protected call can come to instead of a value.

use crate::{Name, State};
use breakerbox_core::pipeline;
use std::fmt;
use std::time::Duration;

/// Why a protected call has no value. One type for a whole stack of policies.
///
/// ```
/// use breakerbox::{BlockingBreaker, Control, Error};
///
/// let breaker = BlockingBreaker::new("posts");
/// breaker.control(Control::Isolate);
/// let error = breaker.call(|| "7".parse::<u32>()).unwrap_err();
/// assert_eq!(error.to_string(), "circuit breaker `posts` is isolated until it is released by hand");
/// assert!(matches!(error, Error::Rejected(_)));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error<E> {
    /// A policy rejected the call: its operation was not run, or not run again after it had failed.
    Rejected(Rejection),
    /// The operation was run, and took too long.
    Timeout(Timeout),
    /// The operation's own error.
    Inner(E),
}

impl<E> Error<E> {
    /// The operation's own error, if that is what it is.
    pub fn into_inner(self) -> Option<E> {
        match self {
            Self::Inner(inner) => Some(inner),
            Self::Rejected(_) | Self::Timeout(_) => None,
        }
    }

    /// Whether a policy rejected the call without running it, or without running it again.
    pub fn is_rejected(&self) -> bool {
        matches!(self, Self::Rejected(_))
    }

    /// Whether the operation took too long.
    pub fn is_timeout(&self) -> bool {
        matches!(self, Self::Timeout(_))
    }

    /// How long until a rejected call may be admitted, where that can be told.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Rejected(rejection) => rejection.retry_after(),
            Self::Timeout(_) | Self::Inner(_) => None,
        }
    }

    /// The same with another error inside.
    pub fn map_inner<F>(self, map: impl FnOnce(E) -> F) -> Error<F> {
        match self {
            Self::Rejected(rejection) => Error::Rejected(rejection),
            Self::Timeout(timeout) => Error::Timeout(timeout),
            Self::Inner(inner) => Error::Inner(map(inner)),
        }
    }
}

impl Error<Box<dyn std::error::Error + Send + Sync>> {
    /// The same as a boxed error, which this one cannot be made into by `?` or `into`: what is inside is
    /// boxed already. Layers of tower that ask for that take it from `map_err(Error::boxed)`.
    ///
    /// ```
    /// # #[cfg(feature = "tower")]
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    /// use breakerbox::tower::BulkheadLayer;
    /// use breakerbox::{Error, bulkhead};
    /// use tower::{BoxError, ServiceBuilder, ServiceExt, service_fn};
    ///
    /// let service = ServiceBuilder::new()
    ///     .load_shed()
    ///     .map_err(Error::<BoxError>::boxed)
    ///     .layer(BulkheadLayer::new("connections", bulkhead::Settings::new(64))?)
    ///     .timeout(std::time::Duration::from_secs(1))
    ///     .service(service_fn(async |_: ()| Ok::<_, std::io::Error>(1)));
    /// assert_eq!(service.oneshot(()).await?, 1);
    /// # Ok(()) }
    /// # #[cfg(not(feature = "tower"))] fn main() {}
    /// ```
    pub fn boxed(self) -> Box<dyn std::error::Error + Send + Sync> {
        match self {
            Self::Rejected(rejection) => Box::new(rejection),
            Self::Timeout(timeout) => Box::new(timeout),
            Self::Inner(inner) => inner,
        }
    }
}

impl<E: fmt::Display> fmt::Display for Error<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rejected(rejection) => rejection.fmt(f),
            Self::Timeout(timeout) => timeout.fmt(f),
            Self::Inner(inner) => inner.fmt(f),
        }
    }
}

impl<E: std::error::Error + 'static> std::error::Error for Error<E> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            // It prints as itself, so what it stems from is what the inner error stems from.
            Self::Inner(inner) => inner.source(),
            Self::Rejected(_) | Self::Timeout(_) => None,
        }
    }
}

impl<E> From<Rejection> for Error<E> {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }
}

/// Which policy rejected a call, why, and until when.
///
/// ```
/// use breakerbox::{Breaker, Control};
/// use std::time::Duration;
///
/// let breaker = Breaker::builder("posts").open_for(Duration::from_secs(30)).build()?;
/// breaker.control(Control::ForceOpen);
/// let rejection = breaker.permit().unwrap_err();
/// assert_eq!((rejection.name(), rejection.reason()), ("posts", "breaker_open"));
/// assert!(rejection.retry_after() > Some(Duration::from_secs(29)));
/// # Ok::<(), breakerbox::BuildError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    name: Name,
    why: pipeline::Rejection,
}

impl Rejection {
    pub(crate) fn new(name: Name, why: pipeline::Rejection) -> Self {
        Self { name, why }
    }

    /// The name of the breaker or pipeline.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Which policy, and what it knows.
    pub fn why(&self) -> pipeline::Rejection {
        self.why
    }

    /// The reason as it stands in metrics and headers: `breaker_open`.
    pub fn reason(&self) -> &'static str {
        self.why.reason()
    }

    /// How long until a call may be admitted, where that can be told.
    pub fn retry_after(&self) -> Option<Duration> {
        self.why.retry_after()
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.name;
        match self.why {
            pipeline::Rejection::BreakerOpen { state: State::Isolated, .. } => {
                write!(f, "circuit breaker `{name}` is isolated until it is released by hand")
            }
            pipeline::Rejection::BreakerOpen { state, retry_after } => {
                match state {
                    State::HalfOpen => {
                        write!(
                            f,
                            "circuit breaker `{name}` is half-open and all its probes are under way"
                        )?;
                    }
                    _ => write!(f, "circuit breaker `{name}` is open")?,
                }
                match retry_after {
                    Some(wait) => write!(f, "; it may admit a call in {wait:.1?}"),
                    None => Ok(()),
                }
            }
            pipeline::Rejection::BulkheadFull => write!(f, "the bulkhead of `{name}` is full"),
            pipeline::Rejection::QueueTimeout { after } => {
                write!(
                    f,
                    "the call waited {after:.1?} for the bulkhead of `{name}`, as long as it may"
                )
            }
            pipeline::Rejection::RateLimited { retry_after: Some(wait) } => {
                write!(f, "the rate limit of `{name}` is reached; it admits a call in {wait:.1?}")
            }
            pipeline::Rejection::RateLimited { retry_after: None } => {
                write!(
                    f,
                    "the call weighs more than the rate limit of `{name}` ever admits at once"
                )
            }
            pipeline::Rejection::Shed => {
                write!(f, "`{name}` is overloaded and shed the call for more important ones")
            }
            pipeline::Rejection::Throttled => {
                write!(f, "`{name}` accepts too few calls at present, and this one was held back")
            }
            pipeline::Rejection::LimitReached => {
                write!(f, "the adaptive concurrency limit of `{name}` is reached")
            }
            pipeline::Rejection::Chaos => {
                write!(f, "chaos in `{name}` answered in place of the call")
            }
        }
    }
}

impl std::error::Error for Rejection {}

/// What ran out, and after how long.
///
/// ```
/// use breakerbox::{Breaker, Error, TimeoutKind};
/// use std::time::Duration;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), breakerbox::BuildError> {
/// let limit = Duration::from_millis(1);
/// let breaker = Breaker::builder("posts").attempt_timeout(limit).build()?;
/// let never = || std::future::pending::<Result<(), std::io::Error>>();
/// let Err(Error::Timeout(timeout)) = breaker.call(never).await else { panic!() };
/// assert_eq!((timeout.name(), timeout.kind()), ("posts", TimeoutKind::Attempt));
/// assert!(timeout.after() >= limit);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeout {
    pub(crate) name: Name,
    pub(crate) kind: TimeoutKind,
    pub(crate) after: Duration,
}

/// Which limit of time a call ran into.
///
/// ```
/// use breakerbox::{Breaker, Error, TimeoutKind};
/// use std::time::Duration;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), breakerbox::BuildError> {
/// let breaker = Breaker::builder("posts").deadline(Duration::from_millis(1)).build()?;
/// let never = || std::future::pending::<Result<(), std::io::Error>>();
/// let Err(Error::Timeout(timeout)) = breaker.call(never).await else { panic!() };
/// assert_eq!(timeout.kind(), TimeoutKind::Deadline);
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TimeoutKind {
    /// One attempt took longer than the attempt timeout.
    Attempt,
    /// The whole call took longer than its deadline.
    Deadline,
    /// An answer that had begun stopped coming.
    Idle,
}

impl Timeout {
    /// The name of the breaker or pipeline.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Which limit it was.
    pub fn kind(&self) -> TimeoutKind {
        self.kind
    }

    /// How long the operation had run.
    pub fn after(&self) -> Duration {
        self.after
    }
}

impl fmt::Display for Timeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, kind, after } = self;
        let what = match kind {
            TimeoutKind::Attempt => "attempt timed out",
            TimeoutKind::Deadline => "deadline was exceeded",
            TimeoutKind::Idle => "answer stopped coming and was given up",
        };
        write!(f, "the {what} after {after:.1?} in `{name}`")
    }
}

impl std::error::Error for Timeout {}
