//! How many attempts run at once, and up to which latency slots and queues are enough.

use std::time::Duration;

use breakerbox::config::Policy;

use super::Load;

/// How many attempts run at once. What depends on how long they take, which no file says, is given as the
/// longest time that is still good.
///
/// ```
/// use breakerbox::config::Policy;
/// use breakerbox_lab::capacity::Concurrency;
/// use std::time::Duration;
///
/// let text = "bulkhead = { concurrent = 64, queue = 128 }\nattempt_timeout = '2s'";
/// let concurrency = Concurrency::of(&Policy::parse("policy.toml", text).unwrap().0);
/// assert_eq!(concurrency.limit, Some(64));
/// assert_eq!(concurrency.filled_by, Some(32.0), "attempts a second, if each hangs for 2 s");
/// assert_eq!(concurrency.queue_is_served, Some(Duration::from_millis(50)));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Concurrency {
    /// Attempts at once: the slots of the bulkhead, or what the adaptive limit reaches at most. `None`:
    /// as many as there are.
    pub limit: Option<u32>,
    /// The longest that an attempt can hold a slot until its answer begins.
    pub longest: Option<Duration>,
    /// So many attempts a second fill all slots if each takes the longest.
    pub filled_by: Option<f64>,
    /// Attempts that wait for a slot.
    pub queue: u32,
    /// How long they wait at most.
    pub queue_wait: Duration,
    /// The last one in a full queue has its turn in time if no attempt takes longer than this.
    pub queue_is_served: Option<Duration>,
    /// What a rate limit for all calls lets in.
    pub rate: Option<RateLimited>,
}

/// What a rate limit for all calls lets in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateLimited {
    /// Calls a second.
    pub calls: f64,
    /// Attempts a second while everything fails and no more calls come than are let in.
    pub sustained: f64,
    /// Attempts a second at worst: calls that are rejected fill the budget of those that are not.
    pub most: f64,
    /// The slots are enough for the `sustained` ones if attempts do not take longer than this on average.
    /// `None`: there is no limit of slots.
    pub slots_are_enough: Option<Duration>,
}

impl Concurrency {
    /// What a policy allows.
    pub fn of(policy: &Policy) -> Self {
        let slots = policy.bulkhead.map(|bulkhead| bulkhead.concurrent);
        let found_out = policy.adaptive_limit.map(|limit| limit.max);
        let limit = [slots, found_out].into_iter().flatten().min();
        let longest = [policy.attempt_timeout, policy.deadline].into_iter().flatten().min();
        let (queue, queue_wait) = policy
            .bulkhead
            .map_or((0, Duration::ZERO), |bulkhead| (bulkhead.queue, bulkhead.longest_wait()));
        Self {
            limit,
            longest,
            // Little's law: as many run at once as begin in a second, times the seconds that each takes.
            filled_by: limit
                .zip(longest)
                .map(|(limit, longest)| f64::from(limit) / longest.as_secs_f64()),
            queue,
            queue_wait,
            // With `limit` at a time, the last of `queue` waits `queue / limit` times as long as an
            // attempt takes.
            queue_is_served: limit
                .filter(|_| queue > 0)
                .map(|limit| queue_wait.mul_f64(f64::from(limit) / f64::from(queue))),
            rate: rate(policy, limit),
        }
    }
}

/// `None` also where each key has a limit of its own: nobody knows how many keys there are.
fn rate(policy: &Policy, limit: Option<u32>) -> Option<RateLimited> {
    let rate = policy.rate_limit.as_ref().filter(|rate| rate.key.is_none())?;
    let (load, calls) = (Load::of(policy), rate.settings.rate / rate.settings.per.as_secs_f64());
    let sustained = load.sustained_at(calls);
    let enough = |limit: u32| {
        // One call a day with a million slots is a long time, but one that there is.
        Duration::try_from_secs_f64(f64::from(limit) / sustained).unwrap_or(Duration::MAX)
    };
    Some(RateLimited {
        calls,
        sustained,
        most: load.attempts_at(calls),
        slots_are_enough: limit.map(enough),
    })
}
