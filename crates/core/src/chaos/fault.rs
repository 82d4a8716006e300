//! What happens to a call that is hit.

use std::fmt;
use std::time::Duration;

/// What happens to a call that is hit: first the delay, then the rest.
///
/// ```
/// use breakerbox_core::chaos::{Fault, FaultKind};
/// use std::time::Duration;
///
/// let fault = Fault { kind: Some(FaultKind::Reset), ..Fault::NONE };
/// assert_eq!(fault.to_string(), "a reset");
/// let slow = Fault { delay: Duration::from_secs(1), slow_body: Some(100), ..Fault::NONE };
/// assert_eq!(slow.to_string(), "a delay of 1s, then a body of 100 bytes per second");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// How long the call waits before anything else happens. It may be zero.
    pub delay: Duration,
    /// How the call ends instead of being made. `None`: it is made.
    pub kind: Option<FaultKind>,
    /// The body of the answer comes at so many bytes per second.
    pub slow_body: Option<u32>,
    /// The connection breaks after so many bytes of the body, if it is longer.
    pub truncate_body: Option<u64>,
}

/// How a call ends that is not made.
///
/// ```
/// use breakerbox_core::chaos::FaultKind;
///
/// assert_eq!(FaultKind::Error(503).to_string(), "status 503");
/// assert_eq!(FaultKind::BlackHole.to_string(), "no answer");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// With this HTTP status; in the library, as a failure.
    Error(u16),
    /// As if the connection had been reset.
    Reset,
    /// Not by itself: there is never an answer. A timeout or the caller ends it.
    BlackHole,
}

impl Fault {
    /// Nothing happens.
    pub const NONE: Self =
        Self { delay: Duration::ZERO, kind: None, slow_body: None, truncate_body: None };
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Error(status) => write!(f, "status {status}"),
            Self::Reset => f.write_str("a reset"),
            Self::BlackHole => f.write_str("no answer"),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::NONE {
            return f.write_str("no fault");
        }
        let mut then = "";
        if !self.delay.is_zero() {
            write!(f, "a delay of {:?}", self.delay)?;
            then = ", then ";
        }
        if let Some(kind) = self.kind {
            write!(f, "{then}{kind}")?;
            then = ", then ";
        }
        match (self.slow_body, self.truncate_body) {
            (Some(rate), None) => write!(f, "{then}a body of {rate} bytes per second"),
            (None, Some(bytes)) => write!(f, "{then}a body cut off after {bytes} bytes"),
            (Some(rate), Some(bytes)) => {
                write!(f, "{then}a body of {rate} bytes per second, cut off after {bytes} bytes")
            }
            (None, None) => Ok(()),
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn what_is_done_to_a_body_is_said_last() {
        let body = |slow_body, truncate_body| Fault { slow_body, truncate_body, ..Fault::NONE };
        assert_eq!(body(Some(9), None).to_string(), "a body of 9 bytes per second");
        assert_eq!(body(None, Some(7)).to_string(), "a body cut off after 7 bytes");
        let delayed = Fault { delay: Duration::from_secs(1), ..body(Some(9), Some(7)) };
        assert_eq!(
            delayed.to_string(),
            "a delay of 1s, then a body of 9 bytes per second, cut off after 7 bytes"
        );
        assert_eq!(Fault::NONE.to_string(), "no fault");
    }
}
