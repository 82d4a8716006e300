//! Answers that calls can have without running: kept ones, and those of equal calls under way.

use breakerbox::Timestamp;
use breakerbox::core::cache::Life;
use breakerbox::core::coalesce::{Groups, Joined, Lead, Settings, Ticket};
use breakerbox::core::pipeline::Ending;
use std::collections::BTreeMap;

/// What an equal call came to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shared {
    pub(super) seen: &'static str,
    pub(super) ending: Ending,
}

/// The answers of one policy. Calls without a key are all equal.
pub(super) struct Answers {
    life: Life,
    entries: u64,
    coalesce: bool,
    kept: BTreeMap<Option<String>, Timestamp>,
    groups: Groups<Option<String>, Shared>,
}

impl Answers {
    pub(super) fn new(life: Life, entries: u64, coalesce: bool) -> Self {
        let groups = Groups::new(Settings::default());
        Self { life, entries, coalesce, kept: BTreeMap::new(), groups }
    }

    pub(super) fn groups(&self) -> &Groups<Option<String>, Shared> {
        &self.groups
    }

    /// Who runs the call: `None` it does, whoever else there is; `Ok` it does, for those that come;
    /// `Err` it waits for another.
    #[expect(clippy::type_complexity, reason = "three cases, used in one place")]
    pub(super) fn join(
        &self,
        key: Option<String>,
    ) -> Option<Result<Lead<Option<String>>, Ticket<Option<String>, Shared>>> {
        if !self.coalesce {
            return None;
        }
        match self.groups.join(key) {
            Joined::Lead(lead) => Some(Ok(lead)),
            Joined::Follow(ticket) => Some(Err(ticket)),
            Joined::Apart => None,
        }
    }

    pub(super) fn has_fresh(&self, key: &Option<String>, now: Timestamp) -> bool {
        self.kept.get(key).is_some_and(|stored| self.life.is_fresh(*stored, now))
    }

    pub(super) fn has_usable(&self, key: &Option<String>, now: Timestamp) -> bool {
        self.kept.get(key).is_some_and(|stored| self.life.is_usable(*stored, now))
    }

    /// Keeps a good answer, and of too many throws the oldest out.
    pub(super) fn keep(&mut self, key: Option<String>, now: Timestamp) {
        if self.life.longest().is_none() {
            return;
        }
        self.kept.insert(key, now);
        if self.kept.len() as u64 > self.entries {
            let oldest = self.kept.iter().min_by_key(|(_, stored)| **stored);
            if let Some(key) = oldest.map(|(key, _)| key.clone()) {
                self.kept.remove(&key);
            }
        }
    }
}
