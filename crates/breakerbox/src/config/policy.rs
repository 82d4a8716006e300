//! The policy of one upstream, pipeline or test.

use std::time::Duration;

use std::sync::Arc;

use breakerbox_core::breaker::Settings;
use breakerbox_core::cache::{DEFAULT_ENTRIES, Life};
use breakerbox_core::pipeline::Answers;
use breakerbox_core::retry::When;
use breakerbox_core::{
    SettingsError, adaptive_limit, bulkhead, coalesce, hedge, pipeline, shed, throttle,
};
use serde_json::Value as Json;

use super::adaptive_limit::adaptive_limit;
use super::breaker::{BreakerKey, breaker};
use super::bulkhead::bulkhead;
use super::cache::{Cache, cache};
use super::chaos::{Chaos, chaos};
use super::coalesce::coalesce;
use super::diagnostic::Diagnostic;
use super::document::{file_schema, read_file};
use super::duration;
use super::fallback::{Fallback, fallback};
use super::hedge::hedge;
use super::kind::Kind;
use super::node::Node;
use super::rate_limit::{RateLimit, rate_limit};
use super::reader::Reader;
use super::retry::{Retry, retry};
use super::shed::shed;
use super::table::table;
use super::throttle::throttle;
use super::warnings;

/// What protects the calls to one upstream. A policy that is not in the table is absent.
///
/// ```
/// use breakerbox::config::Policy;
/// use std::time::Duration;
///
/// let (policy, _) = Policy::parse("posts.toml", "breaker = {}\ncache = { ttl = '30s' }").unwrap();
/// assert!(policy.breaker.is_some() && policy.retry.is_none());
/// assert_eq!(policy.life().ttl, Some(Duration::from_secs(30)));
///
/// // Without a file.
/// let policy = Policy { deadline: Some(Duration::from_secs(5)), ..Policy::default() };
/// assert_eq!(policy.pipeline(1).unwrap().deadline, Some(Duration::from_secs(5)));
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Policy {
    /// How long a whole call may take. Above zero. Default: none.
    pub deadline: Option<Duration>,
    /// How long one attempt may take. Above zero. Default: none (in the gateway 30 s).
    pub attempt_timeout: Option<Duration>,
    /// Which calls are shed, and the names of their classes. Default: none is.
    pub shed: Option<shed::Settings>,
    /// How calls are held back from an upstream that accepts too few. Default: they are not.
    pub throttle: Option<throttle::Settings>,
    /// How many calls may begin per time. Default: as many as there are.
    pub rate_limit: Option<RateLimit>,
    /// Which answers are kept. Default: none.
    pub cache: Option<Cache>,
    /// Whether equal calls under way share one answer. Default: they do not.
    pub coalesce: Option<coalesce::Settings>,
    /// What is repeated. Default: nothing.
    pub retry: Option<Retry>,
    /// When a second attempt begins beside the first. Default: never.
    pub hedge: Option<hedge::Settings>,
    /// The circuit breaker: settings that pass [`Settings::check`], with the `attempt_timeout` of
    /// this policy. Default: none.
    pub breaker: Option<Settings>,
    /// Whether there is a breaker for each of many keys. Default: there is one.
    pub breaker_key: Option<BreakerKey>,
    /// How many attempts may run at once. Default: as many as there are.
    pub bulkhead: Option<bulkhead::Settings>,
    /// The same, found out from how long they take. Default: as many as there are.
    pub adaptive_limit: Option<adaptive_limit::Settings>,
    /// What is done to calls on purpose. Default: nothing.
    pub chaos: Option<Chaos>,
    /// What a caller gets when the call comes to nothing. Default: the error.
    pub fallback: Option<Fallback>,
}

