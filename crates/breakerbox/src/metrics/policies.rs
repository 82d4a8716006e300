//! Metrics of the policies that limit, hold back or harm.

use super::metric::{Metric, counter, counters, gauge, label};

pub(super) const METRICS: &[Metric] = &[
    gauge("breakerbox_bulkhead_limit", "Attempts that may run at once", |seen| {
        Some(seen.stats.bulkhead.as_ref()?.limit.into())
    }),
    gauge("breakerbox_bulkhead_in_flight", "Attempts that run", |seen| {
        Some(seen.stats.bulkhead.as_ref()?.in_flight.into())
    })
    .of_what_is_there(),
    gauge("breakerbox_bulkhead_queued", "Attempts in the queue", |seen| {
        Some(seen.stats.bulkhead.as_ref()?.queued.into())
    })
    .of_what_is_there(),
    counters("breakerbox_bulkhead_rejected_total", "Attempts that the bulkhead refused", |seen| {
        let Some(bulkhead) = &seen.stats.bulkhead else { return Vec::new() };
        let by_reason = [
            ("full", bulkhead.full),
            ("queue_timeout", bulkhead.timed_out),
            ("evicted", bulkhead.evicted),
        ];
        by_reason.map(|(reason, refused)| (label("reason", reason), refused)).into()
    }),
    gauge("breakerbox_adaptive_limit_limit", "Attempts that may run at once", |seen| {
        Some(seen.stats.adaptive_limit.as_ref()?.limit.into())
    }),
    gauge("breakerbox_adaptive_limit_in_flight", "Attempts that run", |seen| {
        Some(seen.stats.adaptive_limit.as_ref()?.in_flight.into())
    })
    .of_what_is_there(),
    counter(
        "breakerbox_adaptive_limit_rejected_total",
        "Attempts above the adaptive limit",
        |seen| Some(seen.stats.adaptive_limit.as_ref()?.rejected),
    ),
    counter("breakerbox_rate_limit_allowed_total", "Calls that went at once", |seen| {
        Some(seen.stats.rate_limit.as_ref()?.allowed)
    }),
    counter("breakerbox_rate_limit_waited_total", "Calls that waited for their turn", |seen| {
        Some(seen.stats.rate_limit.as_ref()?.waited)
    }),
    counter("breakerbox_rate_limit_rejected_total", "Calls that the rate limit refused", |seen| {
        Some(seen.stats.rate_limit.as_ref()?.limited)
    }),
    gauge("breakerbox_rate_limit_keys", "Keys with a limit of their own", |seen| {
        Some(seen.stats.rate_limit.as_ref()?.keys as f64)
    })
    .of_what_is_there(),
    counter("breakerbox_rate_limit_evicted_total", "Keys forgotten to make room", |seen| {
        Some(seen.stats.rate_limit.as_ref()?.evicted)
    }),
    gauge("breakerbox_throttle_probability", "The share of calls held back, 0 to 1", |seen| {
        Some(seen.stats.throttle.as_ref()?.probability)
    }),
    counter("breakerbox_throttle_rejected_total", "Calls held back", |seen| {
        Some(seen.stats.throttle.as_ref()?.rejected)
    }),
    gauge("breakerbox_shed_level", "Levels of priority that are admitted, of 1024", |seen| {
        Some(seen.stats.shed.as_ref()?.level.into())
    }),
    counters("breakerbox_shed_rejected_total", "Calls that were shed, by urgency", |seen| {
        const URGENCIES: [&str; 8] = ["0", "1", "2", "3", "4", "5", "6", "7"];
        let Some(shed) = &seen.stats.shed else { return Vec::new() };
        let by_urgency = URGENCIES.into_iter().zip(shed.rejected);
        by_urgency.map(|(urgency, calls)| (label("urgency", urgency), calls)).collect()
    }),
    gauge("breakerbox_chaos_on", "1 while faults are injected", |seen| {
        Some(if seen.stats.chaos.as_ref()?.on { 1.0 } else { 0.0 })
    }),
    counter("breakerbox_chaos_calls_total", "Calls that chaos looked at", |seen| {
        Some(seen.stats.chaos.as_ref()?.calls)
    }),
    counters("breakerbox_chaos_hit_total", "Calls that met a fault", |seen| {
        let Some(chaos) = &seen.stats.chaos else { return Vec::new() };
        chaos.by_kind().into_iter().map(|(kind, calls)| (label("kind", kind), calls)).collect()
    }),
];
