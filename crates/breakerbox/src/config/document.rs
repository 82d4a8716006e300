//! Whole files: from a text to a value, or to everything that is wrong with it.

use serde_json::{Value as Json, json};
use toml::de::{DeTable, DeValue};

use super::diagnostic::{Diagnostic, Severity};
use super::kind::Kind;
use super::nesting::too_deep;
use super::node::Node;
use super::reader::{Finding, Reader};
use super::source::Source;
use super::span::Span;
use super::syntax::Syntax;

/// Of a hopeless file, so many diagnostics are shown.
const MOST: usize = 200;

/// Reads a file whose top-level table is of this kind; `file_name` only appears in messages.
/// Returns the value with the warnings.
///
/// ```
/// use breakerbox::config::{duration, named, read_file};
/// use std::time::Duration;
///
/// let kind = named(duration());
/// let (timeouts, warnings) = read_file("timeouts.toml", "posts = '3s'", &kind).unwrap();
/// assert_eq!(timeouts["posts"].value, Duration::from_secs(3));
/// assert!(warnings.is_empty());
///
/// // All that is wrong is told at once.
/// let errors = read_file("timeouts.toml", "posts = 3\nusers = '3 s'", &kind).unwrap_err();
/// assert_eq!(errors.iter().map(|error| error.line).collect::<Vec<_>>(), [1, 2]);
/// ```
///
/// # Errors
/// Everything that is wrong with the file, with the warnings, in the order of the file. After a
/// syntax error that hides what comes next, the rest of the file is not judged, nor what seems to
/// be missing. Of more than 200 diagnostics the first 200 are returned, and one that
/// counts the rest.
pub fn read_file<K: Kind>(
    file_name: &str,
    text: &str,
    kind: &K,
) -> Result<(K::Value, Vec<Diagnostic>), Vec<Diagnostic>> {
    let source = Source::new(file_name, text);
    if let Some(finding) = too_deep(text) {
        return Err(placed(&source, vec![finding]));
    }
    let (document, errors) = DeTable::parse_recoverable(text);
    let syntax = Syntax::new(&source, errors);
    let mut reader =
        if syntax.incomplete { Reader::of_incomplete_file() } else { Reader::default() };
    let document = DeValue::Table(document.into_inner());
    let value = kind.read(Node::top(&document), &mut reader);
    let has_errors = !syntax.findings.is_empty() || reader.has_errors();
    if value.is_none() && !has_errors {
        // Only a kind that breaks its word comes here; nobody shall stand before an empty list.
        let fix = "this is a mistake in breakerbox: please report it with the file";
        reader.error(Span::default(), "the file was refused without a reason", fix);
    }
    let mut findings = reader.into_findings();
    match value {
        Some(value) if !has_errors => Ok((value, placed(&source, findings))),
        _ => {
            findings.retain(|finding| syntax.lets_judge(&source, finding.span));
            findings.extend(syntax.findings);
            Err(placed(&source, findings))
        }
    }
}

/// The JSON Schema (draft 2020-12) of a file whose top-level table is of this kind.
///
/// ```
/// use breakerbox::config::{duration, file_schema, named};
///
/// let schema = file_schema("Timeouts", &named(duration()));
/// assert_eq!(schema["title"], "Timeouts");
/// assert_eq!(schema["additionalProperties"]["type"], "string");
/// ```
pub fn file_schema(title: &str, kind: &impl Kind) -> Json {
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title,
    });
    if let (Some(schema), Json::Object(of_the_kind)) = (schema.as_object_mut(), kind.schema()) {
        schema.extend(of_the_kind);
    }
    schema
}

/// Looks up where the findings are, in their order.
fn placed(source: &Source<'_>, mut findings: Vec<Finding>) -> Vec<Diagnostic> {
    findings.sort_by_key(|finding| (finding.span.start, finding.severity));
    if findings.len() > MOST {
        let left_out = findings.split_off(MOST);
        let severity = left_out.iter().map(|finding| finding.severity).min();
        findings.push(Finding {
            severity: severity.unwrap_or(Severity::Warning),
            span: findings[MOST - 1].span,
            message: format!("{} more of them are not shown", left_out.len()),
            fix: "mend the ones before first".to_owned(),
        });
    }
    let diagnostic = |finding: Finding| {
        source.diagnostic(finding.severity, finding.span, finding.message, finding.fix)
    };
    findings.into_iter().map(diagnostic).collect()
}
