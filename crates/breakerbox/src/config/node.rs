//! One value of a file, with its place and its name.

use std::fmt;

use serde_json::Value as Json;
use toml::Spanned;
use toml::de::{DeArray, DeString, DeTable, DeValue};

use super::diagnostic::{printable, quoted};
use super::kind::Refusal;
use super::span::Span;

/// The types that TOML has.
///
/// ```
/// use breakerbox::config::{Kind, Type, rate};
///
/// assert!(rate().accepts(Type::Float) && !rate().accepts(Type::String));
/// assert_eq!(Type::Datetime.to_string(), "a date or time");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "they are named as in TOML")]
pub enum Type {
    String,
    Integer,
    Float,
    Boolean,
    Datetime,
    Array,
    Table,
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::String => "a string",
            Self::Integer => "an integer",
            Self::Float => "a decimal number",
            Self::Boolean => "a boolean",
            Self::Datetime => "a date or time",
            Self::Array => "a list",
            Self::Table => "a table",
        })
    }
}

/// How a value is reached from the top of the file. Lives on the stack while the file is walked.
#[derive(Clone, Copy, Debug)]
pub(super) enum Path<'a> {
    Top,
    Key(&'a Path<'a>, &'a str),
    Index(&'a Path<'a>, usize),
}

impl Path<'_> {
    pub(super) fn has_index(&self) -> bool {
        match self {
            Self::Top => false,
            Self::Key(parent, _) => parent.has_index(),
            Self::Index(..) => true,
        }
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Top => Ok(()),
            Self::Key(Path::Top, key) => f.write_str(key),
            Self::Key(parent, key) => write!(f, "{parent}.{key}"),
            Self::Index(parent, index) => write!(f, "{parent}[{index}]"),
        }
    }
}

/// One value of a file, with its place and its name.
///
/// ```
/// use breakerbox::config::{Kind, Type, any_json, named, read_file};
///
/// let kind = any_json().then(|_, node, reader| {
///     assert_eq!((node.label(), node.toml_type()), ("`posts`".to_owned(), Type::Table));
///     assert!(node.has("retry") && !node.has("breaker"));
///     // A finding that points at one key of the table.
///     reader.error(node.find("retry.attempts"), "that is too often", "try three times");
///     None::<()>
/// });
/// let file = "[posts]\nretry = { attempts = 99 }";
/// let errors = read_file("posts.toml", file, &named(kind)).unwrap_err();
/// assert_eq!((errors[0].line, errors[0].column), (2, 22));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Node<'a> {
    value: &'a DeValue<'a>,
    span: Span,
    key: Span,
    pub(super) path: &'a Path<'a>,
}

impl<'a> Node<'a> {
    pub(super) fn top(value: &'a DeValue<'a>) -> Self {
        Self { value, span: Span::default(), key: Span::default(), path: &Path::Top }
    }

    /// The value of `key`; `path` leads to it.
    pub(super) fn entry(
        key: &Spanned<DeString<'_>>,
        value: &'a Spanned<DeValue<'a>>,
        path: &'a Path<'a>,
    ) -> Self {
        Self { value: value.get_ref(), span: value.span().into(), key: key.span().into(), path }
    }

    /// An element of a list; `path` leads to it.
    pub(super) fn element(value: &'a Spanned<DeValue<'a>>, path: &'a Path<'a>) -> Self {
        let span = value.span().into();
        Self { value: value.get_ref(), span, key: span, path }
    }

