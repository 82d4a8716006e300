//! Lists, and tables whose entries have names of the user's choice.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::diagnostic::quoted;
use super::kind::{Kind, Refusal};
use super::node::{Node, Path, Type};
use super::reader::Reader;
use super::span::{Located, Span};

/// The longest name of an entry.
const MAX_NAME: usize = 100;

/// A list of values of one kind. It is broken when one of them is.
///
/// ```
/// use breakerbox::config::{http_url, list, named, read_file};
///
/// let kind = named(list(http_url()).not_empty());
/// let file = "posts = ['http://10.0.0.1', 'http://10.0.0.2']";
/// let (upstreams, _) = read_file("upstreams.toml", file, &kind).unwrap();
/// assert_eq!(upstreams["posts"].value[1].value.host, "10.0.0.2");
///
/// let errors = read_file("upstreams.toml", "posts = ['10.0.0.1']", &kind).unwrap_err();
/// assert_eq!(errors[0].message, "`posts[0]` is `10.0.0.1`, which has no scheme");
/// ```
pub fn list<K: Kind>(of: K) -> ListKind<K> {
    ListKind { of, empty_allowed: true }
}

/// The kind that [`list`] makes.
///
/// ```
/// use breakerbox::config::{Kind, ListKind, TextKind, list, text};
///
/// let kind: ListKind<TextKind> = list(text()).not_empty();
/// assert_eq!(kind.schema()["minItems"], 1);
/// ```
#[derive(Clone, Debug)]
pub struct ListKind<K> {
    of: K,
    empty_allowed: bool,
}

impl<K> ListKind<K> {
    /// The same without the empty list.
    pub fn not_empty(self) -> Self {
        Self { empty_allowed: false, ..self }
    }
}

impl<K: Kind> Kind for ListKind<K> {
    type Value = Vec<Located<K::Value>>;

    fn name(&self) -> String {
        "a list".to_owned()
    }

    fn example(&self) -> String {
        format!("[{}]", self.of.example())
    }

    fn accepts(&self, toml_type: Type) -> bool {
        toml_type == Type::Array
    }

    fn read(&self, node: Node<'_>, reader: &mut Reader) -> Option<Self::Value> {
        let Some(array) = node.as_array() else { return reader.wrong_type(node, self) };
        if array.is_empty() && !self.empty_allowed {
            return reader.refuse(node, empty(&node.written_as(&self.example())));
        }
        let mut values = Vec::with_capacity(array.len());
        for (index, element) in array.iter().enumerate() {
            let path = Path::Index(node.path, index);
            values.push(located(Node::element(element, &path), &self.of, reader));
        }
        values.into_iter().collect()
    }

    fn schema(&self) -> Json {
        let mut schema = json!({ "type": "array", "items": self.of.schema() });
        if !self.empty_allowed {
            schema["minItems"] = 1.into();
        }
        schema
    }
}

/// A table whose entries have names of the user's choice, such as `[upstream.posts]`. A name has
/// 1 to 100 letters, digits, `_`, `-` and `.` of ASCII. The table is broken when an entry is.
///
/// ```
/// use breakerbox::config::{named, policy, read_file};
///
/// let file = "[posts]\nretry = {}\n\n[users]\nbreaker = {}";
/// let (policies, _) = read_file("policies.toml", file, &named(policy())).unwrap();
/// assert_eq!(policies.keys().collect::<Vec<_>>(), ["posts", "users"]);
/// assert!(policies["posts"].value.retry.is_some());
/// ```
pub fn named<K: Kind>(of: K) -> NamedKind<K> {
    NamedKind { of, empty_allowed: true }
}

/// The kind that [`named`] makes. Of a [`Located`] entry, `key` is where the name stands.
///
/// ```
/// use breakerbox::config::{NamedKind, RateKind, named, rate, read_file};
///
/// let kind: NamedKind<RateKind> = named(rate()).not_empty();
/// assert!(read_file("rates.toml", "posts = 0.5", &kind).is_ok());
/// assert!(read_file("rates.toml", "", &kind).is_err());
/// ```
#[derive(Clone, Debug)]
pub struct NamedKind<K> {
    of: K,
    empty_allowed: bool,
}

impl<K> NamedKind<K> {
    /// The same without the empty table.
    pub fn not_empty(self) -> Self {
        Self { empty_allowed: false, ..self }
    }
}

impl<K: Kind> Kind for NamedKind<K> {
    type Value = BTreeMap<String, Located<K::Value>>;

    fn name(&self) -> String {
        "a table of named entries".to_owned()
    }

    fn example(&self) -> String {
        format!("{{ NAME = {} }}", self.of.example())
    }

    fn accepts(&self, toml_type: Type) -> bool {
        toml_type == Type::Table
    }

    fn read(&self, node: Node<'_>, reader: &mut Reader) -> Option<Self::Value> {
        let Some(table) = node.as_table() else { return reader.wrong_type(node, self) };
        if table.is_empty() && !self.empty_allowed && !reader.is_incomplete() {
            return reader.refuse(node, empty(&node.written_as(&self.example())));
        }
        let mut entries = Vec::with_capacity(table.len());
        for (key, value) in table {
            let name = key.get_ref();
            let path = Path::Key(node.path, name);
            let named = check_name(name, key.span().into(), reader);
            let value = located(Node::entry(key, value, &path), &self.of, reader);
            entries.push(named.and(value).map(|value| (name.to_string(), value)));
        }
        entries.into_iter().collect()
    }

    fn schema(&self) -> Json {
        let mut schema = json!({
            "type": "object",
            "propertyNames": { "pattern": format!("^[A-Za-z0-9_.-]{{1,{MAX_NAME}}}$") },
            "additionalProperties": self.of.schema(),
        });
        if !self.empty_allowed {
            schema["minProperties"] = 1.into();
        }
        schema
    }
}

fn located<K: Kind>(node: Node<'_>, kind: &K, reader: &mut Reader) -> Option<Located<K::Value>> {
    let value = kind.read(node, reader)?;
    Some(Located { value, span: node.span(), key: node.key() })
}

fn empty(example: &str) -> Refusal {
    Refusal::new("is empty", format!("give at least one entry, for example {example}"))
}

fn check_name(name: &str, span: Span, reader: &mut Reader) -> Option<()> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if (1..=MAX_NAME).contains(&name.len()) && name.chars().all(is_plain) {
        return Some(());
    }
    reader.error(
        span,
        format!("{} cannot be a name", quoted(name)),
        format!("use 1 to {MAX_NAME} letters, digits, `_`, `-` and `.`"),
    );
    None
}
