//! How much more an upstream gets to do through retries and hedges, and what load that leaves it.

use breakerbox::config::Policy;

/// How much more an upstream gets to do through retries and hedges.
///
/// ```
/// use breakerbox::config::Policy;
/// use breakerbox_lab::capacity::Load;
///
/// let text = "retry = { attempts = 3 }\nhedge = { delay = 'p95' }";
/// let load = Load::of(&Policy::parse("policy.toml", text).unwrap().0);
/// assert_eq!((load.most(), load.sustained, load.burst), (4, 1.1, 100));
/// assert_eq!((load.stable() * 100.0).round(), 91.0);
/// assert_eq!(load.stable_without_budget(), 0.25);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Load {
    /// Attempts of a call by retries, the first one included.
    pub attempts: u32,
    /// Attempts of a call by hedges, on top.
    pub hedges: u32,
    /// Whether retries and hedges have a budget.
    pub budget: bool,
    /// Attempts for each call that comes, while everything fails for long.
    pub sustained: f64,
    /// Attempts a second on top, which time adds to the budget.
    pub per_second: f64,
    /// Attempts on top that a budget which has filled up allows at once.
    pub burst: u32,
    /// Calls that never reach the upstream fill its budget too: a policy in front answers or rejects them.
    pub filled_by_others: bool,
}

impl Load {
    /// What a policy allows.
    pub fn of(policy: &Policy) -> Self {
        let most = policy.most_attempts();
        let hedges = policy.hedge.map_or(0, |hedge| hedge.max);
        let without = Self {
            attempts: most - hedges,
            hedges,
            budget: false,
            sustained: f64::from(most),
            per_second: 0.0,
            burst: 0,
            filled_by_others: false,
        };
        let Some(budget) = policy.budget() else { return without };
        let refills = budget.ratio > 0.0 || budget.min_per_second > 0.0;
        let holds = if refills { budget.cap } else { budget.cap.min(budget.start) };
        Self {
            budget: true,
            // Every call puts in `ratio` and a repetition takes 1: of what is repeated for ever no
            // more can be than is put in, and no more than a call asks for.
            sustained: 1.0 + budget.ratio.min(f64::from(most - 1)),
            per_second: budget.min_per_second,
            // At most a million.
            burst: holds as u32,
            filled_by_others: policy.rate_limit.is_some()
                || policy.shed.is_some()
                || policy.throttle.is_some()
                || policy.cache.is_some()
                || policy.coalesce.is_some()
                || policy.breaker_key.is_some(),
            ..without
        }
    }

    /// Attempts of one call, at most.
    pub fn most(&self) -> u32 {
        self.attempts + self.hedges
    }

    /// Up to which share of its capacity an upstream may be loaded so that it comes back by itself from
    /// any trouble: with more, its retries alone would keep it down. `per_second` is not in it.
    ///
    /// The threshold of metastable failures: stable where load x amplification stays below capacity.
    pub fn stable(&self) -> f64 {
        1.0 / self.sustained
    }

    /// The same if there were no budget.
    pub fn stable_without_budget(&self) -> f64 {
        1.0 / f64::from(self.most())
    }

    /// The same share, of the capacity of all its endpoints, while one of them is down and the others
    /// have its part. `None`: it has no other.
    pub fn stable_with_one_down(&self, endpoints: usize) -> Option<f64> {
        let all = endpoints as f64;
        (endpoints > 1).then(|| self.stable() * (all - 1.0) / all)
    }

    /// Attempts a second at most, where so many calls a second get through a rate limit. However many
    /// more come, each of which fills the budget.
    pub fn attempts_at(&self, calls_per_second: f64) -> f64 {
        calls_per_second * f64::from(self.most())
    }

    /// The same while no more calls come than get through.
    pub fn sustained_at(&self, calls_per_second: f64) -> f64 {
        let sustained = calls_per_second * self.sustained + self.per_second;
        sustained.min(self.attempts_at(calls_per_second))
    }
}
