//! A small number for each living thread, so that threads can count without meeting.
//!
//! A slot belongs to one thread at a time. When a thread ends its slot goes to the next new one;
//! the lock of the free list orders what the first wrote before what the second reads.

use std::cell::Cell;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::{Mutex, PoisonError};

/// No slot yet.
const NONE: u32 = 0;
/// The slot of all threads that have none of their own: those beyond [`LIMIT`], and a thread that
/// is just ending.
pub(crate) const SHARED: u32 = u32::MAX;
/// Slots are 1 to this.
pub(crate) const LIMIT: u32 = 1016;

thread_local! {
    // Two of them: this one has no destructor, so reading it is one load.
    #[cfg(not(loom))]
    static SLOT: Cell<u32> = const { Cell::new(NONE) };
    static LEASE: Lease = Lease::take();
}

// The threads of a model share one real thread.
#[cfg(loom)]
loom::thread_local! {
    static SLOT: Cell<u32> = Cell::new(NONE);
}

/// The slot of this thread.
#[inline(always)]
pub(crate) fn current() -> u32 {
    let slot = SLOT.with(Cell::get);
    if slot == NONE { first_use() } else { slot }
}

#[cold]
fn first_use() -> u32 {
    let slot = LEASE.try_with(|lease| lease.0).unwrap_or(SHARED);
    SLOT.with(|mine| mine.set(slot));
    slot
}

static FREE: Mutex<Free> = Mutex::new(Free { used: 0, returned: BinaryHeap::new() });

/// Slots above `used` were never given out; the lowest returned one is given out first.
struct Free {
    used: u32,
    returned: BinaryHeap<Reverse<u32>>,
}

struct Lease(u32);

impl Lease {
    fn take() -> Self {
        let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Reverse(slot)) = free.returned.pop() {
            return Self(slot);
        }
        if free.used == LIMIT {
            return Self(SHARED);
        }
        free.used += 1;
        Self(free.used)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // What this thread still does, in the destructors of other thread-locals, is no longer its own.
        SLOT.with(|mine| mine.set(SHARED));
        if self.0 != SHARED {
            let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
            free.returned.push(Reverse(self.0));
        }
    }
}

/// Makes the current thread of a model the owner of `slot`: what it gets must not depend on the
/// models that ran before.
#[cfg(all(test, loom))]
pub(crate) fn assume(slot: u32) {
    SLOT.with(|mine| mine.set(slot));
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_thread_keeps_its_slot_and_hands_it_on() {
        let mine = current();
        assert_eq!(mine, current());
        // No two living threads share one, whatever other tests run beside this.
        let barrier = &std::sync::Barrier::new(2);
        let (first, second) = std::thread::scope(|scope| {
            let slot = move || {
                let slot = current();
                barrier.wait();
                slot
            };
            let (a, b) = (scope.spawn(slot), scope.spawn(slot));
            (a.join().unwrap(), b.join().unwrap())
        });
        assert_ne!(first, second);
        assert_ne!(first, mine);
        // Many short threads use few slots.
        let most = (0..1000).map(|_| std::thread::spawn(current).join().unwrap()).max();
        assert!(most < Some(LIMIT), "slots are reused: {most:?}");
    }

    #[test]
    fn a_thread_that_is_ending_shares() {
        struct AtExit(std::sync::mpsc::Sender<u32>);
        impl Drop for AtExit {
            fn drop(&mut self) {
                let _ = self.0.send(current());
            }
        }
        thread_local!(static AT_EXIT: std::cell::RefCell<Option<AtExit>> = const { std::cell::RefCell::new(None) });
        let (sender, receiver) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            // Made before the lease, so it is dropped after it.
            AT_EXIT.with_borrow_mut(|at_exit| *at_exit = Some(AtExit(sender)));
            assert_ne!(current(), SHARED);
        })
        .join()
        .unwrap();
        let seen = receiver.recv().unwrap();
        // The order of destructors is the platform's: either still its own slot, or shared.
        assert!(seen == SHARED || seen <= LIMIT);
    }
}
