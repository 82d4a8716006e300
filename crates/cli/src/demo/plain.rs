//! The demo as a log: a line for each event, and one a second.

use super::frame::{event_text, timeline};
use super::paint::Paint;
use super::tally::Reading;
use super::view::{Every, Setting, View};
use super::watch::{Moment, Story};
use super::words::{clock, span_or_dash};
use std::io::{self, Write};

/// A log without any colours, for files, pipes and the output of CI.
#[derive(Debug)]
pub(super) struct Plain<W: Write> {
    out: W,
    seconds: Every,
    /// Events that have their line.
    told: usize,
}

impl<W: Write> Plain<W> {
    /// Nothing is written yet.
    pub(super) fn new(out: W) -> Self {
        Self { out, seconds: Every::millis(1000), told: 0 }
    }
}

impl<W: Write> View for Plain<W> {
    fn begin(&mut self, Setting { service, gateway, file }: &Setting<'_>) -> io::Result<()> {
        writeln!(
            self.out,
            "breakerbox demo: a small service fails and recovers. Two equal clients call it, one\n\
             through a gateway with a circuit breaker, the other one without.\n\n\
             service  http://{service}\n\
             gateway  http://{gateway}\n\n\
             The gateway's file:\n"
        )?;
        for line in file.lines() {
            writeln!(self.out, "{}", format!("    {line}").trim_end())?;
        }
        writeln!(self.out)
    }

    fn show(&mut self, moment: &Moment, story: &Story) -> io::Result<()> {
        for event in &story.events[self.told..] {
            // A scene's title stands above what it begins with.
            if event.at == moment.scene.begins {
                writeln!(self.out, "\n{}", moment.scene.title)?;
            }
            writeln!(self.out, "{}  * {}", clock(event.at), event_text(event))?;
        }
        self.told = story.events.len();
        if self.seconds.tick() && moment.so_far.iter().any(|reading| reading.waits.count() > 0) {
            writeln!(self.out, "{}", second(moment))?;
        }
        self.out.flush()
    }

    fn end(&mut self, story: &Story) -> io::Result<()> {
        writeln!(self.out)?;
        for line in timeline(story, Paint::plain()) {
            writeln!(self.out, "{line}")?;
        }
        writeln!(self.out)
    }

    fn stop(&mut self) -> io::Result<()> {
        writeln!(self.out)
    }
}

/// How the last second was.
fn second(moment: &Moment) -> String {
    let circuit = moment.circuit.state.name().replace('_', "-");
    let [with, without] = moment.last_second.each_ref().map(answers);
    format!("{}    {circuit:<10} with: {with:<34} without: {without}", clock(moment.at))
}

/// `20 good after 2.9 ms`
fn answers(lately: &Reading) -> String {
    let counts = [(lately.good, "good"), (lately.fallbacks, "fallback"), (lately.failed, "failed")];
    let counts = counts.into_iter().filter(|(count, _)| *count > 0);
    let counts: Vec<_> = counts.map(|(count, name)| format!("{count} {name}")).collect();
    if counts.is_empty() {
        return "all waiting".to_owned();
    }
    format!("{} after {}", counts.join(", "), span_or_dash(lately.waits.quantile(0.5)))
}
