//! Recording outcomes and judging the rates.
//!
//! The rates are judged on every recorded outcome, except where the verdict provably stays closed:
//! a good outcome can open the circuit only by bringing the window to `min_calls`, or because older
//! good ones have left it. The first makes the breaker attentive until `min_calls` is reached; the
//! second happens when a window by time turns on to its next bucket.

use super::cell::{BUCKETS, Counts};
use super::control::Changes;
use super::settings::Window;
use super::snapshot::WindowSnapshot;
use super::state::{Cause, Word};
use super::{Breaker, Notice, Recorded, Rules};
use crate::Timestamp;
use crate::sync::{Ordering, lock};
use std::ops::Add;

const ATTENTIVE: u64 = 1;
/// One more judgement, in the word whose lowest bit is [`ATTENTIVE`].
const JUDGED: u64 = 2;

impl Rules {
    /// Nanoseconds of one bucket of a window by time, rounded down.
    #[inline]
    pub(super) fn bucket(&self) -> u64 {
        self.bucket_nanos
    }

    /// The verdict on a window.
    fn verdict(&self, counts: Counts) -> Option<Cause> {
        if counts.calls < u64::from(self.min_calls) {
            return None;
        }
        if reached(self.failure_rate, counts.failures, counts.calls) {
            Some(Cause::FailureRate)
        } else if reached(self.slow_call_rate, counts.slow, counts.calls) {
            Some(Cause::SlowCallRate)
        } else {
            None
        }
    }

    /// Whether good outcomes alone could open the circuit, by bringing the window to `min_calls`.
    fn attention(&self, counts: Counts) -> u64 {
        let min_calls = u64::from(self.min_calls);
        let could = counts.calls < min_calls
            && !self.only_on_failure
            && (reached(self.failure_rate, counts.failures, min_calls)
                || reached(self.slow_call_rate, counts.slow, min_calls));
        u64::from(could) * ATTENTIVE
    }
}

/// A quotient of whole numbers is the same float as the fraction written in a file, so that 7 of 100
/// are exactly 0.07; a product is not.
fn rate(part: u64, whole: u64) -> f64 {
    part as f64 / whole as f64
}

fn reached(threshold: Option<f64>, part: u64, whole: u64) -> bool {
    threshold.is_some_and(|threshold| part > 0 && rate(part, whole) >= threshold)
}

impl Breaker {
    /// A call that was neither failed nor slow.
    #[inline(always)]
    pub(super) fn record_good(&self, window: u64, now: Timestamp, notice: Notice<'_>) {
        let turned = match &self.calls {
            None => self.count(|cell| {
                let turned = cell.turn(window, now.as_nanos(), self.rules.bucket());
                cell.success();
                turned
            }),
            Some(calls) => {
                self.count(|cell| cell.success());
                calls.record(window, false, false);
                false
            }
        };
        if self.rules.consecutive_failures.is_some() {
            self.end_run_of_failures(window);
        }
        if (turned || self.attentive.load(Ordering::Relaxed) & ATTENTIVE != 0)
            && !self.rules.only_on_failure
        {
            self.judge(window, now, notice);
        }
    }

    /// A call that failed, was slow, or both.
    pub(super) fn record_bad(
        &self,
        window: u64,
        now: Timestamp,
        Recorded { failed, slow, ended }: Recorded,
        notice: Notice<'_>,
    ) {
        let by_time = self.calls.is_none();
        self.count(|cell| {
            if by_time {
                cell.turn(window, now.as_nanos(), self.rules.bucket());
            }
            cell.bad(failed, slow);
        });
        if let Some(calls) = &self.calls {
            calls.record(window, failed, slow);
        }
        if let Some(limit) = self.rules.consecutive_failures {
            if failed && self.longer_run_of_failures(window) >= limit {
                return self.trip(window, now, Cause::ConsecutiveFailures, notice);
            }
            if !failed && ended {
                self.end_run_of_failures(window);
            }
        }
        self.judge(window, now, notice);
    }

    /// Judges the window as it is now.
    #[cold]
    fn judge(&self, window: u64, now: Timestamp, notice: Notice<'_>) {
        loop {
            let judged = self.attentive.load(Ordering::Acquire);
            let word = Word::from_bits(self.word.load(Ordering::Acquire));
            if !word.is_closed() || word.generation() != window {
                return;
            }
            // While another thread turns its part of the window on nothing can be said. The next
            // outcome is judged then.
            let attention = match self.counts(window, now) {
                None => ATTENTIVE,
                Some(counts) => match self.rules.verdict(counts) {
                    Some(cause) => return self.trip(window, now, cause, notice),
                    None => self.rules.attention(counts),
                },
            };
            let next = (judged & !ATTENTIVE).wrapping_add(JUDGED) | attention;
            // If somebody judged meanwhile, he may not have seen our outcome: judge again.
            let exchanged =
                self.attentive.compare_exchange(judged, next, Ordering::AcqRel, Ordering::Relaxed);
            if exchanged.is_ok() {
                return;
            }
        }
    }

