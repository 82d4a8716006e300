//! The goals, each with its figure.

use crate::memory;
use crate::rounds::Measured;
use crate::threads;
use crate::{breaker, failures, floors, open, rate_limit, stack};

/// All that was measured.
pub struct Figures<'a> {
    pub rows: &'a [Vec<Measured>],
    pub threads: &'a [threads::Row],
    pub breakers: &'a [memory::Row],
    pub keys: &'a [memory::Row],
}

impl Figures<'_> {
    fn find(&self, name: &str) -> Option<&Measured> {
        self.rows.iter().flatten().find(|row| row.name == name)
    }

    /// Nanoseconds of a case; not a number if there is none, which meets no goal.
    fn nanos(&self, name: &str) -> f64 {
        self.find(name).map_or(f64::NAN, |row| row.nanos)
    }

    fn allocates(&self, name: &str) -> bool {
        self.find(name).is_none_or(|row| row.allocations > 0.0)
    }

    fn two_threads(&self, name: &str) -> f64 {
        let row = self.threads.iter().find(|row| row.name == name);
        row.map_or(f64::NAN, |row| row.two / row.one)
    }

    /// Prints every goal.
    pub fn print_goals(&self) {
        println!("\n{:<66} {:>8} {:>8}", "goals", "goal", "figure");
        let xadd = self.nanos(floors::XADD);
        let (coarse, timer) = (self.nanos(floors::COARSE), self.nanos(floors::TIMER));
        let in_xadd = |name| self.nanos(name) / xadd;

        for name in [breaker::CORE, breaker::BLOCKING, breaker::ASYNC] {
            quiet(&format!("closed, {name}, in atomic adds"), 2.0, in_xadd(name), self, name);
        }
        for name in [breaker::CORE_LATENCIES, breaker::LATENCIES] {
            quiet(&format!("closed, {name}"), 4.0, in_xadd(name), self, name);
        }
        let base = self.nanos(breaker::CORE);
        for percent in [1, 10] {
            let name = failures::core_with(percent);
            line(&format!("{name}, against none"), 2.0, self.nanos(&name) / base);
        }
        for name in [breaker::CORE, breaker::BLOCKING, breaker::ASYNC] {
            line(&format!("two threads against one, {name}"), 1.5, self.two_threads(name));
        }
        for name in [open::CORE, open::BLOCKING] {
            line(&format!("{name}: coarse clock + 3, ns"), coarse + 3.0, self.nanos(name));
        }
        let floor = self.nanos(floors::STACK);
        for name in [stack::CORE, stack::READY] {
            let goal = format!("stack of four, {name}: 4 adds + 2 clocks, ns");
            quiet(&goal, floor, self.nanos(name), self, name);
        }
        let goal = format!("stack of four, {}: that + 1.1 timers, ns", stack::PENDING);
        line(&goal, floor + 1.1 * timer, self.nanos(stack::PENDING));
        let governor = self.nanos(rate_limit::GOVERNOR);
        for name in [rate_limit::CORE, rate_limit::ASYNC] {
            line(&format!("rate limit, {name}: governor's, ns"), governor, self.nanos(name));
        }
        let failing = |held| self.nanos(&failures::core_holding(held));
        let ratio = failing(100_000) / failing(100);
        line("a failing call, 100,000 calls in the window against 100", 2.0, ratio);
        let bytes = |rows: &[memory::Row], name| {
            rows.iter().find(|row| row.name == name).map_or(f64::NAN, |row| row.bytes)
        };
        let breaker = bytes(self.breakers, memory::CORE);
        line("an idle breaker of core, bytes", 512.0, breaker);
        line(
            "an idle breaker with its place in the map, bytes",
            512.0,
            bytes(self.keys, memory::KEYED),
        );
    }
}

fn line(goal: &str, at_most: f64, figure: f64) {
    let verdict = if figure <= at_most { "met" } else { "not met" };
    println!("{goal:<66} {at_most:>8.2} {figure:>8.2}  {verdict}");
}

/// The same where nothing may be allocated either.
fn quiet(goal: &str, at_most: f64, figure: f64, figures: &Figures<'_>, name: &str) {
    if figures.allocates(name) {
        println!("{goal:<66} {at_most:>8.2} {figure:>8.2}  not met: it allocates");
    } else {
        line(goal, at_most, figure);
    }
}
