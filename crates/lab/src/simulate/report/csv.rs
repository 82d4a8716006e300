//! Every second as a line.

use crate::simulate::Outcome;
use std::fmt::Write as _;

/// Every second of every run as a line of CSV, with a header.
pub fn csv(runs: &[(String, Outcome)]) -> String {
    let mut text = String::from(
        "run,second,offered,good,degraded,bad,attempts,rejected,open,p50_seconds,p99_seconds,in_flight\n",
    );
    for (name, outcome) in runs {
        for (number, it) in outcome.seconds.iter().enumerate() {
            let name = if name.contains([',', '"', '\n']) {
                format!("\"{}\"", name.replace('"', "\"\""))
            } else {
                name.clone()
            };
            writeln!(
                text,
                "{name},{number},{},{},{},{},{},{},{},{},{},{}",
                it.offered,
                it.good,
                it.degraded,
                it.bad,
                it.attempts,
                it.rejected,
                it.open,
                it.p50,
                it.p99,
                it.in_flight
            )
            .expect("a string takes all");
        }
    }
    text
}
