//! The table `fallback`.

use serde_json::Value as Json;

use super::kind::Kind;
use super::node::Node;
use super::reader::Reader;
use super::table::table;
use super::{any_json, header_map, http_status, text};

/// The answer that is given when a call fails.
#[derive(Clone, Debug, PartialEq)]
pub struct Fallback {
    /// The HTTP status, 200 to 599. Default: 200.
    pub status: u16,
    /// The body. Default: empty.
    pub body: FallbackBody,
    /// Headers to send, names in lower case, in the order of the file.
    pub headers: Vec<(String, String)>,
}

/// The body of a [`Fallback`].
#[derive(Clone, Debug, PartialEq)]
pub enum FallbackBody {
    /// Key `json`: any JSON value.
    Json(Json),
    /// Key `text`.
    Text(String),
    /// Neither.
    Empty,
}

config_table! {
    /// The answer that is given when a call fails or is rejected.
    struct FallbackTable {
        /// The HTTP status.
        status: u16 = http_status(), default 200;
        /// The body, sent as JSON.
        json: Json = any_json(), optional "an empty body";
        /// The body, sent as it is.
        text: String = text(), optional "an empty body";
        /// Headers to send.
        headers: Vec<(String, String)> = header_map(), optional "none";
    }
}

/// The table of an answer that is given when a call fails.
pub fn fallback() -> impl Kind<Value = Fallback> {
    table::<FallbackTable>().at_most_one_of(["json", "text"]).then(check)
}

fn check(table: FallbackTable, node: Node<'_>, reader: &mut Reader) -> Option<Fallback> {
    let status = table.status.required()?;
    let body = match (table.json.optional()?, table.text.optional()?) {
        (Some(json), _) => FallbackBody::Json(json),
        (None, Some(text)) => FallbackBody::Text(text),
        (None, None) => FallbackBody::Empty,
    };
    if matches!(status, 204 | 205 | 304) && body != FallbackBody::Empty {
        reader.error(
            node.find("status"),
            format!("an answer with status {status} has no body"),
            "leave out the body, or choose another status",
        );
        return None;
    }
    Some(Fallback { status, body, headers: table.headers.optional()?.unwrap_or_default() })
}
