//! The kinds of value that a key can have.

use serde_json::{Value as Json, json};
use toml::de::DeValue;

use super::node::{Node, Path, Type};
use super::reader::Reader;

/// A kind of value: how it is read, and what the JSON Schema says of it. Both come from the same
/// description, so they cannot differ.
///
/// The kinds there are: [`duration`](super::duration), [`rate`](super::rate),
/// [`integer`](super::integer), [`number`](super::number), [`boolean`](super::boolean),
/// [`text`](super::text), [`one_of`](super::one_of), [`socket_address`](super::socket_address),
/// [`host_name`](super::host_name), [`http_url`](super::http_url),
/// [`http_path`](super::http_path), [`http_status`](super::http_status),
/// [`header_map`](super::header_map), [`any_json`](super::any_json), [`list`](super::list),
/// [`named`](super::named), [`table`](super::table()), [`either`].
pub trait Kind {
    /// What it is in Rust.
    type Value;

    /// What a message calls it: "a duration".
    fn name(&self) -> String;

    /// A value as it is written in a file: `"3s"`, with the quotes.
    fn example(&self) -> String;

    /// Whether a value of this TOML type can be of this kind.
    fn accepts(&self, toml_type: Type) -> bool;

    /// Why a value of a TOML type that is not accepted is refused, where there is more to say than
    /// what is expected and what is there.
    fn refuse_type(&self, node: Node<'_>) -> Option<Refusal> {
        let _ = node;
        None
    }

    /// Reads a value; where it is wrong, tells the reader why and returns `None`.
    fn read(&self, node: Node<'_>, reader: &mut Reader) -> Option<Self::Value>;

    /// The JSON Schema of it.
    fn schema(&self) -> Json;

    /// The same, with the value converted.
    ///
    /// ```
    /// use breakerbox::config::{Kind, duration};
    ///
    /// let milliseconds = duration().map(|duration| duration.as_millis());
    /// assert_eq!(milliseconds.name(), "a duration");
    /// ```
    fn map<T>(self, convert: fn(Self::Value) -> T) -> Map<Self, T>
    where
        Self: Sized,
    {
        Map { kind: self, convert }
    }

    /// The same, with a check that looks at the whole value. It tells the reader what is wrong
    /// and returns `None` then. It is not made where syntax errors hide a part of the file.
    fn then<T>(self, check: Check<Self::Value, T>) -> Then<Self, T>
    where
        Self: Sized,
    {
        Then { kind: self, check }
    }
}

/// A check that [`Kind::then`] makes after reading.
pub type Check<In, Out> = fn(In, Node<'_>, &mut Reader) -> Option<Out>;

/// Why a value is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// A clause that follows the name of the key: "is zero".
    pub clause: String,
    /// What to do about it.
    pub fix: String,
}

impl Refusal {
    /// A value is refused because its key `clause`; `fix` helps.
    pub fn new(clause: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { clause: clause.into(), fix: fix.into() }
    }
}

/// The kind that [`Kind::map`] makes.
#[derive(Clone, Debug)]
pub struct Map<K: Kind, T> {
    kind: K,
    convert: fn(K::Value) -> T,
}

impl<K: Kind, T> Kind for Map<K, T> {
    type Value = T;

    fn name(&self) -> String {
        self.kind.name()
    }

    fn example(&self) -> String {
        self.kind.example()
    }

    fn accepts(&self, toml_type: Type) -> bool {
        self.kind.accepts(toml_type)
    }

    fn refuse_type(&self, node: Node<'_>) -> Option<Refusal> {
        self.kind.refuse_type(node)
    }

    fn read(&self, node: Node<'_>, reader: &mut Reader) -> Option<T> {
        self.kind.read(node, reader).map(self.convert)
    }

    fn schema(&self) -> Json {
        self.kind.schema()
    }
}

/// The kind that [`Kind::then`] makes.
#[derive(Clone, Debug)]
pub struct Then<K: Kind, T> {
    kind: K,
    check: Check<K::Value, T>,
}

impl<K: Kind, T> Kind for Then<K, T> {
    type Value = T;

    fn name(&self) -> String {
        self.kind.name()
    }

    fn example(&self) -> String {
        self.kind.example()
    }

    fn accepts(&self, toml_type: Type) -> bool {
        self.kind.accepts(toml_type)
    }

    fn refuse_type(&self, node: Node<'_>) -> Option<Refusal> {
        self.kind.refuse_type(node)
    }

    fn read(&self, node: Node<'_>, reader: &mut Reader) -> Option<T> {
        let value = self.kind.read(node, reader)?;
        if reader.is_incomplete() { None } else { (self.check)(value, node, reader) }
    }

    fn schema(&self) -> Json {
        self.kind.schema()
    }
}

/// A value of one kind or of another; the TOML type says which, so the two must differ in it.
///
/// ```
/// use breakerbox::config::{Kind, boolean, duration, either};
///
/// let kind = either(duration().map(Some), boolean().map(|_| None));
/// assert_eq!(kind.name(), "a duration or true or false");
/// ```
pub fn either<A: Kind, B: Kind<Value = A::Value>>(first: A, second: B) -> Either<A, B> {
    Either { first, second }
}

/// The kind that [`either`] makes.
#[derive(Clone, Debug)]
pub struct Either<A, B> {
    first: A,
    second: B,
}

impl<A: Kind, B: Kind<Value = A::Value>> Kind for Either<A, B> {
    type Value = A::Value;

    fn name(&self) -> String {
        format!("{} or {}", self.first.name(), self.second.name())
    }

    fn example(&self) -> String {
        self.first.example()
    }

    fn accepts(&self, toml_type: Type) -> bool {
        self.first.accepts(toml_type) || self.second.accepts(toml_type)
    }

    fn refuse_type(&self, node: Node<'_>) -> Option<Refusal> {
        self.first.refuse_type(node).or_else(|| self.second.refuse_type(node))
    }

    fn read(&self, node: Node<'_>, reader: &mut Reader) -> Option<A::Value> {
        let found = node.toml_type();
        if self.first.accepts(found) {
            self.first.read(node, reader)
        } else if self.second.accepts(found) {
            self.second.read(node, reader)
        } else {
            reader.wrong_type(node, self)
        }
    }

    fn schema(&self) -> Json {
        json!({ "anyOf": [self.first.schema(), self.second.schema()] })
    }
}

/// Whether `text`, were it not in quotes, would be of this kind.
pub(super) fn would_accept_unquoted(kind: &impl Kind, text: &str) -> bool {
    const LONGEST: usize = 40;
    if text.len() > LONGEST {
        return false;
    }
    let Ok(value) = DeValue::parse(text) else { return false };
    let node = Node::element(&value, &Path::Top);
    kind.accepts(node.toml_type()) && kind.read(node, &mut Reader::default()).is_some()
}
