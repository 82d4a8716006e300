//! The circuit breaker: watches the outcomes of calls, and when too many are bad it rejects further
//! calls for a while, then lets a few probes find out whether the other side works again.
//!
//! A call through a closed breaker reads one word and counts in a cell of its own thread: no lock, no
//! allocation, no shared cache line written. What is rare (opening, probing, commands) is a plain
//! machine behind a lock.

mod calls;
mod cell;
mod cells;
mod control;
mod judge;
mod memory;
mod permit;
mod settings;
mod snapshot;
mod state;
#[cfg(test)]
mod tests;

pub use crate::SettingsError;
pub use memory::Memory;
pub use permit::Permit;
pub use settings::{
    MAX_CALL_WINDOW, MAX_OPEN_FOR, MAX_PROBES, MAX_TIME_WINDOW, MIN_TIME_WINDOW, OpenFor, Rules,
    Settings, Window,
};
pub use snapshot::{Snapshot, WindowSnapshot};
pub use state::{Cause, Control, Rejected, State, Transition};

use crate::sync::{AtomicU64, Mutex, MutexGuard, Ordering, fence, lock};
use crate::{Outcome, Timestamp};
use calls::CallWindow;
use cell::Cell;
use cells::Cells;
use control::{Changes, Machine, Probe};
use state::Word;
use std::sync::Arc;
use std::time::Duration;

/// What is told of changes of state. It runs after the change, outside any lock.
///
/// ```
/// use breakerbox_core::Timestamp;
/// use breakerbox_core::breaker::{Breaker, Control, Settings, State};
///
/// let rules = Settings::default().check().unwrap();
/// let breaker = Breaker::new(rules.into(), Timestamp::ZERO, 0);
/// let mut told = Vec::new();
/// breaker.control(Control::Isolate, Timestamp::ZERO, &mut |change| told.push(change.to));
/// assert_eq!(told, [State::Isolated]);
/// ```
pub type Notice<'a> = &'a mut dyn FnMut(Transition);

/// A circuit breaker.
///
/// ```
/// use breakerbox_core::breaker::{Breaker, Settings, State, Window};
/// use breakerbox_core::{Outcome, Timestamp};
/// use std::time::Duration;
///
/// let settings = Settings { window: Some(Window::Calls(4)), ..Settings::default() };
/// let start = Timestamp::ZERO;
/// let breaker = Breaker::new(settings.check().unwrap().into(), start, 0);
/// let mut log = Vec::new();
///
/// for _ in 0..4 {
///     let permit = breaker.admit(start, &mut |_| {}).unwrap();
///     breaker.finish(permit, start, Outcome::Failure, &mut |change| log.push(change.to));
/// }
/// assert_eq!(log, [State::Open]);
/// assert!(breaker.admit(start, &mut |_| {}).is_err());
/// // Half a minute later a probe may pass.
/// assert_eq!(breaker.state(start + Duration::from_secs(30)), State::HalfOpen);
/// ```
#[derive(Debug)]
#[repr(C)] // The first line of the cache holds what every call reads; the cell has its own lines.
pub struct Breaker {
    /// State, generation and "no more probes" in one word. Written only under the lock.
    word: AtomicU64,
    /// Odd: good outcomes are judged too. The rest counts judgements, so that an older one cannot
    /// overwrite a newer one.
    attentive: AtomicU64,
    /// Low half of the generation, and failures in a row.
    consecutive: AtomicU64,
    rules: Arc<Rules>,
    /// The window, where it is one by calls; one by time lives in the cells.
    calls: Option<Box<CallWindow>>,
    cells: Cells,
    /// When the state ends by time, for those who reject without the lock.
    due: AtomicU64,
    /// Odd while `due` and the word are being written: they belong together.
    published: AtomicU64,
    machine: Mutex<Machine>,
    first: Cell,
}

impl Breaker {
    /// A closed breaker. `seed` makes its jitter repeatable.
    pub fn new(rules: Arc<Rules>, now: Timestamp, seed: u64) -> Self {
        let machine = Machine::new(&rules, now, seed);
        Self {
            word: AtomicU64::new(machine.word(&rules).bits()),
            due: AtomicU64::new(machine.due().as_nanos()),
            published: AtomicU64::new(0),
            attentive: AtomicU64::new(0),
            consecutive: AtomicU64::new(0),
            calls: match rules.window {
                Window::Calls(calls) => Some(Box::new(CallWindow::new(calls))),
                Window::Time(_) => None,
            },
            cells: Cells::new(),
            machine: Mutex::new(machine),
            first: Cell::new(),
            rules,
        }
    }

    /// The settings it runs with.
    pub fn rules(&self) -> &Arc<Rules> {
        &self.rules
    }

