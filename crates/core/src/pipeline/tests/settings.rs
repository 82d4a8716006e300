//! What a pipeline refuses, what it needs, and what it shows of itself.

use super::*;
use crate::Outcome;
use crate::chaos::Latency;
use crate::hedge::Delay;
use crate::retry::{BudgetSettings, Failure, When};
use crate::{adaptive_limit, bulkhead, chaos, hedge, rate_limit, shed, throttle};

fn hedged() -> hedge::Settings {
    hedge::Settings::new(Delay::Fixed(millis(10)))
}

fn wrong(settings: &Settings) -> Vec<(Option<&'static str>, &'static str)> {
    settings.check().into_iter().map(|(policy, error)| (policy, error.field)).collect()
}

#[test]
fn every_policy_is_judged_and_what_is_wrong_is_said_at_once() {
    let settings = Settings {
        deadline: Some(Duration::ZERO),
        attempt_timeout: Some(Duration::ZERO),
        breaker_keys: Some(0),
        shed: Some(shed::Settings { target: Duration::ZERO, ..Default::default() }),
        throttle: Some(throttle::Settings { k: 0.0, ..Default::default() }),
        rate_limit: Some(rate_limit::Settings::new(0.0)),
        retry: Some(retry::Settings { attempts: 0, ..Default::default() }),
        hedge: Some(hedge::Settings { max: 0, ..hedged() }),
        bulkhead: Some(bulkhead::Settings { queue: 1, ..bulkhead::Settings::new(0) }),
        adaptive_limit: Some(adaptive_limit::Settings { min: 0, ..Default::default() }),
        chaos: Some(chaos::Settings { error: Some(500), fraction: 2.0, ..Default::default() }),
        ..Settings::default()
    };
    assert_eq!(
        wrong(&settings),
        [
            (None, "deadline"),
            (None, "attempt_timeout"),
            (None, "breaker_keys"),
            (Some("shed"), "target"),
            (Some("throttle"), "k"),
            (Some("rate_limit"), "rate"),
            (Some("retry"), "attempts"),
            (Some("hedge"), "max"),
            (Some("bulkhead"), "concurrent"),
            (Some("adaptive_limit"), "min"),
            (Some("chaos"), "fraction"),
        ]
    );
    assert_eq!(wrong(&Settings::default()), []);
}

#[test]
fn what_makes_no_sense_together_is_refused() {
    let queue = |queue| Some(bulkhead::Settings { queue, ..bulkhead::Settings::new(1) });
    let shed = |bulkhead| {
        wrong(&Settings { shed: Some(Default::default()), bulkhead, ..Settings::default() })
    };
    assert_eq!((shed(None), shed(queue(0))), (vec![(None, "shed")], vec![(None, "shed")]));
    assert_eq!(shed(queue(1)), []);

    let on = When::default().and(Failure::BreakerOpen);
    let waits = |deadline| {
        let retry = Some(retry::Settings { on: on.clone(), ..Default::default() });
        wrong(&Settings { retry, deadline, ..Settings::default() })
    };
    assert_eq!((waits(None), waits(Some(millis(1)))), (vec![(None, "retry")], vec![]));

    let other = BudgetSettings { cap: 7.0, ..Default::default() };
    let budgets = |of_retry, of_hedge| {
        let retry = Some(retry::Settings { budget: Some(of_retry), ..Default::default() });
        let hedge = Some(hedge::Settings { budget: Some(of_hedge), ..hedged() });
        wrong(&Settings { retry, hedge, ..Settings::default() })
    };
    let usual = BudgetSettings::default();
    assert_eq!(
        (budgets(usual, usual), budgets(other, usual), budgets(other, other)),
        Default::default()
    );
    assert_eq!(budgets(usual, other), [(None, "hedge")]);
}

#[test]
fn what_waits_needs_a_timer() {
    let nothing = Settings::default();
    let latency = Some(Latency::Fixed(millis(1)));
    for (settings, policy) in [
        (nothing.clone(), None),
        (Settings { bulkhead: Some(bulkhead::Settings::new(1)), ..nothing.clone() }, None),
        (Settings { rate_limit: Some(rate_limit::Settings::new(1.0)), ..nothing.clone() }, None),
        (Settings { chaos: Some(chaos::Settings::default()), ..nothing.clone() }, None),
        (Settings { deadline: Some(millis(1)), ..nothing.clone() }, Some("deadline")),
        (Settings { attempt_timeout: Some(millis(1)), ..nothing.clone() }, Some("attempt_timeout")),
        (Settings { hedge: Some(hedged()), ..nothing.clone() }, Some("hedge")),
        (Settings { retry: Some(Default::default()), ..nothing.clone() }, Some("retry")),
        (
            Settings {
                chaos: Some(chaos::Settings { latency, ..Default::default() }),
                ..nothing.clone()
            },
            Some("chaos"),
        ),
    ] {
        assert_eq!(settings.needs_timer(), policy);
    }
}

#[test]
fn every_rejection_has_the_name_of_its_policy() {
    let named = [
        (Rejection::BreakerOpen { state: State::Open, retry_after: None }, "breaker"),
        (Rejection::BulkheadFull, "bulkhead"),
        (Rejection::QueueTimeout { after: millis(1) }, "bulkhead"),
        (Rejection::RateLimited { retry_after: None }, "rate_limit"),
        (Rejection::Shed, "shed"),
        (Rejection::Throttled, "throttle"),
        (Rejection::LimitReached, "adaptive_limit"),
        (Rejection::Chaos, "chaos"),
    ];
    for (number, (rejection, policy)) in named.into_iter().enumerate() {
        assert_eq!((rejection.number(), rejection.policy()), (number, policy));
    }
}

#[test]
fn outcomes_are_endings() {
    for outcome in [Outcome::Success, Outcome::Failure, Outcome::Ignored] {
        assert_eq!(Ending::from(outcome).outcome(), outcome);
    }
}
