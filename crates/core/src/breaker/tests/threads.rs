//! Real threads on one breaker: no count is lost, and no episode admits more than its probes.

use super::rig::{ms, touchy};
use crate::breaker::{Breaker, Control, Permit, Settings, Snapshot, State, Transition, Window};
use crate::trials::FEWER;
use crate::{Outcome, SplitMix64, Timestamp};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// More than this machine has cores, so that threads are interrupted anywhere.
const THREADS: u64 = 6;

fn breaker(settings: Settings) -> Breaker {
    Breaker::new(settings.check().unwrap().into(), Timestamp::ZERO, 5)
}

/// Every change was reported once, and each leads from where the one before led.
fn check_changes(mut changes: Vec<Transition>, last: State) {
    changes.sort_by_key(|change| change.generation);
    let mut state = State::Closed;
    for (change, generation) in changes.iter().zip(1..) {
        assert_eq!((change.from, change.generation), (state, generation));
        state = change.to;
    }
    assert_eq!(state, last);
}

/// What a thread did with its calls, told by itself.
#[derive(Default)]
struct Told {
    passed: u64,
    unrecorded: u64,
    rejected: u64,
    held: Vec<Permit>,
    changes: Vec<Transition>,
}

/// Calls, ends, gives up and commands at random; the clock is shared and only goes on.
fn at_random(breaker: &Breaker, clock: &AtomicU64, seed: u64) -> Told {
    let mut random = SplitMix64::new(seed);
    let mut told = Told::default();
    for _ in 0..20_000 / FEWER {
        let draw = random.next_u64();
        let now = clock.fetch_add(draw >> 44, Ordering::Relaxed); // up to a millisecond
        let now = Timestamp::from_nanos(now);
        let notice = &mut |change| told.changes.push(change);
        let index = (draw >> 8) as usize % told.held.len().max(1);
        match draw % 100 {
            0 => {
                let control = Control::ALL[(draw >> 8) as usize % Control::ALL.len()];
                breaker.control(control, now, notice);
            }
            1..3 => {
                let seen = breaker.snapshot(now);
                assert!(seen.window.failures <= seen.window.calls);
                assert!(seen.window.slow <= seen.window.calls);
            }
            3..55 => match breaker.admit(now, notice) {
                Ok(permit) => {
                    match permit.state() {
                        State::Disabled => told.unrecorded += 1,
                        _ => told.passed += 1,
                    }
                    told.held.push(permit);
                }
                Err(_) => told.rejected += 1,
            },
            _ if told.held.is_empty() => {}
            55..60 => breaker.cancel(told.held.swap_remove(index), now, notice),
            60..65 => {
                let permit = told.held.swap_remove(index);
                told.held.push(breaker.response_started(permit, now, notice));
            }
            _ => {
                let outcomes = [Outcome::Success, Outcome::Failure, Outcome::Ignored];
                let outcome = outcomes[(draw >> 16) as usize % 3];
                breaker.finish(told.held.swap_remove(index), now, outcome, notice);
            }
        }
    }
    told
}

