//! The capacity report: what the policies of some upstreams allow at worst, from their numbers alone.
//!
//! Nothing is run here. Retries, hedges and fallbacks to other upstreams make more work of a call, queues
//! and pauses make a caller wait, and slots run out; how much of each there can be follows from the
//! settings. How long calls take, how many come and what the upstreams can serve is in no file, so what
//! depends on these is said in terms of them: a share of what an upstream can serve, a duration up to
//! which a queue makes sense. `docs/capacity.md` has the formulas, where they come from, and what they
//! leave out.

mod concurrency;
mod failover;
mod load;
mod report;
#[cfg(test)]
mod tests;
mod wait;
mod words;

pub use concurrency::{Concurrency, RateLimited};
pub use failover::{comes_from, goes_on_to};
pub use load::Load;
pub use report::{Report, UpstreamReport, report};
pub use wait::Wait;

use breakerbox::config::Policy;

/// An upstream, as far as its capacity goes. Its policy says where it falls back to, and which methods
/// are repeated.
///
/// ```
/// use breakerbox::config::Policy;
/// use breakerbox_lab::capacity::{Upstream, report};
///
/// let (policy, _) = Policy::parse("policy.toml", "retry = {}\nattempt_timeout = '1s'").unwrap();
/// let report = report(&[Upstream { name: "posts", policy: &policy, endpoints: 1 }]);
/// assert_eq!(report.upstreams[0].load.most(), 3);
/// assert!(report.to_string().contains("stable up to 91 % of what it can serve"));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Upstream<'a> {
    /// Its name, which others may fall back to.
    pub name: &'a str,
    /// What protects calls to it.
    pub policy: &'a Policy,
    /// How many endpoints it has, at least one.
    pub endpoints: usize,
}
