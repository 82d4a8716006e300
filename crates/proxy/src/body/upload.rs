//! How far the body of a request has come, for who waits for the response.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use tokio::time::Instant;

/// How far the body of a request has come. Clones look at the same body.
///
/// While the client is still sending, the upstream is not to blame for the wait.
#[derive(Clone, Debug)]
pub struct Upload(Rc<Cell<Progress>>);

#[derive(Clone, Copy, Debug)]
enum Progress {
    /// The client is waited for.
    WaitsForClient,
    /// The client had last sent something, or had sent everything, at this instant.
    Moved(Instant),
}

impl Upload {
    pub(super) fn new() -> Self {
        Self(Rc::new(Cell::new(Progress::Moved(Instant::now()))))
    }

    pub(super) fn moved(&self) {
        self.0.set(Progress::Moved(Instant::now()));
    }

    pub(super) fn waits_for_client(&self) {
        self.0.set(Progress::WaitsForClient);
    }

    /// How long it has been the upstream's turn; nothing while the client is waited for.
    pub fn upstreams_turn(&self) -> Duration {
        match self.0.get() {
            Progress::WaitsForClient => Duration::ZERO,
            Progress::Moved(at) => at.elapsed(),
        }
    }
}
