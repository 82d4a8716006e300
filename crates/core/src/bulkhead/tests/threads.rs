//! Threads that enter, wait, give up and leave at random: no slot is lost, and none is doubled.

use super::*;
use crate::SplitMix64;
use crate::bulkhead::Order;
use crate::trials::FEWER;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// More than this machine has cores, so that threads are interrupted anywhere.
const THREADS: u64 = 4;
const LIMIT: u32 = 3;

/// What threads share: the bulkhead, a clock that goes on by itself, and how many calls really run.
struct Shared {
    bulkhead: Bulkhead,
    clock: AtomicU64,
    running: AtomicU32,
    admitted: AtomicU64,
}

impl Shared {
    fn now(&self) -> Timestamp {
        Timestamp::from_nanos(self.clock.fetch_add(1000, Ordering::Relaxed))
    }

    fn runs(&self) {
        let before = self.running.fetch_add(1, Ordering::SeqCst);
        assert!(before < LIMIT, "{before} ran already");
        self.admitted.fetch_add(1, Ordering::Relaxed);
    }

    fn leaves(&self) {
        self.running.fetch_sub(1, Ordering::SeqCst);
        self.bulkhead.leave(self.now());
    }

    fn at_random(&self, seed: u64, operations: u32) {
        let mut random = SplitMix64::new(seed);
        let mut waiting: Vec<Waits> = Vec::new();
        let mut running = 0;
        for _ in 0..operations {
            let draw = random.next_u64();
            let index = (draw >> 32) as usize % waiting.len().max(1);
            match draw % 8 {
                0..3 => {
                    match self.bulkhead.enter(self.now(), (draw >> 8 & 7) as u8, Timestamp::NEVER) {
                        Entered::Admitted => {
                            self.runs();
                            running += 1;
                        }
                        Entered::Queued(ticket) => {
                            let bell = Bell::new();
                            self.bulkhead.listen(&ticket, &bell.clone().into());
                            waiting.push(Waits { ticket, bell });
                        }
                        Entered::Full => {}
                    }
                }
                3..5 if running > 0 => {
                    self.leaves();
                    running -= 1;
                }
                5 if !waiting.is_empty() => {
                    let waits = waiting.swap_remove(index);
                    self.bulkhead.give_up(waits.ticket, self.now());
                    assert!(waits.bell.rung() <= 1);
                }
                _ if !waiting.is_empty() => {
                    let waits = waiting.swap_remove(index);
                    let bell = waits.bell.clone();
                    match waits.look(&self.bulkhead, self.now()) {
                        Seen::Pending(waits) => waiting.push(waits),
                        Seen::Admitted(_) => {
                            self.runs();
                            running += 1;
                        }
                        Seen::TimedOut | Seen::Evicted => {}
                    }
                    assert!(bell.rung() <= 1);
                }
                _ => {}
            }
        }
        waiting.into_iter().for_each(|waits| self.bulkhead.give_up(waits.ticket, self.now()));
        (0..running).for_each(|_| self.leaves());
    }
}

#[test]
fn no_slot_is_lost_in_a_million_operations() {
    const EACH: u32 = 500_000 / THREADS as u32 / FEWER;
    const SOME: u64 = 100 / FEWER as u64;
    for order in [Order::Fifo, Order::AdaptiveLifo] {
        let settings = Settings {
            queue: 4,
            queue_timeout: Duration::from_micros(60),
            order,
            target: Duration::from_micros(10),
            interval: Duration::from_micros(30),
            ..Settings::new(LIMIT)
        };
        let shared = Shared {
            bulkhead: bulkhead(settings),
            clock: AtomicU64::new(0),
            running: AtomicU32::new(0),
            admitted: AtomicU64::new(0),
        };
        std::thread::scope(|scope| {
            for seed in 0..THREADS {
                let shared = &shared;
                scope.spawn(move || shared.at_random(seed, EACH));
            }
        });
        let seen = shared.bulkhead.snapshot();
        assert_eq!((seen.in_flight, seen.queued), (0, 0));
        // The trace went everywhere.
        assert!(seen.full > SOME && seen.timed_out > SOME && seen.evicted > SOME, "{seen:?}");
        assert!(shared.admitted.into_inner() > 10 * SOME);
        // And all slots are there.
        assert!((0..LIMIT).all(|_| shared.bulkhead.try_enter()) && !shared.bulkhead.try_enter());
    }
}
