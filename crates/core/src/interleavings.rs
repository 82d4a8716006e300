//! How loom is asked: each model says how many interleavings it has looked at.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Runs a model to its end, with at most two preemptions or as many as `LOOM_MAX_PREEMPTIONS` says,
/// and says how many interleavings there were.
pub(crate) fn model(name: &str, run: impl Fn() + Send + Sync + 'static) {
    model_within(2, name, run);
}

/// The same where two are too many for its size, or too few: then it is one less or more.
pub(crate) fn model_within(preemptions: usize, name: &str, run: impl Fn() + Send + Sync + 'static) {
    let count = Arc::new(AtomicU64::new(0));
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound =
        Some((builder.preemption_bound.unwrap_or(2) + preemptions).saturating_sub(2));
    builder.max_branches = 100_000;
    let counting = count.clone();
    builder.check(move || {
        counting.fetch_add(1, Ordering::Relaxed);
        run();
    });
    println!("{name}: {} interleavings", count.load(Ordering::Relaxed));
}
