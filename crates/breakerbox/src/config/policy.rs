//! The policy of one upstream, pipeline or test.

use std::time::Duration;

use breakerbox_core::breaker::Settings;
use serde_json::Value as Json;

use super::breaker::breaker;
use super::diagnostic::Diagnostic;
use super::document::{file_schema, read_file};
use super::duration;
use super::fallback::{Fallback, fallback};
use super::kind::Kind;
use super::node::Node;
use super::reader::Reader;
use super::retry::{Retry, retry};
use super::table::table;

/// What protects the calls to one upstream. A policy that is not in the table is absent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Policy {
    /// How long a whole call may take. Above zero. Default: none.
    pub deadline: Option<Duration>,
    /// How long one attempt may take. Above zero. Default: none (in the gateway 30 s).
    pub attempt_timeout: Option<Duration>,
    /// What is repeated. Default: nothing.
    pub retry: Option<Retry>,
    /// The circuit breaker: settings that pass [`Settings::check`], with the `attempt_timeout` of
    /// this policy. Default: none.
    pub breaker: Option<Settings>,
    /// The answer when the call fails. Default: none.
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
        retry: Retry = retry(), optional "none";
        breaker: Settings = breaker(), optional "none";
        fallback: Fallback = fallback(), optional "none";
    }
}

/// The table of a policy, as `[upstream.posts.policy]` and `[policy]` are.
pub fn policy() -> impl Kind<Value = Policy> {
    table::<PolicyTable>().then(check)
}

fn check(table: PolicyTable, _: Node<'_>, reader: &mut Reader) -> Option<Policy> {
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
    let attempt_timeout = table.attempt_timeout.optional()?;
    Some(Policy {
        deadline: table.deadline.optional()?,
        attempt_timeout,
        retry: table.retry.optional()?,
        breaker: table.breaker.optional()?.map(|breaker| Settings { attempt_timeout, ..breaker }),
        fallback: table.fallback.optional()?,
    })
}
