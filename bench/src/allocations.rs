//! Counts allocations.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering};

/// The system's allocator with counters.
///
/// They are loaded and stored rather than added to, so that counting costs the candidates that allocate
/// next to nothing. Of two threads that count at once one may be overlooked: only what one thread does
/// is counted with them.
pub struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
static ALLOCATED: AtomicU64 = AtomicU64::new(0);
static FREED: AtomicU64 = AtomicU64::new(0);

/// What has been allocated since the process began.
#[derive(Clone, Copy)]
pub struct Allocated {
    pub allocations: u64,
    pub bytes: u64,
    /// What has not been given back.
    pub live: i64,
}

/// What has been allocated so far.
pub fn so_far() -> Allocated {
    let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let bytes = read(&ALLOCATED);
    Allocated { allocations: read(&ALLOCATIONS), bytes, live: bytes as i64 - read(&FREED) as i64 }
}

fn add(counter: &AtomicU64, many: usize) {
    counter.store(counter.load(Ordering::Relaxed) + many as u64, Ordering::Relaxed);
}

// SAFETY: every call is handed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        add(&ALLOCATIONS, 1);
        add(&ALLOCATED, layout.size());
        // SAFETY: as the caller promised.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        add(&FREED, layout.size());
        // SAFETY: as the caller promised.
        unsafe { System.dealloc(pointer, layout) }
    }
}
