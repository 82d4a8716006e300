//! What must be equal at the end.

use std::collections::BTreeMap;

use serde_json::Value;

use super::clients::Tally;
use crate::support::protected::Protected;
use crate::support::{client, within};

const KINDS: [&str; 14] = [
    "delivered",
    "shared",
    "fallback",
    "timeout",
    "deadline",
    "no_response",
    "cancelled",
    "breaker_open",
    "bulkhead_full",
    "queue_timeout",
    "rate_limited",
    "shed",
    "throttled",
    "limit_reached",
];

/// Panics where an account does not add up, or something is left over.
pub(super) async fn check(gateway: &Protected, tally: &Tally) {
    let breakers = at_rest(gateway).await;
    let metrics = metrics(gateway).await;
    let text = client::text(client::get(gateway.admin, "/policies").await).await;
    let policies: Value = serde_json::from_str::<Value>(&text).unwrap()["upstreams"].take();
    println!("{:?}\n{policies}", tally.all());
    for breaker in &breakers {
        println!("{breaker}");
    }
    for upstream in ["posts", "greeter"] {
        let of = |name: &str, labels: &str| {
            let series = format!("breakerbox_{name}_total{{upstream=\"{upstream}\"{labels}}}");
            metrics.get(&series).copied().unwrap_or_default()
        };
        let kind = |kind: &str| of("calls", &format!(",kind=\"{kind}\""));
        let calls = KINDS.map(kind).iter().sum::<u64>();
        let policy = &policies[upstream];
        println!("{upstream}: {calls} calls: {:?}", KINDS.map(|name| (name, kind(name))));
        every_request_is_in_one_kind(upstream, tally, kind);

        // To the millionth: what went in less what was made is what is left.
        let made = policy["retry"]["retries"].as_u64().unwrap()
            + policy["hedge"]["started"].as_u64().unwrap_or_default();
        let left = (policy["budget"]["left"].as_f64().unwrap() * 1e6).round() as u64;
        assert_eq!(left + made * 1_000_000, 10_000_000 + calls * 50_000, "{upstream}");
        assert!(made > 0);

        // The breakers have seen every attempt.
        let sum = |key: &str| -> u64 {
            let own = breakers.iter().filter(|breaker| breaker["upstream"] == upstream);
            own.map(|breaker| breaker[key].as_u64().unwrap()).sum()
        };
        let admitted = sum("started") + sum("unrecorded");
        let reached = kind("delivered") + kind("timeout") + kind("no_response");
        let refused = kind("bulkhead_full") + kind("queue_timeout") + kind("limit_reached");
        assert!(reached + refused <= admitted, "{upstream}: {reached} + {refused}, {admitted}");
        assert!(sum("opened") > 0, "{upstream}");
        nothing_is_left(upstream, policy);
    }
    let posts = &policies["posts"];
    let rejected = |reason: &str| {
        let start = "breakerbox_rejections_total{upstream=\"posts\",policy=";
        let end = format!("reason=\"{reason}\"}}");
        let mut all =
            metrics.iter().filter(|(key, _)| key.starts_with(start) && key.ends_with(&end));
        all.next().map_or(0, |(_, count)| *count)
    };
    let asked: u64 = ["allowed", "waited", "rejected"]
        .map(|key| posts["rate_limit"][key].as_u64().unwrap())
        .iter()
        .sum();
    let calls: u64 = KINDS
        .map(|kind| format!("breakerbox_calls_total{{upstream=\"posts\",kind=\"{kind}\"}}"))
        .iter()
        .map(|series| metrics[series])
        .sum();
    assert_eq!(asked, calls - rejected("shed") - rejected("throttled"));
    let hedges = &posts["hedge"];
    let number = |key: &str| hedges[key].as_u64().unwrap();
    assert_eq!(number("started"), number("won") + number("lost"));
}

fn every_request_is_in_one_kind(upstream: &'static str, tally: &Tally, kind: impl Fn(&str) -> u64) {
    // Nobody was left without an answer.
    assert_eq!(tally.count(upstream, "lost"), 0);
    let gave_up = tally.count(upstream, "gave_up");
    assert!(gave_up > 0 && kind("cancelled") > 0);
    // A follower sees what its leader came to, and counts as shared.
    let mut others = 0;
    for name in KINDS.into_iter().filter(|name| !matches!(*name, "shared" | "cancelled")) {
        others += tally.count(upstream, name).saturating_sub(kind(name));
    }
    assert!(others <= kind("shared"), "{upstream}: {others}");
    // What a client did not wait for may have become anything, or never have come.
    let seen = KINDS.map(|name| tally.count(upstream, name)).iter().sum::<u64>();
    let counted = KINDS.map(&kind).iter().sum::<u64>();
    let bounds = seen + kind("cancelled")..=seen + gave_up;
    assert!(bounds.contains(&counted), "{upstream}: {counted} calls, {seen} seen, {gave_up}");
}

fn nothing_is_left(upstream: &str, policy: &Value) {
    let in_use = |table: &str, key: &str| policy[table][key].as_u64().unwrap_or_default();
    let left = [
        in_use("bulkhead", "in_flight"),
        in_use("bulkhead", "queued"),
        in_use("adaptive_limit", "in_flight"),
    ];
    assert_eq!(left, [0; 3], "{upstream}");
}

/// All breakers, as soon as nothing is under way.
async fn at_rest(gateway: &Protected) -> Vec<Value> {
    within(async {
        loop {
            let breakers = gateway.breakers().await;
            if breakers.iter().all(|breaker| breaker["in_flight"] == 0) {
                for breaker in &breakers {
                    let count = |key: &str| breaker[key].as_u64().unwrap();
                    let ended =
                        count("successes") + count("failures") + count("ignored") + count("late");
                    assert_eq!(count("started"), ended, "{breaker}");
                }
                return breakers;
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    })
    .await
}

/// All counters of `/metrics`.
async fn metrics(gateway: &Protected) -> BTreeMap<String, u64> {
    let text = client::text(client::get(gateway.admin, "/metrics").await).await;
    let series = text.lines().filter_map(|line| line.rsplit_once(' '));
    series.filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?))).collect()
}
