//! The metrics of all policies, in Prometheus' text format.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use breakerbox::State;
use breakerbox::core::breaker::Snapshot;
use breakerbox::core::pipeline::Rejection;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::exemplar::Exemplar;
use prometheus_client::registry::Registry;

use super::{AllPolicies, Class, Policies, attempts, more_metrics, process_metrics};

/// Upper bounds of the latency buckets, in seconds.
const LATENCY_BUCKETS: [f64; 12] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

pub(super) type Labels<'a, const N: usize> = [(&'static str, &'a str); N];

/// All metrics as text.
pub fn text(policies: &Arc<AllPolicies>) -> String {
    policies.settle();
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Metrics(Arc::clone(policies))));
    let mut text = String::new();
    // Writing into a string does not fail, and the collector writes nothing else.
    let _ = prometheus_client::encoding::text::encode(&mut text, &registry);
    text
}

#[derive(Debug)]
struct Metrics(Arc<AllPolicies>);

impl Collector for Metrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.calls(&mut encoder)?;
        self.breakers(&mut encoder)?;
        self.states(&mut encoder)?;
        more_metrics::encode(&self.0, &mut encoder)?;
        process_metrics::encode(&self.0, &mut encoder)
    }
}

impl Metrics {
    fn snapshots(&self) -> impl Iterator<Item = (&str, &str, Snapshot)> {
        self.0.iter().flat_map(|policies| {
            let now = policies.now();
            policies
                .breakers()
                .map(move |(name, breaker)| (name, policies.name(), breaker.snapshot(now)))
        })
    }

