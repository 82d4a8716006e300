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
///
/// Those are put together by [`map`](Self::map), [`then`](Self::then) and [`either`]. One of your own:
///
/// ```
/// use breakerbox::config::{Kind, Node, Reader, Refusal, Type, named, read_file};
///
/// /// A size: `"64 KiB"`.
/// struct Size;
///
/// impl Kind for Size {
///     type Value = usize;
///     fn name(&self) -> String {
///         "a size".to_owned()
///     }
///     fn example(&self) -> String {
///         "\"64 KiB\"".to_owned()
///     }
///     fn accepts(&self, toml_type: Type) -> bool {
///         toml_type == Type::String
///     }
///     fn read(&self, node: Node<'_>, reader: &mut Reader) -> Option<usize> {
///         let Some(text) = node.as_str() else { return reader.wrong_type(node, self) };
///         let size = text.strip_suffix(" KiB").and_then(|number| number.parse::<usize>().ok());
///         let refusal = || Refusal::new("is not a size", "write a number with ` KiB` behind it");
///         size.map(|kib| kib * 1024).or_else(|| reader.refuse(node, refusal()))
///     }
///     fn schema(&self) -> serde_json::Value {
///         serde_json::json!({ "type": "string", "pattern": "^[0-9]+ KiB$" })
///     }
/// }
///
/// let (bodies, _) = read_file("bodies.toml", "posts = '64 KiB'", &named(Size)).unwrap();
/// assert_eq!(bodies["posts"].value, 65_536);
/// let errors = read_file("bodies.toml", "posts = 64", &named(Size)).unwrap_err();
/// assert_eq!(errors[0].message, "`posts` must be a size, but it is an integer");
/// assert_eq!(errors[0].fix, "write for example `posts = \"64 KiB\"`");
/// ```
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
    ///
    /// ```
    /// use breakerbox::config::{Kind, Refusal, list, named, read_file, text};
    ///
    /// // Of these there must be two.
    /// let pair = list(text()).then(|list, node, reader| match &list[..] {
    ///     [first, second] => Some((first.value.clone(), second.value.clone())),
    ///     _ => reader.refuse(node, Refusal::new("is no pair", "give two strings")),
    /// });
    /// let errors = read_file("pairs.toml", "users = ['a']", &named(pair)).unwrap_err();
    /// assert_eq!(errors[0].to_string().lines().next(), Some("error: `users` is no pair"));
    /// ```
    fn then<T>(self, check: Check<Self::Value, T>) -> Then<Self, T>
    where
        Self: Sized,
    {
        Then { kind: self, check }
    }
}

/// A check that [`Kind::then`] makes after reading.
///
/// ```
/// use breakerbox::config::{Check, Kind, Refusal, integer, named, read_file};
///
/// let unprivileged: Check<u16, u16> = |port, node, reader| match port {
///     0..1024 => reader.refuse(node, Refusal::new("is privileged", "give a port from 1024 on")),
///     port => Some(port),
/// };
/// let kind = named(integer(1..=65_535).then(unprivileged));
/// assert_eq!(read_file("ports.toml", "api = 8080", &kind).unwrap().0["api"].value, 8080);
/// assert!(read_file("ports.toml", "api = 80", &kind).is_err());
/// ```
pub type Check<In, Out> = fn(In, Node<'_>, &mut Reader) -> Option<Out>;

/// Why a value is refused.
///
/// ```
/// use breakerbox::config::{Refusal, parse_duration};
///
/// let refusal = parse_duration("-3s").unwrap_err();
/// let same = Refusal::new("is `-3s`, which is negative", "write `3s` without the sign");
/// assert_eq!(refusal, same);
/// ```
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
///
/// ```
/// use breakerbox::config::{Kind, Map, TextKind, named, read_file, text};
///
/// fn shouted() -> Map<TextKind, String> {
///     text().map(|text| text.to_uppercase())
/// }
/// let (words, _) = read_file("words.toml", "greeting = 'hello'", &named(shouted())).unwrap();
/// assert_eq!(words["greeting"].value, "HELLO");
/// ```
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
///
/// ```
/// use breakerbox::config::{Kind, Refusal, TextKind, Then, named, read_file, text};
///
/// fn filled() -> Then<TextKind, String> {
///     text().then(|text, node, reader| match text.trim() {
///         "" => reader.refuse(node, Refusal::new("is empty", "write something")),
///         _ => Some(text),
///     })
/// }
/// let errors = read_file("words.toml", "greeting = ' '", &named(filled())).unwrap_err();
/// assert_eq!(errors[0].message, "`greeting` is empty");
/// ```
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
///
/// ```
/// use breakerbox::config::{DurationKind, Either, Kind, Map, boolean, duration, either};
/// use breakerbox::config::{BooleanKind, named, read_file};
/// use std::time::Duration;
///
/// /// A time, or `false` for none.
/// type Timeout = Either<Map<DurationKind, Option<Duration>>, Map<BooleanKind, Option<Duration>>>;
///
/// let kind: Timeout = either(duration().map(Some), boolean().map(|_| None));
/// let (timeouts, _) = read_file("timeouts.toml", "posts = false", &named(kind)).unwrap();
/// assert_eq!(timeouts["posts"].value, None);
/// ```
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
