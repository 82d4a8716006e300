//! Who shows what happens: the screen of a terminal, or a plain log.

use super::plain::Plain;
use super::screen::Screen;
use super::watch::{Moment, Story, TICK};
use std::env;
use std::io::{self, IsTerminal as _, Stdout};
use std::net::SocketAddr;

/// What is played, before it begins.
#[derive(Debug)]
pub(super) struct Setting<'a> {
    /// Where the service listens.
    pub(super) service: SocketAddr,
    /// Where the gateway does.
    pub(super) gateway: SocketAddr,
    /// The gateway's file.
    pub(super) file: &'a str,
}

/// Shows the demo. Everything but the summary, which is the same for all.
pub(super) trait View {
    /// It is about to begin.
    fn begin(&mut self, setting: &Setting<'_>) -> io::Result<()>;
    /// A moment of it; comes every [`TICK`].
    fn show(&mut self, moment: &Moment, story: &Story) -> io::Result<()>;
    /// It has been played to its end.
    fn end(&mut self, story: &Story) -> io::Result<()>;
    /// It has been stopped before.
    fn stop(&mut self) -> io::Result<()>;
}

/// The view for where the output goes.
pub(super) fn choose(plain: bool) -> Box<dyn View> {
    let out: Stdout = io::stdout();
    let dumb = env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
    if plain || dumb || !out.is_terminal() {
        Box::new(Plain::new(out))
    } else {
        Box::new(Screen::new(out))
    }
}

/// Every so many ticks.
#[derive(Debug)]
pub(super) struct Every {
    ticks: usize,
    left: usize,
}

impl Every {
    /// The first one counts.
    pub(super) fn millis(millis: u128) -> Self {
        let ticks = usize::try_from(millis / TICK.as_millis()).unwrap_or(usize::MAX).max(1);
        Self { ticks, left: 0 }
    }

    /// Whether this tick is one of them.
    pub(super) fn tick(&mut self) -> bool {
        let due = self.left == 0;
        self.left = if due { self.ticks - 1 } else { self.left - 1 };
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_tick_counts_and_then_every_so_many() {
        let mut every = Every::millis(3 * TICK.as_millis());
        let ticks: Vec<_> = (0..7).map(|_| every.tick()).collect();
        assert_eq!(ticks, [true, false, false, true, false, false, true]);
    }
}
