//! The primitives that threads meet in: std's, or loom's where every interleaving is tried.

#[cfg(not(loom))]
pub(crate) use std::sync::{
    Mutex, MutexGuard, OnceLock,
    atomic::{AtomicU32, AtomicU64, AtomicUsize, fence},
};

#[cfg(loom)]
pub(crate) use {
    loom::sync::{Mutex, MutexGuard, atomic::fence},
    modelled::{AtomicU32, AtomicU64, AtomicUsize, OnceLock},
};

pub(crate) use std::sync::atomic::Ordering;

/// Locks, also after a panic of another holder: nothing here is left half-done by one.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    #[cfg(loom)]
    modelled::meet();
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Loom's atomics, with three of its gaps closed, and a `OnceLock`, which it has not.
///
/// Loom remembers one access to an atomic, whoever made it. A thread that loads and then stores
/// hides from it that the store races with an earlier load of another thread, and such
/// interleavings were never tried. So every operation here first writes to one place that all
/// threads write to: loom then tries all orders. (A relaxed store that nobody reads orders nothing.)
///
/// Loom takes `SeqCst` accesses for `AcqRel` ones: here a fence stands before each. And it lets a
/// store come between the two halves of another thread's exchange: a `SeqCst` store is an exchange
/// here, as it is on x86.
#[cfg(loom)]
mod modelled {
    use super::{Mutex, Ordering, fence};

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
        ($(#[$unused:meta])? $name:ident, $value:ty) => {
            #[derive(Debug)]
            pub(crate) struct $name(loom::sync::atomic::$name);

            $(#[$unused])?
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
                    if ordering == Ordering::SeqCst {
                        self.0.swap(value, ordering);
                    } else {
                        self.0.store(value, ordering);
                    }
                }

                pub(crate) fn fetch_add(&self, value: $value, ordering: Ordering) -> $value {
                    before(ordering);
                    self.0.fetch_add(value, ordering)
                }

                pub(crate) fn fetch_update(
                    &self,
                    success: Ordering,
                    failure: Ordering,
                    mut update: impl FnMut($value) -> Option<$value>,
                ) -> Result<$value, $value> {
                    let mut before = self.load(failure);
                    while let Some(after) = update(before) {
                        match self.compare_exchange(before, after, success, failure) {
                            Ok(_) => return Ok(before),
                            Err(now) => before = now,
                        }
                    }
                    Err(before)
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

    atomic!(
        #[expect(dead_code, reason = "both have the same, and this one is used for less")]
        AtomicU32,
        u32
    );
    atomic!(
        #[expect(dead_code, reason = "only turns are taken with it")]
        AtomicUsize,
        usize
    );
    atomic!(AtomicU64, u64);

    #[derive(Debug)]
    pub(crate) struct OnceLock<T> {
        value: std::sync::OnceLock<T>,
        ready: AtomicU32,
        making: Mutex<()>,
    }

    impl<T> OnceLock<T> {
        pub(crate) fn new() -> Self {
            Self {
                value: std::sync::OnceLock::new(),
                ready: AtomicU32::new(0),
                making: Mutex::new(()),
            }
        }

        pub(crate) fn get(&self) -> Option<&T> {
            // Seen only by those who are ordered after its making.
            if self.ready.load(Ordering::Acquire) == 1 { self.value.get() } else { None }
        }

        pub(crate) fn get_or_init(&self, make: impl FnOnce() -> T) -> &T {
            if let Some(value) = self.get() {
                return value;
            }
            let _making = super::lock(&self.making);
            let value = self.value.get_or_init(make);
            self.ready.store(1, Ordering::Release);
            value
        }
    }
}
