//! What runs came to, for people.

use crate::simulate::measure::roundest;
use crate::simulate::{Outcome, Phase};
use std::fmt::Write as _;

/// A run as a table with a column for each phase.
pub fn table(outcome: &Outcome) -> String {
    let phases = &outcome.phases;
    let mut rows = Rows::default();
    rows.add("", phases.iter().map(|it| it.name.to_owned()));
    rows.add("", phases.iter().map(|it| format!("{} to {} s", time(it.from), time(it.to))));
    rows_of(&mut rows, phases);
    let clients = phases.first().map_or(0, |phase| phase.clients.len());
    for client in (0..clients).filter(|_| clients > 1) {
        let name = phases.first().map_or("", |phase| &phase.clients[client].name);
        let of = |phase: &Phase| {
            let client = &phase.clients[client];
            percent((client.offered > 0).then(|| client.good as f64 / client.offered as f64))
        };
        rows.add(format!("good answers, {name}"), phases.iter().map(of));
    }
    for edge in 0..phases.first().map_or(0, |phase| phase.edges.len()) {
        let of = |phase: &Phase| {
            let edge = &phase.edges[edge];
            per(edge.attempts, edge.calls)
        };
        let name = phases.first().map(|phase| &phase.edges[edge]);
        let name = name.map_or(String::new(), |edge| format!("{} to {}", edge.from, edge.to));
        rows.add(format!("attempts per call, {name}"), phases.iter().map(of));
    }
    for service in 0..phases.first().map_or(0, |phase| phase.services.len()) {
        let name = phases.first().map_or("", |phase| &phase.services[service].name);
        let of = |phase: &Phase| {
            let service = &phase.services[service];
            percent((service.worked > 0.0).then(|| service.wasted / service.worked))
        };
        rows.add(format!("work for nothing, {name}"), phases.iter().map(of));
    }
    let mut text = rows.text();
    text.push('\n');
    text.push_str(&sentences(outcome));
    text
}

/// Several runs side by side: of each the phase of trouble and the one after it.
pub fn compared(runs: &[(String, Outcome)]) -> String {
    let mut text = String::new();
    let has = |name: &str| runs.iter().any(|(_, outcome)| outcome.phase(name).is_some());
    for name in ["all", "before", "during", "after"].into_iter().filter(|name| has(name)) {
        let phases: Vec<_> = runs.iter().filter_map(|(_, it)| it.phase(name).cloned()).collect();
        if phases.len() < runs.len() {
            continue;
        }
        let mut rows = Rows::default();
        rows.add(name, runs.iter().map(|(name, _)| name.clone()));
        rows_of(&mut rows, &phases);
        rows.add(
            "attempts per call of a client",
            phases.iter().map(|it| it.attempts().map_or("-".to_owned(), |it| format!("{it:.2}"))),
        );
        rows.add("work for nothing", phases.iter().map(|it| percent(it.wasted())));
        writeln!(text, "{}", rows.text()).expect("a string takes all");
    }
    let longest = runs.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    for (name, outcome) in runs {
        writeln!(text, "{name:longest$}  {}", outcome.verdict).expect("a string takes all");
    }
    text
}

fn rows_of(rows: &mut Rows, phases: &[Phase]) {
    let mut row = |name: &str, of: &dyn Fn(&Phase) -> String| rows.add(name, phases.iter().map(of));
    row("calls per second", &|it| rate(it.offered, it));
    row("good answers per second", &|it| rate(it.good, it));
    row("good answers", &|it| percent(it.success()));
    let share = |count: u64, it: &Phase| {
        percent((it.offered > 0).then(|| count as f64 / it.offered as f64))
    };
    let any = |of: fn(&Phase) -> u64| phases.iter().any(|it| of(it) > 0);
    type Of = fn(&Phase) -> u64;
    let classes: [(&str, Of); 6] = [
        ("too late", |it| it.late),
        ("fallbacks", |it| it.degraded),
        ("errors and timeouts", |it| it.failed),
        ("rejected by a policy", |it| it.rejected),
        ("given up", |it| it.given_up),
        ("never ended", |it| it.unfinished),
    ];
    for (name, of) in classes {
        if any(of) {
            row(name, &|it| share(of(it), it));
        }
    }
    for (place, share) in ["p50", "p99", "p99.9"].into_iter().enumerate() {
        row(&format!("latency {share}"), &|it| latency(it.latencies(), place));
    }
    for (place, share) in ["p50", "p99", "p99.9"].into_iter().enumerate() {
        row(&format!("of good answers {share}"), &|it| latency(it.good_latencies(), place));
    }
    row("callers who wait", &|it| format!("{:.1}", it.waiting));
}

fn sentences(outcome: &Outcome) -> String {
    let mut text = String::new();
    if outcome.opened > 0 {
        let times = if outcome.opened == 1 {
            "once".to_owned()
        } else {
            format!("{} times", outcome.opened)
        };
        writeln!(text, "circuits opened {times}").expect("a string takes all");
    }
    if let Some(detected) = outcome.detected {
        writeln!(text, "noticed after {detected:.1} s").expect("a string takes all");
    }
    if outcome.unfinished > 0 {
        let calls = outcome.unfinished;
        writeln!(text, "{calls} calls never ended: nothing bounds how long they wait")
            .expect("a string takes all");
    }
    writeln!(text, "{}", outcome.verdict).expect("a string takes all");
    text
}

fn rate(count: u64, phase: &Phase) -> String {
    let rate = count as f64 / phase.seconds();
    if rate >= 100.0 { format!("{rate:.0}") } else { format!("{rate:.1}") }
}

fn per(count: u64, of: u64) -> String {
    if of == 0 { "-".to_owned() } else { format!("{:.2}", count as f64 / of as f64) }
}

fn percent(share: Option<f64>) -> String {
    share.map_or("-".to_owned(), |share| format!("{:.1} %", share * 100.0))
}

/// To the millisecond, without what is not there.
fn time(seconds: f64) -> String {
    let text = format!("{seconds:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn latency(all: Option<[f64; 3]>, place: usize) -> String {
    let Some(all) = all else { return "-".to_owned() };
    match roundest(all[place]) {
        0.0 => "0 ms".to_owned(),
        it if it < 0.01 => format!("{:.2} ms", it * 1e3),
        it if it < 1.0 => format!("{:.0} ms", it * 1e3),
        it => format!("{it:.2} s"),
    }
}

/// Rows of one table: the first column to the left, the others to the right.
#[derive(Default)]
pub(super) struct Rows(Vec<Vec<String>>);

impl Rows {
    pub(super) fn add(&mut self, name: impl Into<String>, cells: impl Iterator<Item = String>) {
        self.0.push(std::iter::once(name.into()).chain(cells).collect());
    }

    pub(super) fn text(&self) -> String {
        let columns = self.0.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            self.0
                .iter()
                .filter_map(|row| row.get(column))
                .map(|cell| cell.chars().count())
                .max()
                .unwrap_or(0)
        };
        let widths: Vec<_> = (0..columns).map(width).collect();
        let mut text = String::new();
        for row in &self.0 {
            let mut line = String::new();
            for (column, cell) in row.iter().enumerate() {
                let width = widths[column];
                if column == 0 {
                    write!(line, "{cell:width$}").expect("a string takes all");
                } else {
                    write!(line, "  {cell:>width$}").expect("a string takes all");
                }
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}
