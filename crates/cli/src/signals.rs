//! What tells this program to stop: SIGTERM, and SIGINT, which is Ctrl-C.

use std::io;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// From when it is made, these signals no longer end the process: they are waited for here.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// To be made inside of a runtime.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for the next of either.
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
