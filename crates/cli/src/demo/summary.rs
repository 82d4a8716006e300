//! The end: both clients side by side, and what that says.

use super::clients::Caller;
use super::tally::Reading;
use super::words::{span, span_or_dash};
use std::fmt;
use std::time::Duration;

/// What there is to compare.
#[derive(Debug)]
pub(super) struct Summary {
    /// What the clients have seen, by [`Caller`].
    pub(super) clients: [Reading; Caller::ALL.len()],
    /// Calls that reached the service while it was down, by [`Caller`].
    pub(super) reached_while_down: [u64; Caller::ALL.len()],
    /// How long after its recovery the service got calls through the gateway again.
    pub(super) recovery_noticed_after: Option<Duration>,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [with, without] = Caller::ALL.map(Caller::name);
        writeln!(f, "{:<41}{with:>15}{without:>18}", "Summary")?;
        let [with, without] = &self.clients;
        let mut row = |name: &str, cell: &dyn Fn(&Reading) -> String| {
            writeln!(f, "{name:<41}{:>15}{:>18}", cell(with), cell(without))
        };
        row("calls", &|client| client.calls.to_string())?;
        row("good answers", &|client| client.good.to_string())?;
        row("fallback answers", &|client| client.fallbacks.to_string())?;
        row("failed", &|client| client.failed.to_string())?;
        row("time callers spent waiting, in total", &|client| span(client.waits.sum()))?;
        for (name, fraction) in [("p50", 0.5), ("p90", 0.9), ("p99", 0.99)] {
            let name = format!("{name} of the time until the answer");
            row(&name, &|client| span_or_dash(client.waits.quantile(fraction)))?;
        }
        let [with, without] = self.reached_while_down;
        writeln!(f, "{:<41}{with:>15}{without:>18}\n", "calls that reached the failing service")?;
        self.read_out(f)
    }
}

impl Summary {
    fn read_out(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [with, without] = &self.clients;
        let [reached_with, reached_without] = self.reached_while_down;
        writeln!(
            f,
            "With the breaker callers waited {} in total instead of {};\n\
             the failing service got {reached_with} calls instead of {reached_without}.",
            span(with.waits.sum()),
            span(without.waits.sum()),
        )?;
        writeln!(
            f,
            "Those {reached_with} calls did wait (see p99): they found out that the service was down."
        )?;
        if let Some(median) = with.rejections.quantile(0.5) {
            writeln!(
                f,
                "While the circuit was open, {} calls got the fallback after {} (median).",
                with.rejections.count(),
                span(median)
            )?;
        }
        if let Some(after) = self.recovery_noticed_after {
            writeln!(
                f,
                "The price: the recovery was noticed only by the next probe, {} later.",
                span(after)
            )?;
        }
        Ok(())
    }
}
