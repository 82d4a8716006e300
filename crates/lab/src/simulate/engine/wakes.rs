//! Calls that core has woken.

use super::agenda::Id;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Wake, Waker};

/// Calls that core has woken, in that order.
#[derive(Default)]
pub(super) struct Wakes(Arc<Shared>);

#[derive(Default)]
struct Shared {
    /// Looked at after every event, so it must cost next to nothing when there is nothing.
    any: AtomicBool,
    woken: Mutex<VecDeque<Id>>,
}

struct Bell {
    shared: Arc<Shared>,
    call: Id,
}

impl Shared {
    fn push(&self, call: Id) {
        self.woken.lock().unwrap_or_else(PoisonError::into_inner).push_back(call);
        self.any.store(true, Ordering::Relaxed);
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.shared.push(self.call);
    }
}

impl Wakes {
    pub(super) fn waker(&self, call: Id) -> Waker {
        Waker::from(Arc::new(Bell { shared: Arc::clone(&self.0), call }))
    }

    pub(super) fn push(&self, call: Id) {
        self.0.push(call);
    }

    #[inline]
    pub(super) fn next(&self) -> Option<Id> {
        if !self.0.any.load(Ordering::Relaxed) {
            return None;
        }
        let mut woken = self.0.woken.lock().unwrap_or_else(PoisonError::into_inner);
        let next = woken.pop_front();
        self.0.any.store(!woken.is_empty(), Ordering::Relaxed);
        next
    }
}
