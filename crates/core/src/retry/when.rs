//! Which failures are worth repeating.

/// What an attempt came to, as a retry policy tells failures apart.
///
/// ```
/// use breakerbox_core::retry::Failure;
///
/// assert!(Failure::Status(503).is_overload() && Failure::Timeout.is_overload());
/// assert!(!Failure::Status(500).is_overload(), "it broke, but it had time to say so");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Failure {
    /// A failure of no particular kind: an error of the operation.
    Other,
    /// No connection was made.
    Connect,
    /// The connection was closed before the response.
    Reset,
    /// The endpoint refused the request before working on it.
    RefusedStream,
    /// The attempt took longer than the attempt timeout.
    Timeout,
    /// The breaker did not admit it.
    BreakerOpen,
    /// The bulkhead was full.
    BulkheadFull,
    /// The rate limit was reached.
    RateLimited,
    /// A response with this HTTP status.
    Status(u16),
    /// A response with this gRPC status code.
    Grpc(u32),
}

impl Failure {
    /// Whether it says that the upstream has more to do than it can, or does not answer at all: 429,
    /// 502, 503, 504, `DEADLINE_EXCEEDED`, `RESOURCE_EXHAUSTED`, `UNAVAILABLE`, no connection, a reset,
    /// a timeout.
    pub const fn is_overload(self) -> bool {
        match self {
            Self::Connect | Self::Reset | Self::RefusedStream | Self::Timeout => true,
            Self::Status(status) => matches!(status, 429 | 502..=504),
            Self::Grpc(code) => matches!(code, 4 | 8 | 14),
            Self::Other | Self::BreakerOpen | Self::BulkheadFull | Self::RateLimited => false,
        }
    }
}

/// The failures that are repeated.
///
/// ```
/// use breakerbox_core::retry::{Failure, When};
///
/// let when = When::http();
/// assert!(when.repeats(Failure::Status(503), true));
/// assert!(!when.repeats(Failure::Status(500), true));
/// // 429 is no failure of the upstream, and repeated all the same.
/// assert!(when.repeats(Failure::Status(429), false));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct When {
    /// Whatever the classification calls a failure, local rejections not among them.
    failure: bool,
    /// Failures of which nothing else is known.
    unspecified: bool,
    kinds: u16,
    statuses: Vec<(u16, u16)>,
    grpc: u32,
    /// Not these, whatever else is said.
    except: Vec<Failure>,
}

impl Default for When {
    /// Every failure that is not a local rejection, as in the library.
    fn default() -> Self {
        Self { failure: true, ..Self::nothing() }
    }
}

impl When {
    /// Nothing is repeated, until it is added.
    pub fn nothing() -> Self {
        Self {
            failure: false,
            unspecified: false,
            kinds: 0,
            statuses: Vec::new(),
            grpc: 0,
            except: Vec::new(),
        }
    }

    /// What is repeated over HTTP and gRPC: no connection, a reset, a refused stream, a timeout; 429,
    /// 502, 503 and 504; `UNAVAILABLE` and `RESOURCE_EXHAUSTED`; and failures of which nothing else
    /// is known.
    pub fn http() -> Self {
        let kinds = [Failure::Connect, Failure::Reset, Failure::RefusedStream, Failure::Timeout];
        let when = Self { unspecified: true, ..Self::nothing() };
        let when = kinds.into_iter().fold(when, Self::and);
        let when = [429, 502, 503, 504].into_iter().map(Failure::Status).fold(when, Self::and);
        when.and(Failure::Grpc(8)).and(Failure::Grpc(14))
    }

    /// This too. [`Failure::Other`]: whatever the classification calls a failure.
    pub fn and(mut self, failure: Failure) -> Self {
        match failure {
            Failure::Other => self.failure = true,
            Failure::Status(status) => return self.and_statuses(status, status),
            Failure::Grpc(code) => self.grpc |= 1_u32.checked_shl(code).unwrap_or(0),
            kind => self.kinds |= bit(kind),
        }
        self
    }

    /// Not this one, whatever else is said.
    ///
    /// ```
    /// use breakerbox_core::retry::{Failure, When};
    ///
    /// // What timed out may have been done: this must not be done twice.
    /// let when = When::default().without(Failure::Timeout);
    /// assert!(when.repeats(Failure::Reset, true));
    /// assert!(!when.repeats(Failure::Timeout, true));
    /// ```
    pub fn without(mut self, failure: Failure) -> Self {
        self.except.push(failure);
        self
    }

    /// All HTTP statuses from one to another, both included.
    pub fn and_statuses(mut self, first: u16, last: u16) -> Self {
        self.statuses.push((first, last));
        self
    }

