//! How much is tried by tests whose courses of events are random or long.

use proptest::test_runner::Config;

/// By how much less is tried where miri looks: each step takes it some thousand times as long.
pub(crate) const FEWER: u32 = if cfg!(miri) { 100 } else { 1 };

/// A property test of so many traces, or three. A failure is replayed from its seed; nothing is written
/// beside the sources.
pub(crate) fn traces(many: u32) -> Config {
    let cases = if cfg!(miri) { 3 } else { many };
    Config { cases, failure_persistence: None, ..Config::default() }
}