    #[cold]
    fn trip(&self, window: u64, now: Timestamp, cause: Cause, notice: Notice<'_>) {
        let mut changes = Changes::default();
        let mut machine = lock(&self.machine);
        machine.trip(&self.rules, window, now, cause, &mut changes);
        self.publish(&machine);
        drop(machine);
        changes.iter().for_each(notice);
    }

    /// Begins an empty window. Called with the lock held, before the state that it belongs to is
    /// shown.
    pub(super) fn begin_window(&self, window: u64) {
        if let Some(calls) = &self.calls {
            calls.begin(window);
        }
        // (In a model only such a store cannot come between the two halves of an exchange.)
        self.consecutive.store(run_word(window, 0), Ordering::SeqCst);
        // Judgements of the window before must not reach this one.
        let mut judged = self.attentive.load(Ordering::Relaxed);
        while let Err(now) = self.attentive.compare_exchange(
            judged,
            (judged & !ATTENTIVE).wrapping_add(JUDGED),
            Ordering::AcqRel,
            Ordering::Relaxed,
        ) {
            judged = now;
        }
    }

    /// What is in the window; nothing while another thread turns its part of it on.
    fn counts(&self, window: u64, now: Timestamp) -> Option<Counts> {
        if let Some(calls) = &self.calls {
            return Some(calls.counts(window));
        }
        self.parts(window, now).try_fold(Counts::default(), |sum, part| Some(sum + part?))
    }

    /// What each thread adds to a window by time.
    fn parts(&self, window: u64, now: Timestamp) -> impl Iterator<Item = Option<Counts>> {
        let width = self.rules.bucket();
        let bucket = now.as_nanos() / width;
        self.all_cells().map(move |cell| cell.counts(window, bucket, width))
    }

    /// The same for a person's eyes: a thread that is interrupted while turning its part on, and so
    /// cannot be read, is left out.
    fn counts_shown(&self, window: u64, now: Timestamp) -> Counts {
        if let Some(calls) = &self.calls {
            return calls.counts(window);
        }
        self.parts(window, now).flatten().fold(Counts::default(), Counts::add)
    }

    pub(super) fn window_snapshot(&self, window: u64, now: Timestamp) -> WindowSnapshot {
        let counts = self.counts_shown(window, now);
        let enough = counts.calls >= u64::from(self.rules.min_calls);
        let rate = |part| enough.then(|| rate(part, counts.calls));
        WindowSnapshot {
            calls: counts.calls,
            failures: counts.failures,
            slow: counts.slow,
            failure_rate: rate(counts.failures),
            slow_call_rate: rate(counts.slow),
        }
    }

    fn longer_run_of_failures(&self, window: u64) -> u32 {
        let mut run = self.consecutive.load(Ordering::Relaxed);
        loop {
            if !is_run_of(run, window) {
                return 0;
            }
            let longer = (run as u32).saturating_add(1);
            match self.consecutive.compare_exchange_weak(
                run,
                run_word(window, longer),
                Ordering::AcqRel,
                Ordering::Relaxed,
            ) {
                Ok(_) => return longer,
                Err(now) => run = now,
            }
        }
    }

    #[inline]
    fn end_run_of_failures(&self, window: u64) {
        let mut run = self.consecutive.load(Ordering::Relaxed);
        while run as u32 != 0 && is_run_of(run, window) {
            match self.consecutive.compare_exchange_weak(
                run,
                run_word(window, 0),
                Ordering::AcqRel,
                Ordering::Relaxed,
            ) {
                Ok(_) => return,
                Err(now) => run = now,
            }
        }
    }
}

/// The low half of the window's generation, and failures in a row.
fn run_word(window: u64, failures: u32) -> u64 {
    window << 32 | u64::from(failures)
}

fn is_run_of(run: u64, window: u64) -> bool {
    run >> 32 == window & 0xFFFF_FFFF
}

/// Nanoseconds of one bucket of `window`, rounded down: nothing as old as the window is in it.
pub(super) fn bucket_nanos(window: Window) -> u64 {
    match window {
        Window::Time(time) => crate::time::nanos(time) / BUCKETS,
        Window::Calls(_) => u64::MAX,
    }
}
