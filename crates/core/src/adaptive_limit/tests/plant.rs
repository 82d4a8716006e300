//! A service of some workers with a queue, and calls that come whether it can work on them or not.

use crate::adaptive_limit::{AdaptiveLimit, Algorithm, Sample, Settings, Slot};
use crate::{SplitMix64, Timestamp};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::time::Duration;

const SECOND: u64 = 1_000_000_000;
/// An answer later than this is of no use to anybody.
const USEFUL: u64 = SECOND / 2;

struct Plant {
    limit: AdaptiveLimit,
    random: SplitMix64,
    workers: u64,
    /// Mean service time, and how much longer it takes at a time.
    service: u64,
    slowness: fn(u64) -> f64,
    /// When each worker is free.
    free: BinaryHeap<Reverse<u64>>,
    /// Calls by the time of their end (and a number, for those that end together).
    running: BTreeMap<(u64, u64), (u64, Slot)>,
    calls: u64,
}

/// What happened in one second.
#[derive(Clone, Copy, Debug, Default)]
struct Second {
    useful: u64,
    ended: u64,
    limit: u32,
    highest: u32,
}

impl Plant {
    fn new(settings: Settings, workers: u64, service: u64, slowness: fn(u64) -> f64) -> Self {
        Self {
            limit: AdaptiveLimit::new(settings.check().unwrap(), Timestamp::ZERO),
            random: SplitMix64::new(1),
            workers,
            service,
            slowness,
            free: (0..workers).map(|_| Reverse(0)).collect(),
            running: BTreeMap::new(),
            calls: 0,
        }
    }

    fn exponential(&mut self, mean: f64) -> u64 {
        (-mean * (1.0 - self.random.next_unit()).ln()) as u64
    }

    /// `load`: of what the workers can do.
    fn run(&mut self, load: f64, seconds: u64) -> Vec<Second> {
        let mut all = vec![Second::default(); seconds as usize];
        let mean_gap = self.service as f64 / self.workers as f64 / load;
        let mut now = 0;
        while now < seconds * SECOND {
            now += self.exponential(mean_gap);
            self.end_calls(now, &mut all);
            self.call(now);
        }
        all
    }

    fn end_calls(&mut self, now: u64, all: &mut [Second]) {
        while let Some(entry) = self.running.first_entry().filter(|entry| entry.key().0 <= now) {
            let (end, (begun, slot)) = (entry.key().0, entry.remove());
            let took = Duration::from_nanos(end - begun);
            self.limit.release(Timestamp::from_nanos(end), slot, Sample::Took(took));
            if let Some(second) = all.get_mut((end / SECOND) as usize) {
                second.ended += 1;
                second.useful += u64::from(end - begun <= USEFUL);
                second.limit = self.limit.limit();
                second.highest = second.highest.max(second.limit);
            }
        }
    }

    fn call(&mut self, now: u64) {
        let Some(slot) = self.limit.try_acquire() else { return };
        let Reverse(free) = self.free.pop().unwrap();
        let start = free.max(now);
        let mean = self.service as f64 * (self.slowness)(start);
        let end = start + self.exponential(mean);
        self.free.push(Reverse(end));
        self.calls += 1;
        self.running.insert((end, self.calls), (now, slot));
    }

    /// Calls per second that the workers can do.
    fn capacity(&self) -> f64 {
        self.workers as f64 * SECOND as f64 / self.service as f64
    }
}

fn of(algorithm: Algorithm) -> Settings {
    Settings { algorithm, ..Settings::default() }
}

fn steady(_: u64) -> f64 {
    1.0
}

/// Twenty times as slow for a minute, from one minute on.
fn slow_minute(now: u64) -> f64 {
    if (60..120).contains(&(now / SECOND)) { 20.0 } else { 1.0 }
}

/// Three times as slow for ever, from one minute on.
fn slow_for_good(now: u64) -> f64 {
    if now / SECOND >= 60 { 3.0 } else { 1.0 }
}

fn useful(seconds: &[Second]) -> f64 {
    seconds.iter().map(|second| second.useful).sum::<u64>() as f64 / seconds.len() as f64
}

fn highest(seconds: &[Second]) -> u32 {
    seconds.iter().map(|second| second.highest).max().unwrap()
}

