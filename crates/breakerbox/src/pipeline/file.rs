//! Pipelines from files.

use super::plan::Alone;
use super::prepared::PipelineCall;
use super::{Async, NoHints, Pipeline, PipelineBuilder, PipelineCalling, Repeatable};
use crate::breaker::{BuildError, WithTimer};
use crate::clock::{Clock, SystemClock};
use crate::config::{Diagnostic, FallbackAnswer, Policy};
use crate::{Answer, ByResult, ChooseClock, Error, Name, Recover};
use breakerbox_core::SettingsError;
use std::fmt;

/// Why a file does not make a pipeline.
///
/// ```
/// use breakerbox::Pipeline;
///
/// let error = Pipeline::from_toml("posts", "deadline = '5 parsecs'").unwrap_err();
/// assert!(error.to_string().contains("posts.toml:1:12"), "{error}");
///
/// let error = Pipeline::from_toml("posts", "fallback = { status = 200 }").unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "pipeline `posts`: `fallback` is an HTTP response, and calls here have none; say what stands \
///      for it with `Pipeline::from_toml_with`, or leave it out"
/// );
/// ```
#[derive(Debug)]
pub enum FileError {
    /// What is wrong with the text, all of it.
    Text(Vec<Diagnostic>),
    /// What it says cannot be had here.
    Build(BuildError),
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(diagnostics) => {
                for (number, diagnostic) in diagnostics.iter().enumerate() {
                    let between = if number == 0 { "" } else { "\n\n" };
                    write!(f, "{between}{diagnostic}")?;
                }
                Ok(())
            }
            Self::Build(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for FileError {}

impl From<BuildError> for FileError {
    fn from(error: BuildError) -> Self {
        Self::Build(error)
    }
}

impl Pipeline {
    /// A pipeline from the text of a policy, as it stands in `[upstream.NAME.policy]` of the gateway's
    /// file.
    ///
    /// What is there for HTTP alone has no part in it: `retry.methods` and `retry.max_body`, for each
    /// call says whether it may be repeated; `cache.max_body`; and what keys are made of, for each call
    /// gives its own. A fallback of HTTP kind is refused: see [`from_toml_with`](Self::from_toml_with).
    ///
    /// ```
    /// use breakerbox::Pipeline;
    ///
    /// let posts = Pipeline::from_toml("posts", "
    ///     deadline = '5s'
    ///     retry = { attempts = 2 }
    ///     bulkhead = { concurrent = 64 }
    /// ")?;
    /// assert_eq!(
    ///     posts.to_string(),
    ///     "posts: a deadline of 5s, then up to 2 attempts within a budget, then a bulkhead of 64, \
    ///      then the call"
    /// );
    /// # Ok::<(), breakerbox::FileError>(())
    /// ```
    ///
    /// What is only doubtful, as an attempt timeout longer than the deadline, is passed over:
    /// [`Policy::parse`] gives the warnings, and `breakerbox check` prints them.
    ///
    /// # Errors
    /// Everything that is wrong with the text, or what it says that cannot be had here.
    pub fn from_toml(name: &str, text: &str) -> Result<Self, FileError> {
        let policy = parse(name, text)?;
        Ok(PipelineBuilder::from_policy(name, &policy)?.build()?)
    }

    /// The same, where `value` says what stands for the HTTP response of the fallback.
    ///
    /// ```
    /// use breakerbox::Pipeline;
    /// use breakerbox::config::FallbackBody;
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let posts = Pipeline::from_toml_with(
    ///     "posts",
    ///     "fallback = { text = 'try again later' }",
    ///     |answer| match &answer.body {
    ///         FallbackBody::Text(text) => text.clone(),
    ///         other => format!("{other:?}"),
    ///     },
    /// )?;
    /// let answer = posts.call(async || Err::<String, _>("down")).await.unwrap();
    /// assert_eq!((answer.as_str(), answer.is_fallback()), ("try again later", true));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`from_toml`](Self::from_toml).
    pub fn from_toml_with<T: Clone>(
        name: &str,
        text: &str,
        value: impl FnOnce(&FallbackAnswer) -> T,
    ) -> Result<PipelineWithFallback<T>, FileError> {
        let mut policy = parse(name, text)?;
        let answer = policy.fallback.as_mut().and_then(|fallback| fallback.answer.take());
        let pipeline = PipelineBuilder::from_policy(name, &policy)?.build()?;
        Ok(PipelineWithFallback { pipeline, value: answer.as_ref().map(value) })
    }
}

fn parse(name: &str, text: &str) -> Result<Policy, FileError> {
    let (policy, _) = Policy::parse(&format!("{name}.toml"), text).map_err(FileError::Text)?;
    Ok(policy)
}

impl PipelineBuilder<ChooseClock, WithTimer> {
    /// A builder that has been told what a policy of a file says.
    ///
    /// # Errors
    /// What it says that cannot be had here.
    pub fn from_policy(name: &str, policy: &Policy) -> Result<Self, BuildError> {
        let problems = not_here(policy);
        let settings = policy.pipeline(1).map_err(|error| (Some("breaker"), error));
        match settings {
            Ok(settings) if problems.is_empty() => {
                let mut builder = PipelineBuilder::named(name).with_timer();
                builder.settings = settings;
                builder.breaker.clone_from(&policy.breaker);
                builder.sharing.coalesce = policy.coalesce;
                builder.sharing.life = policy.life();
                if let Some(cache) = &policy.cache {
                    builder.sharing.entries = cache.entries;
                }
                Ok(builder)
            }
            settings => {
                let all = problems.into_iter().map(|it| (None, it)).chain(settings.err());
                Err(BuildError::pipeline(Name::new(name), all.collect()))
            }
        }
    }
}

/// What a file may say, and a library cannot do.
fn not_here(policy: &Policy) -> Vec<SettingsError> {
    let mut problems = Vec::new();
    let mut problem = |wrong: bool, field, message: &str, fix: &str| {
        if wrong {
            problems.push(SettingsError { field, message: message.into(), fix: fix.into() });
        }
    };
    let fallback = policy.fallback.as_ref();
    problem(
        fallback.is_some_and(|it| it.answer.is_some()),
        "fallback",
        "is an HTTP response, and calls here have none",
        "say what stands for it with `Pipeline::from_toml_with`, or leave it out",
    );
    problem(
        fallback.is_some_and(|it| it.upstream.is_some()),
        "fallback",
        "is another upstream, and there is none here",
        "give the call a fallback that calls another pipeline",
    );
    problem(
        policy.chaos.as_ref().is_some_and(|it| it.header.is_some()),
        "chaos.header",
        "is a header of HTTP requests, and calls here have none",
        "leave it out",
    );
    problem(
        policy.life().longest().is_some() && !cfg!(feature = "cache"),
        if policy.cache.is_some() { "cache" } else { "fallback.stale" },
        "keeps answers, which this build cannot",
        "turn on the feature `cache`, or leave it out",
    );
    problems
}

/// A pipeline with a value that stands in for calls that come to nothing, where its file has one.
///
/// Made by [`Pipeline::from_toml_with`], which has an example.
///
/// ```
/// use breakerbox::{Pipeline, PipelineWithFallback};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), breakerbox::FileError> {
/// let text = "fallback = { status = 200 }";
/// let posts: PipelineWithFallback<Vec<u32>> = Pipeline::from_toml_with("posts", text, |_| vec![])?;
/// let answer = posts.call(async || Err("down")).await.unwrap();
/// assert_eq!((answer.len(), answer.is_fallback()), (0, true));
/// assert_eq!(posts.pipeline().stats().fallbacks, 1);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct PipelineWithFallback<T, C: Clock = SystemClock> {
    pipeline: Pipeline<C>,
    value: Option<T>,
}

impl<T: Clone, C: Clock> PipelineWithFallback<T, C> {
    /// Runs an operation: see [`Pipeline::call`].
    ///
    /// # Errors
    /// As there, where the file has no fallback.
    pub fn call<Op, Fut, E>(
        &self,
        operation: Op,
    ) -> PipelineCalling<'_, C, Repeatable<Op>, Alone<ByResult, NoHints, Given<T>>>
    where
        Op: FnMut() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        self.protect().call(operation)
    }

    /// A call that can be told more.
    pub fn protect(&self) -> PipelineCall<'_, C, Async, ByResult, NoHints, Given<T>> {
        PipelineCall::with_fallback(&self.pipeline.inner, self.value.clone().map(Given))
    }

