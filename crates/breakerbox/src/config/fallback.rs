//! The table `fallback`.

use std::time::Duration;

use serde_json::Value as Json;

use super::kind::Kind;
use super::node::Node;
use super::reader::Reader;
use super::table::table;
use super::{any_json, duration, header_map, http_status, text};

/// What a caller gets when a call comes to nothing: the last good answer where there is one, else what
/// is given here.
///
/// ```
/// use breakerbox::config::Policy;
/// use std::time::Duration;
///
/// let text = "fallback = { stale = '60s', status = 503 }";
/// let fallback = Policy::parse("policy.toml", text).unwrap().0.fallback.unwrap();
/// assert_eq!(fallback.stale, Some(Duration::from_secs(60)));
/// // Where there is no good answer, there is still this.
/// assert_eq!(fallback.answer.as_ref().unwrap().status, 503);
/// assert!(!fallback.is_only_stale());
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fallback {
    /// The last good answer, if it is younger than this.
    pub stale: Option<Duration>,
    /// The answer of this upstream.
    pub upstream: Option<String>,
    /// This answer.
    pub answer: Option<FallbackAnswer>,
}

impl Fallback {
    /// Whether nothing but the last good answer will do.
    pub fn is_only_stale(&self) -> bool {
        self.stale.is_some() && self.upstream.is_none() && self.answer.is_none()
    }
}

/// The answer that is given when a call fails.
///
/// ```
/// use breakerbox::config::{FallbackAnswer, FallbackBody, fallback, read_file};
///
/// let file = "text = 'try again later'\nheaders = { Cache-Control = 'no-store' }";
/// let (fallback, _) = read_file("fallback.toml", file, &fallback()).unwrap();
/// let answer = FallbackAnswer {
///     status: 200,
///     body: FallbackBody::Text("try again later".into()),
///     headers: vec![("cache-control".into(), "no-store".into())],
/// };
/// assert_eq!(fallback.answer, Some(answer));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct FallbackAnswer {
    /// The HTTP status, 200 to 599. Default: 200.
    pub status: u16,
    /// The body. Default: empty.
    pub body: FallbackBody,
    /// Headers to send, names in lower case, in the order of the file.
    pub headers: Vec<(String, String)>,
}

/// The body of a [`FallbackAnswer`].
///
/// ```
/// use breakerbox::config::{FallbackBody, fallback, read_file};
///
/// let file = "json = { posts = [] }";
/// let (fallback, _) = read_file("fallback.toml", file, &fallback()).unwrap();
/// let body = match fallback.answer.unwrap().body {
///     FallbackBody::Json(json) => json.to_string(),
///     FallbackBody::Text(text) => text,
///     FallbackBody::Empty => String::new(),
/// };
/// assert_eq!(body, r#"{"posts":[]}"#);
/// ```
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
        /// The last good answer stands in, if it is younger than this. Without anything else here, and
        /// without such an answer, there is no fallback.
        stale: Duration = duration().above_zero(), optional "no answer is kept";
        /// Another upstream answers, with its own policy.
        upstream: String = text(), optional "none";
        /// The HTTP status.
        status: u16 = http_status(), optional "200";
        /// The body, sent as JSON.
        json: Json = any_json(), optional "an empty body";
        /// The body, sent as it is.
        text: String = text(), optional "an empty body";
        /// Headers to send.
        headers: Vec<(String, String)> = header_map(), optional "none";
    }
}

/// The table of what is given when a call comes to nothing.
///
/// ```
/// use breakerbox::config::{fallback, read_file};
///
/// let (given, _) = read_file("fallback.toml", "stale = '60s'", &fallback()).unwrap();
/// assert!(given.is_only_stale());
///
/// let errors = read_file("fallback.toml", "json = {}\ntext = ''", &fallback()).unwrap_err();
/// assert_eq!(errors[0].fix, "keep either `json` or `text`");
/// ```
pub fn fallback() -> impl Kind<Value = Fallback> {
    table::<FallbackTable>()
        .at_most_one_of(["json", "text"])
        .at_most_one_of(["upstream", "status"])
        .at_most_one_of(["upstream", "json"])
        .at_most_one_of(["upstream", "text"])
        .at_most_one_of(["upstream", "headers"])
        .then(check)
}

fn check(table: FallbackTable, node: Node<'_>, reader: &mut Reader) -> Option<Fallback> {
    let (stale, upstream) = (table.stale.optional()?, table.upstream.optional()?);
    let (status, headers) = (table.status.optional()?, table.headers.optional()?);
    let body = match (table.json.optional()?, table.text.optional()?) {
        (Some(json), _) => FallbackBody::Json(json),
        (None, Some(text)) => FallbackBody::Text(text),
        (None, None) => FallbackBody::Empty,
    };
    let given = status.is_some() || headers.is_some() || body != FallbackBody::Empty;
    // An empty table is an empty answer.
    if !given && (stale.is_some() || upstream.is_some()) {
        return Some(Fallback { stale, upstream, answer: None });
    }
    let status = status.unwrap_or(200);
    if matches!(status, 204 | 205 | 304) && body != FallbackBody::Empty {
        reader.error(
            node.find("status"),
            format!("an answer with status {status} has no body"),
            "leave out the body, or choose another status",
        );
        return None;
    }
    let answer = FallbackAnswer { status, body, headers: headers.unwrap_or_default() };
    Some(Fallback { stale, upstream, answer: Some(answer) })
}
