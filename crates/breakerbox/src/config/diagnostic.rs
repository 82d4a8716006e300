//! What is wrong with a file, and what to do about it.

use std::fmt;

use super::source::{Excerpt, Source};
use super::span::Span;

/// How bad it is.
///
/// ```
/// use breakerbox::config::{Policy, Severity};
///
/// // A timeout that cannot come is hardly what was meant, but harms nobody.
/// let text = "deadline = '1s'\nattempt_timeout = '3s'";
/// let (_, warnings) = Policy::parse("policy.toml", text).unwrap();
/// assert_eq!(warnings[0].severity, Severity::Warning);
///
/// let errors = Policy::parse("policy.toml", "deadline = '-1s'").unwrap_err();
/// assert_eq!(errors[0].severity, Severity::Error);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The file cannot be used.
    Error,
    /// The file can be used, but it hardly says what was meant.
    Warning,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

/// One thing that is wrong with a file. Displayed with the line it stands on, without a newline
/// at the end.
///
/// ```
/// use breakerbox::config::Policy;
///
/// let diagnostics = Policy::parse("policy.toml", "deadline = 5").unwrap_err();
/// assert_eq!(
///     diagnostics[0].to_string(),
///     r#"error: `deadline` is a number without a unit
///  --> policy.toml:1:12
///   |
/// 1 | deadline = 5
///   |            ^
///   = fix: write `deadline = "5s"` for seconds or `deadline = "5ms"` for milliseconds"#,
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// The file, as its name was given.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1, in characters.
    pub column: usize,
    /// What is wrong: one sentence without a full stop.
    pub message: String,
    /// What to do about it: one sentence without a full stop.
    pub fix: String,
    pub(super) excerpt: Excerpt,
}

impl Diagnostic {
    /// An error that was found after reading, in the text of the file at `span`.
    pub fn at(
        file_name: &str,
        text: &str,
        span: Span,
        message: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        let source = Source::new(file_name, text);
        source.diagnostic(Severity::Error, span, message.into(), fix.into())
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { severity, file, line, column, message, fix, excerpt } = self;
        let number = line.to_string();
        let gutter = " ".repeat(number.len());
        writeln!(f, "{severity}: {message}")?;
        writeln!(f, "{gutter}--> {file}:{line}:{column}")?;
        writeln!(f, "{gutter} |")?;
        writeln!(f, "{}", format!("{number} | {}", excerpt.line).trim_end())?;
        let indent = " ".repeat(excerpt.indent);
        let carets = "^".repeat(excerpt.carets);
        writeln!(f, "{gutter} | {indent}{carets}")?;
        write!(f, "{gutter} = fix: {fix}")
    }
}

impl std::error::Error for Diagnostic {}

/// Text from a file as it may stand in a message: between backticks, control characters escaped,
/// cut after 60 characters. Empty text is shown as `""`.
///
/// ```
/// use breakerbox::config::quoted;
///
/// assert_eq!(quoted("a\nb"), r"`a\nb`");
/// assert_eq!(quoted(""), r#"`""`"#);
/// ```
pub fn quoted(text: &str) -> String {
    if text.is_empty() { "`\"\"`".to_owned() } else { format!("`{}`", printable(text)) }
}

/// Whether a character can be sent to a terminal without hiding or moving what is around it.
pub(super) fn is_printable(character: char) -> bool {
    let invisible = matches!(
        character,
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
    );
    !invisible && !character.is_control()
}

/// Text as it may be sent to a terminal: control characters escaped, cut after 60 characters.
pub(super) fn printable(text: &str) -> String {
    const LONGEST: usize = 60;
    let mut out = String::new();
    for (index, character) in text.chars().enumerate() {
        if index == LONGEST {
            out.push_str("...");
            break;
        }
        if is_printable(character) {
            out.push(character);
        } else {
            out.extend(character.escape_default());
        }
    }
    out
}
