//! The metrics of the policies that not every upstream has.

use std::fmt;

use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder};
use prometheus_client::metrics::MetricType;

use super::metrics::{count, counters, gauge};
use super::{AllPolicies, Policies};

/// A metric of one number for each upstream: its name and help, and how it is read where it is there.
type Plain = (&'static str, &'static str, fn(&Policies) -> Option<f64>);
/// The same, of several numbers with a label each.
type Labelled =
    (&'static str, &'static str, &'static str, fn(&Policies) -> Vec<(&'static str, u64)>);

const COUNTERS: [Plain; 15] = [
    ("breakerbox_hedge_started", "Attempts that were hedges", |it| hedges(it, |all| all.0)),
    ("breakerbox_hedge_won", "Hedges whose answer the client got", |it| hedges(it, |all| all.1)),
    ("breakerbox_hedge_lost", "Hedges that were too late, or failed", |it| hedges(it, |all| all.2)),
    ("breakerbox_rate_limit_allowed", "Calls that went at once", |it| {
        Some(it.pipeline().rate_limit()?.snapshot().allowed as f64)
    }),
    ("breakerbox_rate_limit_waited", "Calls that waited for their turn", |it| {
        Some(it.pipeline().rate_limit()?.snapshot().waited as f64)
    }),
    ("breakerbox_rate_limit_rejected", "Calls that the rate limit refused", |it| {
        Some(it.pipeline().rate_limit()?.snapshot().limited as f64)
    }),
    ("breakerbox_rate_limit_evicted", "Keys forgotten to make room", |it| {
        Some(it.pipeline().rate_limit()?.snapshot().evicted as f64)
    }),
    ("breakerbox_adaptive_limit_rejected", "Attempts above the adaptive limit", |it| {
        Some(it.pipeline().adaptive_limit()?.rejected() as f64)
    }),
    ("breakerbox_throttle_rejected", "Calls held back", |it| {
        Some(it.pipeline().throttle()?.rejected() as f64)
    }),
    ("breakerbox_breaker_keys_evicted", "Breakers of keys thrown out to make room", |it| {
        Some(it.pipeline().keyed_breakers()?.evicted() as f64)
    }),
    ("breakerbox_coalesce_led", "Calls that others waited for, or could have", |it| {
        Some(it.shelf()?.coalesced()?.led as f64)
    }),
    ("breakerbox_coalesce_shared", "Calls that got the answer of an equal one", |it| {
        Some(it.shelf()?.coalesced()?.shared as f64)
    }),
    ("breakerbox_coalesce_handed_over", "Calls that took over from one that was given up", |it| {
        Some(it.shelf()?.coalesced()?.handed_over as f64)
    }),
    ("breakerbox_coalesce_apart", "Calls that ran alone because too many waited", |it| {
        Some(it.shelf()?.coalesced()?.apart as f64)
    }),
    ("breakerbox_chaos_calls", "Calls that chaos looked at", |it| {
        Some(it.pipeline().chaos()?.snapshot(it.now()).calls as f64)
    }),
];