    /// Asks to run a call.
    ///
    /// # Errors
    /// The circuit is open, isolated, or half-open with all its probes under way.
    #[inline]
    pub fn admit(&self, now: Timestamp, notice: Notice<'_>) -> Result<Permit, Rejected> {
        match self.admit_closed(now) {
            Some(permit) => Ok(permit),
            None => self.admit_rarely(now, notice),
        }
    }

    /// Admits a call if the circuit is closed; else [`admit`](Self::admit) is to be asked.
    ///
    /// For those who save reading the clock: where no `slow_call` is set, the start of a call needs
    /// no time, and any will do.
    #[inline(always)]
    pub fn admit_closed(&self, now: Timestamp) -> Option<Permit> {
        let word = Word::from_bits(self.word.load(Ordering::Acquire));
        if !word.is_closed() {
            return None;
        }
        self.count(|cell| cell.started.bump());
        Some(Permit { word, started: now })
    }

    #[cold]
    fn admit_rarely(&self, now: Timestamp, notice: Notice<'_>) -> Result<Permit, Rejected> {
        let answer = match self.answer_quickly(now) {
            Some(answer) => answer,
            None => self.answer(now, notice),
        };
        self.count(|cell| match &answer {
            Err(_) => cell.rejected.bump(),
            Ok(permit) if permit.state() == State::Disabled => cell.unrecorded.bump(),
            Ok(_) => cell.started.bump(),
        });
        answer
    }

    fn answer(&self, now: Timestamp, notice: Notice<'_>) -> Result<Permit, Rejected> {
        let mut changes = Changes::default();
        let mut machine = self.settled(now, true, &mut changes);
        let passes = match machine.state() {
            State::Closed | State::MetricsOnly | State::Disabled => true,
            State::HalfOpen => machine.admit_probe(&self.rules, now),
            State::Open | State::Isolated => false,
        };
        self.publish(&machine);
        let word = machine.word(&self.rules).unflagged();
        let retry_after = machine.retry_after(&self.rules, now);
        drop(machine);
        changes.iter().for_each(notice);
        if passes {
            Ok(Permit { word, started: now })
        } else {
            Err(Rejected { state: word.state(), retry_after })
        }
    }

    /// Answers where that needs no lock: nothing is due, and no probe is free.
    fn answer_quickly(&self, now: Timestamp) -> Option<Result<Permit, Rejected>> {
        let published = self.published.load(Ordering::Acquire);
        let word = Word::from_bits(self.word.load(Ordering::Acquire));
        let due = Timestamp::from_nanos(self.due.load(Ordering::Acquire));
        match word.state() {
            State::MetricsOnly | State::Disabled => return Some(Ok(Permit { word, started: now })),
            State::Isolated => {
                return Some(Err(Rejected { state: State::Isolated, retry_after: None }));
            }
            State::HalfOpen if !word.flag() => return None,
            _ if now >= due => return None,
            State::Closed | State::HalfOpen | State::Open => {}
        }
        // A time that belongs to another state would be told to a caller, who may wait for it.
        fence(Ordering::Acquire);
        let changed = self.published.load(Ordering::Relaxed) != published;
        if word.is_closed() || changed || published % 2 == 1 {
            return None;
        }
        let retry_after = Some(due.since(now));
        Some(Err(Rejected { state: word.state(), retry_after }))
    }

    /// A call has ended.
    #[inline(always)]
    pub fn finish(&self, permit: Permit, now: Timestamp, outcome: Outcome, notice: Notice<'_>) {
        let good = outcome == Outcome::Success && !self.is_slow(&permit, now);
        if good && self.counts_now(&permit) {
            self.record_good(permit.generation(), now, notice);
        } else {
            self.finish_rarely(permit, now, outcome, notice);
        }
    }

    /// A call will not tell how it ends: its caller gave up. That counts as ignored, unless the call
    /// had already run longer than `slow_call`: then it is one call and one slow call, no failure.
    pub fn cancel(&self, permit: Permit, now: Timestamp, notice: Notice<'_>) {
        if !self.is_slow(&permit, now) {
            self.finish_rarely(permit, now, Outcome::Ignored, notice);
        } else if permit.state() == State::HalfOpen {
            self.probe_ended(permit, now, Ended::Abandoned, true, notice);
        } else if self.counts_now(&permit) {
            self.record_bad(
                permit.generation(),
                now,
                Recorded { failed: false, slow: true, ended: false },
                notice,
            );
        } else {
            self.too_late(&permit, now, notice);
        }
    }

