//! The scenarios of `docs/choosing-policies.md` and `docs/order-and-why.md`: what those pages say of them, within
//! bounds that several seeds have to keep.

use breakerbox::config::Policy;
use breakerbox_lab::simulate::{OtherFiles, Outcome, protect_clients, read, simulate};
use std::path::Path;

fn text(file: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/simulations");
    std::fs::read_to_string(folder.join(file)).expect("the file is there")
}

struct NoOther;

impl OtherFiles for NoOther {
    fn policy(&self, file: &str, _: &str) -> Result<Policy, String> {
        Err(format!("{file} is not needed"))
    }

    fn text(&self, file: &str) -> Result<String, String> {
        Err(format!("{file} is not needed"))
    }
}

#[track_caller]
fn run(file: &str, policy: Option<&str>) -> Vec<Outcome> {
    let (mut scenario, _) =
        read(file, &text(file), &NoOther).unwrap_or_else(|all| panic!("{file}: {}", all[0]));
    if let Some(policy) = policy {
        let (policy, _) = Policy::parse(policy, &text(policy)).expect("a good policy");
        protect_clients(&mut scenario, &policy).expect("a policy for callers");
    }
    (0..3).map(|seed| simulate(&scenario, seed, &mut |_| {}).expect("good policies")).collect()
}

/// The share of good answers in a phase.
fn good(run: &Outcome, phase: &str) -> f64 {
    run.phase(phase).and_then(|phase| phase.success()).expect("calls came in this phase")
}

/// Of every run it is between these.
#[track_caller]
fn between(runs: &[Outcome], phase: &str, least: f64, most: f64) {
    for run in runs {
        let good = good(run, phase);
        assert!((least..=most).contains(&good), "{phase}: {good} is not within {least} to {most}");
    }
}

#[test]
fn a_slow_dependency_needs_a_bulkhead_rather_than_a_timeout() {
    between(&run("choosing/slow_dependency.toml", None), "during", 0.0, 0.05);
    between(&run("choosing/slow_dependency_timeout.toml", None), "during", 0.0, 0.10);
    between(&run("choosing/slow_dependency_breaker.toml", None), "during", 0.70, 0.95);
    between(&run("choosing/slow_dependency_bulkhead.toml", None), "during", 0.99, 1.0);
}

#[test]
fn retries_hide_two_in_a_hundred_and_a_tight_breaker_is_the_outage() {
    let file = "choosing/now_and_then.toml";
    between(&run(file, None), "all", 0.975, 0.985);
    between(&run(file, Some("choosing/three_attempts.toml")), "all", 0.999, 1.0);
    between(&run(file, Some("choosing/tight_breaker.toml")), "all", 0.55, 0.90);
}

#[test]
fn a_limit_for_each_tenant_leaves_the_quiet_ones_alone() {
    let of = |run: &Outcome, client: &str| {
        let phase = run.phase("during").expect("there is such a phase");
        let client = phase.clients.iter().find(|it| it.name == client).expect("there it is");
        client.good as f64 / client.offered as f64
    };
    for run in run("choosing/one_tenant.toml", None) {
        assert!(of(&run, "small") < 0.5);
    }
    for run in run("choosing/one_tenant_limited.toml", None) {
        assert!(of(&run, "small") > 0.99 && of(&run, "other") > 0.99 && of(&run, "big") < 0.25);
    }
}

#[test]
fn a_cache_flush_ends_where_the_database_is_guarded() {
    assert!(run("choosing/cache_flush.toml", None).iter().all(|run| !run.verdict.is_good()));
    assert!(run("choosing/cache_flush_guarded.toml", None).iter().all(|run| run.verdict.is_good()));
}

#[test]
fn each_order_beside_its_opposite() {
    let callers = |file| {
        let runs = run(file, None);
        runs.iter().map(|run| run.phase("during").expect("it is there").waiting).sum::<f64>()
    };
    let ours = callers("order/retry_outside_breaker.toml");
    assert!(callers("order/breaker_outside_retry.toml") > 1.5 * ours);

    between(&run("order/retry_outside_bulkhead.toml", None), "during", 0.96, 1.0);
    between(&run("order/bulkhead_outside_retry.toml", None), "during", 0.50, 0.75);

    between(&run("order/queue_outside_timeout.toml", None), "during", 0.50, 0.60);
    between(&run("order/timeout_outside_queue.toml", None), "during", 0.0, 0.10);
}