const GAUGES: [Plain; 11] = [
    ("breakerbox_bulkhead_limit", "Attempts that may run at once", |it| {
        Some(f64::from(it.pipeline().bulkhead()?.snapshot().limit))
    }),
    ("breakerbox_bulkhead_in_flight", "Attempts that run", |it| {
        Some(f64::from(it.pipeline().bulkhead()?.snapshot().in_flight))
    }),
    ("breakerbox_bulkhead_queued", "Attempts in the queue", |it| {
        Some(f64::from(it.pipeline().bulkhead()?.snapshot().queued))
    }),
    ("breakerbox_adaptive_limit_limit", "Attempts that may run at once", |it| {
        Some(f64::from(it.pipeline().adaptive_limit()?.limit()))
    }),
    ("breakerbox_adaptive_limit_in_flight", "Attempts that run", |it| {
        Some(f64::from(it.pipeline().adaptive_limit()?.in_flight()))
    }),
    ("breakerbox_throttle_probability", "The share of calls held back, 0 to 1", |it| {
        Some(it.pipeline().throttle()?.probability(it.now()))
    }),
    ("breakerbox_shed_level", "Levels of priority that are admitted, of 1024", |it| {
        Some(f64::from(it.pipeline().shed()?.level(it.now())))
    }),
    ("breakerbox_rate_limit_keys", "Keys with a limit of their own", |it| {
        Some(it.pipeline().rate_limit()?.snapshot().keys as f64)
    }),
    ("breakerbox_breaker_keys", "Keys with a breaker of their own", |it| {
        Some(it.pipeline().keyed_breakers()?.len() as f64)
    }),
    ("breakerbox_cache_answers", "Answers that are kept", |it| Some(it.shelf()?.len() as f64)),
    ("breakerbox_chaos_on", "1 while faults are injected", |it| {
        Some(if it.pipeline().chaos()?.is_on(it.now()) { 1.0 } else { 0.0 })
    }),
];

const LABELLED: [Labelled; 4] = [
    ("breakerbox_bulkhead_rejected", "Attempts that the bulkhead refused", "reason", |it| {
        let seen = it.pipeline().bulkhead().map(|bulkhead| bulkhead.snapshot());
        let all = seen.map(|it| {
            [("full", it.full), ("queue_timeout", it.timed_out), ("evicted", it.evicted)]
        });
        all.into_iter().flatten().collect()
    }),
    ("breakerbox_shed_rejected", "Calls that were shed, by urgency", "urgency", |it| {
        const URGENCIES: [&str; 8] = ["0", "1", "2", "3", "4", "5", "6", "7"];
        let shed = it.pipeline().shed().map(|shed| shed.snapshot(it.now()).rejected);
        shed.into_iter().flat_map(|shed| URGENCIES.into_iter().zip(shed)).collect()
    }),
    ("breakerbox_chaos_hit", "Calls that met a fault", "kind", |it| {
        let seen = it.pipeline().chaos().map(|chaos| chaos.snapshot(it.now()));
        seen.into_iter().flat_map(|seen| seen.by_kind()).collect()
    }),
    ("breakerbox_keyed_breakers", "Breakers of keys, by state", "state", |it| {
        it.keys().map(|keys| keys.states().collect()).unwrap_or_default()
    }),
];

fn hedges(policies: &Policies, of: fn((u64, u64, u64)) -> u64) -> Option<f64> {
    let pipeline = policies.pipeline();
    pipeline.hedges_at_all().then(|| of(pipeline.hedges()) as f64)
}

/// All of them, of the upstreams that have the policy.
pub(super) fn encode(all: &AllPolicies, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    for (name, help, read) in COUNTERS {
        let mut family = counters(encoder, name, help)?;
        each(all, read, &mut family, |family, labels, value| count(family, labels, value as u64))?;
    }
    for (name, help, read) in GAUGES {
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        each(all, read, &mut family, gauge)?;
    }
    for (name, help, label, read) in LABELLED {
        let is_gauge = label == "state";
        let metric_type = if is_gauge { MetricType::Gauge } else { MetricType::Counter };
        let mut family = encoder.encode_descriptor(name, help, None, metric_type)?;
        for policies in all.iter() {
            for (of, value) in read(policies) {
                let labels = [("upstream", policies.name()), (label, of)];
                if is_gauge {
                    gauge(&mut family, labels, value as f64)?;
                } else {
                    count(&mut family, labels, value)?;
                }
            }
        }
    }
    Ok(())
}

fn each(
    all: &AllPolicies,
    read: fn(&Policies) -> Option<f64>,
    family: &mut MetricEncoder<'_>,
    write: impl Fn(&mut MetricEncoder<'_>, [(&'static str, &str); 1], f64) -> fmt::Result,
) -> fmt::Result {
    for policies in all.iter() {
        if let Some(value) = read(policies) {
            write(family, [("upstream", policies.name())], value)?;
        }
    }
    Ok(())
}
