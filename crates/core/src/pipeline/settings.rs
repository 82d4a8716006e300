//! What a pipeline can be told, and what makes no sense.

use crate::breaker::Rules;
use crate::bulkhead::Order;
use crate::chaos::Latency;
use crate::hedge::Delay;
use crate::keyed::MAX_KEYS;
use crate::retry::{BudgetSettings, When};
use crate::{
    SettingsError, adaptive_limit, bulkhead, chaos, hedge, rate_limit, retry, shed, throttle,
};
use std::sync::Arc;
use std::time::Duration;

/// What a pipeline can be told. Each policy that is not given is absent.
///
/// ```
/// use breakerbox_core::pipeline::Settings;
/// use breakerbox_core::shed;
///
/// // It makes sense, but not alone.
/// let settings = Settings { shed: Some(shed::Settings::default()), ..Settings::default() };
/// let problems = settings.problems();
/// assert_eq!(problems[0].field, "shed");
/// assert_eq!(problems[0].fix, "add `bulkhead` with a `queue`, or leave `shed` out");
/// ```
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
        if let (Some(retry), Some(hedge)) = (&self.retry, &self.hedge)
            && hedge.budget != Some(BudgetSettings::default())
            && hedge.budget != retry.budget
        {
            problems.push(problem(
                "hedge",
                "has a `budget` that differs from that of `retry`, and they share one",
                "give it in `retry`, and leave that of `hedge` as it is",
            ));
        }
        problems
    }

    /// Judges the settings of every policy but the breaker, which [`Rules`] have been judged already,
    /// and then what makes no sense together. Everything that is wrong, with the policy whose setting it
    /// is.
    ///
    /// ```
    /// use breakerbox_core::pipeline::Settings;
    /// use breakerbox_core::{bulkhead, retry};
    ///
    /// let settings = Settings {
    ///     retry: Some(retry::Settings { attempts: 0, ..retry::Settings::default() }),
    ///     bulkhead: Some(bulkhead::Settings::new(0)),
    ///     ..Settings::default()
    /// };
    /// let wrong: Vec<_> = settings.check().into_iter().map(|(policy, it)| (policy, it.field)).collect();
    /// assert_eq!(wrong, [(Some("retry"), "attempts"), (Some("bulkhead"), "concurrent")]);
    /// ```
    pub fn check(&self) -> Vec<(Option<&'static str>, SettingsError)> {
        let mut problems = Vec::new();
        for (field, duration) in
            [("deadline", self.deadline), ("attempt_timeout", self.attempt_timeout)]
        {
            if duration == Some(Duration::ZERO) {
                let message = "is zero, so no call can succeed".to_owned();
                let fix = "give a longer duration".to_owned();
                problems.push((None, SettingsError { field, message, fix }));
            }
        }
        if let Some(keys) = self.breaker_keys
            && !(1..=MAX_KEYS).contains(&keys)
        {
            let message = format!("is {keys}");
            let fix = format!("give 1 to {MAX_KEYS}");
            problems.push((None, SettingsError { field: "breaker_keys", message, fix }));
        }
        let mut judge = |policy, judged: Option<SettingsError>| {
            problems.extend(judged.map(|error| (Some(policy), error)));
        };
        judge("shed", self.shed.clone().and_then(|it| it.check().err()));
        judge("throttle", self.throttle.and_then(|it| it.check().err()));
        judge("rate_limit", self.rate_limit.and_then(|it| it.check().err()));
        judge("retry", self.retry.clone().and_then(|it| it.check().err()));
        judge("hedge", self.hedge.and_then(|it| it.check().err()));
        judge("bulkhead", self.bulkhead.and_then(|it| it.check().err()));
        judge("adaptive_limit", self.adaptive_limit.and_then(|it| it.check().err()));
        judge("chaos", self.chaos.clone().and_then(|it| it.check().err()));
        problems.extend(self.problems().into_iter().map(|error| (None, error)));
        problems
    }

    /// The first policy that cannot do without a timer, by its name in the file.
    pub fn needs_timer(&self) -> Option<&'static str> {
        [
            ("deadline", self.deadline.is_some()),
            ("attempt_timeout", self.attempt_timeout.is_some()),
            ("rate_limit", self.rate_limit.is_some_and(|it| it.wait.is_some())),
            ("retry", self.retry.as_ref().is_some_and(|it| it.attempts > 1)),
            ("hedge", self.hedge.is_some()),
            ("bulkhead", self.bulkhead.is_some_and(|it| it.queue > 0)),
            ("chaos", self.chaos.as_ref().is_some_and(|it| it.latency.is_some())),
        ]
        .into_iter()
        .find_map(|(policy, needed)| needed.then_some(policy))
    }

    /// The shortest duration that is told apart: the clock must tick faster.
    pub fn shortest(&self) -> Duration {
        let hedge = self.hedge.map(|it| match it.delay {
            Delay::Fixed(delay) => delay,
            // Percentiles of what took no time are of no use.
            Delay::Percentile(_) => Duration::from_millis(1),
        });
        let bulkhead = self.bulkhead.filter(|it| it.queue > 0);
        let adaptive = bulkhead.filter(|it| it.order == Order::AdaptiveLifo);
        let delay = self.chaos.as_ref().and_then(|it| it.latency).map(|latency| match latency {
            Latency::Fixed(delay) => delay,
            Latency::Uniform { min, max } => min.saturating_add(max) / 2,
            Latency::Exponential { mean } => mean,
        });
        [
            self.deadline,
            self.attempt_timeout,
            self.shed.as_ref().map(|it| it.target),
            self.throttle.map(|it| it.window / 10),
            self.rate_limit.map(|it| it.per.div_f64(it.rate.max(1.0))),
            self.rate_limit.and_then(|it| it.wait),
            self.retry.as_ref().map(|it| it.backoff.initial),
            self.retry.as_ref().and_then(|it| it.max_elapsed),
            hedge,
            self.breaker.as_ref().map(|rules| rules.shortest()),
            bulkhead.map(|it| it.queue_timeout),
            adaptive.map(|it| it.target.min(it.interval)),
            delay,
            // It compares how long attempts take.
            self.adaptive_limit.map(|_| Duration::from_millis(1)),
        ]
        .into_iter()
        .flatten()
        .min()
        .unwrap_or(Duration::MAX)
    }
}
