//! Load shedding: when calls wait too long, the least important ones are rejected first, and of those
//! that are equally important always the same.
//!
//! A priority is an urgency, 0 to 7 as in the header `Priority` of RFC 9218, and within it one of 128
//! cohorts, by a hash of a key such as the user: 1,024 in all. Those below a level pass. Once per
//! interval the level is judged anew, by the first call that comes after it.

mod control;
mod settings;
#[cfg(test)]
mod tests;

pub use settings::{
    DEFAULT_URGENCY, LEAST_URGENT, MAX_CLASSES, MAX_INTERVAL, MIN_INTERVAL, Settings,
};

use crate::first::try_lock;
use crate::sync::{AtomicU64, Mutex, Ordering, lock};
use crate::time::nanos;
use crate::{SplitMix64, Timestamp};
use control::{COHORTS, Control, LEVELS, Seen, URGENCIES};
use std::time::Duration;

/// No call has said yet how long it waited.
const UNHEARD: u64 = u64::MAX;

/// Sheds load by priority.
///
/// Questions on which others differ, and the answers here:
///
/// - *What is overload?* That in a whole interval no call waited for less than `target` in the queue
///   of the bulkhead. A burst that the queue is there for leaves some call unhindered.
/// - *Who is rejected?* The least important urgency first, and within it whole cohorts: a task that
///   takes four calls gets all of them or none. With random rejection of every second call, one task
///   in sixteen would succeed.
/// - *Who is never rejected?* Urgency 0.
/// - *How does it end?* By time. Each interval that is not overloaded admits at least one more priority,
///   and 16 more where nothing comes. An interval in which no call said how long it waited leaves all
///   as it is, once (ten times in a row, if calls were admitted); then it is not overloaded. From the
///   lowest level everything is admitted again after at most 907 intervals (91 s with the default),
///   whatever comes, and after at most 57 (6 s) if nothing does.
///
/// Its size is fixed: 24 KiB.
///
/// ```
/// use breakerbox_core::Timestamp;
/// use breakerbox_core::shed::{Settings, Shed};
/// use std::time::Duration;
///
/// let at = |millis| Timestamp::ZERO + Duration::from_millis(millis);
/// let shed = Shed::new(Settings::default(), at(0));
/// for user in 0..1000 {
///     assert!(shed.admit(at(0), 3, user));
///     assert!(shed.admit(at(0), 7, user));
/// }
/// // Nobody waited for less than 20 ms.
/// shed.waited(at(99), Duration::from_millis(20));
/// assert!(shed.share(at(100)) <= 0.95, "one in twenty is too many");
/// let passed = |urgency| (0..1000).filter(|user| shed.admit(at(100), urgency, *user)).count();
/// assert_eq!(passed(3), 1000);
/// assert!(passed(7) < 910);
/// ```
#[derive(Debug)]
pub struct Shed {
    /// So many priorities are admitted.
    level: AtomicU64,
    /// When the current interval ends.
    end: AtomicU64,
    /// The shortest wait of the current interval, in nanoseconds.
    shortest_wait: AtomicU64,
    /// How many calls of each priority have ever come.
    arrived: Box<[AtomicU64]>,
    /// How many of each urgency were rejected.
    rejected: [AtomicU64; URGENCIES],
    interval: u64,
    machine: Mutex<Machine>,
}

/// What there is to see of load shedding at one moment.
///
/// ```
/// use breakerbox_core::Timestamp;
/// use breakerbox_core::shed::{Settings, Shed};
///
/// let shed = Shed::new(Settings::default(), Timestamp::ZERO);
/// assert!(shed.admit(Timestamp::ZERO, 3, 7));
/// let seen = shed.snapshot(Timestamp::ZERO);
/// assert_eq!((seen.level, seen.overloaded), (1024, false));
/// assert_eq!((seen.admitted[3], seen.rejected[3]), (1, 0));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Snapshot {
    /// How many of the 1,024 priorities are admitted: 128 (only urgency 0) to 1,024 (everything).
    pub level: u32,
    /// Which part of the calls of about the last ten intervals this level admits.
    pub share: f64,
    /// Whether calls wait too long.
    pub overloaded: bool,
    /// How many calls of each urgency were admitted, ever.
    pub admitted: [u64; 8],
    /// How many of each were rejected, ever.
    pub rejected: [u64; 8],
}

#[derive(Clone, Debug)]
struct Machine {
    control: Control,
    /// The number of the current interval, counted from the clock's origin.
    current: u64,
    /// What the counts were when it began.
    arrived: Box<[u64]>,
    rejected: u64,
}

impl Shed {
    /// Admits everything, at first. The settings have passed [`Settings::check`].
    pub fn new(settings: Settings, now: Timestamp) -> Self {
        let interval = nanos(settings.interval).max(1);
        let current = now.as_nanos() / interval;
        Self {
            level: AtomicU64::new(LEVELS as u64),
            end: AtomicU64::new(end_of(current, interval)),
            shortest_wait: AtomicU64::new(UNHEARD),
            arrived: (0..LEVELS).map(|_| AtomicU64::new(0)).collect(),
            rejected: std::array::from_fn(|_| AtomicU64::new(0)),
            interval,
            machine: Mutex::new(Machine {
                control: Control::new(nanos(settings.target)),
                current,
                arrived: vec![0; LEVELS].into_boxed_slice(),
                rejected: 0,
            }),
        }
    }

