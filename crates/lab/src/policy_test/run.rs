//! Runs cases.

use super::answers::Answers;
use super::expect::{Came, Expectation, Looks};
use super::file::{Case, TestFile};
use super::report::{CaseReport, Failure, Report};
use super::step::Step;
use super::world::{Hangs, Rules, World};
use breakerbox::config::{Fallback, Policy, Retry};
use breakerbox::core::breaker::Snapshot;
use breakerbox::core::cache::DEFAULT_ENTRIES;
use std::time::Duration;

/// Runs all cases, each on a policy of its own.
pub(super) fn all_cases(file: &TestFile, text: &str) -> Report {
    let cases = file.cases.iter().map(|case| run_case(file, case, text)).collect();
    Report { cases, warnings: file.warnings.clone() }
}

/// What was expected and what came.
struct Unmet {
    expected: String,
    actual: String,
}

impl Unmet {
    fn new(expected: impl ToString, actual: impl ToString) -> Self {
        Self { expected: expected.to_string(), actual: actual.to_string() }
    }
}

fn run_case(file: &TestFile, case: &Case, text: &str) -> CaseReport {
    let passed = CaseReport { name: case.name.clone(), failure: None };
    let settings = match file.policy.pipeline(1) {
        Ok(settings) => settings,
        Err(error) => {
            // A file with such settings has been refused; only one read elsewhere comes here.
            let failure = Failure::of_policy(error.to_string());
            return CaseReport { failure: Some(failure), ..passed };
        }
    };
    let seed = case.seed.unwrap_or(file.seed);
    let mut world = World::new(settings, rules(&file.policy), answers(&file.policy), seed);
    for (index, step) in case.steps.iter().enumerate() {
        if let Err(unmet) = run_step(&mut world, &step.value) {
            let failure = Failure {
                step: index + 1,
                text: text.get(step.span.start..step.span.end).unwrap_or_default().to_owned(),
                expected: unmet.expected,
                actual: unmet.actual,
                trace: world.trace(),
            };
            return CaseReport { failure: Some(failure), ..passed };
        }
    }
    passed
}

/// What of a policy only a driver can carry out.
fn rules(policy: &Policy) -> Rules {
    let methods = policy.retry.as_ref().map(|retry| retry.methods.clone());
    let only_stale =
        |it: &Fallback| it.stale.is_some() && it.answer.is_none() && it.upstream.is_none();
    Rules {
        methods: methods.unwrap_or_else(Retry::idempotent),
        keyed_rate: policy.rate_limit.as_ref().is_some_and(|limit| limit.key.is_some()),
        keyed_breaker: policy.breaker_key.is_some(),
        keyed_chaos: policy.chaos.as_ref().is_some_and(|chaos| chaos.key.is_some()),
        only_stale: policy.fallback.as_ref().is_some_and(only_stale),
    }
}

fn answers(policy: &Policy) -> Answers {
    let entries = policy.cache.as_ref().map_or(DEFAULT_ENTRIES, |cache| cache.entries);
    Answers::new(policy.life(), entries, policy.coalesce.is_some())
}

fn run_step(world: &mut World, step: &Step) -> Result<(), Unmet> {
    match step {
        Step::Call { calling, times, expect } => {
            for _ in 0..*times {
                let number = world.begin(calling.clone(), None);
                to_its_end(world, number, *expect)?;
            }
            Ok(())
        }
        Step::Start { name, calling, expect } => {
            if world.named(name).is_some_and(|number| world.seen(number) == "pending") {
                return Err(Unmet::new(format!("no call \"{name}\" yet"), "it is still under way"));
            }
            let number = world.begin(calling.clone(), Some(name));
            check(*expect, world.seen(number))
        }
        Step::Finish { name, outcome, expect } => {
            let number = find(world, name)?;
            if !world.end_operation(number, *outcome) {
                let expected = format!("a running operation of call \"{name}\"");
                return Err(Unmet::new(expected, world.seen(number)));
            }
            check(*expect, world.seen(number))
        }
        Step::Await { name, expect } => {
            let number = find(world, name)?;
            to_its_end(world, number, *expect)
        }
        Step::Cancel { name } => {
            let number = find(world, name)?;
            if world.cancel(number) {
                return Ok(());
            }
            Err(Unmet::new(format!("call \"{name}\" under way"), world.seen(number)))
        }
        Step::Advance(by) => {
            world.advance(*by);
            Ok(())
        }
        Step::Control(control) => {
            world.control(*control);
            Ok(())
        }
        Step::Look(looks) => look(world, looks),
    }
}