impl Policy {
    /// The same with an `attempt_timeout` where it has none.
    ///
    /// ```
    /// use std::time::Duration;
    /// use breakerbox::config::Policy;
    ///
    /// let (policy, _) = Policy::parse("policy.toml", "breaker = {}").unwrap();
    /// let policy = policy.or_attempt_timeout(Duration::from_secs(30));
    /// assert_eq!(policy.attempt_timeout, Some(Duration::from_secs(30)));
    /// assert_eq!(policy.breaker.unwrap().attempt_timeout, Some(Duration::from_secs(30)));
    /// ```
    pub fn or_attempt_timeout(mut self, default: Duration) -> Self {
        let attempt_timeout = *self.attempt_timeout.get_or_insert(default);
        if let Some(breaker) = &mut self.breaker {
            breaker.attempt_timeout = Some(attempt_timeout);
        }
        self
    }

    /// How long answers live, in the cache and as a fallback.
    pub fn life(&self) -> Life {
        Life {
            ttl: self.cache.as_ref().map(|cache| cache.ttl),
            stale: self.fallback.as_ref().and_then(|fallback| fallback.stale),
        }
    }

    /// What is done with answers, for the [sentence](pipeline::Pipeline::sentence) of a pipeline.
    pub fn answers(&self) -> Answers {
        let entries = self.cache.as_ref().map_or(DEFAULT_ENTRIES, |cache| cache.entries);
        Answers { life: self.life(), entries, coalesce: self.coalesce }
    }

    /// The settings of core's machine for an upstream with so many endpoints.
    ///
    /// # Errors
    /// The breaker's settings are refused. A policy that was read from a file has had them checked.
    pub fn pipeline(&self, endpoints: usize) -> Result<pipeline::Settings, SettingsError> {
        let breaker = self.breaker.clone().map(|settings| {
            // A probe that has not come back by then has failed.
            let attempt_timeout = self.attempt_timeout.or(settings.attempt_timeout);
            Settings { attempt_timeout, ..settings }.check().map(Arc::new)
        });
        Ok(pipeline::Settings {
            deadline: self.deadline,
            attempt_timeout: self.attempt_timeout,
            shed: self.shed.clone(),
            throttle: self.throttle,
            rate_limit: self.rate_limit.as_ref().map(|limit| limit.settings),
            lookup: self.cache.is_some() || self.coalesce.is_some(),
            retry: self.retry.as_ref().map(|retry| retry.settings.clone()),
            hedge: self.hedge,
            hedge_on: When::http(),
            breaker: breaker.transpose()?,
            breaker_keys: self.breaker_key.as_ref().map(|key| key.keys),
            endpoints,
            bulkhead: self.bulkhead,
            adaptive_limit: self.adaptive_limit,
            chaos: self.chaos.as_ref().map(|chaos| chaos.settings.clone()),
            fallback: self.fallback.is_some(),
        })
    }

    /// Reads a file that is one policy. Returns it with the warnings.
    ///
    /// ```
    /// use std::time::Duration;
    /// use breakerbox::config::Policy;
    ///
    /// let text = "attempt_timeout = '3s'\nbreaker = { failure_rate = 0.5, open_for = '30s' }";
    /// let (policy, warnings) = Policy::parse("policy.toml", text).unwrap();
    /// assert_eq!(policy.attempt_timeout, Some(Duration::from_secs(3)));
    /// assert_eq!(policy.breaker.unwrap().failure_rate, Some(0.5));
    /// assert!(warnings.is_empty());
    /// ```
    ///
    /// # Errors
    /// Everything that is wrong with the file, with the warnings, in the order of the file.
    pub fn parse(file_name: &str, text: &str) -> Result<(Self, Vec<Diagnostic>), Vec<Diagnostic>> {
        read_file(file_name, text, &policy())
    }

    /// The JSON Schema (draft 2020-12) of such a file.
    pub fn schema() -> Json {
        file_schema("A breakerbox policy", &policy())
    }
}

