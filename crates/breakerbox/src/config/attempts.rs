//! How many attempts of a call a policy allows: what can be said of it before a call is made.

use std::time::Duration;

use breakerbox_core::SplitMix64;
use breakerbox_core::retry::{Backoff, BudgetSettings, Failure, Jitter};

use super::policy::Policy;

impl Policy {
    /// How many attempts a call makes at most, hedges among them.
    ///
    /// ```
    /// use breakerbox::config::Policy;
    ///
    /// let attempts = |text| Policy::parse("policy.toml", text).unwrap().0.most_attempts();
    /// assert_eq!(attempts(""), 1);
    /// assert_eq!(attempts("retry = { attempts = 3 }\nhedge = { delay = 'p95' }"), 4);
    /// ```
    pub fn most_attempts(&self) -> u32 {
        let attempts = self.retry.as_ref().map_or(1, |retry| retry.settings.attempts);
        // Hedges and retries stand on one level: a hedge is never repeated.
        attempts + self.hedge.map_or(0, |hedge| hedge.max)
    }

    /// The budget of retries and hedges, which share one. `None`: there is none, or nothing to spend it
    /// on.
    pub fn budget(&self) -> Option<BudgetSettings> {
        if self.most_attempts() == 1 {
            return None;
        }
        match (&self.retry, &self.hedge) {
            (Some(retry), _) => retry.settings.budget,
            (None, hedge) => hedge.as_ref().and_then(|hedge| hedge.budget),
        }
    }

    /// How many of the attempts of `retry` begin while the upstream does not answer at all: each after
    /// the one before has run into its `attempt_timeout`, before the `deadline` and within `max_elapsed`.
    /// Hedges are not among them. The pauses between attempts are taken as short as their jitter allows,
    /// so that no more than this can begin.
    ///
    /// ```
    /// use breakerbox::config::Policy;
    ///
    /// let begin = |text: &str| {
    ///     let text = format!("deadline = '5s'\nretry = {{ attempts = 3 }}\n{text}");
    ///     Policy::parse("policy.toml", &text).unwrap().0.attempts_that_hang()
    /// };
    /// assert_eq!(begin("attempt_timeout = '1s'"), 3);
    /// assert_eq!(begin("attempt_timeout = '3s'"), 2);
    /// assert_eq!(begin(""), 1, "the first one never ends");
    /// ```
    pub fn attempts_that_hang(&self) -> u32 {
        let Some(retry) = self.retry.as_ref().map(|retry| &retry.settings) else { return 1 };
        let Some(timeout) = self.attempt_timeout else { return 1 };
        if !retry.on.repeats(Failure::Timeout, true) {
            return 1;
        }
        let (mut attempts, mut begins) = (1, Duration::ZERO);
        while attempts < retry.attempts {
            let pause = shortest_pause(retry.backoff, attempts - 1);
            begins = begins.saturating_add(timeout).saturating_add(pause);
            // As the machine has it: exactly at the deadline is too late, exactly `max_elapsed` is not.
            if self.deadline.is_some_and(|deadline| begins >= deadline)
                || retry.max_elapsed.is_some_and(|max| begins > max)
            {
                break;
            }
            attempts += 1;
        }
        attempts
    }
}

/// The shortest pause before the repetition of this number, from 0.
fn shortest_pause(backoff: Backoff, repetition: u32) -> Duration {
    let unspread = Backoff { jitter: Jitter::None, ..backoff };
    let grown = unspread.delay(repetition, Duration::ZERO, &mut SplitMix64::new(0));
    match backoff.jitter {
        Jitter::None => grown,
        Jitter::Full => Duration::ZERO,
        Jitter::Equal => grown / 2,
        Jitter::Decorrelated => backoff.initial,
    }
}