    fn calls(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let mut family =
            counters(encoder, "breakerbox_calls", "Calls, each counted once, by what came of it")?;
        for policies in self.0.iter() {
            for (kind, calls) in policies.counts().kinds() {
                count(&mut family, [("upstream", policies.name()), ("kind", kind)], calls)?;
            }
        }
        let help = "Calls that a policy rejected, answered by the fallback or not";
        let mut family = counters(encoder, "breakerbox_rejections", help)?;
        for policies in self.0.iter() {
            for (number, reason) in Rejection::REASONS.into_iter().enumerate() {
                let rejections = policies.counts().rejections[number].load(Ordering::Relaxed);
                let policy = Rejection::POLICIES[number];
                let labels =
                    [("upstream", policies.name()), ("policy", policy), ("reason", reason)];
                // What is only on paper: no policy of the gateway rejects for `chaos`.
                if rejections > 0 || policies.has(policy) {
                    count(&mut family, labels, rejections)?;
                }
            }
        }
        let help = "Calls that ran out of time, answered by the fallback or not";
        let mut family = counters(encoder, "breakerbox_timeouts", help)?;
        for policies in self.0.iter() {
            let counts = policies.counts();
            for (kind, counter) in
                [("attempt", &counts.attempt_timeouts), ("deadline", &counts.deadlines)]
            {
                let labels = [("upstream", policies.name()), ("kind", kind)];
                count(&mut family, labels, counter.load(Ordering::Relaxed))?;
            }
        }
        let help = "Responses that clients got, by class of their status, whoever made them";
        let mut family = counters(encoder, "breakerbox_responses", help)?;
        for policies in self.0.iter() {
            for class in Class::ALL {
                let responses = policies.responses().read(class);
                if responses > 0 || policies.expects(class) {
                    let labels = [("upstream", policies.name()), ("class", class.name())];
                    count(&mut family, labels, responses)?;
                }
            }
        }
        self.retries(encoder)?;
        let help = "Time from the arrival of a request to the headers of its response, in seconds";
        let name = "breakerbox_request_duration_seconds";
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
        for policies in self.0.iter() {
            let latency = policies.latency().snapshot();
            let mut before = 0;
            let mut buckets: Vec<(f64, u64)> = Vec::with_capacity(LATENCY_BUCKETS.len() + 1);
            for bound in LATENCY_BUCKETS {
                let up_to = latency.at_most(std::time::Duration::from_secs_f64(bound));
                buckets.push((bound, up_to - before));
                before = up_to;
            }
            buckets.push((f64::INFINITY, latency.count() - before));
            let labels = [("upstream", policies.name())];
            family.encode_family(&labels)?.encode_histogram::<Labels<'_, 0>>(
                latency.sum().as_secs_f64(),
                latency.count(),
                &buckets,
                None,
            )?;
        }
        Ok(())
    }

    fn retries(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let retrying = || self.0.iter().filter(|policies| policies.repeats());
        type Read = fn(&Policies) -> u64;
        let counts: [(&str, &str, Read); 2] = [
            ("breakerbox_retry_attempts", "Attempts that were repetitions", |policies| {
                policies.pipeline().retries()
            }),
            (
                "breakerbox_retry_refused_by_budget",
                "Repetitions not made because the budget was spent",
                |policies| policies.pipeline().refused_by_budget(),
            ),
        ];
        for (metric, help, read) in counts {
            let mut family = counters(encoder, metric, help)?;
            for policies in retrying() {
                count(&mut family, [("upstream", policies.name())], read(policies))?;
            }
        }
        let help = "Attempts that a call took, of the calls that were sent";
        let name = "breakerbox_attempts_per_call";
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
        for policies in retrying() {
            let calls = policies.attempts.calls();
            let count: u64 = calls.iter().sum();
            let bounds = attempts::BOUNDS.into_iter().map(f64::from).chain([f64::INFINITY]);
            let buckets: Vec<(f64, u64)> = bounds.zip(calls).collect();
            let sum = (count + policies.attempts.more()) as f64;
            let labels = [("upstream", policies.name())];
            family
                .encode_family(&labels)?
                .encode_histogram::<Labels<'_, 0>>(sum, count, &buckets, None)?;
        }
        let help = "Repetitions that the budget has left";
        let name = "breakerbox_retry_budget_left";
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for policies in retrying() {
            if let Some(left) = policies.pipeline().budget_left(policies.now()) {
                gauge(&mut family, [("upstream", policies.name())], left)?;
            }
        }
        Ok(())
    }

    fn breakers(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        type Read = fn(&Snapshot) -> u64;
        let by_kind: [(&str, Read); 4] = [
            ("success", |seen| seen.successes),
            ("failure", |seen| seen.failures),
            ("ignored", |seen| seen.ignored),
            ("late", |seen| seen.late),
        ];
        let help = "Calls that a breaker admitted, by their outcome";
        let mut family = counters(encoder, "breakerbox_breaker_calls", help)?;
        for (name, upstream, seen) in self.snapshots() {
            for (kind, read) in by_kind {
                let labels = [("name", name), ("upstream", upstream), ("kind", kind)];
                count(&mut family, labels, read(&seen))?;
            }
        }
        let plain: [(&str, &str, Read); 5] = [
            (
                "breakerbox_breaker_rejected",
                "Calls not admitted here; another endpoint may have",
                |seen| seen.rejected,
            ),
            ("breakerbox_breaker_slow", "Calls that took longer than slow_call", |seen| seen.slow),
            ("breakerbox_breaker_opened", "How often the circuit opened", |seen| seen.opened),
            ("breakerbox_breaker_unrecorded", "Calls while disabled", |seen| seen.unrecorded),
            ("breakerbox_breaker_leases_expired", "Probes that did not come back", |seen| {
                seen.leases_expired
            }),
        ];
        for (metric, help, read) in plain {
            let mut family = counters(encoder, metric, help)?;
            for (name, upstream, seen) in self.snapshots() {
                count(&mut family, [("name", name), ("upstream", upstream)], read(&seen))?;
            }
        }
        type Gauge = fn(&Snapshot) -> Option<f64>;
        let gauges: [(&str, &str, Gauge); 4] = [
            ("breakerbox_breaker_in_flight", "Calls under way", |seen| Some(seen.in_flight as f64)),
            ("breakerbox_breaker_window_calls", "Outcomes in the window", |seen| {
                Some(seen.window.calls as f64)
            }),
            ("breakerbox_breaker_failure_rate", "0 to 1; absent below min_calls", |seen| {
                seen.window.failure_rate
            }),
            ("breakerbox_breaker_slow_call_rate", "0 to 1; absent below min_calls", |seen| {
                seen.window.slow_call_rate
            }),
        ];
        for (metric, help, read) in gauges {
            let mut family = encoder.encode_descriptor(metric, help, None, MetricType::Gauge)?;
            for (name, upstream, seen) in self.snapshots() {
                if let Some(value) = read(&seen) {
                    gauge(&mut family, [("name", name), ("upstream", upstream)], value)?;
                }
            }
        }
        Ok(())
    }

    fn states(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let help = "1 for the state that a breaker is in, 0 for the others";
        let name = "breakerbox_breaker_state";
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (name, upstream, seen) in self.snapshots() {
            for state in State::ALL {
                let labels = [("name", name), ("upstream", upstream), ("state", state.name())];
                gauge(&mut family, labels, if state == seen.state { 1.0 } else { 0.0 })?;
            }
        }
        let help = "Time spent in each state, in seconds";
        let mut family = counters(encoder, "breakerbox_breaker_state_seconds", help)?;
        for (name, upstream, seen) in self.snapshots() {
            for (state, time) in State::ALL.into_iter().zip(seen.time_in) {
                let labels = [("name", name), ("upstream", upstream), ("state", state.name())];
                family
                    .encode_family(&labels)?
                    .encode_counter(&time.as_secs_f64(), None::<&Exemplar<Labels<'_, 0>, f64>>)?;
            }
        }
        let mut family = counters(
            encoder,
            "breakerbox_breaker_transitions",
            "Changes of state, by from and to",
        )?;
        for policies in self.0.iter() {
            for (endpoint, (name, _)) in policies.breakers().enumerate() {
                for (from, to) in pairs() {
                    let times = policies.transitions(endpoint, from, to);
                    if times > 0 || is_usual(from, to) {
                        let labels = [
                            ("name", name),
                            ("upstream", policies.name()),
                            ("from", from.name()),
                            ("to", to.name()),
                        ];
                        count(&mut family, labels, times)?;
                    }
                }
            }
        }
        let help = "Changes of state of the breakers of all keys, by from and to";
        let mut family = counters(encoder, "breakerbox_breaker_keys_transitions", help)?;
        for policies in self.0.iter().filter(|it| it.pipeline().keyed_breakers().is_some()) {
            for (from, to) in pairs() {
                let times = policies.changes_of_keys(from, to);
                if times > 0 || is_usual(from, to) {
                    let labels =
                        [("upstream", policies.name()), ("from", from.name()), ("to", to.name())];
                    count(&mut family, labels, times)?;
                }
            }
        }
        Ok(())
    }
}

