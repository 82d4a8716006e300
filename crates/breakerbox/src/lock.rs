//! Locks that a panic elsewhere does not keep.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks. What is behind our locks is whole after every statement, so whoever panicked left nothing half done.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