    /// A default of a key that this table does not have; `path` leads to the key.
    pub(super) fn default_value<'d>(
        self,
        value: &'d Spanned<DeValue<'d>>,
        path: &'d Path<'d>,
    ) -> Node<'d> {
        Node { value: value.get_ref(), span: self.span, key: self.span, path }
    }

    /// Where the value stands. For a table with a header of its own, the header.
    pub fn span(&self) -> Span {
        self.span
    }

    /// Where the key stands; for an element of a list, the element.
    pub fn key(&self) -> Span {
        self.key
    }

    /// The type it has in the file.
    pub fn toml_type(&self) -> Type {
        match self.value {
            DeValue::String(_) => Type::String,
            DeValue::Integer(_) => Type::Integer,
            DeValue::Float(_) => Type::Float,
            DeValue::Boolean(_) => Type::Boolean,
            DeValue::Datetime(_) => Type::Datetime,
            DeValue::Array(_) => Type::Array,
            DeValue::Table(_) => Type::Table,
        }
    }

    /// The text of a string.
    pub fn as_str(&self) -> Option<&'a str> {
        match self.value {
            DeValue::String(text) => Some(text),
            _ => None,
        }
    }

    /// The value of a boolean.
    pub fn as_bool(&self) -> Option<bool> {
        self.value.as_bool()
    }

    /// The value of an integer; the inner `None` where it has more than 128 bits.
    pub(super) fn as_integer(&self) -> Option<Option<i128>> {
        let integer = self.value.as_integer()?;
        Some(i128::from_str_radix(integer.as_str(), integer.radix()).ok())
    }

    /// The value of a decimal number; it may be infinite or no number.
    pub(super) fn as_float(&self) -> Option<f64> {
        self.value.as_float()?.as_str().parse().ok()
    }

    pub(super) fn as_array(&self) -> Option<&'a DeArray<'a>> {
        self.value.as_array()
    }

    pub(super) fn as_table(&self) -> Option<&'a DeTable<'a>> {
        self.value.as_table()
    }

    /// A decimal number or an integer to base 10 as it is written, without its underscores.
    pub(super) fn number_text(&self) -> Option<String> {
        match self.value {
            DeValue::Integer(integer) if integer.radix() == 10 => Some(integer.as_str().to_owned()),
            DeValue::Float(float) => Some(float.as_str().to_owned()),
            _ => None,
        }
    }

    /// The value as JSON. Refuses what JSON does not have: dates, infinite numbers, integers
    /// beyond 64 bits, and lists and tables more than 32 deep.
    pub fn to_json(&self) -> Result<Json, Refusal> {
        super::json::convert(self.value, 0)
    }

    /// What a message calls it: `` `deadline` ``, `` `endpoints[1]` ``, "the file".
    pub fn label(&self) -> String {
        match self.path {
            Path::Top => "the file".to_owned(),
            Path::Key(_, key) => quoted(key),
            Path::Index(Path::Key(_, key), index) => quoted(&format!("{key}[{index}]")),
            Path::Index(..) => quoted(&self.path.to_string()),
        }
    }

    /// What a message calls it as a table: `` in `[upstream.posts]` ``, "at the top of the file".
    pub(super) fn place(&self) -> String {
        match self.path {
            Path::Top => "at the top of the file".to_owned(),
            path if path.has_index() => format!("in {}", quoted(&path.to_string())),
            path => format!("in {}", quoted(&format!("[{path}]"))),
        }
    }

    /// How the value `toml` would be written here: `` `deadline = "3s"` ``.
    pub fn written_as(&self, toml: &str) -> String {
        match self.path {
            Path::Key(_, key) => assignment(key, toml),
            Path::Top | Path::Index(..) => format!("`{toml}`"),
        }
    }

    /// Whether it is a table with this key.
    pub fn has(&self, key: &str) -> bool {
        self.value.as_table().is_some_and(|table| table.contains_key(key))
    }

    /// Where the value of a key further in stands, `open_for.factor` say. Where the file does not
    /// have it, the innermost table on the way there.
    pub fn find(&self, dotted_key: &str) -> Span {
        let mut found = (self.span, self.value);
        for key in dotted_key.split('.') {
            match found.1.as_table().and_then(|table| table.get(key)) {
                Some(inner) => found = (inner.span().into(), inner.get_ref()),
                None => break,
            }
        }
        found.0
    }
}

/// How a key is given a value: `` `deadline = "3s"` ``.
pub(super) fn assignment(key: &str, toml: &str) -> String {
    format!("`{} = {toml}`", printable(key))
}