/// The changes that a circuit makes of itself. They are there from the start: of a counter that appears
/// with its first count, nobody sees that it has grown.
const fn is_usual(from: State, to: State) -> bool {
    use State::{Closed, HalfOpen, Open};
    matches!((from, to), (Closed, Open) | (Open, HalfOpen) | (HalfOpen, Closed | Open))
}

fn pairs() -> impl Iterator<Item = (State, State)> {
    State::ALL.into_iter().flat_map(|from| State::ALL.into_iter().map(move |to| (from, to)))
}

pub(super) fn counters<'e>(
    encoder: &'e mut DescriptorEncoder<'_>,
    name: &'e str,
    help: &str,
) -> Result<MetricEncoder<'e>, fmt::Error> {
    encoder.encode_descriptor(name, help, None, MetricType::Counter)
}

pub(super) fn count<const N: usize>(
    family: &mut MetricEncoder<'_>,
    labels: Labels<'_, N>,
    value: u64,
) -> fmt::Result {
    let none = None::<&Exemplar<Labels<'_, 0>, u64>>;
    family.encode_family(&labels)?.encode_counter(&value, none)
}

pub(super) fn gauge<const N: usize>(
    family: &mut MetricEncoder<'_>,
    labels: Labels<'_, N>,
    value: f64,
) -> fmt::Result {
    family.encode_family(&labels)?.encode_gauge(&value)
}