config_table! {
    /// What protects the calls to one upstream. A policy that is not given is absent.
    struct PolicyTable {
        /// How long a whole call may take.
        deadline: Duration = duration().above_zero(), optional "none";
        /// How long one attempt may take.
        attempt_timeout: Duration = duration().above_zero(), optional "none; in the gateway 30s";
        shed: shed::Settings = shed(), optional "none";
        throttle: throttle::Settings = throttle(), optional "none";
        rate_limit: RateLimit = rate_limit(), optional "none";
        cache: Cache = cache(), optional "none";
        /// Whether equal calls under way share one answer.
        coalesce: Option<coalesce::Settings> = coalesce(), optional "false";
        retry: Retry = retry(), optional "none";
        hedge: hedge::Settings = hedge(), optional "none";
        breaker: (Settings, Option<BreakerKey>) = breaker(), optional "none";
        bulkhead: bulkhead::Settings = bulkhead(), optional "none";
        adaptive_limit: adaptive_limit::Settings = adaptive_limit(), optional "none";
        chaos: Chaos = chaos(), optional "none";
        fallback: Fallback = fallback(), optional "none";
    }
}

/// The table of a policy, as `[upstream.posts.policy]` and `[policy]` are.
///
/// ```
/// use breakerbox::config::{self, policy, read_file};
///
/// config::table! {
///     /// A file of this program.
///     struct File {
///         /// How the service behind it is called.
///         policy: config::Policy = policy(), required;
///     }
/// }
/// let kind = config::table::<File>();
/// let (file, _) = read_file("app.toml", "[policy]\nretry = { attempts = 2 }", &kind).unwrap();
/// assert_eq!(file.policy.required().unwrap().retry.unwrap().settings.attempts, 2);
/// ```
pub fn policy() -> impl Kind<Value = Policy> {
    table::<PolicyTable>().then(check)
}

fn check(table: PolicyTable, node: Node<'_>, reader: &mut Reader) -> Option<Policy> {
    if let (Some(deadline), Some(attempt)) =
        (table.deadline.located(), table.attempt_timeout.located())
        && attempt.value > deadline.value
    {
        reader.warning(
            attempt.span,
            "`attempt_timeout` can never run out: it is longer than `deadline`",
            "make it shorter than `deadline`, or leave it out",
        );
    }
    if let (Some(hedge), Some(_)) = (table.hedge.located(), table.retry.located())
        && hedge_budget_is_given(&node)
    {
        reader.error(
            hedge.key,
            "retries and hedges share one budget, and it is given twice",
            "keep `budget` in `retry`, and leave it out of `hedge`",
        );
        return None;
    }
    let attempt_timeout = table.attempt_timeout.optional()?;
    let (breaker, breaker_key) = match table.breaker.optional()? {
        Some((breaker, key)) => (Some(Settings { attempt_timeout, ..breaker }), key),
        None => (None, None),
    };
    let policy = Policy {
        deadline: table.deadline.optional()?,
        attempt_timeout,
        shed: table.shed.optional()?,
        throttle: table.throttle.optional()?,
        rate_limit: table.rate_limit.optional()?,
        cache: table.cache.optional()?,
        coalesce: table.coalesce.optional()?.flatten(),
        retry: table.retry.optional()?,
        hedge: table.hedge.optional()?,
        breaker,
        breaker_key,
        bulkhead: table.bulkhead.optional()?,
        adaptive_limit: table.adaptive_limit.optional()?,
        chaos: table.chaos.optional()?,
        fallback: table.fallback.optional()?,
    };
    let problems = policy.pipeline(1).map(|settings| settings.problems()).unwrap_or_default();
    let good = problems.is_empty();
    problems.into_iter().for_each(|problem| reader.refuse_setting(node, problem));
    if good {
        warnings::warn(&policy, node, reader);
    }
    good.then_some(policy)
}

fn hedge_budget_is_given(node: &Node<'_>) -> bool {
    node.find("hedge.budget") != node.find("hedge")
}
