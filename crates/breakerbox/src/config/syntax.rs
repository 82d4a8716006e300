//! Syntax errors: what the parser says, as a sentence with a fix.

use std::collections::HashSet;

use toml::de::Error;

use super::diagnostic::{Severity, quoted};
use super::reader::Finding;
use super::source::Source;
use super::span::Span;

/// What the parser found to be wrong, and what of the rest of the file can be judged.
pub(super) struct Syntax {
    /// What is wrong, in the order of the file, at most once a line.
    pub(super) findings: Vec<Finding>,
    /// A part of the file may be lost: what is missing says nothing.
    pub(super) incomplete: bool,
    /// From this line on the file may have been misread.
    misread_from: usize,
    broken_lines: HashSet<usize>,
}

/// Errors after which the parser knows its place: only the value itself is lost.
const OF_A_VALUE: [&str; 10] = [
    "string values must be quoted",
    "invalid boolean",
    "unexpected leading zero",
    "redundant numeric sign",
    "redundant integer number prefix",
    "integers with a radix cannot be signed",
    "radix must be lowercase",
    "`_` may only go between digits",
    "missing escaped value",
    "too few unicode value digits",
];
const TWICE: &str = "duplicate key";
const UNCLOSED: [&str; 2] = ["unclosed array,", "unclosed inline table,"];

impl Syntax {
    pub(super) fn new(source: &Source<'_>, errors: Vec<Error>) -> Self {
        let mut placed: Vec<_> =
            errors.into_iter().map(|error| (place(source.text(), &error), error)).collect();
        placed.sort_by_key(|(span, _)| span.start);
        let misreading = |error: &Error| !says(error, &OF_A_VALUE) && !says(error, &[TWICE]);
        let misread_from = placed.iter().find(|(_, error)| misreading(error));
        let misread_from = misread_from.map(|(span, _)| source.line_index(span.start));
        let mut syntax = Self {
            findings: Vec::new(),
            incomplete: placed.iter().any(|(_, error)| !says(error, &OF_A_VALUE)),
            misread_from: misread_from.unwrap_or(usize::MAX),
            broken_lines: HashSet::new(),
        };
        // What follows a bracket that is never closed is read as part of its list or table, so
        // that one mistake makes an error of every line: the first and the last say enough.
        let unclosed = placed.iter().any(|(_, error)| says(error, &UNCLOSED));
        for (span, error) in placed {
            let line = source.line_index(span.start);
            let is_echo = line > syntax.misread_from
                && (says(&error, &[TWICE]) || unclosed && !says(&error, &UNCLOSED));
            if !is_echo && syntax.broken_lines.insert(line) {
                syntax.findings.push(finding(source.text(), span, &error));
            }
        }
        syntax
    }

    /// Whether what is found to be wrong at `span` is worth telling.
    pub(super) fn lets_judge(&self, source: &Source<'_>, span: Span) -> bool {
        let line = source.line_index(span.start);
        line < self.misread_from && !self.broken_lines.contains(&line)
    }
}

fn says(error: &Error, starts: &[&str]) -> bool {
    starts.iter().any(|start| error.message().starts_with(start))
}

fn place(text: &str, error: &Error) -> Span {
    let span = error.span().unwrap_or(0..0);
    let start = text.floor_char_boundary(span.start);
    Span { start, end: text.floor_char_boundary(span.end).max(start) }
}

fn finding(text: &str, span: Span, error: &Error) -> Finding {
    let (problem, expected) = match error.message().split_once(", expected ") {
        Some((problem, expected)) => (problem, Some(expected)),
        None => (error.message(), None),
    };
    let found = &text[span.start..span.end];
    let (problem, fix) = match (problem, expected) {
        ("string values must be quoted", _) if found.is_empty() => {
            ("a value is missing", "write a value after the `=`".to_owned())
        }
        ("string values must be quoted", _) => {
            let quoted_value = quoted(&format!("\"{}\"", found.trim()));
            ("a string must stand in quotes", format!("write {quoted_value}"))
        }
        ("duplicate key", _) => ("this key or table is given twice", "keep one of them".to_owned()),
        (problem, Some("nothing")) => (problem, format!("leave out {}", quoted(found))),
        (problem, Some(expected)) => (problem, format!("what can stand here: {expected}")),
        (problem, None) => (problem, "see https://toml.io/en/v1.1.0 for the syntax".to_owned()),
    };
    Finding { severity: Severity::Error, span, message: format!("not valid TOML: {problem}"), fix }
}
