//! What a pipeline can be told, and what makes no sense.

use crate::breaker::Rules;
use crate::retry::When;
use crate::{
    SettingsError, adaptive_limit, bulkhead, chaos, hedge, rate_limit, retry, shed, throttle,
};
use std::sync::Arc;
use std::time::Duration;

/// What a pipeline can be told. Each policy that is not given is absent.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// How long a whole call may take. Default: as long as it likes.
    pub deadline: Option<Duration>,
    /// How long one attempt may take. Default: as long as it likes.
    pub attempt_timeout: Option<Duration>,
    /// Which calls are shed when calls wait too long for the bulkhead.
    pub shed: Option<shed::Settings>,
    /// How calls are held back from an upstream that accepts too few.
    pub throttle: Option<throttle::Settings>,
    /// How many calls may begin per time.
    pub rate_limit: Option<rate_limit::Settings>,
    /// Whether the driver looks for answers elsewhere: in a cache, or among the calls under way.
    pub lookup: bool,
    /// What is repeated.
    pub retry: Option<retry::Settings>,
    /// When a second attempt begins beside the first.
    pub hedge: Option<hedge::Settings>,
    /// Which failures a hedge follows at once where nothing is retried; else those of `retry`.
    pub hedge_on: When,
    /// The breaker of each endpoint.
    pub breaker: Option<Arc<Rules>>,
    /// For how many keys there may be breakers of their own. `None`: all calls share those of the
    /// endpoints.
    pub breaker_keys: Option<usize>,
    /// How many endpoints there are; 0 counts as 1.
    pub endpoints: usize,
    /// How many attempts may run at once.
    pub bulkhead: Option<bulkhead::Settings>,
    /// The same, found out from how long they take.
    pub adaptive_limit: Option<adaptive_limit::Settings>,
    /// What is done to calls on purpose.
    pub chaos: Option<chaos::Settings>,
    /// Whether the driver has another answer for a call that comes to nothing.
    pub fallback: bool,
}

impl Settings {
    /// What makes no sense together, each with what to do about it. Every policy's own settings are
    /// judged by its own `check`.
    pub fn problems(&self) -> Vec<SettingsError> {
        let problem = |field, message: &str, fix: &str| SettingsError {
            field,
            message: message.to_owned(),
            fix: fix.to_owned(),
        };
        let mut problems = Vec::new();
        if self.shed.is_some() && self.bulkhead.as_ref().is_none_or(|it| it.queue == 0) {
            problems.push(problem(
                "shed",
                "sheds by how long calls wait in the bulkhead's queue, and there is none",
                "add `bulkhead` with a `queue`, or leave `shed` out",
            ));
        }
        let waits = self.retry.as_ref().is_some_and(|retry| retry.on.waits_for_breaker());
        if waits && self.deadline.is_none() {
            problems.push(problem(
                "retry",
                "waits for an open breaker, which may be for ever",
                "add a `deadline`, or take \"breaker_open\" out of `on`",
            ));
        }
        problems
    }
}
