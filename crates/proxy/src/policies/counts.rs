//! What became of the calls to one upstream.

use std::sync::atomic::{AtomicU64, Ordering};

use breakerbox::core::pipeline::Rejection;

/// How many reasons there are for a rejection.
const REASONS: usize = Rejection::REASONS.len();

/// Counts of calls. Each call is in one of the first seven.
#[derive(Debug, Default)]
pub struct Counts {
    /// Answered by the upstream, whatever the status.
    pub delivered: AtomicU64,
    /// Answered from the cache, or with the answer to an equal call.
    pub shared: AtomicU64,
    /// Answered by the fallback, whatever the reason.
    pub fallbacks: AtomicU64,
    /// Rejected by a policy, by the number of the reason.
    pub rejected: [AtomicU64; REASONS],
    /// Ran into the attempt timeout.
    pub timeout: AtomicU64,
    /// Ran into the deadline before the headers of a response.
    pub deadline: AtomicU64,
    /// The upstream gave no response, or the client's own body failed.
    pub no_response: AtomicU64,
    /// The client went away before the headers of a response.
    pub cancelled: AtomicU64,
    /// All rejections, those answered by the fallback too, by the number of the reason.
    pub rejections: [AtomicU64; REASONS],
    /// All calls that ended by an attempt timeout.
    pub attempt_timeouts: AtomicU64,
    /// All calls that ended by a deadline, in the middle of a body too.
    pub deadlines: AtomicU64,
}

/// What a client got, or did not wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A response of the upstream.
    Delivered,
    /// One from the cache, or of an equal call.
    Shared,
    /// The fallback.
    Fallback,
    /// A rejection, with the number of its reason.
    Rejected(usize),
    /// The attempt timeout.
    Timeout,
    /// The deadline.
    Deadline,
    /// No response.
    NoResponse,
    /// It went away.
    Cancelled,
}

impl Counts {
    /// One more of a kind.
    pub fn count(&self, kind: Kind) {
        count(match kind {
            Kind::Delivered => &self.delivered,
            Kind::Shared => &self.shared,
            Kind::Fallback => &self.fallbacks,
            Kind::Rejected(reason) => &self.rejected[reason],
            Kind::Timeout => &self.timeout,
            Kind::Deadline => &self.deadline,
            Kind::NoResponse => &self.no_response,
            Kind::Cancelled => &self.cancelled,
        });
    }

    /// All kinds, each call in one, with their names.
    pub fn kinds(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let rejected = Rejection::REASONS.into_iter().zip(&self.rejected);
        let others = [
            ("delivered", &self.delivered),
            ("shared", &self.shared),
            ("fallback", &self.fallbacks),
            ("timeout", &self.timeout),
            ("deadline", &self.deadline),
            ("no_response", &self.no_response),
            ("cancelled", &self.cancelled),
        ];
        let all = others.into_iter().chain(rejected).map(|(name, count)| (name, read(count)));
        // Nothing here rejects for that reason: faults are answers of the upstream as any others.
        all.filter(|(name, count)| *name != "chaos" || *count > 0)
    }
}

/// One more.
pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// How many there were.
pub(super) fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}