#[test]
#[cfg_attr(miri, ignore = "minutes of a service")]
fn vegas_keeps_an_overloaded_service_busy_and_its_queue_short() {
    for (workers, millis, most) in [(10, 10, 40), (4, 10, 40), (100, 20, 150)] {
        let mut plant = Plant::new(of(Algorithm::Vegas), workers, millis * 1_000_000, steady);
        let seconds = plant.run(1.5, 600);
        let share = useful(&seconds[10..]) / plant.capacity();
        let highest = highest(&seconds);
        println!("vegas, {workers} workers: {share:.3} of capacity, limit at most {highest}");
        assert!(share > 0.9, "{workers} workers: {share}");
        assert!(highest <= most, "{workers} workers: {highest}");
    }
}

#[test]
#[cfg_attr(miri, ignore = "minutes of a service")]
fn vegas_recovers_from_a_slow_minute_within_five_seconds() {
    let mut plant = Plant::new(of(Algorithm::Vegas), 10, 10_000_000, slow_minute);
    let seconds = plant.run(1.5, 240);
    let good = |second: &Second| second.useful as f64 >= 0.9 * plant.capacity();
    let after = seconds[120..].windows(3).position(|three| three.iter().all(good)).unwrap();
    let during = useful(&seconds[70..120]) / (plant.capacity() / 20.0);
    println!("vegas: {during:.2} of capacity while slow, recovered after {after} s");
    assert!(after <= 5, "{after}: {:?}", &seconds[115..140]);
    assert!(useful(&seconds[126..]) > 0.9 * plant.capacity());
    assert!(highest(&seconds) <= 80, "{}", highest(&seconds));
}

#[test]
#[cfg_attr(miri, ignore = "minutes of a service")]
fn vegas_learns_that_a_service_has_become_slower_for_good() {
    let mut plant = Plant::new(of(Algorithm::Vegas), 50, 10_000_000, slow_for_good);
    let seconds = plant.run(1.5, 400);
    let now = plant.capacity() / 3.0;
    let share = useful(&seconds[180..]) / now;
    println!("vegas: {share:.3} of the lower capacity");
    assert!(share > 0.9, "{share}");
}

/// Without the guard the limit has grown to 645 by then, and grows on; answers come too late.
#[test]
#[cfg_attr(miri, ignore = "minutes of a service")]
fn gradient2_does_not_run_away_in_half_an_hour_of_overload() {
    let mut plant = Plant::new(of(Algorithm::Gradient2), 10, 10_000_000, steady);
    let seconds = plant.run(1.5, 1800);
    let share = useful(&seconds[10..]) / plant.capacity();
    let highest = highest(&seconds);
    println!("gradient2: {share:.3} of capacity, limit at most {highest}");
    assert!(share > 0.9, "{share}");
    assert!(highest <= 60, "{highest}");
}

#[test]
#[cfg_attr(miri, ignore = "minutes of a service")]
fn gradient2_learns_that_a_service_has_become_slower_for_good() {
    let mut plant = Plant::new(of(Algorithm::Gradient2), 50, 10_000_000, slow_for_good);
    let seconds = plant.run(1.5, 600);
    let share = useful(&seconds[300..]) / (plant.capacity() / 3.0);
    println!("gradient2: {share:.3} of the lower capacity");
    assert!(share > 0.9, "{share}");
}

#[test]
#[cfg_attr(miri, ignore = "minutes of a service")]
fn aimd_with_a_timeout_keeps_to_it() {
    let timeout = Some(Duration::from_millis(100));
    let mut plant = Plant::new(Settings { timeout, ..of(Algorithm::Aimd) }, 10, 10_000_000, steady);
    let seconds = plant.run(1.5, 300);
    let share = useful(&seconds[10..]) / plant.capacity();
    println!("aimd: {share:.3} of capacity, limit at most {}", highest(&seconds));
    assert!(share > 0.9, "{share}");
    assert!(highest(&seconds) <= 150);
}

#[test]
#[cfg_attr(miri, ignore = "minutes of a service")]
fn a_limit_that_nobody_needs_does_not_grow() {
    for algorithm in [Algorithm::Vegas, Algorithm::Aimd, Algorithm::Gradient2] {
        // About half a worker is busy.
        let mut plant = Plant::new(of(algorithm), 50, 10_000_000, steady);
        let seconds = plant.run(0.01, 120);
        assert_eq!(highest(&seconds), 20, "{algorithm:?}");
    }
}
