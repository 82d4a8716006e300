//! What one client has seen.

use breakerbox::Durations;
use breakerbox::core::Histogram;
use breakerbox_proxy::headers::{BREAKERBOX_FALLBACK, BREAKERBOX_REASON};
use http::Response;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What became of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The service's own answer, and a good one.
    Good,
    /// The fallback, after the service had been called in vain.
    FallbackAfterFailure,
    /// The fallback at once: the circuit was open.
    FallbackAtOnce,
    /// An error, or nothing at all.
    Failed,
}

impl Answer {
    /// What a response is.
    pub(super) fn of<B>(response: &Response<B>) -> Self {
        let headers = response.headers();
        if headers.contains_key(BREAKERBOX_FALLBACK) {
            let at_once = headers.get(BREAKERBOX_REASON).is_some_and(|why| why == "breaker_open");
            return if at_once { Self::FallbackAtOnce } else { Self::FallbackAfterFailure };
        }
        if response.status().is_success() { Self::Good } else { Self::Failed }
    }
}

/// Counts and durations, while they are made.
#[derive(Debug, Default)]
pub(super) struct Tally {
    calls: AtomicU64,
    good: AtomicU64,
    failed: AtomicU64,
    fallbacks: AtomicU64,
    waits: Histogram,
    /// Of those answered at once.
    rejections: Histogram,
}

/// The same at one moment.
#[derive(Clone, Debug)]
pub(super) struct Reading {
    /// Calls begun.
    pub(super) calls: u64,
    /// Calls with a good answer.
    pub(super) good: u64,
    /// Calls that failed.
    pub(super) failed: u64,
    /// Calls answered by the fallback.
    pub(super) fallbacks: u64,
    /// How long the callers waited.
    pub(super) waits: Durations,
    /// How long those waited whom the open circuit answered.
    pub(super) rejections: Durations,
}

impl Tally {
    /// A call begins.
    pub(super) fn begun(&self) {
        self.calls.fetch_add(1, Ordering::Relaxed);
    }

    /// A call has ended.
    pub(super) fn ended(&self, answer: Answer, took: Duration) {
        let counter = match answer {
            Answer::Good => &self.good,
            Answer::FallbackAfterFailure | Answer::FallbackAtOnce => &self.fallbacks,
            Answer::Failed => &self.failed,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        self.waits.record(took);
        if answer == Answer::FallbackAtOnce {
            self.rejections.record(took);
        }
    }

    /// What there is now.
    pub(super) fn read(&self) -> Reading {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Reading {
            good: load(&self.good),
            failed: load(&self.failed),
            fallbacks: load(&self.fallbacks),
            waits: self.waits.snapshot(),
            rejections: self.rejections.snapshot(),
            // Last, so that what has ended has also begun.
            calls: load(&self.calls),
        }
    }
}

impl Reading {
    /// Calls under way.
    pub(super) fn waiting(&self) -> u64 {
        self.calls.saturating_sub(self.good + self.failed + self.fallbacks)
    }

    /// What has come since an earlier reading of the same client.
    pub(super) fn since(&self, earlier: &Self) -> Self {
        Self {
            calls: self.calls - earlier.calls,
            good: self.good - earlier.good,
            failed: self.failed - earlier.failed,
            fallbacks: self.fallbacks - earlier.fallbacks,
            waits: self.waits.since(&earlier.waits),
            rejections: self.rejections.since(&earlier.rejections),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_known_by_its_headers() {
        let response = |status: u16, headers: &[(&str, &str)]| {
            let builder = headers
                .iter()
                .fold(Response::builder(), |it, (name, value)| it.header(*name, *value));
            Answer::of(&builder.status(status).body(()).unwrap())
        };
        let fallback = ("breakerbox-fallback", "static");
        assert_eq!(response(200, &[]), Answer::Good);
        assert_eq!(response(503, &[]), Answer::Failed);
        assert_eq!(
            response(200, &[fallback, ("breakerbox-reason", "status")]),
            Answer::FallbackAfterFailure
        );
        assert_eq!(
            response(200, &[fallback, ("breakerbox-reason", "breaker_open")]),
            Answer::FallbackAtOnce
        );
    }

    #[test]
    fn what_has_begun_and_not_ended_is_waiting() {
        let tally = Tally::default();
        for _ in 0..5 {
            tally.begun();
        }
        tally.ended(Answer::Good, Duration::from_millis(2));
        let earlier = tally.read();
        tally.ended(Answer::FallbackAtOnce, Duration::from_micros(100));
        tally.ended(Answer::Failed, Duration::from_millis(500));
        let reading = tally.read();
        assert_eq!((reading.waiting(), reading.waits.count()), (2, 3));
        let since = reading.since(&earlier);
        assert_eq!((since.calls, since.good, since.fallbacks, since.failed), (0, 0, 1, 1));
        assert_eq!(since.rejections.count(), 1);
    }
}
