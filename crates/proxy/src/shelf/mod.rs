//! Answers that requests can have without being sent: kept ones, and those of equal requests under way.
//!
//! One shelf belongs to one upstream and is shared by all cores. What is fresh or still usable is
//! core's to say; here is where answers are kept, and which may be.

mod answer;
mod key;

pub use answer::Answer;
pub use key::Asked;

use std::sync::Arc;

use breakerbox::config::Policy;
use breakerbox::core::Timestamp;
use breakerbox::core::cache::{DEFAULT_ENTRIES, Life};
use breakerbox::core::coalesce::{Groups, Joined, Lead, Snapshot, Ticket};
use http::HeaderName;
use moka::sync::Cache;

/// Bodies up to so many bytes are kept where there is no `cache` to say otherwise.
const MAX_BODY: usize = 64 * 1024;

/// What a group of equal requests is waiting for; `None`: an answer that is only for who asked.
pub type Shared = Option<Arc<Answer>>;
/// A request that others wait for.
pub type Leading = Lead<Arc<str>>;
/// A request that waits for another.
pub type Following = Ticket<Arc<str>, Shared>;

/// The answers of one upstream.
#[derive(Debug)]
pub struct Shelf {
    life: Life,
    max_body: usize,
    answers: Cache<Arc<str>, Arc<Answer>>,
    /// The headers of requests that answers for a path and query depend on.
    varies: Cache<Arc<str>, Arc<[HeaderName]>>,
    groups: Option<Groups<Arc<str>, Shared>>,
}

impl Shelf {
    /// The shelf that a policy asks for, if it does.
    pub fn new(policy: &Policy) -> Option<Self> {
        let life = policy.life();
        if life.longest().is_none() && policy.coalesce.is_none() {
            return None;
        }
        let entries = policy.cache.as_ref().map_or(DEFAULT_ENTRIES, |cache| cache.entries);
        Some(Self {
            life,
            max_body: policy.cache.as_ref().map_or(MAX_BODY, |cache| cache.max_body),
            answers: Cache::new(entries),
            varies: Cache::new(entries),
            groups: policy.coalesce.map(Groups::new),
        })
    }

    /// The longest body that is kept, in bytes.
    pub fn max_body(&self) -> usize {
        self.max_body
    }

    /// An answer that is as good as a new one.
    pub fn fresh(&self, asked: &Asked, now: Timestamp) -> Option<Arc<Answer>> {
        self.life.ttl?;
        let answer = self.find(asked)?;
        self.life.is_fresh(answer.stored, now).then_some(answer)
    }

    /// An answer that is better than none.
    pub fn usable(&self, asked: &Asked, now: Timestamp) -> Option<Arc<Answer>> {
        self.life.stale?;
        let answer = self.find(asked)?;
        self.life.is_usable(answer.stored, now).then_some(answer)
    }

    fn find(&self, asked: &Asked) -> Option<Arc<Answer>> {
        self.answers.get(&self.key(asked)).filter(|answer| answer.is_for(asked))
    }

    /// What the answer to a request is kept under: what it asks for, and the values of the headers
    /// that answers were seen to depend on.
    fn key(&self, asked: &Asked) -> Arc<str> {
        match self.varies.get(&asked.base) {
            Some(names) => asked.key(&names),
            None => Arc::clone(&asked.base),
        }
    }

    /// Keeps a good answer for those who ask the same.
    pub fn keep(&self, asked: &Asked, answer: Arc<Answer>) {
        if self.life.longest().is_none() || !answer.is_good() {
            return;
        }
        if !answer.varies_by.is_empty() {
            self.varies.insert(Arc::clone(&asked.base), Arc::clone(&answer.varies_by));
        }
        self.answers.insert(asked.key(&answer.varies_by), answer);
    }

    /// Whether an equal request is under way; `None`: nobody is to wait.
    pub fn join(&self, asked: &Asked) -> Option<Joined<Arc<str>, Shared>> {
        Some(self.groups.as_ref()?.join(self.key(asked)))
    }

    /// Equal requests under way, where there are any at all.
    pub fn groups(&self) -> Option<&Groups<Arc<str>, Shared>> {
        self.groups.as_ref()
    }

    /// How many answers are kept, about.
    pub fn len(&self) -> u64 {
        // Else it lags behind.
        self.answers.run_pending_tasks();
        self.answers.entry_count()
    }

    /// Whether none is kept.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What became of equal requests.
    pub fn coalesced(&self) -> Option<Snapshot> {
        self.groups.as_ref().map(Groups::snapshot)
    }
}