    /// The response of a streaming call has begun, well so far. A probe has thereby succeeded; what
    /// comes of the rest is recorded when it ends, like any other call. Whether the call was slow is
    /// settled now: how long a body takes is as much the reader's doing.
    pub fn response_started(
        &self,
        mut permit: Permit,
        now: Timestamp,
        notice: Notice<'_>,
    ) -> Permit {
        let slow = self.is_slow(&permit, now);
        if !slow {
            permit.started = Timestamp::NEVER;
        }
        if permit.state() != State::HalfOpen || permit.word.flag() {
            return permit;
        }
        let mut changes = Changes::default();
        let mut machine = self.settled(now, false, &mut changes);
        if machine.word(&self.rules).unflagged() == permit.word {
            let probe = self.verdict(Outcome::Success, slow);
            machine.probe_ended(&self.rules, now, probe, false, &mut changes);
            permit.word = match machine.state() {
                State::Closed => machine.word(&self.rules),
                _ => permit.word.flagged(),
            };
        }
        self.publish(&machine);
        drop(machine);
        changes.iter().for_each(notice);
        permit
    }

    /// Does what a person says.
    pub fn control(&self, control: Control, now: Timestamp, notice: Notice<'_>) {
        let mut changes = Changes::default();
        let mut machine = self.settled(now, true, &mut changes);
        machine.control(&self.rules, control, now, &mut changes);
        self.publish(&machine);
        drop(machine);
        changes.iter().for_each(notice);
    }

    /// What is to be remembered over a restart.
    pub fn export(&self, now: Timestamp) -> Memory {
        self.at(now).export(now)
    }

    /// Takes the state of an earlier breaker. No open duration is longer than the settings allow.
    pub fn import(&self, memory: Memory, now: Timestamp, notice: Notice<'_>) {
        let mut changes = Changes::default();
        let mut machine = self.settled(now, true, &mut changes);
        machine.import(&self.rules, memory, now, &mut changes);
        self.publish(&machine);
        drop(machine);
        changes.iter().for_each(notice);
    }

    /// Reports the changes that time has made since the last operation. They are in force, and shown
    /// by every read, whether this is called or not.
    pub fn settle(&self, now: Timestamp, notice: Notice<'_>) {
        self.report(now, true, notice);
    }

    /// The state, derived from the time. Changes nothing.
    pub fn state(&self, now: Timestamp) -> State {
        let word = Word::from_bits(self.word.load(Ordering::Acquire));
        if word.is_closed() { State::Closed } else { self.at(now).state() }
    }

    /// Whether a call would be admitted now, as far as can be told without trying.
    pub fn admits(&self, now: Timestamp) -> bool {
        let word = Word::from_bits(self.word.load(Ordering::Acquire));
        if word.is_closed() {
            return true;
        }
        let machine = self.at(now);
        machine.retry_after(&self.rules, now) == Some(Duration::ZERO)
    }

    /// Whether nothing is in flight and nothing in the window: a new breaker would be as good.
    pub fn is_idle(&self, now: Timestamp) -> bool {
        let seen = self.snapshot(now);
        seen.in_flight == 0 && seen.window.calls == 0
    }

    /// Everything there is to see. Changes nothing.
    pub fn snapshot(&self, now: Timestamp) -> Snapshot {
        let machine = self.at(now);
        let mut snapshot = Snapshot {
            state: machine.state(),
            retry_after: machine.retry_after(&self.rules, now),
            started: 0,
            successes: 0,
            failures: 0,
            ignored: 0,
            late: 0,
            slow: 0,
            in_flight: 0,
            rejected: 0,
            unrecorded: 0,
            opened: machine.opened(),
            leases_expired: machine.leases_expired(),
            time_in: machine.time_in(now),
            window: self.window_snapshot(machine.window(), now),
        };
        for cell in self.all_cells() {
            // What has ended before what has started: nothing is in flight that never started.
            snapshot.successes += cell.successes.read();
            snapshot.failures += cell.failures.read();
            snapshot.ignored += cell.ignored.read();
            snapshot.late += cell.late.read();
            snapshot.slow += cell.slow.read();
        }
        for cell in self.all_cells() {
            snapshot.started += cell.started.read();
            snapshot.rejected += cell.rejected.read();
            snapshot.unrecorded += cell.unrecorded.read();
        }
        let ended = snapshot.successes + snapshot.failures + snapshot.ignored + snapshot.late;
        snapshot.in_flight = snapshot.started.saturating_sub(ended);
        snapshot
    }

    /// Counts in the cell of this thread.
    #[inline(always)]
    fn count<R>(&self, write: impl FnOnce(&Cell) -> R) -> R {
        self.cells.write(&self.first, write)
    }

    fn all_cells(&self) -> impl Iterator<Item = &Cell> {
        std::iter::once(&self.first).chain(self.cells.others())
    }

    /// The machine as it is at `now`, time's changes done, on a copy.
    fn at(&self, now: Timestamp) -> Machine {
        let mut machine = lock(&self.machine).clone();
        machine.settle(&self.rules, now, true, &mut Changes::default());
        machine
    }

