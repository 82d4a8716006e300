//! Any value, as JSON.

use serde_json::{Map, Number, Value as Json};
use toml::de::DeValue;

use super::kind::{Kind, Refusal};
use super::node::{Node, Type};
use super::reader::Reader;

/// Lists and tables may stand in each other so deep.
const MAX_DEPTH: usize = 32;

/// Any value that JSON has: everything of TOML but dates and infinite numbers, at most 32 deep.
/// Keys keep the order of the file.
///
/// ```
/// use breakerbox::config::{any_json, named, read_file};
///
/// let file = "posts = { ids = [1, 2] }";
/// let (bodies, _) = read_file("bodies.toml", file, &named(any_json())).unwrap();
/// assert_eq!(bodies["posts"].value["ids"][1], 2);
///
/// let errors = read_file("bodies.toml", "since = 2026-01-01", &named(any_json())).unwrap_err();
/// assert_eq!(errors[0].fix, "write it as a string");
/// ```
pub fn any_json() -> JsonKind {
    JsonKind
}

/// The kind that [`any_json`] makes.
///
/// ```
/// use breakerbox::config::{JsonKind, Kind, Type, any_json};
///
/// let kind: JsonKind = any_json();
/// assert!(kind.accepts(Type::Table) && kind.accepts(Type::Boolean));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct JsonKind;

impl Kind for JsonKind {
    type Value = Json;

    fn name(&self) -> String {
        "a value that JSON has".to_owned()
    }

    fn example(&self) -> String {
        "{ message = \"please try again later\" }".to_owned()
    }

    fn accepts(&self, _: Type) -> bool {
        true
    }

    fn read(&self, node: Node<'_>, reader: &mut Reader) -> Option<Json> {
        node.to_json().map_or_else(|refusal| reader.refuse(node, refusal), Some)
    }

    fn schema(&self) -> Json {
        serde_json::json!({ "description": "Any value that JSON has." })
    }
}

pub(super) fn convert(value: &DeValue<'_>, depth: usize) -> Result<Json, Refusal> {
    if depth > MAX_DEPTH {
        return Err(Refusal::new(
            format!("is more than {MAX_DEPTH} lists and tables deep"),
            "give it with fewer levels",
        ));
    }
    let json = match value {
        DeValue::String(text) => Json::String(text.to_string()),
        DeValue::Boolean(value) => Json::Bool(*value),
        DeValue::Integer(integer) => {
            let signed = i64::from_str_radix(integer.as_str(), integer.radix()).map(Number::from);
            let unsigned = || u64::from_str_radix(integer.as_str(), integer.radix());
            let number = signed.or_else(|_| unsigned().map(Number::from));
            Json::Number(number.map_err(|_| not_in_json("an integer of more than 64 bits"))?)
        }
        DeValue::Float(float) => {
            let number = float.as_str().parse().ok().and_then(Number::from_f64);
            Json::Number(number.ok_or_else(|| not_in_json("a number that is not finite"))?)
        }
        DeValue::Datetime(_) => return Err(not_in_json("a date or time")),
        DeValue::Array(array) => {
            let elements = array.iter().map(|element| convert(element.get_ref(), depth + 1));
            Json::Array(elements.collect::<Result<_, _>>()?)
        }
        DeValue::Table(table) => {
            let mut entries: Vec<_> = table.iter().collect();
            entries.sort_by_key(|(key, _)| key.span().start);
            let entries = entries.into_iter().map(|(key, value)| {
                Ok((key.get_ref().to_string(), convert(value.get_ref(), depth + 1)?))
            });
            Json::Object(entries.collect::<Result<Map<_, _>, _>>()?)
        }
    };
    Ok(json)
}

fn not_in_json(what: &str) -> Refusal {
    Refusal::new(format!("holds {what}, which JSON does not have"), "write it as a string")
}
