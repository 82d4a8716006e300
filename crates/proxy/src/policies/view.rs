//! All policies, for people and programs to look at.

use breakerbox::core::breaker::Snapshot;
use serde_json::{Value, json};

use super::{AllPolicies, Policies};

/// All breakers: name, state and counts.
pub fn breakers(all: &AllPolicies) -> Value {
    all.settle();
    let views = all.iter().flat_map(|policies| {
        let now = policies.now();
        policies
            .breakers()
            .map(move |(name, breaker)| breaker_view(policies, name, &breaker.snapshot(now)))
    });
    json!({ "breakers": views.collect::<Vec<_>>() })
}

fn breaker_view(policies: &Policies, name: &str, seen: &Snapshot) -> Value {
    json!({
        "name": name,
        "upstream": policies.name(),
        "state": seen.state.name(),
        "retry_after_seconds": seen.retry_after.map(|wait| wait.as_secs_f64()),
        "started": seen.started,
        "successes": seen.successes,
        "failures": seen.failures,
        "ignored": seen.ignored,
        "late": seen.late,
        "slow": seen.slow,
        "rejected": seen.rejected,
        "unrecorded": seen.unrecorded,
        "in_flight": seen.in_flight,
        "opened": seen.opened,
        "leases_expired": seen.leases_expired,
        "window": {
            "calls": seen.window.calls,
            "failures": seen.window.failures,
            "slow": seen.window.slow,
            "failure_rate": seen.window.failure_rate,
            "slow_call_rate": seen.window.slow_call_rate,
        },
    })
}

/// Whether every upstream has an endpoint whose breaker admits, and the details.
pub fn health(all: &AllPolicies) -> (bool, Value) {
    all.settle();
    let mut healthy = true;
    let upstreams = all.iter().map(|policies| {
        let now = policies.now();
        let admits = policies.admits();
        healthy &= admits;
        let breakers = policies
            .breakers()
            .map(|(name, breaker)| (name.to_owned(), Value::from(breaker.state(now).name())));
        let view = json!({
            "admits": admits,
            "breakers": breakers.collect::<serde_json::Map<_, _>>(),
        });
        (policies.name().to_owned(), view)
    });
    let upstreams = upstreams.collect::<serde_json::Map<_, _>>();
    let status = if healthy { "ok" } else { "unavailable" };
    (healthy, json!({ "status": status, "upstreams": upstreams }))
}