fn find(world: &World, name: &str) -> Result<usize, Unmet> {
    let missing = || Unmet::new(format!("a call \"{name}\""), "none was started under that name");
    world.named(name).ok_or_else(missing)
}

fn to_its_end(world: &mut World, number: usize, expect: Option<Expectation>) -> Result<(), Unmet> {
    match world.finish(number) {
        Ok(()) => check(expect, world.seen(number)),
        Err(Hangs) => {
            let expected = expect.map_or_else(|| "an end".to_owned(), |it| it.to_string());
            Err(Unmet::new(expected, "hangs"))
        }
    }
}

fn check(expect: Option<Expectation>, seen: &'static str) -> Result<(), Unmet> {
    match expect {
        Some(expect) if !expect.met_by(seen) => Err(Unmet::new(expect, seen)),
        _ => Ok(()),
    }
}

/// All that is not as it should be, at once.
fn look(world: &World, Looks(looks): &Looks) -> Result<(), Unmet> {
    let breaker = world.pipeline().endpoints().breaker(0);
    let seen = breaker.map(|breaker| breaker.snapshot(world.now()));
    let (mut expected, mut actual) = (Vec::new(), Vec::new());
    for (name, wanted) in looks {
        let came = came(world, seen.as_ref(), name);
        if !wanted.met_by(&came) {
            expected.push(format!("{name}: {wanted}"));
            actual.push(format!("{name}: {came}"));
        }
    }
    if expected.is_empty() {
        return Ok(());
    }
    Err(Unmet::new(expected.join(", "), actual.join(", ")))
}

fn came(world: &World, seen: Option<&Snapshot>, name: &str) -> Came {
    let count = |read: fn(&Snapshot) -> u64| Came::Count(seen.map_or(0, read));
    let rate = |rate: Option<f64>| rate.map_or(Came::Word("none"), Came::Rate);
    let duration = |it: Option<Duration>| it.map_or(Came::Word("none"), Came::Duration);
    match name {
        "state" => Came::Word(seen.map_or("none", |seen| seen.state.name())),
        "executed" => Came::Count(world.executed),
        "calls" => count(|seen| seen.successes + seen.failures),
        "successes" => count(|seen| seen.successes),
        "failures" => count(|seen| seen.failures),
        "ignored" => count(|seen| seen.ignored),
        "slow" => count(|seen| seen.slow),
        "late" => count(|seen| seen.late),
        "rejected" => Came::Count(world.rejected),
        "buffered" => count(|seen| seen.window.calls),
        "failure_rate" => rate(seen.and_then(|seen| seen.window.failure_rate)),
        "slow_call_rate" => rate(seen.and_then(|seen| seen.window.slow_call_rate)),
        "retry_after" => duration(seen.and_then(|seen| seen.retry_after)),
        "in_flight" => Came::Count(world.in_flight()),
        "opened" => count(|seen| seen.opened),
        "elapsed" => duration(world.elapsed),
        "retries" => Came::Count(world.pipeline().retries()),
        "hedges" => Came::Count(world.pipeline().hedges().0),
        "queued" => Came::Count(world.queued()),
        "limit" => world.limit().map_or(Came::Word("none"), Came::Count),
        _ => Came::Word("none"),
    }
}
