//! The dashboard and the alerts of `contrib`, against the metrics of a gateway that runs: a metric or a label that is
//! renamed, or added and shown nowhere, is found here.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(dead_code, reason = "of what the black-box tests share this needs a part")]

mod dashboard;
mod gateway;
mod prometheus;
mod queries;
mod scrape;
#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use dashboard::Dashboard;
use gateway::Gateway;
use prometheus::{Prometheus, installed, promtool, promtool_reads};

/// Metrics that are on no panel, and why. There is none today.
const NOT_SHOWN: [(&str, &str); 0] = [];

/// Labels that Prometheus adds to all that it scrapes.
const OF_THE_TARGET: [&str; 2] = ["instance", "job"];

/// All labels that the gateway has. None of them is chosen by clients, so none grows with traffic.
const LABELS: [&str; 12] = [
    "class", "from", "kind", "le", "name", "policy", "reason", "state", "to", "upstream",
    "urgency", "version",
];

/// A file of `contrib`.
fn contrib(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../contrib").join(path)
}

/// The rules without their comments.
fn rules() -> String {
    let text = fs::read_to_string(contrib("prometheus/alerts.yml")).unwrap();
    let lines = text.split_inclusive('\n').filter(|line| !line.trim_start().starts_with('#'));
    lines.collect()
}

#[test]
fn every_metric_label_and_value_that_contrib_asks_for_is_in_the_scrape() {
    let scrape = Gateway::start("names").metrics();
    let (dashboard, rules) = (Dashboard::read(), rules());
    let mut shown = BTreeSet::new();
    for (at, text) in dashboard.queries().chain([("alerts.yml", rules.as_str())]) {
        for asked in queries::selectors(text) {
            let record = asked.metric.contains(':');
            let known = if record {
                rules.contains(&format!("record: {}\n", asked.metric))
            } else {
                scrape.has(asked.metric)
            };
            assert!(known, "{at}: there is no metric {}", asked.metric);
            if at != "alerts.yml" {
                shown.insert(scrape.family(asked.metric));
            }
            for (label, values) in asked.labels {
                if OF_THE_TARGET.contains(&label) {
                    continue;
                }
                let known = if record {
                    scrape.all_values(label)
                } else {
                    scrape.values(asked.metric, label)
                };
                assert!(!known.is_empty(), "{at}: {} has no label {label}", asked.metric);
                for value in values {
                    let metric = asked.metric;
                    assert!(known.contains(value), "{at}: no {metric}{{{label}={value:?}}}");
                }
            }
        }
        for label in queries::labels(text) {
            let known = LABELS.contains(&label) || OF_THE_TARGET.contains(&label);
            assert!(known, "{at}: there is no label {label}");
        }
    }
    let excused: BTreeSet<_> = NOT_SHOWN.iter().map(|(family, _)| *family).collect();
    for family in scrape.families() {
        assert!(
            shown.contains(family) != excused.contains(family),
            "{family} has to be on the dashboard, or in the list of those that are not"
        );
    }
}

#[test]
fn the_gateway_has_no_label_that_clients_choose() {
    let scrape = Gateway::start("labels").metrics();
    assert_eq!(scrape.labels(), BTreeSet::from(LABELS));
}

#[test]
fn the_dashboard_says_what_each_panel_is() {
    let dashboard = Dashboard::read();
    dashboard.assert_well_formed();
    // Alerts name panels.
    for line in rules().lines() {
        for quoted in line.split('"').skip(1).step_by(2) {
            if quoted.starts_with(|first: char| first.is_ascii_uppercase()) {
                assert!(dashboard.has_panel(quoted), "there is no panel {quoted:?}");
            }
        }
    }
}

#[test]
fn promtool_finds_no_fault_in_metrics_rules_and_configuration() {
    if !installed("promtool") {
        return;
    }
    let scrape = Gateway::start("lint").metrics();
    assert_eq!(promtool_reads(&["check", "metrics"], &scrape.as_classic_text()), "");

    let path = |name: &str| contrib(name).to_str().unwrap().to_owned();
    promtool(&["check", "rules", &path("prometheus/alerts.yml")]);
    promtool(&["check", "config", &path("prometheus/scrape.yml")]);
    promtool(&["test", "rules", &path("prometheus/alerts_test.yml")]);
}

#[test]
fn each_alert_has_a_case_in_which_it_fires() {
    let tests = fs::read_to_string(contrib("prometheus/alerts_test.yml")).unwrap();
    let rules = rules();
    let alerts: Vec<_> =
        rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert!(alerts.len() > 20, "{alerts:?}");
    for alert in alerts {
        let fires = format!("alertname=\"{alert}\"");
        assert!(tests.contains(&fires), "no case of alerts_test.yml in which {alert} fires");
    }
}

#[test]
fn prometheus_scrapes_the_gateway_and_every_panel_gets_an_answer() {
    if !installed("prometheus") || !installed("promtool") {
        return;
    }
    let gateway = Gateway::start("panels");
    let prometheus = Prometheus::start(gateway.admin());
    prometheus.wait_for("count_over_time(breakerbox_calls_total[1m]) >= 3");
    for record in rules().lines().filter_map(|line| line.trim().strip_prefix("- record: ")) {
        prometheus.wait_for(record);
    }
    for (panel, query, legend) in Dashboard::read().lines() {
        let query = queries::as_grafana_sends_it(query);
        let series = prometheus.ask(&query);
        assert!(!series.is_empty(), "{panel}: no answer to {query}");
        for label in queries::legend(legend) {
            for labels in &series {
                assert!(labels.contains_key(label), "{panel}: no label {label} in {labels:?}");
            }
        }
    }
    // The rules are evaluated every second, several upstreams at once.
    prometheus.wait_for("sum(prometheus_rule_evaluations_total) > 50");
    let failed = prometheus.ask("sum(prometheus_rule_evaluation_failures_total) > 0");
    assert!(failed.is_empty(), "rules cannot be evaluated");
    assert!(prometheus.ask("ALERTS{alertstate=\"firing\"}").is_empty());
}
