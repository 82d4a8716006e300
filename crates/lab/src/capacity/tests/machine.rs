//! What was worked out, held against the machine.

use std::time::Duration;

use breakerbox::core::SplitMix64;

use super::super::*;
use super::{millis, policy};
use crate::policy_test;

/// Runs a case of policy tests.
fn run(policy: &str, steps: &str) -> policy_test::Report {
    let text = format!("{policy}\n[[case]]\nname = 'x'\nsteps = [ {steps} ]");
    let report = policy_test::run("test.toml", &text, &|_, _| Err("no other file".into()));
    report.unwrap_or_else(|errors| panic!("{}", errors[0]))
}

fn passes(policy: &str, steps: &str) -> bool {
    run(policy, steps).failed() == 0
}

/// All of it must come as expected.
fn comes_true(policy: &str, steps: &str) {
    let report = run(policy, steps);
    let said: Vec<_> = report.cases().iter().map(ToString::to_string).collect();
    assert_eq!(report.failed(), 0, "{policy}{}", said.join("\n"));
}

/// The same policy as a file of its own and as the table of a test.
fn as_test(policy: &str) -> String {
    policy.lines().map(|line| format!("policy.{line}\n")).collect()
}

#[test]
fn the_machine_makes_as_many_attempts_as_were_worked_out() {
    let pauses = "backoff = { kind = 'fixed', initial = '100ms', max = '100ms', jitter = 'none' }";
    for (text, begin) in [
        (format!("deadline = '5s'\nattempt_timeout = '3s'\nretry = {{ {pauses} }}"), 2),
        (format!("deadline = '5s'\nattempt_timeout = '1s'\nretry = {{ {pauses} }}"), 3),
        // The second one would begin at 2.1 s, the third at 4.2 s: exactly at the deadline is too late.
        (format!("deadline = '4200ms'\nattempt_timeout = '2s'\nretry = {{ {pauses} }}"), 2),
        (format!("deadline = '4201ms'\nattempt_timeout = '2s'\nretry = {{ {pauses} }}"), 3),
        // Exactly at `max_elapsed` is not.
        (format!("attempt_timeout = '2s'\nretry = {{ max_elapsed = '4200ms', {pauses} }}"), 3),
        (format!("attempt_timeout = '2s'\nretry = {{ max_elapsed = '4199ms', {pauses} }}"), 2),
        (format!("attempt_timeout = '2s'\nretry = {{ on = ['connect'], {pauses} }}"), 1),
    ] {
        assert_eq!(policy(&text).attempts_that_hang(), begin, "{text}");
        let steps = format!("{{ call = 'hang' }}, {{ expect = {{ executed = {begin} }} }}");
        comes_true(&as_test(&text), &steps);
    }
}

/// A hedge begins at the latest when the attempt before it has timed out: 3 x 1 s and a pause.
#[test]
fn the_machine_makes_a_caller_wait_as_long_as_was_worked_out() {
    let text = "attempt_timeout = '1s'\nhedge = { delay = '10s' }\nretry = { attempts = 2, backoff = { \
                initial = '100ms', max = '100ms', jitter = 'none' } }";
    assert_eq!(Wait::of(&policy(text)).until_headers(), Some(millis(3100)));
    let steps = "{ call = 'hang', expect = 'timeout' }, \
                 { expect = { executed = 3, elapsed = '3100ms' } }";
    comes_true(&as_test(text), steps);
}

/// A thousand calls in an outage are 1,100 attempts, and the ten that there are at the start.
#[test]
fn the_machine_sustains_what_was_worked_out() {
    let text = "retry = { attempts = 3 }";
    assert_eq!(Load::of(&policy(text)).sustained, 1.1);
    let steps = "{ call = 'fail', times = 1000 }, { expect = { executed = 1110 } }";
    comes_true(&as_test(text), steps);
    let steps = "{ call = 'ok', times = 1000 }, { call = 'fail', times = 50 }, \
                 { expect = { executed = 1150 } }";
    comes_true(&as_test(text), steps);
}

