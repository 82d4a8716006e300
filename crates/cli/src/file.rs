//! Reading the gateway's file, for all commands that need one.

use crate::output::complain;
use breakerbox::config::{Diagnostic, Policy};
use breakerbox_proxy::Config;
use std::path::Path;
use std::process::ExitCode;

/// What was wrong with the file: it has been shown, and this is the exit code.
pub(crate) struct Refused(pub(crate) ExitCode);

/// The file's errors.
pub(crate) const INVALID: u8 = 1;
/// The file cannot be read at all.
pub(crate) const UNREADABLE: u8 = 2;

/// Reads and checks a file. Errors and warnings are shown on standard error.
pub(crate) fn load(path: &Path) -> Result<Config, Refused> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|error| {
        complain(format_args!("error: cannot read {name}: {error}"));
        Refused(ExitCode::from(UNREADABLE))
    })?;
    match Config::parse(&name, &text) {
        Ok((config, warnings)) => {
            show(&warnings);
            Ok(config)
        }
        Err(errors) => {
            show(&errors);
            Err(Refused(ExitCode::from(INVALID)))
        }
    }
}

fn show(diagnostics: &[Diagnostic]) {
    for diagnostic in diagnostics {
        complain(format_args!("{diagnostic}\n"));
    }
}

/// The text of a file.
pub(crate) fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path)
        .map_err(|error| format!("error: cannot read {}: {error}", path.display()))
}

/// The policy of an upstream in a gateway's file.
pub(crate) fn policy_of(path: &Path, upstream: &str) -> Result<Policy, String> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("the file {name} cannot be read: {error}"))?;
    let (mut config, _) = Config::parse(&name, &text).map_err(|diagnostics| {
        let count = diagnostics.len();
        format!("the file {name} has {count} error(s); `breakerbox check {name}` shows them")
    })?;
    match config.upstreams.remove(upstream) {
        Some(upstream) => Ok(upstream.policy),
        None => {
            let names: Vec<_> = config.upstreams.into_keys().collect();
            Err(format!("{name} has no upstream `{upstream}`; it has {}", names.join(", ")))
        }
    }
}