    fn settled(
        &self,
        now: Timestamp,
        inclusive: bool,
        changes: &mut Changes,
    ) -> MutexGuard<'_, Machine> {
        let mut machine = lock(&self.machine);
        machine.settle(&self.rules, now, inclusive, changes);
        machine
    }

    /// Reports what has become due; for the end of an operation, only what was due before it.
    fn report(&self, now: Timestamp, inclusive: bool, notice: Notice<'_>) {
        if Timestamp::from_nanos(self.due.load(Ordering::Acquire)) > now {
            return;
        }
        let mut changes = Changes::default();
        let machine = self.settled(now, inclusive, &mut changes);
        self.publish(&machine);
        drop(machine);
        changes.iter().for_each(notice);
    }

    /// Shows all threads what the machine has become. Called with the lock held.
    fn publish(&self, machine: &Machine) {
        let word = machine.word(&self.rules);
        let before = Word::from_bits(self.word.load(Ordering::Relaxed));
        if word.generation() != before.generation() && machine.window() == word.generation() {
            self.begin_window(machine.window());
        }
        let published = self.published.load(Ordering::Relaxed);
        self.published.store(published.wrapping_add(1), Ordering::Relaxed);
        fence(Ordering::Release);
        self.due.store(machine.due().as_nanos(), Ordering::Release);
        self.word.store(word.bits(), Ordering::Release);
        self.published.store(published.wrapping_add(2), Ordering::Release);
    }

    /// Whether an outcome goes into the window: the state that admitted the call is still there.
    #[inline(always)]
    fn counts_now(&self, permit: &Permit) -> bool {
        let same = self.word.load(Ordering::Acquire) == permit.word.bits();
        same && matches!(permit.state(), State::Closed | State::MetricsOnly)
    }

    /// Strictly longer is slow.
    #[inline(always)]
    fn is_slow(&self, permit: &Permit, now: Timestamp) -> bool {
        now.as_nanos().saturating_sub(permit.started.as_nanos()) > self.rules.slow_nanos
    }

    #[cold]
    fn finish_rarely(&self, permit: Permit, now: Timestamp, outcome: Outcome, notice: Notice<'_>) {
        let failed = outcome == Outcome::Failure;
        let slow = self.is_slow(&permit, now);
        match permit.state() {
            State::HalfOpen => {
                self.probe_ended(permit, now, Ended::As(outcome), slow, notice);
            }
            _ if !self.counts_now(&permit) => self.too_late(&permit, now, notice),
            _ if outcome == Outcome::Ignored => self.count(|cell| cell.ignored.bump()),
            _ => {
                let recorded = Recorded { failed, slow, ended: true };
                self.record_bad(permit.generation(), now, recorded, notice);
            }
        }
    }

    /// Its generation is over: it is counted, and does not act. (What passed a disabled breaker was
    /// counted apart when it began.)
    fn too_late(&self, permit: &Permit, now: Timestamp, notice: Notice<'_>) {
        if permit.state() != State::Disabled {
            self.count(|cell| cell.late.bump());
        }
        self.report(now, false, notice);
    }

    fn verdict(&self, outcome: Outcome, slow: bool) -> Probe {
        let too_slow = slow && self.rules.slow_call_rate.is_some();
        match outcome {
            Outcome::Ignored => Probe::GivenBack,
            Outcome::Success if !too_slow => Probe::Succeeded,
            Outcome::Success | Outcome::Failure => Probe::Failed,
        }
    }

    fn probe_ended(
        &self,
        permit: Permit,
        now: Timestamp,
        ended: Ended,
        slow: bool,
        notice: Notice<'_>,
    ) {
        let mut changes = Changes::default();
        let mut machine = self.settled(now, false, &mut changes);
        let mine = machine.word(&self.rules).unflagged() == permit.word.unflagged();
        if mine {
            let probe = match ended {
                Ended::As(outcome) => self.verdict(outcome, slow),
                Ended::Abandoned if self.rules.slow_call_rate.is_some() => Probe::Failed,
                Ended::Abandoned => Probe::GivenBack,
            };
            let early = permit.word.flag();
            machine.probe_ended(&self.rules, now, probe, early, &mut changes);
        }
        self.publish(&machine);
        drop(machine);
        self.count(|cell| match ended {
            _ if !mine => cell.late.bump(),
            Ended::As(Outcome::Ignored) => cell.ignored.bump(),
            Ended::As(outcome) => cell.outside(outcome == Outcome::Failure, slow),
            Ended::Abandoned => cell.outside(false, true),
        });
        changes.iter().for_each(notice);
    }
}

/// How a probe ended: with an outcome, or slow and given up by its caller.
#[derive(Clone, Copy)]
enum Ended {
    As(Outcome),
    Abandoned,
}

/// An outcome that is not simply good. `ended`: it came back, rather than being given up.
#[derive(Clone, Copy)]
struct Recorded {
    failed: bool,
    slow: bool,
    ended: bool,
}
