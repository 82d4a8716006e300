//! Answers that are kept, each with its time. How many is the store's business, for how long ours.

use breakerbox_core::Timestamp;
use std::hash::Hash;

/// Answers by key.
#[cfg(feature = "cache")]
pub(super) struct Kept<K, T>(moka::sync::Cache<K, (T, Timestamp)>);

#[cfg(feature = "cache")]
impl<K, T> Kept<K, T>
where
    K: Hash + Eq + Send + Sync + 'static,
    T: Clone + Send + Sync + 'static,
{
    pub(super) fn new(entries: u64) -> Self {
        Self(moka::sync::Cache::new(entries))
    }

    pub(super) fn find(&self, key: &K) -> Option<(T, Timestamp)> {
        self.0.get(key)
    }

    pub(super) fn keep(&self, key: K, value: T, now: Timestamp) {
        self.0.insert(key, (value, now));
    }

    pub(super) fn forget(&self, key: &K) {
        self.0.invalidate(key);
    }
}

/// Without the feature no builder keeps answers, so there is none of these.
#[cfg(not(feature = "cache"))]
pub(super) enum Kept<K, T> {
    #[expect(dead_code, reason = "there is none")]
    Never(std::convert::Infallible, std::marker::PhantomData<(K, T)>),
}

#[cfg(not(feature = "cache"))]
impl<K: Hash, T> Kept<K, T> {
    pub(super) fn new(_entries: u64) -> Self {
        unreachable!("the builder does not offer it")
    }

    pub(super) fn find(&self, _key: &K) -> Option<(T, Timestamp)> {
        None
    }

    pub(super) fn keep(&self, _key: K, _value: T, _now: Timestamp) {}

    pub(super) fn forget(&self, _key: &K) {}
}
