//! What this program says.

use std::fmt::Display;
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

/// Something could not be said.
static LOST: AtomicBool = AtomicBool::new(false);

/// Something could not be said, although all else is as it should be.
const FAILED: u8 = 1;

/// A line. Where nobody reads it any more, the exit code still says what is to be known; where it
/// cannot be written for another reason, a full disk for instance, that is an error.
pub(crate) fn say(line: impl Display) {
    let mut out = io::stdout().lock();
    let Err(error) = writeln!(out, "{line}").and_then(|()| out.flush()) else { return };
    if error.kind() != io::ErrorKind::BrokenPipe && !LOST.swap(true, Ordering::Relaxed) {
        eprintln!("error: cannot write to standard output: {error}");
    }
}

/// The exit code of a command, or another one if something of what it had to say was lost.
pub(crate) fn unless_lost(code: ExitCode) -> ExitCode {
    let lost = LOST.load(Ordering::Relaxed) && code == ExitCode::SUCCESS;
    if lost { ExitCode::from(FAILED) } else { code }
}

/// A line on standard error. It may be closed as well.
pub(crate) fn complain(line: impl Display) {
    let _ = writeln!(io::stderr(), "{line}");
}
