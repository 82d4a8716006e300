//! Metrics of calls: what came of them, retries, hedges, how long they took.

use super::metric::{Labels, Metric, Seen, counter, counters, gauge, label, labels};
use ::metrics::Unit;
use breakerbox_core::pipeline::Rejection;
use std::time::Duration;

/// Upper bounds of the latency buckets, in seconds, and as labels.
const BUCKETS: [(f64, &str); 12] = [
    (0.001, "0.001"),
    (0.0025, "0.0025"),
    (0.005, "0.005"),
    (0.01, "0.01"),
    (0.025, "0.025"),
    (0.05, "0.05"),
    (0.1, "0.1"),
    (0.25, "0.25"),
    (0.5, "0.5"),
    (1.0, "1"),
    (2.5, "2.5"),
    (10.0, "10"),
];

pub(super) const METRICS: &[Metric] = &[
    counters(
        "breakerbox_rejections_total",
        "Calls that a policy rejected, answered by the fallback or not",
        rejections,
    ),
    counters(
        "breakerbox_timeouts_total",
        "Calls that ran out of time, answered by the fallback or not",
        |seen| {
            let stats = &seen.stats;
            vec![
                (label("kind", "attempt"), stats.attempt_timeouts),
                (label("kind", "deadline"), stats.deadlines),
                (label("kind", "idle"), stats.idle_timeouts),
            ]
        },
    ),
    counter("breakerbox_fallbacks_total", "Calls answered by a fallback", |seen| {
        Some(seen.stats.fallbacks)
    }),
    counter("breakerbox_cancelled_total", "Calls that their callers gave up", |seen| {
        Some(seen.stats.cancelled)
    }),
    counter("breakerbox_panics_total", "Operations that panicked", |seen| Some(seen.stats.panics)),
    counter("breakerbox_listener_panics_total", "Panics of listeners", |seen| {
        Some(seen.stats.listener_panics)
    }),
    counter("breakerbox_retry_attempts_total", "Attempts that were repetitions", |seen| {
        repeats(seen).then_some(seen.stats.retries)
    }),
    counter(
        "breakerbox_retry_refused_by_budget_total",
        "Repetitions not made because the budget was spent",
        |seen| repeats(seen).then_some(seen.stats.refused_by_budget),
    ),
    gauge("breakerbox_retry_budget_left", "Repetitions that the budget has left", |seen| {
        if repeats(seen) { seen.stats.budget_left } else { None }
    }),
    counter("breakerbox_hedge_started_total", "Attempts that were hedges", |seen| {
        hedges(seen).then_some(seen.stats.hedges)
    }),
    counter("breakerbox_hedge_won_total", "Hedges whose answer the caller got", |seen| {
        hedges(seen).then_some(seen.stats.hedges_won)
    }),
    counter("breakerbox_hedge_lost_total", "Hedges that were too late, or failed", |seen| {
        hedges(seen).then_some(seen.stats.hedges_lost)
    }),
    counters(
        "breakerbox_call_duration_seconds_bucket",
        "Calls that came back, good or failed, within so many seconds",
        buckets,
    ),
    counter(
        "breakerbox_call_duration_seconds_count",
        "Calls that came back, good or failed",
        |seen| Some(seen.stats.latency.as_ref()?.count()),
    ),
    gauge(
        "breakerbox_call_duration_seconds_sum",
        "How long the calls took that came back, together",
        |seen| Some(seen.stats.latency.as_ref()?.sum().as_secs_f64()),
    )
    .counts_on()
    .unit(Unit::Seconds),
];

fn repeats(seen: &Seen<'_>) -> bool {
    seen.pipeline().repeats_at_all()
}

fn hedges(seen: &Seen<'_>) -> bool {
    seen.pipeline().hedges_at_all()
}

/// Those of the policies that are there, and what was rejected all the same.
fn rejections(seen: &Seen<'_>) -> Vec<(Labels, u64)> {
    let stats = &seen.stats;
    let has = |policy| match policy {
        "breaker" => stats.breaker.is_some() || stats.keyed_breakers.is_some(),
        "bulkhead" => stats.bulkhead.is_some(),
        "rate_limit" => stats.rate_limit.is_some(),
        "shed" => stats.shed.is_some(),
        "throttle" => stats.throttle.is_some(),
        "adaptive_limit" => stats.adaptive_limit.is_some(),
        "chaos" => stats.chaos.is_some(),
        _ => false,
    };
    let reasons = Rejection::POLICIES.into_iter().zip(Rejection::REASONS);
    let counted = reasons.map(|(policy, reason)| (policy, reason, stats.rejected(reason)));
    let known = counted.filter(|(policy, _, rejected)| *rejected > 0 || has(policy));
    let labelled =
        |(policy, reason, rejected)| (labels(("policy", policy), ("reason", reason)), rejected);
    known.map(labelled).collect()
}

/// A histogram as Prometheus has it: how many took at most so long.
fn buckets(seen: &Seen<'_>) -> Vec<(Labels, u64)> {
    let Some(latency) = &seen.stats.latency else { return Vec::new() };
    let bounded = BUCKETS
        .map(|(bound, le)| (label("le", le), latency.at_most(Duration::from_secs_f64(bound))));
    bounded.into_iter().chain([(label("le", "+Inf"), latency.count())]).collect()
}
