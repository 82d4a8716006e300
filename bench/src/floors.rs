//! What the machine cannot do faster, and what the candidates are made of.

use crate::case::{Case, Group, succeeds, waker};
use breakerbox_core::Timestamp;
use std::hint::black_box;
use std::pin::pin;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

pub const XADD: &str = "atomic add (lock xadd)";
pub const COARSE: &str = "coarse monotonic clock";
pub const TIMER: &str = "a tokio timer made and polled";
pub const STACK: &str = "4 atomic adds + 2 coarse clocks";

/// The coarse monotonic clock.
#[inline(always)]
pub fn coarse() -> Timestamp {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::MonotonicCoarse);
    Timestamp::from_nanos(time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64)
}

pub fn group() -> Group {
    let (added, swapped) = (AtomicU64::new(0), AtomicU64::new(0));
    let adds = [const { AtomicU64::new(0) }; 4];
    let mutex = Mutex::new(0_u64);
    let (semaphore, awaited) = (Semaphore::new(64), Semaphore::new(64));
    let waker = waker();
    let cases = vec![
        Case::each(XADD, move || {
            added.fetch_add(1, Ordering::Relaxed);
            true
        }),
        Case::each("compare and swap", move || {
            let now = swapped.load(Ordering::Relaxed);
            let (to, order) = (now + 1, Ordering::Relaxed);
            swapped.compare_exchange(now, to, order, order).is_ok()
        }),
        Case::each(COARSE, || coarse() > Timestamp::ZERO),
        Case::each("std Instant::now", || {
            black_box(Instant::now());
            true
        }),
        Case::each("tokio Instant::now", || {
            black_box(tokio::time::Instant::now());
            true
        }),
        Case::each("std mutex", move || {
            mutex.lock().is_ok_and(|mut count| {
                *count += 1;
                true
            })
        }),
        Case::each("an allocation of 64 bytes", || {
            black_box(Box::new([0_u64; 8]));
            true
        }),
        Case::each("tokio semaphore, try_acquire", move || semaphore.try_acquire().is_ok()),
        Case::each("tokio semaphore, acquire", move || succeeds(waker, awaited.acquire())),
        Case::each(TIMER, move || {
            let mut context = Context::from_waker(waker);
            let timer = pin!(tokio::time::sleep(Duration::from_secs(3)));
            timer.poll(&mut context) == Poll::Pending
        }),
        Case::each(STACK, move || {
            for add in &adds {
                add.fetch_add(1, Ordering::Relaxed);
            }
            black_box((coarse(), coarse()));
            true
        }),
    ];
    Group { title: "floors of this machine", cases }
}
