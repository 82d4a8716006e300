//! How far down the list of priorities calls are admitted.
//!
//! The rule is that of DAGOR (Zhou and others, "Overload Control for Scaling WeChat Microservices",
//! 2018): while calls wait too long, 5 % less of what was admitted; else 1 % more of what came. From
//! the histogram of what came, by priority, follows the level that brings this.

/// Urgencies, the most important first.
pub(super) const URGENCIES: usize = 8;
/// Cohorts of each urgency; in a model, where every step counts, one.
pub(super) const COHORTS: usize = if cfg!(loom) { 1 } else { 128 };
/// The priorities there are: urgency first, then cohort; 0 is the most important.
pub(super) const LEVELS: usize = URGENCIES * COHORTS;
/// The most important urgency is never shed.
pub(super) const FLOOR: usize = COHORTS;

/// What an interval weighs against the one after it: the histogram is that of about the last ten.
const FADE: f64 = 0.9;
/// A priority that weighs less than this is one that no call has: its last one was 44 intervals ago.
const FADED: f64 = 0.01;
/// After so many intervals in which nothing came all is admitted: 896 priorities, 16 at a time, and one
/// interval that leaves all as it is.
const FADING: u64 = 57;
/// How much is admitted after an overloaded interval, of what was.
const LESS: f64 = 0.95;
/// How much more is admitted after another, of all that came.
const MORE: f64 = 0.01;
/// A level goes up over at most so many priorities that calls have.
const FEW: usize = 2;
/// And over at most so many in all.
const STRIDE: usize = COHORTS.div_ceil(8);
/// So long the verdict stands when no call says how long it waited, though calls were admitted: they
/// may all still be waiting.
const PATIENCE: u32 = 10;
/// And so long where none was admitted.
const QUIET_PATIENCE: u32 = 1;

/// What an interval has shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// The shortest wait, in nanoseconds; `None` if no call said.
    pub(super) wait: Option<u64>,
    /// How many calls came, and how many of them were admitted.
    pub(super) arrived: u64,
    pub(super) admitted: u64,
}

#[derive(Clone, Debug)]
pub(super) struct Control {
    /// A longer wait is too long, in nanoseconds.
    target: u64,
    /// So many priorities are admitted, the most important ones.
    level: usize,
    overloaded: bool,
    /// Intervals since a call said how long it waited.
    unheard: u32,
    /// What came by priority, older intervals fading.
    came: Box<[f64]>,
}

impl Control {
    pub(super) fn new(target: u64) -> Self {
        Self {
            target,
            level: LEVELS,
            overloaded: false,
            unheard: 0,
            came: vec![0.0; LEVELS].into_boxed_slice(),
        }
    }

    pub(super) fn level(&self) -> usize {
        self.level
    }

    pub(super) fn is_overloaded(&self) -> bool {
        self.overloaded
    }

    /// Which part of what came lately is admitted.
    pub(super) fn share(&self) -> f64 {
        let all: f64 = self.came.iter().sum();
        let admitted: f64 = self.came[..self.level].iter().sum();
        if all > 0.0 { admitted / all } else { 1.0 }
    }

    /// An interval is over, in which `came` tells how many calls of each priority there were.
    pub(super) fn interval(&mut self, seen: Seen, mut came: impl FnMut(usize) -> u64) {
        for (priority, weight) in self.came.iter_mut().enumerate() {
            *weight = *weight * FADE + came(priority) as f64;
        }
        match seen.wait {
            Some(wait) => {
                self.unheard = 0;
                self.overloaded = wait > self.target;
            }
            None => {
                self.unheard = self.unheard.saturating_add(1);
                let patience = if seen.admitted > 0 { PATIENCE } else { QUIET_PATIENCE };
                if self.overloaded && self.unheard <= patience {
                    return;
                }
                self.overloaded = false;
            }
        }
        if self.overloaded {
            self.lower();
        } else if seen.arrived == 0 {
            self.level = (self.level + STRIDE).min(LEVELS);
        } else {
            self.raise();
        }
    }

    /// Intervals in which nothing happened at all.
    pub(super) fn silence(&mut self, intervals: u64) {
        for _ in 0..intervals.min(FADING) {
            self.interval(Seen::default(), |_| 0);
        }
        // By now all is admitted, and time does no more than fade what came.
        let faded = power(FADE, intervals.saturating_sub(FADING));
        self.came.iter_mut().for_each(|weight| *weight *= faded);
    }

    fn lower(&mut self) {
        let admitted: f64 = self.came[..self.level].iter().sum();
        let wanted = slightly_more(admitted * LESS);
        let mut sum = 0.0;
        let fits = self.came[..self.level].iter().take_while(|weight| {
            sum += **weight;
            sum <= wanted
        });
        let level = fits.count();
        if admitted > FADED {
            self.level = level.max(FLOOR);
        }
    }

    fn raise(&mut self) {
        let wanted = slightly_more(self.came.iter().sum::<f64>() * MORE);
        let (mut sum, mut used) = (0.0, 0);
        for moved in 0..STRIDE {
            let Some(weight) = self.came.get(self.level) else { return };
            sum += weight;
            used += usize::from(*weight > FADED);
            // It goes up by one at least: a single priority may be more than 1 % of all.
            if moved > 0 && (sum > wanted || used > FEW) {
                return;
            }
            self.level += 1;
        }
    }
}

/// So that sums of fractions do not miss what they are equal to.
fn slightly_more(weight: f64) -> f64 {
    weight * (1.0 + 1e-9)
}

/// By squaring: what `powi` gives may differ from machine to machine.
fn power(mut base: f64, mut exponent: u64) -> f64 {
    let mut product = 1.0;
    while exponent > 0 {
        if exponent & 1 == 1 {
            product *= base;
        }
        base *= base;
        exponent >>= 1;
    }
    product
}
