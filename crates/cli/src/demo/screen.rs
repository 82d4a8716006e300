//! The demo on a terminal: drawn in place, a few times a second.

use super::frame::{event, frame, timeline};
use super::paint::{Colour, Paint};
use super::view::{Every, Setting, View};
use super::watch::{Moment, Story};
use std::io::{self, Write};

/// The other screen, which leaves what was there before untouched; no cursor; lines that are too
/// long are cut.
const ENTER: &str = "\x1b[?1049h\x1b[?25l\x1b[?7l";
/// Everything as it was.
const LEAVE: &str = "\x1b[?7h\x1b[?25h\x1b[?1049l";

/// A terminal. However it ends, the terminal is as it was before.
#[derive(Debug)]
pub(super) struct Screen<W: Write> {
    out: W,
    paint: Paint,
    drawing: Every,
    entered: bool,
    /// What was said of the file, to be read again at the end.
    file: String,
}

impl<W: Write> Screen<W> {
    /// Nothing is drawn yet.
    pub(super) fn new(out: W) -> Self {
        let paint = Paint::from_environment();
        Self { out, paint, drawing: Every::millis(200), entered: false, file: String::new() }
    }

    fn leave(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.entered) {
            self.out.write_all(LEAVE.as_bytes())?;
            self.out.flush()?;
        }
        Ok(())
    }
}

impl<W: Write> View for Screen<W> {
    fn begin(&mut self, setting: &Setting<'_>) -> io::Result<()> {
        self.file = setting.file.to_owned();
        self.entered = true;
        self.out.write_all(ENTER.as_bytes())
    }

    fn show(&mut self, moment: &Moment, story: &Story) -> io::Result<()> {
        if !self.drawing.tick() {
            return Ok(());
        }
        let lines = frame(moment, story, self.paint);
        self.out.write_all(drawn(&lines).as_bytes())?;
        self.out.flush()
    }

    /// What can be read at leisure stays.
    fn end(&mut self, story: &Story) -> io::Result<()> {
        self.leave()?;
        writeln!(self.out, "{}", self.paint.paint(Colour::Bold, "The gateway's file"))?;
        writeln!(self.out, "\n{}", self.file)?;
        writeln!(self.out, "{}\n", self.paint.paint(Colour::Bold, "What happened"))?;
        for it in &story.events {
            writeln!(self.out, "{}", event(it, self.paint))?;
        }
        writeln!(self.out)?;
        for line in timeline(story, self.paint) {
            writeln!(self.out, "{line}")?;
        }
        writeln!(self.out)
    }

    fn stop(&mut self) -> io::Result<()> {
        self.leave()
    }
}

impl<W: Write> Drop for Screen<W> {
    fn drop(&mut self) {
        // Where it cannot be written to, there is no terminal any more.
        let _ = self.leave();
    }
}

/// Each line at its own row, over what was there: nothing scrolls, however low the terminal is.
fn drawn(lines: &[String]) -> String {
    let rows = lines.iter().enumerate();
    let rows = rows.map(|(row, line)| format!("\x1b[{};1H{line}\x1b[K", row + 1));
    rows.chain(["\x1b[J".to_owned()]).collect()
}
