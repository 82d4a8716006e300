//! Why a breaker or a pipeline could not be made.

use crate::Name;
use breakerbox_core::breaker::SettingsError;
use std::fmt;

/// Why a breaker or a pipeline could not be made: everything that is wrong with its settings.
///
/// ```
/// use breakerbox::{Breaker, Pipeline, breaker, bulkhead, retry};
///
/// let error = Breaker::builder("posts").failure_rate(50.0).build().unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "breaker `posts`: `failure_rate` is more than 1; write 50 % as 0.5"
/// );
///
/// let error = Pipeline::builder("posts")
///     .bulkhead(bulkhead::Settings::new(0))
///     .retry(retry::Settings { attempts: 0, ..retry::Settings::default() })
///     .build()
///     .unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "pipeline `posts`: `retry.attempts` is 0; give 1 to 100, the first one included\n\
///      pipeline `posts`: `bulkhead.concurrent` is 0, so no call is ever \
///      admitted; give 1 to 1000000"
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildError {
    what: &'static str,
    name: Name,
    /// At least one; with the policy whose setting it is, where it is of one.
    problems: Vec<(Option<&'static str>, SettingsError)>,
}

impl BuildError {
    pub(crate) fn breaker(name: Name, problem: SettingsError) -> Self {
        Self { what: "breaker", name, problems: vec![(None, problem)] }
    }

    pub(crate) fn pipeline(
        name: Name,
        problems: Vec<(Option<&'static str>, SettingsError)>,
    ) -> Self {
        Self { what: "pipeline", name, problems }
    }

    /// The first setting at fault, and what to do about it.
    pub fn setting(&self) -> &SettingsError {
        let (_, first) = self.problems.first().expect("an error names what is wrong");
        first
    }

    /// All settings at fault, each with the policy that it is a setting of.
    pub fn settings(&self) -> impl Iterator<Item = (Option<&'static str>, &SettingsError)> {
        self.problems.iter().map(|(policy, error)| (*policy, error))
    }
}

impl fmt::Display for BuildError {
    /// A line for each setting.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, name, problems } = self;
        for (number, (policy, SettingsError { field, message, fix })) in problems.iter().enumerate()
        {
            let line = if number == 0 { "" } else { "\n" };
            let (policy, dot) = policy.map_or(("", ""), |policy| (policy, "."));
            write!(f, "{line}{what} `{name}`: `{policy}{dot}{field}` {message}; {fix}")?;
        }
        Ok(())
    }
}

impl std::error::Error for BuildError {}