    /// Whether this is repeated. `failed`: the classification calls it a failure.
    pub fn repeats(&self, failure: Failure, failed: bool) -> bool {
        if self.except.contains(&failure) {
            return false;
        }
        let named = match failure {
            Failure::Other => self.unspecified && failed,
            Failure::Status(status) => {
                self.statuses.iter().any(|(first, last)| (*first..=*last).contains(&status))
            }
            Failure::Grpc(code) => self.grpc & 1_u32.checked_shl(code).unwrap_or(0) != 0,
            kind => self.kinds & bit(kind) != 0,
        };
        named || (self.failure && failed && !is_rejection(failure))
    }

    /// Whether an open breaker is waited for.
    pub fn waits_for_breaker(&self) -> bool {
        self.repeats(Failure::BreakerOpen, false)
    }
}

fn is_rejection(failure: Failure) -> bool {
    matches!(failure, Failure::BreakerOpen | Failure::BulkheadFull | Failure::RateLimited)
}

fn bit(kind: Failure) -> u16 {
    match kind {
        Failure::Connect => 1,
        Failure::Reset => 1 << 1,
        Failure::RefusedStream => 1 << 2,
        Failure::Timeout => 1 << 3,
        Failure::BreakerOpen => 1 << 4,
        Failure::BulkheadFull => 1 << 5,
        Failure::RateLimited => 1 << 6,
        Failure::Other | Failure::Status(_) | Failure::Grpc(_) => 0,
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    #[test]
    fn whatever_else_is_a_failure_can_be_named_or_excepted_too() {
        let failures = When::nothing().and(Failure::Other);
        assert!(failures.repeats(Failure::Other, true) && !failures.repeats(Failure::Other, false));
    }

    #[test]
    fn every_failure_but_no_rejection_is_repeated_in_the_library() {
        let when = When::default();
        for failure in [Failure::Other, Failure::Connect, Failure::Timeout, Failure::Status(500)] {
            assert!(when.repeats(failure, true), "{failure:?}");
            assert!(!when.repeats(failure, false), "{failure:?} that is none");
        }
        for rejection in [Failure::BreakerOpen, Failure::BulkheadFull, Failure::RateLimited] {
            assert!(!when.repeats(rejection, true), "{rejection:?}");
            assert!(
                when.clone().and(rejection).repeats(rejection, false),
                "{rejection:?} if named"
            );
        }
    }

    #[test]
    fn only_what_is_named_is_repeated() {
        let when = When::nothing().and_statuses(500, 599).and(Failure::Grpc(14));
        assert!(when.repeats(Failure::Status(500), true));
        assert!(when.repeats(Failure::Status(599), true));
        assert!(!when.repeats(Failure::Status(499), true));
        assert!(!when.repeats(Failure::Connect, true));
        assert!(!when.repeats(Failure::Other, true));
        assert!(when.repeats(Failure::Grpc(14), true));
        assert!(!when.repeats(Failure::Grpc(13), true));
        assert!(!when.repeats(Failure::Grpc(99), true));
    }

    #[test]
    fn each_kind_that_is_named_is_repeated_and_no_other() {
        let kinds = [
            Failure::Connect,
            Failure::Reset,
            Failure::RefusedStream,
            Failure::Timeout,
            Failure::BreakerOpen,
            Failure::BulkheadFull,
            Failure::RateLimited,
        ];
        for named in kinds {
            let when = When::nothing().and(named);
            for kind in kinds {
                assert_eq!(when.repeats(kind, true), kind == named, "{kind:?} of {named:?}");
            }
            assert_eq!(when.waits_for_breaker(), named == Failure::BreakerOpen, "{named:?}");
        }
    }

    #[test]
    fn over_http_a_failure_of_no_kind_is_repeated_and_an_open_breaker_is_not_waited_for() {
        let when = When::http();
        assert!(when.repeats(Failure::Other, true));
        assert!(!when.repeats(Failure::Other, false));
        assert!(!when.waits_for_breaker());
        // What tells of a fault rather than of too much to do is not repeated.
        for (status, is_repeated) in [(429, true), (500, false), (503, true)] {
            assert_eq!(when.repeats(Failure::Status(status), true), is_repeated, "{status}");
        }
    }

    #[test]
    fn what_is_excepted_is_not_repeated_whatever_else_is_said() {
        let when = When::default().and(Failure::Timeout).without(Failure::Timeout);
        assert!(!when.repeats(Failure::Timeout, true));
        assert!(when.repeats(Failure::Reset, true));
    }

    #[test]
    fn overload_is_no_answer_in_time_or_one_that_says_so() {
        let overload =
            [Failure::Connect, Failure::Status(429), Failure::Status(503), Failure::Grpc(8)];
        assert!(overload.into_iter().all(Failure::is_overload));
        let other = [Failure::Other, Failure::BreakerOpen, Failure::Status(500), Failure::Grpc(13)];
        assert!(!other.into_iter().any(Failure::is_overload));
    }
}
