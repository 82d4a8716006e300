//! A breaker on virtual time, whose accounts are checked at every step.

use crate::breaker::{
    Breaker, Cause, Control, OpenFor, Permit, Rejected, Settings, Snapshot, State, Transition,
    Window,
};
use crate::{Outcome, Timestamp};
use std::time::Duration;

pub(super) const OK: Outcome = Outcome::Success;
pub(super) const FAIL: Outcome = Outcome::Failure;
pub(super) const IGNORE: Outcome = Outcome::Ignored;

pub(super) const NS: Duration = Duration::from_nanos(1);

pub(super) fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A change of state, its time in milliseconds.
pub(super) fn change(from: State, to: State, at: u64, cause: Cause, generation: u64) -> Transition {
    Transition { from, to, at: Timestamp::ZERO + ms(at), cause, generation }
}

/// The last four calls, half of them failed; open for one second, always.
pub(super) fn last_four() -> Settings {
    Settings {
        window: Some(Window::Calls(4)),
        open_for: Some(OpenFor::fixed(ms(1000))),
        ..Settings::default()
    }
}

/// One failure opens it; open for one second, always.
pub(super) fn touchy() -> Settings {
    Settings { consecutive_failures: Some(1), ..last_four() }
}

pub(super) struct Rig {
    pub(super) breaker: Breaker,
    pub(super) now: Timestamp,
    log: Vec<Transition>,
    /// Calls that asked, those that passed a disabled breaker not among them.
    offered: u64,
    in_flight: u64,
}

impl Rig {
    pub(super) fn new(settings: Settings) -> Self {
        let rules = settings.check().unwrap().into();
        let now = Timestamp::ZERO;
        let breaker = Breaker::new(rules, now, 7);
        Self { breaker, now, log: Vec::new(), offered: 0, in_flight: 0 }
    }

    /// Tripped by hand at the start, and the second of `open_for` over: the next call is a probe.
    pub(super) fn half_open(settings: Settings) -> Self {
        let mut rig = Self::new(settings);
        rig.control(Control::ForceOpen);
        let open_for = rig.breaker.snapshot(rig.now).retry_after.unwrap();
        rig.pass(open_for);
        assert_eq!(rig.state(), State::HalfOpen);
        rig
    }

    pub(super) fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
    }

    /// Goes to so many milliseconds after the origin of the clock.
    pub(super) fn to(&mut self, millis: u64) {
        self.now = Timestamp::ZERO + ms(millis);
    }

    pub(super) fn admit(&mut self) -> Result<Permit, Rejected> {
        let answer = self.breaker.admit(self.now, &mut |change| self.log.push(change));
        match &answer {
            Ok(permit) if permit.state() == State::Disabled => {}
            Ok(_) => (self.offered, self.in_flight) = (self.offered + 1, self.in_flight + 1),
            Err(_) => self.offered += 1,
        }
        self.check_accounts();
        answer
    }

    pub(super) fn permit(&mut self) -> Permit {
        self.admit().unwrap()
    }

    pub(super) fn rejection(&mut self) -> Rejected {
        self.admit().unwrap_err()
    }

    pub(super) fn finish(&mut self, permit: Permit, outcome: Outcome) {
        self.in_flight -= u64::from(permit.state() != State::Disabled);
        self.breaker.finish(permit, self.now, outcome, &mut |change| self.log.push(change));
        self.check_accounts();
    }

    pub(super) fn cancel(&mut self, permit: Permit) {
        self.in_flight -= u64::from(permit.state() != State::Disabled);
        self.breaker.cancel(permit, self.now, &mut |change| self.log.push(change));
        self.check_accounts();
    }

    pub(super) fn response_started(&mut self, permit: Permit) -> Permit {
        let notice = &mut |change| self.log.push(change);
        let permit = self.breaker.response_started(permit, self.now, notice);
        self.check_accounts();
        permit
    }

    /// A call that ends at once.
    pub(super) fn call(&mut self, outcome: Outcome) {
        self.takes(Duration::ZERO, outcome);
    }

    pub(super) fn calls(&mut self, times: u32, outcome: Outcome) {
        (0..times).for_each(|_| self.call(outcome));
    }

    /// A call that takes so long.
    pub(super) fn takes(&mut self, time: Duration, outcome: Outcome) {
        let permit = self.permit();
        self.pass(time);
        self.finish(permit, outcome);
    }

    pub(super) fn control(&mut self, control: Control) {
        self.breaker.control(control, self.now, &mut |change| self.log.push(change));
        self.check_accounts();
    }

    pub(super) fn settle(&mut self) {
        self.breaker.settle(self.now, &mut |change| self.log.push(change));
        self.check_accounts();
    }

    pub(super) fn state(&self) -> State {
        self.breaker.state(self.now)
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        self.breaker.snapshot(self.now)
    }

    /// Calls, failures and slow calls in the window.
    pub(super) fn window(&self) -> (u64, u64, u64) {
        let window = self.snapshot().window;
        (window.calls, window.failures, window.slow)
    }

    /// The changes reported since this was last asked.
    pub(super) fn reported(&mut self) -> Vec<Transition> {
        std::mem::take(&mut self.log)
    }

    /// Where the changes reported since then led, and why.
    pub(super) fn steps(&mut self) -> Vec<(State, Cause)> {
        self.reported().iter().map(|change| (change.to, change.cause)).collect()
    }

    fn check_accounts(&self) {
        let seen = self.snapshot();
        let ended = seen.successes + seen.failures + seen.ignored + seen.late;
        assert_eq!(seen.in_flight, self.in_flight);
        assert_eq!(seen.started, ended + seen.in_flight);
        assert_eq!(self.offered, seen.started + seen.rejected);
        assert!(seen.window.failures <= seen.window.calls);
        assert!(seen.window.slow <= seen.window.calls);
        let lived: Duration = seen.time_in.iter().sum();
        assert_eq!(lived, self.now.since(Timestamp::ZERO));
    }
}
