//! Tables: described once, and read and documented from that description.

use serde_json::{Map as JsonMap, Value as Json, json};
use toml::de::{DeTable, DeValue};

use super::diagnostic::quoted;
use super::field::Field;
use super::kind::Kind;
use super::node::{Node, Path, Type, assignment};
use super::reader::Reader;
use super::span::{Located, Span};
use super::suggest::closest;

/// A struct that holds the keys of a table. Made by the macro [`table!`](super::table!).
///
/// ```
/// use breakerbox::config::{self, Table, text};
///
/// config::table! {
///     /// Who greets whom.
///     struct Greeting {
///         /// Who greets.
///         from: String = text(), optional "nobody in particular";
///         /// Who is greeted.
///         to: String = text(), required;
///     }
/// }
/// assert_eq!(Greeting::NAMES, ["from", "to"]);
/// ```
pub trait Table: Sized {
    /// What the table is for.
    const ABOUT: &'static str;

    /// The names of its keys.
    const NAMES: &'static [&'static str];

    /// Everything that the JSON Schema says of its keys, in the order of `NAMES`.
    fn keys() -> Vec<Key>;

    /// Reads the keys.
    fn read(entries: &mut Entries<'_, '_>) -> Self;
}

/// Whether a key must be given, and what holds where it is not.
///
/// ```
/// use breakerbox::config::{Key, Presence, duration, integer};
///
/// let keys = [
///     Key::new("times", "How often.", Presence::Default("3"), &integer::<u8>(1..=10)),
///     Key::new("pause", "Between two.", Presence::Optional("no pause"), &duration()),
///     Key::new("until", "No longer.", Presence::Required("say when to end"), &duration()),
/// ];
/// assert_eq!(keys.len(), 3);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It must be; the text is the fix where it is not (empty: an example of the value is shown).
    Required(&'static str),
    /// It may be left out; the text says what holds then (empty: nothing).
    Optional(&'static str),
    /// It may be left out; this value, written as in the file, is read then.
    Default(&'static str),
}

/// A key as the JSON Schema describes it.
///
/// ```
/// use breakerbox::config::{self, Kind, Table, integer};
///
/// config::table! {
///     /// A greeting.
///     struct Greeting {
///         /// How often it is said.
///         times: u8 = integer(1..=10), default 3;
///     }
/// }
/// assert_eq!(Greeting::keys().len(), 1);
/// let schema = config::table::<Greeting>().schema();
/// assert_eq!(schema["properties"]["times"]["description"], "How often it is said.");
/// ```
#[derive(Clone, Debug)]
pub struct Key {
    name: &'static str,
    about: &'static str,
    presence: Presence,
    schema: Json,
    example: String,
}

impl Key {
    /// Describes one key.
    pub fn new(
        name: &'static str,
        about: &'static str,
        presence: Presence,
        kind: &impl Kind,
    ) -> Self {
        Self { name, about, presence, schema: kind.schema(), example: kind.example() }
    }

    fn is_required(&self) -> bool {
        matches!(self.presence, Presence::Required(_))
    }

    fn property(mut self) -> Json {
        let default_text = match self.presence {
            Presence::Optional(text) if !text.is_empty() => format!("Default: {text}."),
            _ => String::new(),
        };
        let of_the_kind = self.schema["description"].as_str().unwrap_or_default();
        let parts = [self.about, of_the_kind, &default_text].map(one_line);
        let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        self.schema["description"] = parts.join(" ").into();
        if let Presence::Default(toml) = self.presence {
            let value = DeValue::parse(toml).ok();
            let value = value.and_then(|value| Node::element(&value, &Path::Top).to_json().ok());
            self.schema["default"] = value.expect("the default of a key is TOML that JSON has");
        }
        self.schema
    }
}

/// A doc comment without its line breaks.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The keys of a table that is being read.
///
/// For a table that the macro cannot describe:
///
/// ```
/// use breakerbox::config::{Entries, Field, Key, Presence, Table, duration, read_file, table};
/// use std::time::Duration;
///
/// struct Pause(Field<Duration>);
///
/// impl Table for Pause {
///     const ABOUT: &'static str = "A pause.";
///     const NAMES: &'static [&'static str] = &["pause"];
///     fn keys() -> Vec<Key> {
///         vec![Key::new("pause", "How long.", Presence::Default("'1s'"), &duration())]
///     }
///     fn read(entries: &mut Entries<'_, '_>) -> Self {
///         Self(entries.read("pause", Presence::Default("'1s'"), &duration()))
///     }
/// }
/// let (pause, _) = read_file("pause.toml", "", &table::<Pause>()).unwrap();
/// assert_eq!(pause.0.required(), Some(Duration::from_secs(1)));
/// ```
#[derive(Debug)]
pub struct Entries<'a, 'r> {
    node: Node<'a>,
    table: &'a DeTable<'a>,
    reader: &'r mut Reader,
    /// Keys for which an unknown one was written by mistake: they are broken, not absent.
    misspelt: Vec<&'static str>,
}

impl Entries<'_, '_> {
    /// Reads one key.
    pub fn read<K: Kind>(&mut self, name: &str, presence: Presence, kind: &K) -> Field<K::Value> {
        let path = Path::Key(self.node.path, name);
        if let Some((key, value)) = self.table.get_key_value(name) {
            return field(Node::entry(key, value, &path), kind, self.reader);
        }
        if self.misspelt.contains(&name) {
            return Field::Broken;
        }
        match presence {
            Presence::Optional(_) => Field::Absent,
            Presence::Required(fix) => {
                self.report_missing(name, fix, kind);
                Field::Broken
            }
            Presence::Default(toml) => {
                let value = DeValue::parse(toml).expect("the default of a key is a TOML value");
                field(self.node.default_value(&value, &path), kind, self.reader)
            }
        }
    }

    fn report_missing(&mut self, name: &str, fix: &str, kind: &impl Kind) {
        if self.reader.is_incomplete() {
            return;
        }
        let message = format!("missing key {} {}", quoted(name), self.node.place());
        let example = || format!("add for example {}", assignment(name, &kind.example()));
        let fix = if fix.is_empty() { example() } else { fix.to_owned() };
        self.reader.error(self.node.span(), message, fix);
    }

    fn refuse_unknown(&mut self, known: &[&'static str]) {
        for key in self.table.keys().filter(|key| !known.contains(&&**key.get_ref())) {
            let absent = known.iter().copied().filter(|name| !self.table.contains_key(*name));
            let meant = closest(key.get_ref(), absent);
            self.misspelt.extend(meant);
            let suggestion = meant.map(|meant| format!("did you mean `{meant}`? "));
            let message = format!("unknown key {} {}", quoted(key.get_ref()), self.node.place());
            let fix =
                format!("{}known keys here: {}", suggestion.unwrap_or_default(), known.join(", "));
            self.reader.error(key.span().into(), message, fix);
        }
    }
}

fn field<K: Kind>(node: Node<'_>, kind: &K, reader: &mut Reader) -> Field<K::Value> {
    match kind.read(node, reader) {
        Some(value) => Field::Given(Located { value, span: node.span(), key: node.key() }),
        None => Field::Broken,
    }
}

/// The kind of a table that the macro [`table!`](super::table!) describes. A table with unknown
/// keys or broken ones is read nevertheless, so that what is right in it can be judged further;
/// the file is refused in any case.
///
/// ```
/// use breakerbox::config::{self, Kind, Type, http_url, read_file};
///
/// config::table! {
///     struct Upstream {
///         /// Where it is.
///         url: config::HttpUrl = http_url(), required;
///     }
/// }
/// let kind = config::table::<Upstream>();
/// assert_eq!((kind.name(), kind.accepts(Type::Table)), ("a table".to_owned(), true));
/// let (upstream, _) = read_file("upstream.toml", "url = 'http://10.0.0.1'", &kind).unwrap();
/// assert_eq!(upstream.url.value().unwrap().host, "10.0.0.1");
/// ```
pub fn table<T: Table>() -> TableKind<T> {
    TableKind { alternatives: Vec::new(), table: std::marker::PhantomData }
}

/// The kind that [`table()`] makes.
///
/// ```
/// use breakerbox::config::{self, read_file, text};
///
/// config::table! {
///     struct Secret {
///         /// The secret itself.
///         text: String = text(), optional;
///         /// The name of a file that has it.
///         file: String = text(), optional;
///     }
/// }
/// let kind = config::table::<Secret>().exactly_one_of(["text", "file"]);
/// assert!(read_file("secret.toml", "file = '/run/secret'", &kind).is_ok());
/// let errors = read_file("secret.toml", "text = 'a'\nfile = 'b'", &kind).unwrap_err();
/// assert_eq!(errors[0].fix, "keep either `text` or `file`");
/// ```
#[derive(Clone, Debug)]
pub struct TableKind<T> {
    alternatives: Vec<Alternatives>,
    table: std::marker::PhantomData<fn() -> T>,
}

/// Keys of which not more than one can be given.
#[derive(Clone, Copy, Debug)]
struct Alternatives {
    keys: [&'static str; 2],
    one_is_required: bool,
}

impl<T: Table> TableKind<T> {
    /// One of these two keys must be given, and not the other.
    pub fn exactly_one_of(self, keys: [&'static str; 2]) -> Self {
        self.with(Alternatives { keys, one_is_required: true })
    }

    /// These two keys cannot both be given.
    pub fn at_most_one_of(self, keys: [&'static str; 2]) -> Self {
        self.with(Alternatives { keys, one_is_required: false })
    }

    fn with(mut self, alternatives: Alternatives) -> Self {
        self.alternatives.push(alternatives);
        self
    }
}

impl Alternatives {
    fn check(self, node: Node<'_>, table: &DeTable<'_>, misspelt: &[&str], reader: &mut Reader) {
        let [first, second] = self.keys;
        let mut given: Vec<Span> = self
            .keys
            .iter()
            .filter_map(|key| Some(table.get_key_value(*key)?.0.span().into()))
            .collect();
        given.sort();
        match given[..] {
            [_, later] => reader.error(
                later,
                format!("`{first}` and `{second}` are both given {}", node.place()),
                format!("keep either `{first}` or `{second}`"),
            ),
            [] if self.keys.iter().any(|key| misspelt.contains(key)) => {}
            [] if self.one_is_required && !reader.is_incomplete() => reader.error(
                node.span(),
                format!("neither `{first}` nor `{second}` is given {}", node.place()),
                format!("add one of them, `{first}` or `{second}`"),
            ),
            _ => {}
        }
    }

    fn schema(self) -> Json {
        let [first, second] = self.keys;
        if self.one_is_required {
            json!({ "oneOf": [{ "required": [first] }, { "required": [second] }] })
        } else {
            json!({ "not": { "required": [first, second] } })
        }
    }
}

impl<T: Table> Kind for TableKind<T> {
    type Value = T;

    fn name(&self) -> String {
        "a table".to_owned()
    }

    fn example(&self) -> String {
        let keys = T::keys();
        let is_needed = |key: &&Key| {
            let alternative =
                |both: &Alternatives| both.one_is_required && both.keys[0] == key.name;
            key.is_required() || self.alternatives.iter().any(alternative)
        };
        let mut shown: Vec<&Key> = keys.iter().filter(is_needed).collect();
        if shown.is_empty() {
            shown.extend(keys.first());
        }
        let shown: Vec<_> =
            shown.iter().map(|key| format!("{} = {}", key.name, key.example)).collect();
        format!("{{ {} }}", shown.join(", "))
    }

    fn accepts(&self, toml_type: Type) -> bool {
        toml_type == Type::Table
    }

    fn read(&self, node: Node<'_>, reader: &mut Reader) -> Option<T> {
        let Some(table) = node.as_table() else { return reader.wrong_type(node, self) };
        let mut entries = Entries { node, table, reader, misspelt: Vec::new() };
        entries.refuse_unknown(T::NAMES);
        let read = T::read(&mut entries);
        let misspelt = entries.misspelt;
        for alternatives in &self.alternatives {
            alternatives.check(node, table, &misspelt, reader);
        }
        Some(read)
    }

    fn schema(&self) -> Json {
        let keys = T::keys();
        let required = keys.iter().filter(|key| key.is_required());
        let required: Vec<_> = required.map(|key| key.name).collect();
        let properties: JsonMap<_, _> =
            keys.into_iter().map(|key| (key.name.to_owned(), key.property())).collect();
        let mut schema = json!({
            "type": "object",
            "description": one_line(T::ABOUT),
            "properties": properties,
            "additionalProperties": false,
        });
        if !required.is_empty() {
            schema["required"] = required.into();
        }
        if !self.alternatives.is_empty() {
            schema["allOf"] = self.alternatives.iter().map(|both| both.schema()).collect();
        }
        schema
    }
}
