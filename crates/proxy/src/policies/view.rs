//! All policies, for people and programs to look at.

use breakerbox::core::breaker::Snapshot;
use serde_json::{Value, json};

use super::{AllPolicies, Keys, Policies};

/// All breakers: name, state and counts.
pub fn breakers(all: &AllPolicies) -> Value {
    all.settle();
    let views = all.iter().flat_map(|policies| {
        let now = policies.now();
        policies
            .breakers()
            .map(move |(name, breaker)| breaker_view(policies, name, &breaker.snapshot(now)))
    });
    let mut view = json!({ "breakers": views.collect::<Vec<_>>() });
    let keyed = all.iter().filter_map(|it| Some((it.name().to_owned(), keys_view(it)?)));
    let keyed: serde_json::Map<_, _> = keyed.collect();
    if !keyed.is_empty() {
        view["keyed_breakers"] = keyed.into();
    }
    view
}

/// The breakers of keys: how many there are in which states, and what was said to all of them.
fn keys_view(policies: &Policies) -> Option<Value> {
    let seen = policies.keys()?;
    Some(keys_as_json(policies, &seen))
}

fn keys_as_json(policies: &Policies, seen: &Keys) -> Value {
    let states = seen.states().filter(|(_, count)| *count > 0);
    let states = states.map(|(state, count)| (state.to_owned(), Value::from(count)));
    let by_hand = policies.said_to_keys();
    let by_hand = by_hand.map(|(name, state)| (name.to_owned(), Value::from(state.name())));
    json!({
        "keys": seen.known,
        "cap": seen.cap,
        "evicted": seen.evicted,
        "states": serde_json::Map::from_iter(states),
        "by_hand": serde_json::Map::from_iter(by_hand),
    })
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
        let keys = policies.keys();
        let admits = match &keys {
            Some(keys) => keys.admits,
            None => policies.admits(),
        };
        healthy &= admits;
        let breakers = policies
            .breakers()
            .map(|(name, breaker)| (name.to_owned(), Value::from(breaker.state(now).name())));
        let mut view = json!({
            "admits": admits,
            "breakers": breakers.collect::<serde_json::Map<_, _>>(),
        });
        if let Some(keys) = &keys {
            view["keyed_breakers"] = keys_as_json(policies, keys);
        }
        (policies.name().to_owned(), view)
    });
    let upstreams = upstreams.collect::<serde_json::Map<_, _>>();
    let status = if healthy { "ok" } else { "unavailable" };
    (healthy, json!({ "status": status, "upstreams": upstreams }))
}

/// What every upstream is protected by, and how that stands.
pub fn policies(all: &AllPolicies) -> Value {
    let upstreams = all.iter().map(|policies| (policies.name().to_owned(), policy_view(policies)));
    json!({ "upstreams": upstreams.collect::<serde_json::Map<_, _>>() })
}

fn policy_view(policies: &Policies) -> Value {
    let (pipeline, now) = (policies.pipeline(), policies.now());
    let mut view = serde_json::Map::new();
    let sentence = pipeline.sentence(&policies.policy().answers());
    view.insert("policy".to_owned(), sentence.into());
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            view.insert(name.to_owned(), value);
        }
    };
    put("retry", policies.retry().map(|_| json!({ "retries": pipeline.retries() })));
    let budget = pipeline.budget_left(now);
    put(
        "budget",
        budget.map(|left| json!({ "left": left, "refused": pipeline.refused_by_budget() })),
    );
    let (started, won, lost) = pipeline.hedges();
    let hedge = pipeline.hedges_at_all();
    put("hedge", hedge.then(|| json!({ "started": started, "won": won, "lost": lost })));
    put(
        "bulkhead",
        pipeline.bulkhead().map(|bulkhead| {
            let seen = bulkhead.snapshot();
            json!({ "limit": seen.limit, "in_flight": seen.in_flight, "queued": seen.queued })
        }),
    );
    put(
        "adaptive_limit",
        pipeline.adaptive_limit().map(|limit| {
            json!({ "limit": limit.limit(), "in_flight": limit.in_flight(), "rejected": limit.rejected() })
        }),
    );
    put(
        "rate_limit",
        pipeline.rate_limit().map(|limit| {
            let seen = limit.snapshot();
            json!({ "allowed": seen.allowed, "waited": seen.waited, "rejected": seen.limited, "keys": seen.keys })
        }),
    );
    put("throttle", pipeline.throttle().map(|it| json!({ "probability": it.probability(now) })));
    put(
        "shed",
        pipeline.shed().map(|it| json!({ "level": it.level(now), "share": it.share(now) })),
    );
    put("keyed_breakers", keys_view(policies));
    put(
        "chaos",
        pipeline.chaos().map(|chaos| {
            let seen = chaos.snapshot(now);
            let hits = seen.by_kind().map(|(kind, hits)| (kind.to_owned(), Value::from(hits)));
            let hits = serde_json::Map::from_iter(hits);
            json!({ "on": seen.on, "calls": seen.calls, "hits": hits })
        }),
    );
    let shelf = policies.shelf();
    put("cache", shelf.map(|shelf| json!({ "answers": shelf.len() })));
    put(
        "coalesce",
        shelf.and_then(|shelf| shelf.coalesced()).map(|seen| {
            json!({ "led": seen.led, "shared": seen.shared, "handed_over": seen.handed_over })
        }),
    );
    view.into()
}
