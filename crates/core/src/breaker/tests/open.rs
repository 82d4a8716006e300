//! How long a circuit stays open.

use super::rig::*;
use crate::breaker::{Breaker, Cause, Control, Memory, OpenFor, Rejected, Settings, State};
use crate::{Outcome, Timestamp};
use std::time::Duration;

#[test]
fn a_probe_is_admitted_at_exactly_open_for() {
    let mut rig = Rig::new(touchy());
    rig.call(FAIL);
    let open = |retry_after| Rejected { state: State::Open, retry_after: Some(retry_after) };
    assert_eq!(rig.rejection(), open(ms(1000)));
    rig.pass(ms(1000) - NS);
    assert_eq!(rig.rejection(), open(NS));
    assert!(!rig.breaker.admits(rig.now));
    rig.pass(NS);
    assert!(rig.breaker.admits(rig.now));
    let probe = rig.permit();
    assert_eq!((probe.state(), probe.generation()), (State::HalfOpen, 2));
    assert_eq!(
        rig.reported(),
        [
            change(State::Closed, State::Open, 0, Cause::ConsecutiveFailures, 1),
            change(State::Open, State::HalfOpen, 1000, Cause::OpenElapsed, 2),
        ]
    );
}

#[test]
fn a_change_made_by_time_is_reported_later_with_the_time_it_was_due() {
    let mut rig = Rig::new(touchy());
    rig.call(FAIL);
    rig.reported();
    rig.to(77_000);
    assert_eq!(rig.state(), State::HalfOpen);
    assert_eq!(rig.reported(), []);
    rig.settle();
    let due = change(State::Open, State::HalfOpen, 1000, Cause::OpenElapsed, 2);
    assert_eq!(rig.reported(), [due]);
    rig.settle();
    assert_eq!(rig.reported(), [], "once");
}

/// How long each of so many openings in a row lasts.
fn openings(settings: Settings, many: usize) -> Vec<Duration> {
    let mut rig = Rig::new(settings);
    rig.call(FAIL);
    let mut lasted = Vec::new();
    for _ in 0..many {
        let retry_after = rig.rejection().retry_after.unwrap();
        lasted.push(retry_after);
        rig.pass(retry_after - NS);
        assert_eq!(rig.state(), State::Open);
        rig.pass(NS);
        rig.call(FAIL);
    }
    lasted
}

#[test]
fn repeated_openings_grow_by_the_factor_up_to_the_maximum() {
    let growing = OpenFor { initial: ms(1000), factor: 1.5, max: ms(4000), jitter: false };
    let lasted = openings(Settings { open_for: Some(growing), ..touchy() }, 6);
    // 1, 1.5, 2.25, 3.375, then 5.0625 is more than 4.
    assert_eq!(lasted, [1000, 1500, 2250, 3375, 4000, 4000].map(ms));
}

#[test]
fn a_fixed_open_for_does_not_grow() {
    assert_eq!(openings(touchy(), 4), [1000; 4].map(ms));
    // A maximum beyond it changes nothing without a factor.
    let flat = OpenFor { initial: ms(1000), factor: 1.0, max: ms(9000), jitter: false };
    let lasted = openings(Settings { open_for: Some(flat), ..touchy() }, 4);
    assert_eq!(lasted, [1000; 4].map(ms));
}

#[test]
fn growth_begins_anew_after_every_way_to_close() {
    let growing = OpenFor { initial: ms(1000), factor: 2.0, max: ms(60_000), jitter: false };
    let settings = Settings { open_for: Some(growing), ..touchy() };
    let ways = [
        None, // by a probe
        Some(Control::Close),
        Some(Control::Enable),
        Some(Control::Reset),
        Some(Control::Disable),
        Some(Control::MetricsOnly),
    ];
    for way in ways {
        let mut rig = Rig::new(settings.clone());
        rig.call(FAIL);
        rig.pass(ms(1000));
        rig.call(FAIL);
        assert_eq!(rig.rejection().retry_after, Some(ms(2000)));
        match way {
            None => {
                rig.pass(ms(2000));
                rig.call(OK);
                assert_eq!(rig.state(), State::Closed);
            }
            Some(control) => rig.control(control),
        }
        rig.control(Control::ForceOpen);
        assert_eq!(rig.rejection().retry_after, Some(ms(1000)), "{way:?}");
    }
}

#[test]
fn isolating_is_no_close_and_growth_goes_on() {
    let growing = OpenFor { initial: ms(1000), factor: 2.0, max: ms(60_000), jitter: false };
    let mut rig = Rig::new(Settings { open_for: Some(growing), ..touchy() });
    rig.call(FAIL);
    rig.control(Control::Isolate);
    rig.control(Control::ForceOpen);
    assert_eq!(rig.rejection().retry_after, Some(ms(2000)));
}

