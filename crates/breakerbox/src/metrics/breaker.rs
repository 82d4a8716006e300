//! Metrics of the breaker, and of those of keys.

use super::metric::{Labels, Metric, Seen, counter, counters, gauge, gauges, label, labels};
use super::source::Changes;
use crate::State;
use ::metrics::Unit;
use breakerbox_core::breaker::Snapshot;

pub(super) const METRICS: &[Metric] = &[
    counters(
        "breakerbox_breaker_calls_total",
        "Calls that a breaker admitted, by their outcome",
        |seen| {
            let Some(breaker) = breaker(seen) else { return Vec::new() };
            let by_kind = [
                ("success", breaker.successes),
                ("failure", breaker.failures),
                ("ignored", breaker.ignored),
                ("late", breaker.late),
            ];
            by_kind.map(|(kind, calls)| (label("kind", kind), calls)).into()
        },
    ),
    counter("breakerbox_breaker_rejected_total", "Calls not admitted", |seen| {
        Some(breaker(seen)?.rejected)
    }),
    counter("breakerbox_breaker_slow_total", "Calls that took longer than slow_call", |seen| {
        Some(breaker(seen)?.slow)
    }),
    counter("breakerbox_breaker_opened_total", "How often the circuit opened", |seen| {
        Some(breaker(seen)?.opened)
    }),
    counter("breakerbox_breaker_unrecorded_total", "Calls while disabled", |seen| {
        Some(breaker(seen)?.unrecorded)
    }),
    counter(
        "breakerbox_breaker_leases_expired_total",
        "Probes that did not come back in time",
        |seen| Some(breaker(seen)?.leases_expired),
    ),
    gauge("breakerbox_breaker_in_flight", "Calls under way", |seen| {
        Some(breaker(seen)?.in_flight as f64)
    })
    .of_what_is_there(),
    gauge("breakerbox_breaker_window_calls", "Outcomes in the window", |seen| {
        Some(breaker(seen)?.window.calls as f64)
    }),
    gauge("breakerbox_breaker_failure_rate", "0 to 1; NaN below min_calls", |seen| {
        Some(breaker(seen)?.window.failure_rate.unwrap_or(f64::NAN))
    }),
    gauge("breakerbox_breaker_slow_call_rate", "0 to 1; NaN below min_calls", |seen| {
        Some(breaker(seen)?.window.slow_call_rate.unwrap_or(f64::NAN))
    }),
    gauges(
        "breakerbox_breaker_state",
        "1 for the state that a breaker is in, 0 for the others",
        |seen| {
            let Some(breaker) = breaker(seen) else { return Vec::new() };
            let is = |state| if state == breaker.state { 1.0 } else { 0.0 };
            State::ALL.map(|state| (label("state", state.name()), is(state))).into()
        },
    )
    .of_what_is_there(),
    // A counter that the facade has no kind for: its counters are whole.
    gauges("breakerbox_breaker_state_seconds_total", "Time spent in each state", |seen| {
        let Some(breaker) = breaker(seen) else { return Vec::new() };
        let times = State::ALL.into_iter().zip(breaker.time_in);
        times.map(|(state, time)| (label("state", state.name()), time.as_secs_f64())).collect()
    })
    .counts_on()
    .unit(Unit::Seconds),
    counters("breakerbox_breaker_transitions_total", "Changes of state, by from and to", |seen| {
        by_pair(seen.changes)
    }),
    counters(
        "breakerbox_breaker_keys_transitions_total",
        "Changes of state of the breakers of keys together, by from and to",
        |seen| by_pair(seen.key_changes),
    ),
    gauge("breakerbox_breaker_keys", "Keys with a breaker of their own", |seen| {
        Some(seen.stats.keyed_breakers?.0 as f64)
    })
    .of_what_is_there(),
    counter(
        "breakerbox_breaker_keys_evicted_total",
        "Breakers of keys thrown out to make room",
        |seen| Some(seen.stats.keyed_breakers?.1),
    ),
    gauges("breakerbox_keyed_breakers", "Breakers of keys, by state", |seen| {
        let Some(keyed) = seen.pipeline().keyed_breakers() else { return Vec::new() };
        let (now, mut breakers) = (seen.source.now(), [0_u32; State::ALL.len()]);
        keyed.for_each(|_, endpoints| {
            for breaker in (0..endpoints.count()).filter_map(|number| endpoints.breaker(number)) {
                breakers[breaker.state(now) as usize] += 1;
            }
        });
        let counted = State::ALL.into_iter().zip(breakers);
        counted.map(|(state, count)| (label("state", state.name()), count.into())).collect()
    })
    .of_what_is_there(),
];

/// Where each key has a breaker of its own, the one of calls without a key shows only if there are any: it
/// would look well whatever becomes of the others.
fn breaker<'a>(seen: &'a Seen<'_>) -> Option<&'a Snapshot> {
    let breaker = seen.stats.breaker.as_ref()?;
    let used = breaker.started + breaker.rejected + breaker.unrecorded > 0;
    (used || seen.stats.keyed_breakers.is_none()).then_some(breaker)
}

fn by_pair(changes: &Changes) -> Vec<(Labels, u64)> {
    let pair = |(from, to, times): (State, State, u64)| {
        (labels(("from", from.name()), ("to", to.name())), times)
    };
    changes.each().map(pair).collect()
}
