//! A service behind a bulkhead with a queue, and tasks that need several calls of it.

use crate::shed::{Settings, Shed};
use crate::{SplitMix64, Timestamp};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

const SECOND: u64 = 1_000_000_000;
const WORKERS: usize = 10;
/// Mean service time: 1,000 calls per second can be done.
const SERVICE: f64 = 10_000_000.0;
const QUEUE: usize = 100;
/// How many calls a task makes, one after the other. It fails with the first that does.
const CALLS: u32 = 4;

#[derive(Clone, Copy, Debug)]
struct Task {
    urgency: u8,
    user: u64,
    done: u32,
}

#[derive(Clone, Copy, Debug)]
enum Event {
    NewTask,
    /// Its call has ended.
    Ended(Task),
}

struct Plant {
    shed: Shed,
    random: SplitMix64,
    /// Whether each call has a cohort of its own, as with random shedding.
    scattered: bool,
    urgencies: &'static [u8],
    events: BTreeMap<(u64, u64), Event>,
    numbers: u64,
    working: usize,
    queue: VecDeque<(u64, Task)>,
    /// Begun and done, by urgency.
    begun: [u64; 8],
    done: [u64; 8],
    worked: u64,
}

impl Plant {
    fn new(urgencies: &'static [u8], scattered: bool) -> Self {
        Self {
            shed: Shed::new(Settings::default(), Timestamp::ZERO),
            random: SplitMix64::new(3),
            scattered,
            urgencies,
            events: BTreeMap::new(),
            numbers: 0,
            working: 0,
            queue: VecDeque::new(),
            begun: [0; 8],
            done: [0; 8],
            worked: 0,
        }
    }

    fn after(&mut self, now: u64, mean: f64, event: Event) {
        let wait = (-mean * (1.0 - self.random.next_unit()).ln()) as u64;
        self.numbers += 1;
        self.events.insert((now + wait, self.numbers), event);
    }

    /// Runs to this time with so many tasks per second, and counts anew.
    fn run(&mut self, until: u64, per_second: f64) -> &Self {
        (self.begun, self.done, self.worked) = Default::default();
        let gap = SECOND as f64 / per_second;
        let now = self.events.keys().next().map_or(0, |key| key.0);
        self.events.retain(|_, event| !matches!(event, Event::NewTask));
        self.after(now, gap, Event::NewTask);
        while let Some(((now, _), event)) = self.events.pop_first() {
            match event {
                Event::NewTask => {
                    let one = self.random.next_u64() as usize % self.urgencies.len();
                    let user = self.random.next_u64() % 10_000;
                    let task = Task { urgency: self.urgencies[one], user, done: 0 };
                    self.begun[usize::from(task.urgency)] += 1;
                    self.after(now, gap, Event::NewTask);
                    self.call(now, task);
                }
                Event::Ended(task) => {
                    self.working -= 1;
                    self.worked += 1;
                    if let Some((came, next)) = self.queue.pop_front() {
                        self.work(now, came, next);
                    }
                    let task = Task { done: task.done + 1, ..task };
                    if task.done == CALLS {
                        self.done[usize::from(task.urgency)] += 1;
                    } else {
                        self.call(now, task);
                    }
                }
            }
            if now >= until {
                break;
            }
        }
        self
    }

    fn call(&mut self, now: u64, task: Task) {
        let cohort = if self.scattered { self.random.next_u64() } else { task.user };
        if !self.shed.admit(Timestamp::from_nanos(now), task.urgency, cohort) {
            return;
        }
        if self.working < WORKERS {
            self.work(now, now, task);
        } else if self.queue.len() < QUEUE {
            self.queue.push_back((now, task));
        }
    }

    fn work(&mut self, now: u64, came: u64, task: Task) {
        self.shed.waited(Timestamp::from_nanos(now), Duration::from_nanos(now - came));
        self.working += 1;
        self.after(now, SERVICE, Event::Ended(task));
    }

    fn succeeded(&self, urgency: usize) -> f64 {
        self.done[urgency] as f64 / self.begun[urgency] as f64
    }
}

/// 500 tasks of 4 calls per second are twice what can be done: half of them at best.
#[test]
#[cfg_attr(miri, ignore = "minutes of a service")]
fn calls_of_one_task_are_shed_together() {
    let mut together = Plant::new(&[3], false);
    together.run(5 * SECOND, 500.0);
    let consistent = together.run(60 * SECOND, 500.0).succeeded(3);
    let mut apart = Plant::new(&[3], true);
    apart.run(5 * SECOND, 500.0);
    let random = apart.run(60 * SECOND, 500.0).succeeded(3);
    println!(
        "tasks of four calls at twice the capacity: {consistent:.2} by user, {random:.2} at random"
    );
    assert!(consistent > 0.4, "{consistent}");
    assert!(random < 0.6 * consistent, "{random}");
}

#[test]
#[cfg_attr(miri, ignore = "minutes of a service")]
fn the_least_important_go_first() {
    let mut plant = Plant::new(&[0, 3, 5, 7], false);
    plant.run(5 * SECOND, 500.0);
    plant.run(60 * SECOND, 500.0);
    let shares = [0, 3, 5, 7].map(|urgency| plant.succeeded(urgency));
    let busy = plant.worked as f64 / 55_000.0;
    println!("of urgencies 0, 3, 5, 7: {shares:.2?}; {busy:.2} of the capacity used");
    assert!(shares[0] > 0.99 && shares[1] > 0.7 && shares[3] < 0.05, "{shares:?}");
    assert!(busy > 0.85, "{busy}");
    let snapshot = plant.shed.snapshot(Timestamp::from_nanos(60 * SECOND));
    assert_eq!(snapshot.rejected[0], 0);
}

#[test]
#[cfg_attr(miri, ignore = "minutes of a service")]
fn all_is_admitted_again_when_the_overload_is_over() {
    let mut plant = Plant::new(&[3, 7], false);
    plant.run(20 * SECOND, 1000.0);
    let at = |seconds| Timestamp::from_nanos(seconds * SECOND);
    assert!(plant.shed.level(at(20)) < 900);
    plant.run(50 * SECOND, 100.0);
    assert_eq!(plant.shed.level(at(50)), 1024);
    plant.run(80 * SECOND, 100.0);
    assert!(plant.succeeded(3) > 0.99 && plant.succeeded(7) > 0.99);
}

#[test]
#[cfg_attr(miri, ignore = "minutes of a service")]
fn below_the_capacity_next_to_nothing_is_shed() {
    // Tasks per second: 60 and 80 % of it. At 80 % calls wait for each other now and then.
    for (per_second, at_most) in [(150.0, 0), (200.0, 240)] {
        let mut plant = Plant::new(&[3, 7], false);
        plant.run(60 * SECOND, per_second);
        let snapshot = plant.shed.snapshot(Timestamp::from_nanos(60 * SECOND));
        let rejected: u64 = snapshot.rejected.iter().sum();
        println!("{per_second} tasks per second: {rejected} calls shed in a minute");
        assert!(rejected <= at_most, "{rejected}");
    }
}