#[test]
fn a_restart_changes_nothing_in_how_openings_grow() {
    let growing = OpenFor { initial: ms(1000), factor: 2.0, max: ms(60_000), jitter: false };
    let settings = Settings { open_for: Some(growing), ..touchy() };
    // After each opening of 1, 2, 4, 8 s.
    for openings in 1..5_u32 {
        let mut before = Rig::new(settings.clone());
        for opening in 0..openings {
            before.call(FAIL);
            before.pass(ms(500));
            if opening + 1 < openings {
                before.pass(ms(1000 << opening));
            }
        }
        let memory = before.breaker.export(before.now);
        assert_eq!(memory.open_for, ms(500 << openings), "{memory:?}");
        assert_eq!(memory.growing, ms(1000 << openings), "{memory:?}");
        let mut after = Rig::new(settings.clone());
        after.breaker.import(memory, after.now, &mut |_| {});
        assert_eq!(after.breaker.export(after.now), memory);
        assert_eq!(after.rejection(), before.rejection());
        for rig in [&mut before, &mut after] {
            rig.pass(memory.left);
            rig.call(FAIL);
            assert_eq!(rig.rejection().retry_after, Some(ms(1000 << openings)));
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "two thousand breakers")]
fn jitter_spreads_over_half_to_one_and_a_half_and_never_beyond_the_maximum() {
    let jitter = OpenFor { initial: ms(1000), factor: 2.0, max: ms(5000), jitter: true };
    let rules = Settings { open_for: Some(jitter), ..touchy() }.check().unwrap();
    let rules = std::sync::Arc::new(rules);
    let (mut least, mut most) = ([Duration::MAX; 4], [Duration::ZERO; 4]);
    for seed in 0..2000 {
        let mut now = Timestamp::ZERO;
        let breaker = Breaker::new(rules.clone(), now, seed);
        for nth in 0..4 {
            let permit = breaker.admit(now, &mut |_| {}).unwrap();
            breaker.finish(permit, now, Outcome::Failure, &mut |_| {});
            let lasts = breaker.snapshot(now).retry_after.unwrap();
            least[nth] = least[nth].min(lasts);
            most[nth] = most[nth].max(lasts);
            now = now + lasts;
        }
    }
    // Jitter does not add up: the bases are 1, 2, 4, and 5 s instead of 8.
    for (nth, base) in [1000, 2000, 4000, 5000].into_iter().enumerate() {
        let (low, high) = (ms(base / 2), ms(base * 3 / 2).min(ms(5000)));
        assert!(least[nth] >= low && least[nth] < low + ms(base / 100), "{:?}", least[nth]);
        assert!(most[nth] <= high && most[nth] > high - ms(base / 100), "{:?}", most[nth]);
    }
}

#[test]
fn the_same_seed_gives_the_same_jitter() {
    let settings = Settings { consecutive_failures: Some(1), ..Settings::default() };
    assert_eq!(openings(settings.clone(), 5), openings(settings, 5));
}

#[test]
fn opening_at_the_end_of_time_is_harmless() {
    let rules = touchy().check().unwrap();
    let end = Timestamp::NEVER;
    let breaker = Breaker::new(rules.into(), end, 0);
    let permit = breaker.admit(end, &mut |_| {}).unwrap();
    breaker.finish(permit, end, Outcome::Failure, &mut |_| {});
    let seen = breaker.snapshot(end);
    assert_eq!(seen.opened, 1);
    // What is due then is due at once for who has come so far; nothing overflows.
    assert_eq!(seen.state, State::HalfOpen);
}

#[test]
fn what_is_remembered_ages_and_nothing_else_of_it_changes() {
    let mut rig = Rig::new(touchy());
    rig.control(Control::ForceOpen);
    let memory = rig.breaker.export(rig.now);
    assert_eq!(memory.after(ms(400)), Memory { left: ms(600), ..memory });
    assert_eq!(memory.after(ms(4000)), Memory { left: Duration::ZERO, ..memory });
}

#[test]
fn after_a_restart_each_state_is_as_it_was_but_for_the_closed_one() {
    for (control, remembered, taken_up) in [
        (Control::ForceOpen, State::Open, State::Open),
        (Control::Isolate, State::Isolated, State::Isolated),
        (Control::Disable, State::Disabled, State::Disabled),
        (Control::MetricsOnly, State::MetricsOnly, State::MetricsOnly),
        (Control::Close, State::Closed, State::Closed),
    ] {
        let mut before = Rig::new(touchy());
        before.control(control);
        let memory = before.breaker.export(before.now);
        assert_eq!(memory.state, remembered);
        let after = Rig::new(touchy());
        let mut changes = Vec::new();
        after.breaker.import(memory, after.now, &mut |change| changes.push(change));
        assert_eq!(after.breaker.state(after.now), taken_up);
        if taken_up == State::Closed {
            assert_eq!(changes, []);
        } else {
            assert_eq!(changes, [change(State::Closed, taken_up, 0, Cause::Restored, 1)]);
        }
    }
    assert_eq!(Cause::Restored.to_string(), "as before the restart");
}
