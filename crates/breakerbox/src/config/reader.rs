//! Collects what is wrong while a file is walked.

use super::diagnostic::Severity;
use super::kind::{Kind, Refusal, would_accept_unquoted};
use super::node::Node;
use super::span::Span;
use breakerbox_core::SettingsError;

/// Collects what is wrong while a file is walked. Nothing stops at the first error.
///
/// ```
/// use breakerbox::config::{Kind, Severity, http_path, named, read_file};
///
/// let kind = named(http_path().then(|path, node, reader| {
///     if path.ends_with('/') {
///         reader.warning(node.span(), "nothing is behind the last `/`", "leave it out");
///     }
///     Some(path)
/// }));
/// let (paths, warnings) = read_file("paths.toml", "posts = '/posts/'", &kind).unwrap();
/// assert_eq!(paths["posts"].value, "/posts/");
/// assert_eq!((warnings[0].severity, warnings[0].line), (Severity::Warning, 1));
/// ```
#[derive(Debug, Default)]
pub struct Reader {
    findings: Vec<Finding>,
    incomplete: bool,
}

/// A diagnostic before its place has been looked up.
#[derive(Debug)]
pub(super) struct Finding {
    pub(super) severity: Severity,
    pub(super) span: Span,
    pub(super) message: String,
    pub(super) fix: String,
}

impl Reader {
    /// A reader of a file of which syntax errors may have hidden a part.
    pub(super) fn of_incomplete_file() -> Self {
        Self { findings: Vec::new(), incomplete: true }
    }

    /// Whether syntax errors may have hidden a part of the file, so that what is missing from it
    /// says nothing.
    pub fn is_incomplete(&self) -> bool {
        self.incomplete
    }

    /// The file cannot be used: one sentence that says what is wrong with what stands at `span`,
    /// and one that says what to do, both without a full stop.
    pub fn error(&mut self, span: Span, message: impl Into<String>, fix: impl Into<String>) {
        self.add(Severity::Error, span, message.into(), fix.into());
    }

    /// The file can be used, but what stands at `span` is hardly what was meant.
    pub fn warning(&mut self, span: Span, message: impl Into<String>, fix: impl Into<String>) {
        self.add(Severity::Warning, span, message.into(), fix.into());
    }

    /// The value of `node` is refused. Returns `None`, for [`Kind::read`] to return.
    pub fn refuse<T>(&mut self, node: Node<'_>, refusal: Refusal) -> Option<T> {
        self.error(node.span(), format!("{} {}", node.label(), refusal.clause), refusal.fix);
        None
    }

    /// Settings that core has checked; `node` is the table they are from. Where they are refused, says
    /// so at the key that core names.
    pub(super) fn checked<T>(
        &mut self,
        node: Node<'_>,
        settings: Result<T, SettingsError>,
    ) -> Option<T> {
        settings.map_err(|error| self.refuse_setting(node, error)).ok()
    }

    /// A setting of the table `node` is refused by core.
    pub(super) fn refuse_setting(&mut self, node: Node<'_>, error: SettingsError) {
        let message = format!("`{}` {}", error.field, error.message);
        self.error(node.find(error.field), message, error.fix);
    }

    /// The value of `node` has a TOML type that `kind` does not take. Returns `None`, for
    /// [`Kind::read`] to return.
    pub fn wrong_type<T>(&mut self, node: Node<'_>, kind: &impl Kind) -> Option<T> {
        if let Some(refusal) = kind.refuse_type(node) {
            return self.refuse(node, refusal);
        }
        let clause = format!("must be {}, but it is {}", kind.name(), node.toml_type());
        let fix = match node.as_str() {
            Some(text) if would_accept_unquoted(kind, text) => {
                format!("leave out the quotes: {}", node.written_as(text))
            }
            _ => format!("write for example {}", node.written_as(&kind.example())),
        };
        self.refuse(node, Refusal::new(clause, fix))
    }

    pub(super) fn has_errors(&self) -> bool {
        self.findings.iter().any(|finding| finding.severity == Severity::Error)
    }

    pub(super) fn into_findings(self) -> Vec<Finding> {
        self.findings
    }

    fn add(&mut self, severity: Severity, span: Span, message: String, fix: String) {
        self.findings.push(Finding { severity, span, message, fix });
    }
}
