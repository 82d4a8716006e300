//! How long a caller may wait.

use std::time::Duration;

use breakerbox::config::Policy;

/// How long a caller may wait, at worst.
///
/// ```
/// use breakerbox::config::Policy;
/// use breakerbox_lab::capacity::Wait;
/// use std::time::Duration;
///
/// let text = "attempt_timeout = '1s'\nretry = { attempts = 3, backoff = { max = '500ms' } }";
/// let wait = Wait::of(&Policy::parse("policy.toml", text).unwrap().0);
/// assert_eq!(wait.until_headers(), Some(Duration::from_secs(4)), "3 attempts and 2 pauses");
/// assert_eq!(wait.deadline, None, "so the end of an answer may take as long as it likes");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wait {
    /// The deadline of the whole call, the end of its answer included.
    pub deadline: Option<Duration>,
    /// All that a call may wait for until an answer begins, the deadline aside. `None`: for ever.
    pub parts: Option<Parts>,
    /// `retry.max_elapsed`, after which no attempt begins.
    pub max_elapsed: Option<Duration>,
    /// How many of the attempts by retries begin while the upstream does not answer at all.
    pub attempts_that_hang: u32,
    /// A call may wait for an equal one before its own time begins, and for the next where that is gone.
    pub for_equal_calls: bool,
}

/// What a call may wait for until its answer begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parts {
    /// Its turn at the rate limit, once.
    pub turn: Duration,
    /// Attempts that may wait for a slot: a hedge never does.
    pub attempts: u32,
    /// Hedges, each of which may begin when the attempt before it has timed out.
    pub hedges: u32,
    /// The longest an attempt takes.
    pub attempt_timeout: Duration,
    /// The longest an attempt waits for its slot.
    pub queue: Duration,
    /// The longest pause between two attempts. `Retry-After` may ask for so much.
    pub pause: Duration,
}

impl Wait {
    /// What a policy allows.
    pub fn of(policy: &Policy) -> Self {
        let hedges = policy.hedge.map_or(0, |hedge| hedge.max);
        let retry = policy.retry.as_ref().map(|retry| &retry.settings);
        let parts = policy.attempt_timeout.map(|attempt_timeout| Parts {
            turn: policy.rate_limit.as_ref().and_then(|it| it.settings.wait).unwrap_or_default(),
            attempts: policy.most_attempts() - hedges,
            hedges,
            attempt_timeout,
            queue: policy.bulkhead.map_or(Duration::ZERO, |bulkhead| bulkhead.longest_wait()),
            pause: retry.map_or(Duration::ZERO, |retry| retry.backoff.max),
        });
        Self {
            deadline: policy.deadline,
            parts,
            max_elapsed: retry.and_then(|retry| retry.max_elapsed),
            attempts_that_hang: policy.attempts_that_hang(),
            for_equal_calls: policy.coalesce.is_some() && policy.deadline.is_none(),
        }
    }

    /// Until an answer begins, whatever ends that. `None`: for ever.
    pub fn until_headers(&self) -> Option<Duration> {
        [self.deadline, self.by_attempts(), self.by_max_elapsed()].into_iter().flatten().min()
    }

    /// All attempts after one another, each as long as it may.
    pub fn by_attempts(&self) -> Option<Duration> {
        let Parts { turn, attempts, hedges, attempt_timeout, queue, pause } = self.parts.clone()?;
        let running = attempt_timeout.saturating_mul(attempts + hedges);
        let queued = queue.saturating_mul(attempts);
        let paused = pause.saturating_mul(attempts - 1);
        Some(turn.saturating_add(running).saturating_add(queued).saturating_add(paused))
    }

    /// The last attempt begins to wait for its slot at `max_elapsed`, and all hedges are still to come.
    pub fn by_max_elapsed(&self) -> Option<Duration> {
        let (max, parts) = (self.max_elapsed?, self.parts.as_ref()?);
        let last = parts.attempt_timeout.saturating_mul(1 + parts.hedges);
        // The first attempt is made however late its turn comes.
        Some(max.max(parts.turn).saturating_add(parts.queue).saturating_add(last))
    }
}
