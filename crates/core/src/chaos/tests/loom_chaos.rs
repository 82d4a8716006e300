//! Models of the switch and the sequence: every interleaving of a few threads, with at most two
//! preemptions.

use crate::chaos::{Chaos, Fault, FaultKind, Settings};
use crate::{Timestamp, interleavings, slot};
use loom::thread;
use std::sync::Arc;
use std::time::Duration;

const START: Timestamp = Timestamp::ZERO;

/// A model whose first thread owns the slot 1.
fn model(name: &str, run: impl Fn() + Send + Sync + 'static) {
    interleavings::model(name, move || {
        slot::assume(1);
        run();
    });
}

fn error(status: u16) -> Settings {
    Settings { error: Some(status), ..Settings::default() }
}

fn chaos(settings: Settings) -> Arc<Chaos> {
    Arc::new(Chaos::new(settings.check().unwrap(), START))
}

fn status(fault: Option<Fault>) -> Option<u16> {
    fault.map(|fault| match fault.kind {
        Some(FaultKind::Error(status)) => status,
        other => panic!("{other:?}"),
    })
}

#[test]
fn threads_together_never_hit_more_than_the_cap() {
    model("threads together never hit more than the cap", || {
        // Calls 1, 2 and 4 of 4, whoever makes them.
        let chaos = chaos(Settings { max_fraction: 0.5, ..error(503) });
        let draw = |chaos: &Chaos| [(); 2].map(|()| chaos.draw(START, None)).into_iter().flatten();
        let other = {
            let chaos = chaos.clone();
            thread::spawn(move || draw(&chaos).count())
        };
        let hits = draw(&chaos).count() + other.join().unwrap();
        let seen = chaos.snapshot(START);
        assert_eq!((hits as u64, seen.calls, seen.spared), (seen.hits, 4, 1));
        assert_eq!(hits, 3);
    });
}

#[test]
fn nothing_is_hit_once_it_was_switched_off() {
    model("nothing is hit once it was switched off", || {
        let chaos = chaos(error(503));
        let other = {
            let chaos = chaos.clone();
            thread::spawn(move || {
                chaos.switch(false, START);
                (chaos.draw(START, None), chaos.snapshot(START).hits)
            })
        };
        let hit = chaos.draw(START, None).is_some();
        let (after, hits) = other.join().unwrap();
        assert_eq!((after, chaos.draw(START, None)), (None, None));
        // Nor is a call that asked before: it was hit by then, or it is not hit.
        assert_eq!((hits, chaos.snapshot(START).hits), (u64::from(hit), hits));
    });
}

#[test]
fn a_call_sees_the_old_settings_or_the_new_and_no_mixture() {
    model("a call sees the old settings or the new and no mixture", || {
        let chaos = chaos(Settings { max_fraction: 0.5, ..error(500) });
        let other = {
            let chaos = chaos.clone();
            let lasts = Some(Duration::from_nanos(1));
            thread::spawn(move || chaos.set(Settings { lasts, ..error(503) }, START))
        };
        let seen = [(); 3].map(|()| status(chaos.draw(START, None)));
        other.join().unwrap();
        // By the old settings the third is spared; the new ones hit all.
        let possible = [
            [Some(500), Some(500), None],
            [Some(500), Some(500), Some(503)],
            [Some(500), Some(503), Some(503)],
            [Some(503), Some(503), Some(503)],
        ];
        assert!(possible.contains(&seen), "{seen:?}");
        assert!(!chaos.is_on(Timestamp::from_nanos(1)));
    });
}

#[test]
fn the_switch_is_where_the_last_one_left_it() {
    model("the switch is where the last one left it", || {
        let chaos = chaos(Settings { on: false, ..error(503) });
        let other = {
            let chaos = chaos.clone();
            thread::spawn(move || chaos.switch(true, START))
        };
        let hit = chaos.draw(START, None).is_some();
        other.join().unwrap();
        assert!(chaos.draw(START, None).is_some(), "it was switched on before");
        assert_eq!(chaos.snapshot(START).calls, 1 + u64::from(hit));
    });
}
