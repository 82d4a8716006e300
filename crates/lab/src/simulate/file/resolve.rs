//! What a scenario takes from other files, and what only then can be judged.

use super::OtherFiles;
use super::check::{Draft, Of, Which};
use crate::policy_source::PolicySource;
use crate::simulate::{Distribution, Load, Scenario};
use breakerbox::config::{Diagnostic, Located, Policy, Span};
use breakerbox::core::breaker::Window;
use std::sync::Arc;
use std::time::Duration;

/// Makes an error at a place of the scenario file.
pub(super) type At<'a> = &'a dyn Fn(Span, String, String) -> Diagnostic;

pub(super) fn resolve(
    draft: Draft,
    at: At<'_>,
    others: &dyn OtherFiles,
) -> Result<Scenario, Vec<Diagnostic>> {
    let Draft { mut scenario, policies, traces, .. } = draft;
    let mut errors = Vec::new();
    for (of, source) in policies {
        let span = source.span;
        match read_policy(source, at, others) {
            Ok(policy) => {
                errors.extend(not_here(&policy, of).map(|(message, fix)| at(span, message, fix)));
                *policy_of(&mut scenario, of) = policy;
            }
            Err(error) => errors.push(*error),
        }
    }
    for (of, which, file) in traces {
        match read_trace(&file, at, others) {
            Ok(values) => put_trace(&mut scenario, of, which, values),
            Err(error) => errors.push(*error),
        }
    }
    if errors.is_empty() { Ok(scenario) } else { Err(errors) }
}

fn read_policy(
    source: Located<PolicySource>,
    at: At<'_>,
    others: &dyn OtherFiles,
) -> Result<Policy, Box<Diagnostic>> {
    match source.value {
        PolicySource::Here(policy) => Ok(*policy),
        PolicySource::Elsewhere { file, upstream } => {
            others.policy(&file, &upstream).map_err(|message| {
                let fix = "correct the file, or give the policy here".to_owned();
                Box::new(at(source.span, message, fix))
            })
        }
    }
}

/// What of a policy has no meaning here, with the fix.
fn not_here(policy: &Policy, of: Of) -> impl Iterator<Item = (String, String)> {
    let fallback = policy.fallback.as_ref();
    let chaos = policy.chaos.as_ref().map(|chaos| &chaos.settings);
    let own_side = matches!(of, Of::Service(_));
    let all = [
        (
            policy.cache.is_some(),
            "`cache`",
            "is kept by services here",
            "give the service a `cache`",
        ),
        (policy.coalesce.is_some(), "`coalesce`", "has no meaning here", "leave it out"),
        (
            fallback.is_some_and(|it| it.stale.is_some()),
            "`fallback.stale`",
            "needs answers, and calls here have none",
            "write any other fallback: it counts as degraded",
        ),
        (
            fallback.is_some_and(|it| it.upstream.is_some()),
            "`fallback.upstream`",
            "has no upstream here",
            "write any other fallback: it counts as degraded",
        ),
        (
            chaos.is_some_and(|it| it.slow_body.is_some() || it.truncate_body.is_some()),
            "`chaos`",
            "is one of bodies, and calls here have none",
            "leave `slow_body` and `truncate_body` out, or write a fault",
        ),
        (
            own_side && policy.retry.is_some(),
            "`retry`",
            "is for callers, and this is the side of the service",
            "give it to those who call the service",
        ),
        (
            own_side && policy.hedge.is_some(),
            "`hedge`",
            "is for callers, and this is the side of the service",
            "give it to those who call the service",
        ),
    ];
    all.into_iter()
        .filter(|(wrong, ..)| *wrong)
        .map(|(_, what, why, fix)| (format!("{what} {why}"), fix.to_owned()))
}

/// The first thing in a policy of a caller that has no meaning here, with the fix.
pub(in super::super) fn not_for_callers(policy: &Policy) -> Option<String> {
    let mut problems = not_here(policy, Of::Client(0));
    problems.next().map(|(message, fix)| format!("{message}; {fix}"))
}

fn policy_of(scenario: &mut Scenario, of: Of) -> &mut Policy {
    match of {
        Of::Client(number) => &mut scenario.clients[number].call.policy,
        Of::Service(number) => &mut scenario.services[number].policy,
        Of::Call(number, place) => &mut scenario.services[number].calls[place].policy,
    }
}

fn read_trace(
    file: &Located<String>,
    at: At<'_>,
    others: &dyn OtherFiles,
) -> Result<Arc<[f64]>, Box<Diagnostic>> {
    let error = |message: String, fix: &str| Box::new(at(file.span, message, fix.to_owned()));
    let text = others.text(&file.value).map_err(|why| error(why, "correct the path"))?;
    let mut values = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let value: Option<f64> = line.parse().ok().filter(|it| (0.0..=1e9).contains(it));
        let Some(value) = value else {
            let message = format!("line {} of {} is not a time", number + 1, file.value);
            return Err(error(message, "write one number of seconds per line, such as `0.25`"));
        };
        values.push(value);
    }
    if values.is_empty() {
        let message = format!("{} is empty", file.value);
        return Err(error(message, "write one number of seconds per line, such as `0.25`"));
    }
    Ok(values.into())
}

fn put_trace(scenario: &mut Scenario, of: Of, which: Which, values: Arc<[f64]>) {
    let edge_latency = match (of, which) {
        (Of::Client(number), Which::Arrivals) => {
            let mut times = values.to_vec();
            times.sort_by(f64::total_cmp);
            scenario.clients[number].load = Load::Trace(times.into());
            return;
        }
        (Of::Client(number), Which::Think) => {
            if let Load::Closed { think, .. } = &mut scenario.clients[number].load {
                *think = Distribution::Trace(values);
            }
            return;
        }
        (Of::Service(number), _) => {
            scenario.services[number].time = Distribution::Trace(values);
            return;
        }
        (Of::Client(number), _) => &mut scenario.clients[number].call.latency,
        (Of::Call(number, place), _) => &mut scenario.services[number].calls[place].latency,
    };
    *edge_latency = Distribution::Trace(values);
}

/// The longest time that a policy looks back or stays open, in seconds.
pub(super) fn slowest_window(scenario: &Scenario) -> f64 {
    let policies = scenario.edges().map(|(_, edge)| &edge.policy);
    let policies = policies.chain(scenario.services.iter().map(|service| &service.policy));
    let windows = policies.flat_map(|policy| {
        let breaker = policy.breaker.as_ref().and_then(|breaker| match breaker.window {
            Some(Window::Time(window)) => Some(window),
            Some(Window::Calls(_)) => None,
            None => Some(Duration::from_secs(10)),
        });
        [breaker, policy.throttle.map(|throttle| throttle.window)].into_iter().flatten()
    });
    windows.map(|window| window.as_secs_f64()).fold(0.0, f64::max)
}
