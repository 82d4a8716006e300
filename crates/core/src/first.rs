//! Work that one thread does for all: whoever comes first does it, the others go on.

use crate::sync::{Mutex, MutexGuard};
use std::sync::TryLockError;

/// Locks if nobody else has; also after a panic of another holder, as [`lock`](crate::sync::lock)
/// does.
pub(crate) fn try_lock<T>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    match mutex.try_lock() {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}
