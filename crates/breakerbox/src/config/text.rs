//! Strings.

use serde_json::{Value as Json, json};

use super::diagnostic::quoted;
use super::kind::{Kind, Refusal};
use super::node::{Node, Type};
use super::reader::Reader;
use super::suggest::closest;

/// Any string.
///
/// ```
/// use breakerbox::config::{named, read_file, text};
///
/// let (words, _) = read_file("words.toml", "greeting = 'hello'", &named(text())).unwrap();
/// assert_eq!(words["greeting"].value, "hello");
/// let errors = read_file("words.toml", "greeting = 1", &named(text())).unwrap_err();
/// assert_eq!(errors[0].message, "`greeting` must be a string, but it is an integer");
/// ```
pub fn text() -> TextKind {
    TextKind
}

/// The kind that [`text`] makes.
///
/// ```
/// use breakerbox::config::{Kind, TextKind, text};
///
/// let kind: TextKind = text();
/// assert_eq!(kind.schema()["type"], "string");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct TextKind;

impl Kind for TextKind {
    type Value = String;

    fn name(&self) -> String {
        "a string".to_owned()
    }

    fn example(&self) -> String {
        "\"...\"".to_owned()
    }

    fn accepts(&self, toml_type: Type) -> bool {
        toml_type == Type::String
    }

    fn read(&self, node: Node<'_>, reader: &mut Reader) -> Option<String> {
        node.as_str().map(str::to_owned).or_else(|| reader.wrong_type(node, self))
    }

    fn schema(&self) -> Json {
        json!({ "type": "string" })
    }
}

/// A string that `parse` turns into a value or refuses. `name` and `example` are what a message
/// calls it and how it is written, without the quotes; `about` and `pattern` describe it in the
/// schema, `pattern` may be empty.
pub(super) struct ParsedText<T> {
    pub(super) name: &'static str,
    pub(super) example: &'static str,
    pub(super) about: &'static str,
    pub(super) pattern: &'static str,
    pub(super) parse: fn(&str) -> Result<T, Refusal>,
}

impl<T> Kind for ParsedText<T> {
    type Value = T;

    fn name(&self) -> String {
        self.name.to_owned()
    }

    fn example(&self) -> String {
        format!("\"{}\"", self.example)
    }

    fn accepts(&self, toml_type: Type) -> bool {
        toml_type == Type::String
    }

    fn read(&self, node: Node<'_>, reader: &mut Reader) -> Option<T> {
        let Some(text) = node.as_str() else { return reader.wrong_type(node, self) };
        (self.parse)(text).map_or_else(|refusal| reader.refuse(node, refusal), Some)
    }

    fn schema(&self) -> Json {
        let mut schema = json!({
            "type": "string",
            "description": self.about,
            "examples": [self.example],
        });
        if !self.pattern.is_empty() {
            schema["pattern"] = self.pattern.into();
        }
        schema
    }
}

/// One of these strings, each with the value it stands for. At least one.
///
/// ```
/// use breakerbox::config::{Kind, one_of};
///
/// let kind = one_of(&[("fifo", 1), ("adaptive_lifo", 2)]);
/// assert_eq!(kind.name(), "one of \"fifo\", \"adaptive_lifo\"");
/// ```
pub fn one_of<T: Clone>(choices: &'static [(&'static str, T)]) -> OneOfKind<T> {
    OneOfKind { choices }
}

/// The kind that [`one_of`] makes.
///
/// ```
/// use breakerbox::config::{OneOfKind, named, one_of, read_file};
///
/// let kind: OneOfKind<u8> = one_of(&[("low", 7), ("high", 0)]);
/// let (urgency, _) = read_file("urgency.toml", "reports = 'low'", &named(kind)).unwrap();
/// assert_eq!(urgency["reports"].value, 7);
/// let errors = read_file("urgency.toml", "reports = 'hihg'", &named(kind)).unwrap_err();
/// assert_eq!(errors[0].fix, "did you mean \"high\"? it is one of \"low\", \"high\"");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct OneOfKind<T: 'static> {
    choices: &'static [(&'static str, T)],
}

impl<T: Clone> OneOfKind<T> {
    fn listed(&self) -> String {
        let quoted: Vec<_> = self.choices.iter().map(|(name, _)| format!("\"{name}\"")).collect();
        quoted.join(", ")
    }
}

impl<T: Clone> Kind for OneOfKind<T> {
    type Value = T;

    fn name(&self) -> String {
        format!("one of {}", self.listed())
    }

    fn example(&self) -> String {
        format!("\"{}\"", self.choices.first().map_or("", |(name, _)| name))
    }

    fn accepts(&self, toml_type: Type) -> bool {
        toml_type == Type::String
    }

    fn read(&self, node: Node<'_>, reader: &mut Reader) -> Option<T> {
        let Some(text) = node.as_str() else { return reader.wrong_type(node, self) };
        if let Some((_, value)) = self.choices.iter().find(|(name, _)| *name == text) {
            return Some(value.clone());
        }
        let meant = closest(text, self.choices.iter().map(|(name, _)| *name));
        let suggestion = meant.map(|meant| format!("did you mean \"{meant}\"? "));
        let fix = format!("{}it is one of {}", suggestion.unwrap_or_default(), self.listed());
        reader.refuse(node, Refusal::new(format!("cannot be {}", quoted(text)), fix))
    }

    fn schema(&self) -> Json {
        let names: Vec<_> = self.choices.iter().map(|(name, _)| *name).collect();
        json!({ "type": "string", "enum": names })
    }
}
