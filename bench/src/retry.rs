//! Retry around a call that succeeds at once: what the readiness to repeat it costs.

use crate::case::{Case, Failed, Group, good, succeeds, waker};
use crate::floors::coarse;
use crate::tower_service::{Ready, called, face};
use backon::{BlockingRetryable, ExponentialBuilder, Retryable};
use breakerbox::{Pipeline, retry};
use breakerbox_core::pipeline::{self, Action, Call, Ending, Event, Start};
use std::sync::Arc;
use tokio_retry::strategy::{ExponentialBackoff, jitter};
use tower::retry::budget::{Budget, TpsBudget};
use tower::retry::{Policy, Retry};
use tower::{Layer, Service};
use tower_resilience::retry::{RetryBudgetBuilder, RetryLayer};

/// What Tower's documentation gives as an example of a policy: attempts that are counted, or a budget.
#[derive(Clone)]
pub enum TowerPolicy {
    Attempts(usize),
    Budget(Arc<TpsBudget>),
}

impl<R, E> Policy<u64, R, E> for TowerPolicy {
    type Future = std::future::Ready<()>;

    fn retry(&mut self, _: &mut u64, result: &mut Result<R, E>) -> Option<Self::Future> {
        let again = match (self, result) {
            (Self::Attempts(_), Ok(_)) => false,
            (Self::Attempts(left), Err(_)) => std::mem::replace(left, left.saturating_sub(1)) > 0,
            (Self::Budget(budget), Ok(_)) => {
                budget.deposit();
                false
            }
            (Self::Budget(budget), Err(_)) => budget.withdraw(),
        };
        again.then(|| std::future::ready(()))
    }

    fn clone_request(&mut self, request: &u64) -> Option<u64> {
        Some(*request)
    }
}

pub fn group() -> Group {
    let mut cases = ours();
    cases.extend(peers());
    Group { title: "retry, a call that succeeds", cases }
}

fn ours() -> Vec<Case> {
    let waker = waker();
    let mut cases = Vec::new();
    let without = retry::Settings { budget: None, ..retry::Settings::default() };
    for (settings, budget) in [(retry::Settings::default(), "with"), (without, "without")] {
        let name = |face: &str| format!("{face}, {budget} budget");
        let machine = pipeline::Settings { retry: Some(settings.clone()), ..Default::default() };
        let machine = pipeline::Pipeline::new(machine, coarse(), 0);
        cases.push(Case::each(name("core"), move || {
            let mut call = Call::NEW;
            machine.begin_in(&mut call, coarse(), &Start::default(), &mut |_, _| {});
            let ended = Event::ended(1, Ending::Success);
            let done = call.step(&machine, coarse(), ended, &mut |_, _| {});
            matches!(done, Action::Done { .. })
        }));
        let builder = || Pipeline::builder("retry").retry(settings.clone());
        let asynchronous = builder().build().expect("valid settings");
        cases.push(Case::each(name("breakerbox: async"), move || {
            succeeds(waker, asynchronous.call(async || good(1)))
        }));
        let blocking = builder().build_blocking().expect("valid settings");
        cases.push(Case::each(name("breakerbox: blocking"), move || {
            blocking.call(|| good(1)).is_ok()
        }));
        cases.push(face(&name("breakerbox: Tower"), builder().build(), Ready));
    }
    cases
}

fn peers() -> Vec<Case> {
    let waker = waker();
    let attempts = Retry::new(TowerPolicy::Attempts(3), Ready);
    let budget = Retry::new(TowerPolicy::Budget(Arc::default()), Ready);
    let mut plain = resilience().layer(Ready);
    let bucket = RetryBudgetBuilder::new().token_bucket().build().expect("valid settings");
    let layer = RetryLayer::<u64, u64, Failed>::exponential_backoff().budget(bucket).build();
    let mut budgeted = layer.layer(Ready);
    vec![
        Case::each("backon: async, without budget", move || {
            let operation = || async { good(1) };
            succeeds(
                waker,
                operation.retry(ExponentialBuilder::default()).sleep(tokio::time::sleep),
            )
        }),
        Case::each("backon: blocking, without budget", move || {
            BlockingRetryable::retry(|| good(1), ExponentialBuilder::default())
                .sleep(std::thread::sleep)
                .call()
                .is_ok()
        }),
        Case::each("tokio-retry: async, without budget", move || {
            let strategy = ExponentialBackoff::from_millis(10).map(jitter).take(3);
            succeeds(waker, tokio_retry::Retry::start(strategy, || async { good(1) }))
        }),
        of_tower("tower: async, without budget", attempts),
        of_tower("tower: async, with budget", budget),
        Case::each("tower-resilience: async, without budget", move || called(waker, &mut plain)),
        Case::each("tower-resilience: async, with budget", move || called(waker, &mut budgeted)),
    ]
}

/// Three attempts, with tower-resilience's defaults.
pub fn resilience() -> RetryLayer<u64, u64, Failed> {
    RetryLayer::exponential_backoff().build()
}

fn of_tower<S: Service<u64> + 'static>(name: &str, mut service: S) -> Case {
    let waker = waker();
    Case::each(name, move || called(waker, &mut service))
}