    /// The pipeline.
    pub fn pipeline(&self) -> &Pipeline<C> {
        &self.pipeline
    }
}

/// A fallback that is a value.
///
/// It is how calls of a [`PipelineWithFallback`] end:
///
/// ```
/// use breakerbox::clock::SystemClock;
/// use breakerbox::{Async, ByResult, Given, NoHints, Pipeline, PipelineCall};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), breakerbox::FileError> {
/// let posts = Pipeline::from_toml_with("posts", "fallback = { status = 200 }", |_| "no posts")?;
/// let call: PipelineCall<'_, SystemClock, Async, ByResult, NoHints, Given<&str>> = posts.protect();
/// assert_eq!(*call.call(async || Err(())).await.unwrap(), "no posts");
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Given<T>(T);

impl<T, E> Recover<T, E> for Given<T> {
    type Answer = Answer<T>;
    const HAS_FALLBACK: bool = true;

    fn real(value: T) -> Answer<T> {
        Answer::real(value)
    }

    fn instead(self, _: Result<T, Error<E>>) -> Result<Answer<T>, Error<E>> {
        Ok(Answer::fallback(self.0))
    }

    fn answer(self, result: Result<T, Error<E>>) -> Result<Answer<T>, Error<E>> {
        self.instead(result)
    }
}
