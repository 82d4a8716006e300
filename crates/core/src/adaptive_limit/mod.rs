//! The adaptive concurrency limit: finds out by itself how many calls the other side can work on at
//! once, and admits no more.
//!
//! It looks at windows of samples: at least a second and at least 50 samples, or 30 seconds and at
//! least 10, counted from the window's first sample. A window that is not ready goes on. Whoever
//! brings the sample that completes it judges it; nobody waits for that.

mod control;
mod settings;
#[cfg(test)]
mod tests;
mod window;

pub use settings::{Algorithm, MAX_LIMIT, MAX_TIMEOUT, Settings};

use crate::Timestamp;
use crate::first::try_lock;
use crate::sync::{AtomicU64, Mutex, Ordering};
use crate::time::nanos;
use control::Control;
use std::time::Duration;
use window::{Samples, Totals};

/// A limit of calls in flight that follows what the other side can do.
///
/// Questions on which limiters differ, and the answers here:
///
/// - *May a single sample move the limit?* No. With raw samples of a service whose times vary, the
///   baseline is the one lucky call, and the limit starves.
/// - *Does it grow while nobody needs it?* No: only after a window in which at least half was used.
/// - *How often does it fall?* Once per round trip: not again before as many calls have ended as
///   were in flight when it fell.
/// - *What are timeouts and rejections by the other side?* Dropped. A window with more than one
///   percent of them lowers the limit, with every algorithm.
/// - *What if the other side has become slower for good?* The latency that all is compared with is
///   measured anew every 30 windows, at a limit lowered by the calls that seem to wait, so that the
///   queue we cause ourselves is not taken for the service.
///
/// ```
/// use breakerbox_core::Timestamp;
/// use breakerbox_core::adaptive_limit::{AdaptiveLimit, Sample, Settings};
/// use std::time::Duration;
///
/// let settings = Settings { initial: 2, ..Settings::default() };
/// let limit = AdaptiveLimit::new(settings, Timestamp::ZERO);
///
/// let one = limit.try_acquire().unwrap();
/// let two = limit.try_acquire().unwrap();
/// assert!(limit.try_acquire().is_none());
///
/// let now = Timestamp::ZERO + Duration::from_millis(10);
/// limit.release(now, one, Sample::Took(Duration::from_millis(10)));
/// limit.release(now, two, Sample::Ignored);
/// assert_eq!(limit.in_flight(), 0);
/// ```
#[derive(Debug)]
pub struct AdaptiveLimit {
    limit: AtomicU64,
    in_flight: AtomicU64,
    samples: Samples,
    rejected: AtomicU64,
    /// Nanoseconds; 0: none yet.
    baseline: AtomicU64,
    settings: Settings,
    machine: Mutex<Machine>,
}

#[derive(Debug)]
struct Machine {
    control: Control,
    before: Totals,
    windows: u64,
}

/// A place for one call. It is given back with [`AdaptiveLimit::release`], whatever becomes of the
/// call.
///
/// ```
/// use breakerbox_core::Timestamp;
/// use breakerbox_core::adaptive_limit::{AdaptiveLimit, Sample, Settings};
///
/// let limit = AdaptiveLimit::new(Settings::default(), Timestamp::ZERO);
/// let (one, two) = (limit.try_acquire().unwrap(), limit.try_acquire().unwrap());
/// assert_eq!((one.in_flight(), two.in_flight()), (1, 2));
/// limit.release(Timestamp::ZERO, one, Sample::Ignored);
/// assert_eq!(limit.in_flight(), 1);
/// ```
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a slot that is not released is taken for ever"]
pub struct Slot {
    in_flight: u64,
}

impl Slot {
    /// How many calls were in flight when this one began, itself among them.
    pub fn in_flight(&self) -> u64 {
        self.in_flight
    }
}

/// What is learnt from a call.
///
/// ```
/// use breakerbox_core::adaptive_limit::Sample;
/// use std::time::Duration;
///
/// let of = |status: u16, took| if status == 503 { Sample::Dropped } else { Sample::Took(took) };
/// let took = Duration::from_millis(5);
/// assert_eq!(of(404, took), Sample::Took(took), "a quick answer, whatever it says");
/// assert_eq!(of(503, took), Sample::Dropped);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sample {
    /// It came back after so long, well or not.
    Took(Duration),
    /// It timed out, or the other side rejected it because it has too much to do.
    Dropped,
    /// It says nothing: its caller gave up, or it never reached the other side.
    Ignored,
}

