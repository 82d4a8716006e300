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

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn it_waits_for_nobody_and_a_panic_of_another_is_no_obstacle() {
        let mutex = Mutex::new(7);
        let held = try_lock(&mutex);
        assert!(held.is_some() && try_lock(&mutex).is_none());
        drop(held);
        let panics = std::thread::scope(|scope| {
            scope
                .spawn(|| {
                    let _held = try_lock(&mutex);
                    panic!("while it holds the lock");
                })
                .join()
        });
        assert!(panics.is_err() && mutex.is_poisoned());
        assert_eq!(try_lock(&mutex).map(|guard| *guard), Some(7));
    }
}
