//! What an exporter has of each breaker or pipeline.

use super::metric::{METADATA, Metric, Seen};
use crate::lock::lock;
use crate::observable::Source;
use crate::{EventKind, Interest, ListenerId, State, Transition};
use ::metrics::{Key, with_recorder};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};

/// A breaker or pipeline, for as long as somebody else has it.
pub(super) struct Watched {
    source: Weak<dyn Source>,
    listener: ListenerId,
    seen: Arc<Published>,
}

/// What is known of it beside what it knows.
#[derive(Default)]
pub(super) struct Published {
    changes: Changes,
    key_changes: Changes,
    /// The gauges that it had last, and what they say of one that is gone.
    gauges: Mutex<Vec<(Key, f64)>>,
}

/// Changes of state, by from and to.
#[derive(Default)]
pub(super) struct Changes([[AtomicU64; State::ALL.len()]; State::ALL.len()]);

impl Watched {
    pub(super) fn new(source: &Arc<dyn Source>) -> Self {
        let seen = Arc::new(Published::default());
        let listener = source.listen(Interest::TRANSITIONS, {
            let seen = Arc::clone(&seen);
            Arc::new(move |event| match event.kind {
                EventKind::Transition(change) => seen.changes.count(change),
                EventKind::KeyTransition(change) => seen.key_changes.count(change),
                _ => {}
            })
        });
        Self { source: Arc::downgrade(source), listener, seen }
    }

    pub(super) fn source(&self) -> Option<Arc<dyn Source>> {
        self.source.upgrade()
    }

    pub(super) fn seen(&self) -> Arc<Published> {
        Arc::clone(&self.seen)
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if let Some(source) = self.source.upgrade() {
            source.stop_listening(self.listener);
        }
    }
}

impl Published {
    pub(super) fn publish(&self, source: &dyn Source) {
        // First, for it tells what time has changed.
        let stats = source.stats();
        let (changes, key_changes) = (&self.changes, &self.key_changes);
        let seen = Seen { source, stats, changes, key_changes };
        let mut gauges = Vec::new();
        super::all().for_each(|metric: &Metric| metric.publish(&seen, &mut gauges));
        *lock(&self.gauges) = gauges;
    }

    /// It is gone: it has no calls and no breaker any more, and no rate, level or limit. (`NaN` for all would
    /// spoil every sum over them.)
    pub(super) fn forget(&self) {
        for (key, gone) in &*lock(&self.gauges) {
            with_recorder(|recorder| recorder.register_gauge(key, &METADATA).set(*gone));
        }
    }
}

impl Changes {
    fn count(&self, change: Transition) {
        self.0[change.from as usize][change.to as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Those that there were.
    pub(super) fn each(&self) -> impl Iterator<Item = (State, State, u64)> {
        let pairs = State::ALL.into_iter().flat_map(|from| State::ALL.map(|to| (from, to)));
        let counted = pairs.map(|(from, to)| {
            (from, to, self.0[from as usize][to as usize].load(Ordering::Relaxed))
        });
        counted.filter(|(_, _, times)| *times > 0)
    }
}
