//! A pipeline as a sentence.

use super::Pipeline;
use crate::hedge::Delay;
use std::fmt;

impl fmt::Display for Pipeline {
    /// The pipeline as a sentence, outermost policy first.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<String> = self.parts().into_iter().flatten().collect();
        if parts.is_empty() {
            return f.write_str("the call, with no policy");
        }
        write!(f, "{}, then the call", parts.join(", then "))
    }
}

impl Pipeline {
    fn parts(&self) -> [Option<String>; 13] {
        [
            self.fallback.then(|| "a fallback".to_owned()),
            self.deadline.map(|it| format!("a deadline of {it:?}")),
            self.shed.is_some().then(|| "load shedding by priority".to_owned()),
            self.throttle.is_some().then(|| "a throttle".to_owned()),
            self.rate_limit.is_some().then(|| "a rate limit".to_owned()),
            self.lookup.then(|| "a look whether the answer is there".to_owned()),
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
                format!("a circuit breaker{each} ({})", breaker.rules())
            }),
            self.bulkhead.as_ref().map(|it| format!("a bulkhead of {}", it.snapshot().limit)),
            self.adaptive_limit.is_some().then(|| "an adaptive concurrency limit".to_owned()),
            self.attempt_timeout.map(|it| format!("an attempt timeout of {it:?}")),
            self.chaos.is_some().then(|| "chaos".to_owned()),
        ]
    }
}
