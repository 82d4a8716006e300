//! A small chart for a terminal.

use crate::simulate::{Outcome, Second};
use std::fmt::Write as _;

const BARS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// A few lines that show how a run went, at most so many characters wide.
pub fn spark(outcome: &Outcome, width: usize) -> String {
    const NAMES: usize = 18;
    let columns = width.saturating_sub(NAMES + 12).clamp(10, 120);
    type Of = fn(&Second) -> f64;
    let rows: [(&str, Of); 5] = [
        ("calls", |it| f64::from(it.offered)),
        ("good answers", |it| f64::from(it.good)),
        ("attempts", |it| f64::from(it.attempts)),
        ("p99", |it| it.p99),
        ("open circuits", |it| f64::from(it.open)),
    ];
    let top = |name: &str, value: f64| match name {
        "p99" if value < 1.0 => format!("{:.0} ms", value * 1e3),
        "p99" => format!("{value:.1} s"),
        "open circuits" => format!("{value:.0}"),
        _ => format!("{value:.0}/s"),
    };
    // What came and what was answered well are drawn to one scale.
    let calls = columns_of(&outcome.seconds, columns, rows[0].1);
    let scale = calls.iter().copied().fold(0.0, f64::max);
    let mut text = String::new();
    for (name, of) in rows {
        let values = columns_of(&outcome.seconds, columns, of);
        let largest = values.iter().copied().fold(0.0, f64::max);
        let full =
            if matches!(name, "calls" | "good answers") { scale.max(largest) } else { largest };
        let line: String = values.iter().map(|value| bar(*value, full)).collect();
        writeln!(text, "{name:NAMES$}{line}  {}", top(name, full)).expect("a string takes all");
    }
    text
}

/// The mean of each column's seconds.
fn columns_of(seconds: &[Second], columns: usize, of: fn(&Second) -> f64) -> Vec<f64> {
    let count = columns.min(seconds.len());
    let mean = |column: usize| {
        let (from, to) = (column * seconds.len() / count, (column + 1) * seconds.len() / count);
        seconds[from..to].iter().map(of).sum::<f64>() / (to - from) as f64
    };
    (0..count).map(mean).collect()
}

fn bar(value: f64, full: f64) -> char {
    if full <= 0.0 || value <= 0.0 {
        return BARS[0];
    }
    // Whatever is there is seen.
    let height = (value / full * 8.0 + 0.5) as usize;
    BARS[height.clamp(1, 8)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_high_as_their_values() {
        let line: String = [0.0, 0.001, 4.0, 8.0].iter().map(|it| bar(*it, 8.0)).collect();
        assert_eq!(line, " ▁▄█");
    }

    #[test]
    fn seconds_are_put_together_where_there_are_more_than_columns() {
        let second = |good| Second { good, ..Second::default() };
        let seconds = [second(1), second(3), second(5), second(7)];
        assert_eq!(columns_of(&seconds, 2, |it| f64::from(it.good)), [2.0, 6.0]);
        assert_eq!(columns_of(&seconds, 9, |it| f64::from(it.good)), [1.0, 3.0, 5.0, 7.0]);
    }
}
