//! What tells the callers of a policy apart: `"client_ip"`, `"header:NAME"`, `"host"`, `"path"`.

use super::diagnostic::quoted;
use super::http::is_header_name;
use super::kind::{Kind, Refusal};
use super::text::ParsedText;

/// What tells requests apart.
///
/// ```
/// use breakerbox::config::{KeyOf, key_of, named, read_file};
///
/// let file = "limits = 'client_ip'\nbreakers = 'host'";
/// let (keys, _) = read_file("keys.toml", file, &named(key_of())).unwrap();
/// assert_eq!(keys["limits"].value, KeyOf::ClientIp);
/// assert_eq!(keys["breakers"].value, KeyOf::Host);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyOf {
    /// The address of the client.
    ClientIp,
    /// The value of the header of this name, in lower case.
    Header(String),
    /// The host that is asked for.
    Host,
    /// The path, without the query.
    Path,
}

/// What tells requests apart: `"client_ip"`, `"header:NAME"`, `"host"` or `"path"`.
///
/// ```
/// use breakerbox::config::{KeyOf, Policy};
///
/// let text = "rate_limit = { rate = 10, key = 'header:X-Tenant' }";
/// let (policy, _) = Policy::parse("policy.toml", text).unwrap();
/// assert_eq!(policy.rate_limit.unwrap().key, Some(KeyOf::Header("x-tenant".into())));
/// ```
pub fn key_of() -> impl Kind<Value = KeyOf> {
    ParsedText {
        name: "what tells requests apart",
        example: "client_ip",
        about: "client_ip, header:NAME, host or path.",
        pattern: "^(client_ip|host|path|header:[!#$%&'*+.^_`|~0-9A-Za-z-]+)$",
        parse,
    }
}

fn parse(text: &str) -> Result<KeyOf, Refusal> {
    match text {
        "client_ip" => return Ok(KeyOf::ClientIp),
        "host" => return Ok(KeyOf::Host),
        "path" => return Ok(KeyOf::Path),
        _ => {}
    }
    match text.strip_prefix("header:") {
        Some(name) if is_header_name(name) => Ok(KeyOf::Header(name.to_ascii_lowercase())),
        _ => Err(Refusal::new(
            format!("is {}", quoted(text)),
            "write \"client_ip\", \"header:NAME\", \"host\" or \"path\"",
        )),
    }
}
