//! What a complaint about a file must look like.

use breakerbox::config::Diagnostic;

/// Each has a place inside the text, something to say, and nothing that could move a terminal's cursor.
pub(crate) fn check(diagnostics: &[Diagnostic], text: &str) {
    let lines: Vec<&str> = text.split('\n').collect();
    for diagnostic in diagnostics {
        let Diagnostic { line, column, message, fix, .. } = diagnostic;
        assert!(*line >= 1 && *line <= lines.len(), "line {line} of {}", lines.len());
        let longest = lines[line - 1].chars().count() + 1;
        assert!(*column >= 1 && *column <= longest, "column {column} of {longest}: {message}");
        assert!(!message.trim().is_empty() && !fix.trim().is_empty(), "{diagnostic:?}");
        let shown = diagnostic.to_string();
        let control = shown.chars().find(|it| it.is_control() && *it != '\n');
        assert_eq!(control, None, "{shown:?}");
    }
}
