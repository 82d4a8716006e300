//! HTTP statuses and headers.

use serde_json::{Value as Json, json};

use super::diagnostic::quoted;
use super::kind::Kind;
use super::node::{Node, Path, Type};
use super::number::integer;
use super::reader::Reader;
use super::text::text;

/// The status of a final answer, 200 to 599.
///
/// ```
/// use breakerbox::config::{http_status, named, read_file};
///
/// let kind = named(http_status());
/// let (statuses, _) = read_file("statuses.toml", "overload = 503", &kind).unwrap();
/// assert_eq!(statuses["overload"].value, 503);
/// let errors = read_file("statuses.toml", "overload = 103", &kind).unwrap_err();
/// assert_eq!(errors[0].fix, "give an integer from 200 to 599");
/// ```
pub fn http_status() -> impl Kind<Value = u16> {
    integer(200..=599)
}

/// Headers that say where a message ends or belong to one connection: they cannot be given.
const OF_THE_CONNECTION: [&str; 9] = [
    "connection",
    "content-length",
    "date",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Headers: a table of names and values. Read in the order of the file, names in lower case.
/// Headers that HTTP itself needs (`content-length`, `connection`, `date`...) cannot be given.
///
/// ```
/// use breakerbox::config::{header_map, read_file};
///
/// let file = "X-Served-By = 'fallback'";
/// let (headers, _) = read_file("headers.toml", file, &header_map()).unwrap();
/// assert_eq!(headers, [("x-served-by".to_owned(), "fallback".to_owned())]);
///
/// let errors = read_file("headers.toml", "Content-Length = '2'", &header_map()).unwrap_err();
/// assert_eq!(errors[0].message, "`Content-Length` is a header that is set by itself");
/// ```
pub fn header_map() -> HeaderMapKind {
    HeaderMapKind
}

/// The kind that [`header_map`] makes.
///
/// ```
/// use breakerbox::config::{HeaderMapKind, ListKind, list, header_map, Kind};
///
/// let one_for_each_answer: ListKind<HeaderMapKind> = list(header_map());
/// assert_eq!(one_for_each_answer.example(), "[{ cache-control = \"no-store\" }]");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct HeaderMapKind;

impl Kind for HeaderMapKind {
    type Value = Vec<(String, String)>;

    fn name(&self) -> String {
        "a table of headers".to_owned()
    }

    fn example(&self) -> String {
        "{ cache-control = \"no-store\" }".to_owned()
    }

    fn accepts(&self, toml_type: Type) -> bool {
        toml_type == Type::Table
    }

    fn read(&self, node: Node<'_>, reader: &mut Reader) -> Option<Self::Value> {
        let Some(table) = node.as_table() else { return reader.wrong_type(node, self) };
        let mut entries: Vec<_> = table.iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        let mut headers: Vec<(String, String)> = Vec::with_capacity(entries.len());
        let mut is_whole = true;
        for (key, value) in entries {
            let path = Path::Key(node.path, key.get_ref());
            match header(key.get_ref(), Node::entry(key, value, &path), &headers, reader) {
                Some(header) => headers.push(header),
                None => is_whole = false,
            }
        }
        is_whole.then_some(headers)
    }

    fn schema(&self) -> Json {
        json!({
            "type": "object",
            "propertyNames": {
                "pattern": "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$",
                "not": { "enum": OF_THE_CONNECTION },
            },
            "additionalProperties": { "type": "string", "pattern": "^[\\t -~]*$" },
        })
    }
}

fn header(
    name: &str,
    node: Node<'_>,
    earlier: &[(String, String)],
    reader: &mut Reader,
) -> Option<(String, String)> {
    let lower = name.to_ascii_lowercase();
    let refused = if !is_header_name(name) {
        Some(("is not the name of a header", "use letters, digits and `-`, as in `retry-after`"))
    } else if OF_THE_CONNECTION.contains(&&*lower) {
        Some(("is a header that is set by itself", "leave it out"))
    } else if earlier.iter().any(|(name, _)| *name == lower) {
        Some(("is given twice: upper and lower case are the same", "keep one of them"))
    } else {
        None
    };
    if let Some((clause, fix)) = refused {
        reader.error(node.key(), format!("{} {clause}", quoted(name)), fix);
    }
    let value = text().read(node, reader)?;
    if !value.bytes().all(|byte| byte == b'\t' || (b' '..=b'~').contains(&byte)) {
        reader.error(
            node.span(),
            format!("the value of {} has characters that a header cannot have", quoted(name)),
            "use visible ASCII, spaces and tabs",
        );
        return None;
    }
    refused.is_none().then_some((lower, value))
}

/// Whether a header can have this name: a token of RFC 9110.
pub(super) fn is_header_name(name: &str) -> bool {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(is_token)
}
