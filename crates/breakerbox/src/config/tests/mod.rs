mod adaptive_limits;
mod broken_files;
mod bulkheads;
mod chaos;
mod hedges;
mod policies;
mod retries;
mod sheds;
mod throttles;
mod values;
mod warnings;

use super::*;

/// What is wrong with a file, one line each: place, severity, message and fix.
fn summary<K: Kind>(text: &str, kind: &K) -> Vec<String> {
    let diagnostics = match read_file("f.toml", text, kind) {
        Ok((_, warnings)) => warnings,
        Err(diagnostics) => diagnostics,
    };
    diagnostics
        .iter()
        .map(|Diagnostic { line, column, severity, message, fix, .. }| {
            format!("{line}:{column} {severity}: {message}; {fix}")
        })
        .collect()
}