/// Twenty rejected calls put 2 into the budget, which the one that gets through takes out.
#[test]
fn calls_that_are_rejected_fill_the_budget_of_those_that_are_not() {
    let text = "rate_limit = { rate = 1 }\nretry = { budget = { start = 0 } }";
    let load = Load::of(&policy(text));
    assert!(load.filled_by_others && !Load::of(&policy("retry = {}")).filled_by_others);
    let steps = "{ call = 'ok' }, { call = 'ok', times = 20, expect = 'rate_limited' }, \
                 { advance = '1s' }, { call = 'fail' }, { expect = { executed = 4 } }";
    comes_true(&as_test(text), steps);
}

/// Policies and upstreams at random, with other calls in the way: whatever happens, no call makes more
/// attempts or waits longer than was worked out.
#[test]
fn nothing_exceeds_what_was_worked_out() {
    let mut random = SplitMix64::new(7);
    let mut below = move |limit: u64| random.next_u64() % limit;
    let (mut most_seen, mut longest_seen) = (0, 0);
    for _ in 0..2_000 {
        let timeout = 100 + 100 * below(20);
        let mut text = format!("attempt_timeout = '{timeout}ms'\n");
        if below(3) == 0 {
            text += &format!("deadline = '{}ms'\n", timeout + 100 * below(60));
        }
        if below(4) > 0 {
            let jitter = ["full", "equal", "decorrelated", "none"][below(4) as usize];
            let elapsed = match below(3) {
                0 => format!(", max_elapsed = '{}ms'", 100 + 100 * below(50)),
                _ => String::new(),
            };
            let attempts = 1 + below(5);
            text += &format!(
                "retry = {{ attempts = {attempts}, on = ['failure', 'bulkhead_full', 'rate_limited'], \
                 backoff = {{ initial = '{}ms', max = '1s', jitter = '{jitter}' }}{elapsed} }}\n",
                1 + below(800),
            );
        }
        if below(2) == 0 {
            let (delay, max) = (50 * (1 + below(60)), 1 + below(3));
            text += &format!("hedge = {{ delay = '{delay}ms', max = {max} }}\n");
        }
        let slots = 1 + below(3);
        if below(2) == 0 {
            let (queue, wait) = (1 + below(3), 50 * (1 + below(10)));
            let order = ["fifo", "adaptive_lifo"][below(2) as usize];
            text += &format!(
                "bulkhead = {{ concurrent = {slots}, queue = {queue}, queue_timeout = '{wait}ms', \
                 order = '{order}' }}\n"
            );
        }
        if below(3) == 0 {
            let wait = 100 * below(10);
            text += &format!("rate_limit = {{ rate = 2, burst = 3, wait = '{wait}ms' }}\n");
        }
        let policy = policy(&text);
        let (most, longest) = (policy.most_attempts(), Wait::of(&policy).until_headers().unwrap());
        let list = |entries: Vec<String>| entries.join(", ");
        let outcomes = (0..6).map(|_| {
            format!("'{}'", ["fail", "fail", "hang", "status:503", "ok"][below(5) as usize])
        });
        let outcomes = list(outcomes.collect());
        let takes = list((0..6).map(|_| format!("'{}ms'", 50 * below(60))).collect());
        // Others hold the slots for a while, then are gone.
        let others: String = (0..below(slots + 1))
            .map(|other| format!("{{ start = 'o{other}', call = 'hang' }}, "))
            .collect();
        let steps = format!(
            "{others}{{ call = [{outcomes}], takes = [{takes}] }}, \
             {{ expect = {{ elapsed = '<= {longest:?}' }} }}"
        );
        comes_true(&as_test(&text), &steps);
        if others.is_empty() {
            let executed = format!("{{ expect = {{ executed = '<= {most}' }} }}");
            comes_true(&as_test(&text), &format!("{steps}, {executed}"));
            let least = |executed: u32, elapsed: Duration| {
                let seen = format!(
                    "{{ expect = {{ executed = '>= {executed}', elapsed = '>= {elapsed:?}' }} }}"
                );
                passes(&as_test(&text), &format!("{steps}, {seen}"))
            };
            most_seen += u32::from(most > 2 && least(most, Duration::ZERO));
            longest_seen += u32::from(most > 2 && least(0, longest));
        }
    }
    assert!(
        most_seen > 100 && longest_seen > 10,
        "{most_seen}, {longest_seen}: the bounds are reached"
    );
}
