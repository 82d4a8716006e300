//! A pipeline as a sentence.

use super::Pipeline;
use crate::cache::Life;
use crate::coalesce;
use crate::hedge::Delay;
use std::fmt;

/// What the driver of a pipeline does with answers. The machine asks it to look for one and knows no more
/// of it; a sentence says it.
///
/// ```
/// use breakerbox_core::Timestamp;
/// use breakerbox_core::cache::Life;
/// use breakerbox_core::pipeline::{Answers, Pipeline, Settings};
/// use std::time::Duration;
///
/// let pipeline = Pipeline::new(Settings::default(), Timestamp::ZERO, 0);
/// let life = Life { ttl: Some(Duration::from_secs(30)), stale: None };
/// let answers = Answers { life, entries: 1000, coalesce: None };
/// assert_eq!(pipeline.sentence(&answers), "a cache of up to 1000 answers for 30s, then the call");
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Answers {
    /// How long answers live.
    pub life: Life,
    /// How many are kept at most.
    pub entries: u64,
    /// Whether equal calls under way share one.
    pub coalesce: Option<coalesce::Settings>,
}

impl fmt::Display for Pipeline {
    /// The pipeline as a sentence, outermost policy first. What only its driver knows is in
    /// [`sentence`](Pipeline::sentence).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence(&Answers::default()))
    }
}

impl Pipeline {
    /// The pipeline as a sentence, outermost policy first, with what its driver does with answers.
    ///
    /// ```
    /// use breakerbox_core::Timestamp;
    /// use breakerbox_core::cache::Life;
    /// use breakerbox_core::pipeline::{Answers, Pipeline, Settings};
    /// use std::time::Duration;
    ///
    /// let settings = Settings { lookup: true, ..Settings::default() };
    /// let pipeline = Pipeline::new(settings, Timestamp::ZERO, 0);
    /// let ttl = Some(Duration::from_secs(30));
    /// let answers =
    ///     Answers { life: Life { ttl, stale: None }, entries: 1000, ..Answers::default() };
    /// assert_eq!(
    ///     pipeline.sentence(&answers),
    ///     "a cache of up to 1000 answers for 30s, then the call"
    /// );
    /// ```
    pub fn sentence(&self, answers: &Answers) -> String {
        let parts: Vec<String> = self.parts(answers).into_iter().flatten().collect();
        if parts.is_empty() {
            return "the call, with no policy".to_owned();
        }
        format!("{}, then the call", parts.join(", then "))
    }

    fn parts(&self, answers: &Answers) -> [Option<String>; 15] {
        let Answers { life, entries, coalesce } = answers;
        let told = life.ttl.is_some() || coalesce.is_some();
        [
            match life.stale {
                Some(stale) => {
                    Some(format!("a fallback (the last good answer, if younger than {stale:?})"))
                }
                None => self.fallback.then(|| "a fallback".to_owned()),
            },
            self.deadline.map(|it| format!("a deadline of {it:?}")),
            self.shed.is_some().then(|| "load shedding by priority".to_owned()),
            self.throttle.is_some().then(|| "a throttle".to_owned()),
            self.rate_limit.is_some().then(|| "a rate limit".to_owned()),
            (self.lookup && !told).then(|| "a look whether the answer is there".to_owned()),
            life.ttl.map(|ttl| format!("a cache of up to {entries} answers for {ttl:?}")),
            coalesce.map(|it| format!("coalescing of up to {} equal calls", it.followers)),
            self.hedge.as_ref().map(|(settings, _)| {
                let most = settings.max;
                let hedges =
                    if most == 1 { "a hedge".into() } else { format!("up to {most} hedges") };
                match settings.delay {
                    Delay::Fixed(delay) => format!("{hedges} after {delay:?}"),
                    Delay::Percentile(part) => {
                        format!("{hedges} after the p{} of all attempts", part * 100.0)
                    }
                }
            }),
            self.retry.as_ref().map(|retry| {
                let budget = if retry.budget.is_some() { " within a budget" } else { "" };
                format!("up to {} attempts{budget}", retry.attempts)
            }),
            self.endpoints.breaker(0).map(|breaker| {
                let each = if self.endpoints.count() > 1 { " for each endpoint" } else { "" };
                let keys = self.keyed_breakers.as_ref().map_or(String::new(), |keyed| {
                    let and = if each.is_empty() { " for" } else { " and" };
                    format!("{and} each of up to {} keys", keyed.cap())
                });
                format!("a circuit breaker{each}{keys} ({})", breaker.rules())
            }),
            self.bulkhead.as_ref().map(|it| format!("a bulkhead of {}", it.snapshot().limit)),
            self.adaptive_limit.is_some().then(|| "an adaptive concurrency limit".to_owned()),
            self.attempt_timeout.map(|it| format!("an attempt timeout of {it:?}")),
            self.chaos.is_some().then(|| "chaos".to_owned()),
        ]
    }
}