#[test]
fn the_accounts_are_exact_when_many_threads_have_ended() {
    for window in [Window::Calls(10), Window::Time(ms(100))] {
        let breaker = breaker(Settings {
            window: Some(window),
            failure_rate: Some(0.8),
            min_calls: Some(5),
            slow_call: Some(ms(5)),
            slow_call_rate: Some(0.9),
            consecutive_failures: Some(20),
            probes: Some(3),
            ..touchy()
        });
        let clock = AtomicU64::new(0);
        let told: Vec<Told> = std::thread::scope(|scope| {
            let run = |seed| {
                scope.spawn({
                    let (breaker, clock) = (&breaker, &clock);
                    move || at_random(breaker, clock, seed)
                })
            };
            let threads: Vec<_> = (0..THREADS).map(run).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let now = Timestamp::from_nanos(clock.load(Ordering::Relaxed));
        let sum = |of: fn(&Told) -> u64| told.iter().map(of).sum::<u64>();
        let started = sum(|told| told.passed);
        let held = sum(|told| {
            let counted = told.held.iter().filter(|permit| permit.state() != State::Disabled);
            counted.count() as u64
        });
        let seen = breaker.snapshot(now);
        assert_eq!((seen.started, seen.in_flight), (started, held));
        assert_eq!((seen.rejected, seen.unrecorded), (sum(|t| t.rejected), sum(|t| t.unrecorded)));
        let mut changes = Vec::new();
        for mut told in told {
            changes.append(&mut told.changes);
            for permit in told.held {
                breaker.cancel(permit, now, &mut |change| changes.push(change));
            }
        }
        breaker.settle(now, &mut |change| changes.push(change));
        let seen = breaker.snapshot(now);
        assert_eq!((seen.in_flight, ended(&seen)), (0, started));
        let opened = changes.iter().filter(|change| change.to == State::Open).count();
        assert_eq!(seen.opened, opened as u64);
        check_changes(changes, seen.state);
    }
}

fn ended(seen: &Snapshot) -> u64 {
    seen.successes + seen.failures + seen.ignored + seen.late
}

#[test]
fn no_episode_admits_more_than_its_probes() {
    const PROBES: u32 = 3;
    const ROUNDS: u64 = 500 / FEWER as u64;
    let breaker = breaker(Settings { probes: Some(PROBES), ..touchy() });
    let barrier = std::sync::Barrier::new(THREADS as usize);
    let mut now = Timestamp::ZERO;
    breaker.control(Control::ForceOpen, now, &mut |_| {});
    // Each round is one episode: all threads ask at its first instant, nobody comes back, and the
    // lease of a second and the open duration of another lead to the next.
    let rounds: Vec<Timestamp> = (0..ROUNDS)
        .map(|_| {
            now = now + Duration::from_secs(1);
            let asks = now;
            now = now + Duration::from_secs(1);
            asks
        })
        .collect();
    let admitted: Vec<Vec<Option<Permit>>> = std::thread::scope(|scope| {
        let ask = |_| {
            scope.spawn(|| {
                let each = rounds.iter().map(|&now| {
                    barrier.wait();
                    breaker.admit(now, &mut |_| {}).ok()
                });
                each.collect()
            })
        };
        let threads: Vec<_> = (0..THREADS).map(ask).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    for round in 0..rounds.len() {
        let permits: Vec<&Permit> =
            admitted.iter().filter_map(|thread| thread[round].as_ref()).collect();
        assert_eq!(permits.len(), PROBES as usize, "round {round}");
        // Two changes of state between one round and the next.
        assert!(permits.iter().all(|permit| permit.generation() == 2 + 2 * round as u64));
    }
    let seen = breaker.snapshot(now);
    assert_eq!(seen.started, u64::from(PROBES) * ROUNDS);
    assert_eq!(seen.rejected, (THREADS - u64::from(PROBES)) * ROUNDS);
    assert_eq!((seen.opened, seen.leases_expired), (ROUNDS + 1, ROUNDS));
}

#[test]
fn a_window_by_calls_is_exact_when_its_threads_have_ended() {
    const EACH: u64 = 1000 / FEWER as u64;
    // Far more recorders than places, so that they overtake each other by whole rounds.
    let breaker = breaker(Settings {
        window: Some(Window::Calls(2)),
        consecutive_failures: Some(1_000_000),
        slow_call: Some(ms(1)),
        ..touchy()
    });
    for round in 0..20_u64 {
        std::thread::scope(|scope| {
            for thread in 0..THREADS {
                let breaker = &breaker;
                scope.spawn(move || {
                    let mut random = SplitMix64::new(round * THREADS + thread);
                    for _ in 0..EACH {
                        let draw = random.next_u64();
                        let permit = breaker.admit_closed(Timestamp::ZERO).unwrap();
                        let outcome = [Outcome::Success, Outcome::Failure][(draw & 1) as usize];
                        let took = Timestamp::ZERO + ms(draw >> 1 & 3);
                        breaker.finish(permit, took, outcome, &mut |_| {});
                    }
                });
            }
        });
        let before = breaker.snapshot(Timestamp::ZERO).window;
        assert!(before.calls == 2 && before.failures <= 2 && before.slow <= 2, "{before:?}");
        // Nothing that is not there remains in the sums.
        for _ in 0..2 {
            let permit = breaker.admit_closed(Timestamp::ZERO).unwrap();
            breaker.finish(permit, Timestamp::ZERO, Outcome::Success, &mut |_| {});
        }
        let after = breaker.snapshot(Timestamp::ZERO).window;
        assert_eq!((after.calls, after.failures, after.slow), (2, 0, 0), "round {round}");
    }
    let seen = breaker.snapshot(Timestamp::ZERO);
    assert_eq!(seen.successes + seen.failures, 20 * (THREADS * EACH + 2));
}

#[test]
fn a_window_by_time_holds_what_all_threads_have_recorded() {
    let breaker = breaker(Settings {
        window: Some(Window::Time(ms(100))),
        consecutive_failures: Some(1_000_000),
        ..touchy()
    });
    // Each thread records in every bucket from 0 to 19; the last ten are in the window. All have a
    // cell of their own before one ends: in the cell of another the clock would run back.
    let barrier = std::sync::Barrier::new(THREADS as usize);
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (breaker, barrier) = (&breaker, &barrier);
            scope.spawn(move || {
                crate::slot::current();
                barrier.wait();
                for bucket in 0..20 {
                    let now = Timestamp::ZERO + ms(10 * bucket + thread);
                    for call in 0..=bucket {
                        let permit = breaker.admit_closed(now).unwrap();
                        let outcomes = [Outcome::Failure, Outcome::Success];
                        breaker.finish(permit, now, outcomes[(call % 2) as usize], &mut |_| {});
                    }
                }
            });
        }
    });
    let seen = breaker.snapshot(Timestamp::ZERO + ms(199)).window;
    // In bucket b there are b + 1 calls of each thread: 11 + 12 + .. + 20 = 155; of n calls half
    // have failed, rounded up: 6 + 6 + 7 + 7 + 8 + 8 + 9 + 9 + 10 + 10 = 80.
    assert_eq!((seen.calls, seen.failures), (155 * THREADS, 80 * THREADS));
}
