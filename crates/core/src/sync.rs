//! The primitives that threads meet in: std's, or loom's where every interleaving is tried.

#[cfg(not(loom))]
pub(crate) use std::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicU32, AtomicU64, fence},
};

#[cfg(loom)]
pub(crate) use {
    loom::sync::{Mutex, MutexGuard, atomic::fence},
    modelled::{AtomicU32, AtomicU64},
};

pub(crate) use std::sync::{OnceLock, atomic::Ordering};

/// Locks, also after a panic of another holder: nothing here is left half-done by one.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    #[cfg(loom)]
    modelled::meet();
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Loom's atomics, with two of its gaps closed.
///
/// Loom remembers one access to an atomic, whoever made it. A thread that loads and then stores
/// hides from it that the store races with an earlier load of another thread, and such
/// interleavings were never tried. So every operation here first writes to one place that all
/// threads write to: loom then tries all orders. (A relaxed store that nobody reads orders nothing.)
///
/// And loom takes `SeqCst` accesses for `AcqRel` ones. Here a fence stands before each.
#[cfg(loom)]
mod modelled {
    use super::{Ordering, fence};

    loom::lazy_static! {
        static ref MEETING: loom::sync::atomic::AtomicU32 = loom::sync::atomic::AtomicU32::new(0);
    }

    pub(super) fn meet() {
        MEETING.store(0, Ordering::Relaxed);
    }

    fn before(ordering: Ordering) {
        meet();
        if ordering == Ordering::SeqCst {
            fence(Ordering::SeqCst);
        }
    }

    macro_rules! atomic {
        ($name:ident, $value:ty) => {
            #[derive(Debug)]
            pub(crate) struct $name(loom::sync::atomic::$name);

            impl $name {
                pub(crate) fn new(value: $value) -> Self {
                    Self(loom::sync::atomic::$name::new(value))
                }

                pub(crate) fn load(&self, ordering: Ordering) -> $value {
                    before(ordering);
                    self.0.load(ordering)
                }

                pub(crate) fn store(&self, value: $value, ordering: Ordering) {
                    before(ordering);
                    self.0.store(value, ordering);
                }

                pub(crate) fn compare_exchange(
                    &self,
                    current: $value,
                    new: $value,
                    success: Ordering,
                    failure: Ordering,
                ) -> Result<$value, $value> {
                    before(success);
                    self.0.compare_exchange(current, new, success, failure)
                }

                pub(crate) fn fetch_add(&self, value: $value, ordering: Ordering) -> $value {
                    before(ordering);
                    self.0.fetch_add(value, ordering)
                }

                /// Never fails for nothing: that would only be one more round of a loop.
                pub(crate) fn compare_exchange_weak(
                    &self,
                    current: $value,
                    new: $value,
                    success: Ordering,
                    failure: Ordering,
                ) -> Result<$value, $value> {
                    self.compare_exchange(current, new, success, failure)
                }
            }

            impl From<$value> for $name {
                fn from(value: $value) -> Self {
                    Self::new(value)
                }
            }
        };
    }

    atomic!(AtomicU32, u32);
    atomic!(AtomicU64, u64);
}
