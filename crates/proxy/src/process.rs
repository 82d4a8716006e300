//! What is counted of the process as a whole, and of requests that reach no upstream.

use std::panic;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The version of this gateway.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

static PANICS: OnceLock<AtomicU64> = OnceLock::new();

/// Counts every panic of this process from here on, for its metrics. A panic is a bug: it cuts off the
/// connection that it happens in, and the rest goes on. To be called by the program, which owns the
/// process, before it starts a server.
pub fn count_panics() {
    PANICS.get_or_init(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            if let Some(panics) = PANICS.get() {
                panics.fetch_add(1, Ordering::Relaxed);
            }
            before(panic);
        }));
        AtomicU64::new(0)
    });
}

/// How many panics there were, where they are counted.
pub fn panics() -> Option<u64> {
    Some(PANICS.get()?.load(Ordering::Relaxed))
}

/// Why a request reaches no upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// No route matches: 404.
    NoRoute,
    /// It is ambiguous, or names no host: 400.
    BadRequest,
    /// It asks for what there is not: 501.
    NotImplemented,
    /// It is no HTTP/1: 400.
    Malformed,
    /// Its head is too large: 431.
    HeadTooLarge,
}

impl Refused {
    /// All reasons, in their order.
    pub const ALL: [Self; 5] = [
        Self::NoRoute,
        Self::BadRequest,
        Self::NotImplemented,
        Self::Malformed,
        Self::HeadTooLarge,
    ];

    /// The name in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoRoute => "no_route",
            Self::BadRequest => "bad_request",
            Self::NotImplemented => "not_implemented",
            Self::Malformed => "malformed",
            Self::HeadTooLarge => "head_too_large",
        }
    }
}

/// What a gateway counts that belongs to none of its upstreams.
#[derive(Debug)]
pub struct Process {
    started: SystemTime,
    refused: [AtomicU64; Refused::ALL.len()],
}

impl Default for Process {
    /// Nothing yet.
    fn default() -> Self {
        Self { started: SystemTime::now(), refused: Default::default() }
    }
}

impl Process {
    /// When it started, since the beginning of 1970.
    pub fn started(&self) -> Duration {
        self.started.duration_since(UNIX_EPOCH).unwrap_or_default()
    }

    /// A request reaches no upstream.
    pub fn refuse(&self, why: Refused) {
        self.refused[why as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// How many requests reached none, and why.
    pub fn refused(&self, why: Refused) -> u64 {
        self.refused[why as usize].load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_counted_once_however_often_that_is_asked_for() {
        count_panics();
        count_panics();
        let before = panics().unwrap();
        let panicked = std::thread::spawn(|| panic!("on purpose")).join();
        assert!(panicked.is_err());
        assert!(panics().unwrap() > before);
    }

    #[test]
    fn reasons_are_in_their_order() {
        let process = Process::default();
        for (place, why) in Refused::ALL.into_iter().enumerate() {
            assert_eq!(why as usize, place);
            process.refuse(why);
        }
        assert!(Refused::ALL.into_iter().all(|why| process.refused(why) == 1));
    }
}