    /// Asks to run a call. `urgency` is 0 (most important) to 7; `cohort` is a hash of what belongs
    /// together, the same for all calls of a task. Hashes need not be good ones: it is mixed here.
    #[inline]
    pub fn admit(&self, now: Timestamp, urgency: u8, cohort: u64) -> bool {
        self.turn(now);
        let urgency = usize::from(urgency.min(LEAST_URGENT));
        let cohort = SplitMix64::new(cohort).next_u64() as usize % COHORTS;
        let priority = urgency * COHORTS + cohort;
        let admitted = (priority as u64) < self.level.load(Ordering::Relaxed);
        if !admitted {
            // Before its arrival: nobody sees more admitted than were.
            self.rejected[urgency].fetch_add(1, Ordering::Relaxed);
        }
        self.arrived[priority].fetch_add(1, Ordering::Release);
        admitted
    }

    /// A call has left the queue after so long; zero if it did not wait. One that gave up, because the
    /// queue's timeout or its deadline came, has waited too.
    #[inline]
    pub fn waited(&self, now: Timestamp, wait: Duration) {
        self.turn(now);
        let wait = nanos(wait).min(UNHEARD - 1);
        if wait < self.shortest_wait.load(Ordering::Relaxed) {
            // Fails where another thread has reported a shorter one.
            let _ =
                self.shortest_wait.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |shortest| {
                    (wait < shortest).then_some(wait)
                });
        }
    }

    /// How many of the 1,024 priorities are admitted, derived from the time. Changes nothing.
    pub fn level(&self, now: Timestamp) -> u32 {
        self.at(now).control.level() as u32
    }

    /// Which part of what came lately is admitted, derived from the time. Changes nothing.
    pub fn share(&self, now: Timestamp) -> f64 {
        self.at(now).control.share()
    }

    /// Everything there is to see. Changes nothing.
    pub fn snapshot(&self, now: Timestamp) -> Snapshot {
        let Machine { control, .. } = self.at(now);
        let arrived: [u64; URGENCIES] = std::array::from_fn(|urgency| {
            let cohorts = &self.arrived[urgency * COHORTS..(urgency + 1) * COHORTS];
            cohorts.iter().map(|count| count.load(Ordering::Acquire)).sum()
        });
        let rejected: [u64; URGENCIES] =
            std::array::from_fn(|urgency| self.rejected[urgency].load(Ordering::Relaxed));
        Snapshot {
            level: control.level() as u32,
            share: control.share(),
            overloaded: control.is_overloaded(),
            admitted: std::array::from_fn(|urgency| {
                arrived[urgency].saturating_sub(rejected[urgency])
            }),
            rejected,
        }
    }

    /// Ends the interval where its time is over.
    #[inline(always)]
    fn turn(&self, now: Timestamp) {
        if now.as_nanos() >= self.end.load(Ordering::Relaxed) {
            self.turn_on(now);
        }
    }

    #[cold]
    fn turn_on(&self, now: Timestamp) {
        let Some(mut machine) = try_lock(&self.machine) else { return };
        if now.as_nanos() / self.interval <= machine.current {
            return;
        }
        let wait = self.shortest_wait.load(Ordering::Relaxed);
        // A wait that is reported just now may be missing from the next interval.
        self.shortest_wait.store(UNHEARD, Ordering::Relaxed);
        self.advance(&mut machine, now, wait);
        self.level.store(machine.control.level() as u64, Ordering::Relaxed);
        self.end.store(end_of(machine.current, self.interval), Ordering::Relaxed);
    }

    /// Brings the machine to the interval of `now`, which is a later one.
    fn advance(&self, machine: &mut Machine, now: Timestamp, wait: u64) {
        let passed = (now.as_nanos() / self.interval) - machine.current;
        machine.current += passed;
        let rejected = self.rejected.iter().map(|count| count.load(Ordering::Relaxed)).sum();
        let shed = rejected - machine.rejected;
        machine.rejected = rejected;
        let counts = self.arrived.iter().zip(&machine.arrived);
        let arrived = counts.map(|(count, before)| count.load(Ordering::Relaxed) - before).sum();
        let seen = Seen {
            wait: Some(wait).filter(|wait| *wait != UNHEARD),
            arrived,
            admitted: arrived.saturating_sub(shed),
        };
        machine.control.interval(seen, |priority| {
            let count = self.arrived[priority].load(Ordering::Relaxed);
            count - std::mem::replace(&mut machine.arrived[priority], count)
        });
        machine.control.silence(passed - 1);
    }

    /// The machine as it is at `now`, on a copy.
    fn at(&self, now: Timestamp) -> Machine {
        let mut machine = lock(&self.machine).clone();
        if now.as_nanos() / self.interval > machine.current {
            let wait = self.shortest_wait.load(Ordering::Relaxed);
            self.advance(&mut machine, now, wait);
        }
        machine
    }
}

/// When an interval ends. The last one of all never does.
fn end_of(interval: u64, nanos: u64) -> u64 {
    interval.saturating_add(1).saturating_mul(nanos)
}
