//! Every state that a breaker can come into, with small numbers: all courses of events, not some.
//!
//! Planted, and found each time: a lease that the next probe does not renew, or that is never set, or is
//! shorter than an attempt; a cancelled probe that gives back two places, or none; a probe of an older
//! episode that acts; an outcome of an older state in the window of the next; a window that does not begin
//! empty; an open duration that goes on growing after a close; a late result counted as ignored.
//!
//! A search in breadth over the breaker itself. A state is reached again by doing again what led to it,
//! and two are the same where all that decides their future is the same (`key.rs`): times and
//! generations count from now. `world.rs` says what can happen, and what must hold after each step.

mod key;
mod world;

use crate::breaker::{OpenFor, Rules, Settings, State, Window};
use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use world::{Step, World};

/// So many calls are under way at once.
const CALLERS: usize = 3;
/// One step of time.
const TICK: Duration = Duration::from_millis(100);

/// What led to a state: the number of the state before it, and one step more.
struct Reached {
    from: usize,
    step: Option<Step>,
}

struct Search {
    rules: Arc<Rules>,
    reached: Vec<Reached>,
    steps: u64,
    longest: usize,
    /// How often a step was taken in each state of the circuit.
    visited: [u64; State::ALL.len()],
}

impl Search {
    /// Takes every possible step from every state, until no new one is found.
    fn run(settings: Settings) -> Self {
        let rules = Arc::new(settings.check().unwrap());
        let mut search = Self {
            rules,
            reached: vec![Reached { from: 0, step: None }],
            steps: 0,
            longest: 0,
            visited: [0; State::ALL.len()],
        };
        let mut seen = HashSet::from([World::new(&search.rules).key()]);
        let mut number = 0;
        while number < search.reached.len() {
            let path = search.path(number);
            search.longest = search.longest.max(path.len());
            for step in search.replay(&path).possible() {
                let mut world = search.replay(&path);
                world.take(step);
                search.steps += 1;
                search.visited[world.state() as usize] += 1;
                let new = seen.insert(world.key());
                if let Err(wrong) = world.check().and_then(|()| world.check_time_alone(new)) {
                    panic!("{wrong}\n{:?}\nafter {path:#?}\nand then {step:?}", search.rules);
                }
                if new {
                    search.reached.push(Reached { from: number, step: Some(step) });
                }
            }
            number += 1;
        }
        search
    }

    fn path(&self, mut number: usize) -> Vec<Step> {
        let mut path = Vec::new();
        while let Some(step) = self.reached[number].step {
            path.push(step);
            number = self.reached[number].from;
        }
        path.reverse();
        path
    }

    fn replay(&self, path: &[Step]) -> World {
        let mut world = World::new(&self.rules);
        path.iter().for_each(|step| world.take(*step));
        world
    }
}

impl fmt::Display for Search {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rules, reached, steps, longest, .. } = self;
        let (states, probes, successes) = (reached.len(), rules.probes, rules.successes_to_close);
        write!(f, "{probes} probes, {successes} successes, {rules}: ")?;
        write!(f, "{states} states, {steps} steps, the farthest {longest} from the start")
    }
}

/// Every number of probes and successes up to two, over these settings.
fn with_probes(settings: &Settings) {
    for (probes, successes) in [(1, 1), (2, 1), (2, 2)] {
        let settings = Settings {
            probes: Some(probes),
            successes_to_close: Some(successes),
            ..settings.clone()
        };
        let search = Search::run(settings);
        println!("{search}");
        for state in State::ALL {
            assert!(search.visited[state as usize] > 0, "{state} is never reached");
        }
    }
}

fn open_for(initial: u32, max: u32) -> Option<OpenFor> {
    let growing = OpenFor { initial: TICK * initial, factor: 2.0, max: TICK * max, jitter: false };
    Some(if initial == max { OpenFor::fixed(TICK * initial) } else { growing })
}

/// Half of the last two.
fn by_rate() -> Settings {
    Settings {
        window: Some(Window::Calls(2)),
        open_for: open_for(2, 2),
        attempt_timeout: Some(TICK * 3),
        ..Settings::default()
    }
}

#[test]
#[cfg_attr(miri, ignore = "millions of steps")]
fn opened_by_a_failure_rate_for_a_fixed_time() {
    with_probes(&by_rate());
}

#[test]
#[cfg_attr(miri, ignore = "millions of steps")]
fn opened_by_a_failure_rate_for_a_time_that_grows() {
    let settings = Settings { open_for: open_for(1, 4), attempt_timeout: None, ..by_rate() };
    with_probes(&settings);
}

#[test]
#[cfg_attr(miri, ignore = "millions of steps")]
fn opened_by_slow_calls() {
    let settings = Settings {
        slow_call: Some(TICK),
        slow_call_rate: Some(1.0),
        window: Some(Window::Calls(1)),
        ..by_rate()
    };
    with_probes(&settings);
}

#[test]
#[cfg_attr(miri, ignore = "millions of steps")]
fn opened_by_failures_in_a_row_where_calls_can_be_slow() {
    let settings = Settings {
        slow_call: Some(TICK),
        consecutive_failures: Some(2),
        window: Some(Window::Calls(1)),
        ..by_rate()
    };
    with_probes(&settings);
}
