//! The same scenario with several seeds: means, and how sure they are.

use super::table::Rows;
use crate::simulate::measure::roundest;
use crate::simulate::{Outcome, Phase, Verdict};

/// A table of the means over several seeds, each with the half-width of its 95 % interval (Student), and
/// how often the system did not recover, with the interval of Wilson.
pub fn intervals(outcomes: &[Outcome]) -> String {
    let Some(first) = outcomes.first() else { return String::new() };
    let mut rows = Rows::default();
    rows.add("", first.phases.iter().map(|phase| phase.name.to_owned()));
    type Of = fn(&Phase) -> Option<f64>;
    let all: [(&str, Of, Unit); 8] = [
        ("calls per second", |it| Some(it.offered as f64 / it.seconds()), Unit::Number),
        ("good answers per second", |it| Some(it.good as f64 / it.seconds()), Unit::Number),
        ("good answers", Phase::success, Unit::Percent),
        ("attempts per call of a client", Phase::attempts, Unit::Number),
        ("latency p50", |it| it.latencies().map(|all| roundest(all[0])), Unit::Time),
        ("latency p99", |it| it.latencies().map(|all| roundest(all[1])), Unit::Time),
        ("callers who wait", |it| Some(it.waiting), Unit::Number),
        ("work for nothing", Phase::wasted, Unit::Percent),
    ];
    for (name, of, unit) in all {
        let cells = first.phases.iter().map(|phase| {
            let values = outcomes.iter().filter_map(|it| it.phase(phase.name)).filter_map(of);
            let values: Vec<_> = values.collect();
            let said = unit.show(&values);
            // What some seeds have no value of is not as sure as it looks.
            let missing = values.len() > 1 && values.len() < outcomes.len();
            if missing { format!("{said} ({} of {})", values.len(), outcomes.len()) } else { said }
        });
        rows.add(name, cells);
    }
    format!("{}\n{} seeds; {}\n", rows.text(), outcomes.len(), how_often(outcomes))
}

/// In how many of them it does not recover. Those that end before it can be said are not among them.
fn how_often(outcomes: &[Outcome]) -> String {
    let count = |of: fn(Verdict) -> bool| outcomes.iter().filter(|it| of(it.verdict)).count();
    let unwatched = count(|it| matches!(it, Verdict::NotWatched { .. }));
    let watched = outcomes.len() - unwatched;
    let too_short =
        format!("in {unwatched} it was not watched long enough: make `duration` longer");
    if watched == 0 {
        return too_short;
    }
    let bad = count(|it| matches!(it, Verdict::DoesNotRecover { .. }));
    let (low, high) = wilson(bad, watched);
    let said = format!(
        "in {bad} it does not recover: {:.0} % (95 % interval {:.0} to {:.0} %)",
        100.0 * bad as f64 / watched as f64,
        100.0 * low,
        100.0 * high,
    );
    if unwatched == 0 { said } else { format!("{said}; {too_short}") }
}

#[derive(Clone, Copy)]
enum Unit {
    Number,
    Percent,
    Time,
}

impl Unit {
    fn show(self, values: &[f64]) -> String {
        // One value says nothing of how sure it is.
        let sure = mean_and_half_width(values).filter(|_| values.len() > 1);
        let Some((mean, half)) = sure else { return "-".to_owned() };
        match self {
            Self::Number if mean >= 100.0 => format!("{mean:.0} +- {half:.0}"),
            Self::Number => format!("{mean:.2} +- {half:.2}"),
            Self::Percent => format!("{:.1} +- {:.1} %", mean * 100.0, half * 100.0),
            Self::Time if mean >= 1.0 => format!("{mean:.2} +- {half:.2} s"),
            Self::Time => format!("{:.1} +- {:.1} ms", mean * 1e3, half * 1e3),
        }
    }
}

/// The mean and half the width of its 95 % interval; `None` without values.
pub(crate) fn mean_and_half_width(values: &[f64]) -> Option<(f64, f64)> {
    let count = values.len() as f64;
    if values.is_empty() {
        return None;
    }
    let mean = values.iter().sum::<f64>() / count;
    if values.len() < 2 {
        return Some((mean, f64::INFINITY));
    }
    let squares: f64 = values.iter().map(|value| (value - mean) * (value - mean)).sum();
    let error = libm::sqrt(squares / (count - 1.0) / count);
    Some((mean, student(values.len() - 1) * error))
}

/// The 97.5 % quantile of Student's distribution.
fn student(degrees: usize) -> f64 {
    const SMALL: [f64; 30] = [
        12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160,
        2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056,
        2.052, 2.048, 2.045, 2.042,
    ];
    SMALL.get(degrees.saturating_sub(1)).copied().unwrap_or(1.96 + 2.4 / degrees as f64)
}

/// The 95 % interval of a share (Wilson, 1927): it is right for small numbers, and for none at all.
fn wilson(hits: usize, of: usize) -> (f64, f64) {
    let (n, z) = (of as f64, 1.96_f64);
    let share = hits as f64 / n;
    let middle = share + z * z / (2.0 * n);
    let spread = z * libm::sqrt(share * (1.0 - share) / n + z * z / (4.0 * n * n));
    let scale = 1.0 + z * z / n;
    (((middle - spread) / scale).max(0.0), ((middle + spread) / scale).min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_by_hand() {
        // 1, 2, 3: the variance is 1, the error of the mean 1 / sqrt(3), the quantile for 2 is 4.303.
        let (mean, half) = mean_and_half_width(&[1.0, 2.0, 3.0]).unwrap();
        assert_eq!(mean, 2.0);
        assert!((half - 4.303 / 3.0_f64.sqrt()).abs() < 1e-9);
        // Of 10 none: up to z^2 / (n + z^2) = 3.8416 / 13.8416.
        let (low, high) = wilson(0, 10);
        assert!(low.abs() < 1e-9 && (high - 3.8416 / 13.8416).abs() < 1e-9, "{low} {high}");
    }
}
