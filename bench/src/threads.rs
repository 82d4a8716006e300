//! Two threads on one breaker.

use crate::candidates::{coarse, core};
use crate::rounds::median;
use breakerbox_core::breaker::{Breaker, Settings};
use breakerbox_core::{Outcome, Timestamp};
use std::hint::black_box;
use std::sync::Barrier;
use std::time::Instant;

const CALLS: u64 = 1_000_000;
const ROUNDS: usize = 15;

/// Prints each candidate with one thread and with two on the same breaker.
pub fn print() {
    println!("{:<52} {:>9} {:>9} {:>8}", "threads on one breaker", "one", "two", "ratio");
    let ours = core(Settings::default());
    row("core: closed, window by time", || good(&ours));
    let recloser = recloser::Recloser::default();
    row("recloser: closed", || {
        let _ = black_box(recloser.call(|| Ok::<_, ()>(black_box(1))));
    });
    println!("\nan idle breaker: {} bytes", size_of::<Breaker>());
}

fn good(breaker: &Breaker) {
    let permit = breaker.admit_closed(Timestamp::ZERO).expect("it is closed");
    breaker.finish(permit, coarse(), Outcome::Success, &mut |_| {});
}

fn row(name: &str, call: impl Fn() + Sync) {
    let (mut one, mut two) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        one.push(nanos(1, &call));
        two.push(nanos(2, &call));
    }
    let (one, two) = (median(&mut one), median(&mut two));
    println!("{name:<52} {one:>9.2} {two:>9.2} {:>8.2}", two / one);
}

/// Nanoseconds of a call, as the slowest thread has them.
fn nanos(threads: usize, call: &(impl Fn() + Sync)) -> f64 {
    let barrier = Barrier::new(threads);
    std::thread::scope(|scope| {
        let run = || {
            barrier.wait();
            let start = Instant::now();
            (0..CALLS).for_each(|_| call());
            start.elapsed().as_nanos() as f64 / CALLS as f64
        };
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
        running.into_iter().filter_map(|thread| thread.join().ok()).fold(0.0, f64::max)
    })
}
