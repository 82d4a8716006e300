//! What this program says on standard output.

use std::fmt::Display;
use std::io::{self, Write as _};

/// A line. Where nobody reads it any more, the exit code still says what is to be known.
pub(crate) fn say(line: impl Display) {
    let _ = writeln!(io::stdout(), "{line}");
}