/// What there is to see of an adaptive limit at one moment.
///
/// ```
/// use breakerbox_core::Timestamp;
/// use breakerbox_core::adaptive_limit::{AdaptiveLimit, Settings};
///
/// let settings = Settings { initial: 1, ..Settings::default() };
/// let limit = AdaptiveLimit::new(settings, Timestamp::ZERO);
/// let _slot = limit.try_acquire().unwrap();
/// assert!(limit.try_acquire().is_none());
/// let seen = limit.snapshot();
/// assert_eq!((seen.limit, seen.in_flight, seen.rejected, seen.baseline), (1, 1, 1, None));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// How many calls may be in flight.
    pub limit: u32,
    /// How many are.
    pub in_flight: u32,
    /// How many were rejected, ever.
    pub rejected: u64,
    /// How many windows were judged, ever.
    pub windows: u64,
    /// The latency that others are compared with: of Vegas that without a queue, of Gradient2 the
    /// long average. AIMD has none.
    pub baseline: Option<Duration>,
    /// Whether the limit is lowered for a moment, to measure the baseline.
    pub probing: bool,
}

impl AdaptiveLimit {
    /// A limit that starts at `initial`. The settings have passed [`Settings::check`]; a window
    /// begins with its first sample, so the present does not matter yet.
    pub fn new(settings: Settings, _now: Timestamp) -> Self {
        let control = Control::new(&settings);
        Self {
            limit: AtomicU64::new(control.limit()),
            in_flight: AtomicU64::new(0),
            samples: Samples::new(),
            rejected: AtomicU64::new(0),
            baseline: AtomicU64::new(0),
            settings,
            machine: Mutex::new(Machine { control, before: Totals::default(), windows: 0 }),
        }
    }

    /// Asks to run a call: admitted if fewer are in flight than the limit says.
    #[inline]
    pub fn try_acquire(&self) -> Option<Slot> {
        let limit = self.limit.load(Ordering::Relaxed);
        let mut in_flight = self.in_flight.load(Ordering::Relaxed);
        while in_flight < limit {
            match self.in_flight.compare_exchange_weak(
                in_flight,
                in_flight + 1,
                Ordering::Relaxed,
                Ordering::Relaxed,
            ) {
                Ok(_) => return Some(Slot { in_flight: in_flight + 1 }),
                Err(now) => in_flight = now,
            }
        }
        self.rejected.fetch_add(1, Ordering::Relaxed);
        None
    }

    /// A call has ended.
    #[inline]
    pub fn release(&self, now: Timestamp, slot: Slot, sample: Sample) {
        // One less; sums wrap around.
        self.in_flight.fetch_add(u64::MAX, Ordering::Relaxed);
        let took = match sample {
            Sample::Ignored => return,
            Sample::Dropped => None,
            Sample::Took(took) if self.settings.timeout.is_some_and(|most| took > most) => None,
            Sample::Took(took) => Some(nanos(took)),
        };
        self.samples.record(now, slot.in_flight, took);
        if self.samples.is_over(now) {
            self.judge(now);
        }
    }

    /// How many calls may be in flight.
    pub fn limit(&self) -> u32 {
        narrow(self.limit.load(Ordering::Relaxed))
    }

    /// How many calls are in flight.
    pub fn in_flight(&self) -> u32 {
        narrow(self.in_flight.load(Ordering::Relaxed))
    }

    /// How many calls were rejected, ever.
    pub fn rejected(&self) -> u64 {
        self.rejected.load(Ordering::Relaxed)
    }

    /// Everything there is to see. Changes nothing.
    pub fn snapshot(&self) -> Snapshot {
        let baseline = self.baseline.load(Ordering::Relaxed);
        let machine = crate::sync::lock(&self.machine);
        Snapshot {
            limit: self.limit(),
            in_flight: self.in_flight(),
            rejected: self.rejected(),
            windows: machine.windows,
            baseline: (baseline > 0).then(|| Duration::from_nanos(baseline)),
            probing: machine.control.is_probing(),
        }
    }

    #[cold]
    fn judge(&self, now: Timestamp) {
        let Some(mut machine) = try_lock(&self.machine) else { return };
        // Another thread may have judged it since.
        if !self.samples.is_over(now) {
            return;
        }
        let in_flight = self.in_flight.load(Ordering::Relaxed);
        let (seen, totals) = self.samples.end(machine.before, in_flight);
        machine.before = totals;
        machine.windows += 1;
        machine.control.window(&self.settings, seen);
        self.limit.store(machine.control.limit(), Ordering::Relaxed);
        let baseline = machine.control.baseline().map_or(0, |baseline| baseline as u64);
        self.baseline.store(baseline, Ordering::Relaxed);
    }
}

fn narrow(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
