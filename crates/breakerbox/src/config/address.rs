//! Addresses: sockets, hosts, URLs and their paths.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::diagnostic::quoted;
use super::kind::{Kind, Refusal};
use super::text::ParsedText;

/// An IP address with a port, as `"127.0.0.1:3000"` or `"[::1]:3000"`.
///
/// ```
/// use breakerbox::config::{named, read_file, socket_address};
///
/// let kind = named(socket_address());
/// let (ports, _) = read_file("ports.toml", "api = '127.0.0.1:3000'", &kind).unwrap();
/// assert_eq!(ports["api"].value.port(), 3000);
///
/// let errors = read_file("ports.toml", "api = ':3000'", &kind).unwrap_err();
/// assert_eq!(errors[0].message, "`api` is `:3000`, which has no IP address");
/// assert_eq!(errors[0].fix, "write `127.0.0.1:3000` for this machine, `0.0.0.0:3000` for all");
/// ```
pub fn socket_address() -> impl Kind<Value = SocketAddr> {
    ParsedText {
        name: "an IP address with a port",
        example: "127.0.0.1:3000",
        about: "An IP address with a port.",
        pattern: "^.+:[0-9]+$",
        parse: parse_socket_address,
    }
}

fn parse_socket_address(text: &str) -> Result<SocketAddr, Refusal> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let (clause, fix) = if let Ok(address) = text.parse::<IpAddr>() {
        ("has no port", format!("add a port: `{}`", SocketAddr::new(address, 3000)))
    } else if let Some(port) = text.strip_prefix(':').filter(|port| port.parse::<u16>().is_ok()) {
        let fix = format!("write `127.0.0.1:{port}` for this machine, `0.0.0.0:{port}` for all");
        ("has no IP address", fix)
    } else if let Some(port) = text.strip_prefix("localhost:") {
        ("has a name, not an IP address", format!("write {}", quoted(&format!("127.0.0.1:{port}"))))
    } else {
        let fix = "write an IP address and a port, as in `127.0.0.1:3000` or `[::1]:3000`";
        ("is not an IP address with a port", fix.to_owned())
    };
    Err(Refusal::new(format!("is {}, which {clause}", quoted(text)), fix))
}

/// A host without a port: a name, or an IP address (IPv6 in brackets). Read in lower case.
///
/// ```
/// use breakerbox::config::{host_name, named, read_file};
///
/// let kind = named(host_name());
/// let (hosts, _) = read_file("hosts.toml", "posts = 'Posts.Example.com'", &kind).unwrap();
/// assert_eq!(hosts["posts"].value, "posts.example.com");
///
/// let errors = read_file("hosts.toml", "posts = 'example.com:80'", &kind).unwrap_err();
/// assert_eq!(errors[0].message, "`posts` is `example.com:80`, which has a port");
/// ```
pub fn host_name() -> impl Kind<Value = String> {
    ParsedText {
        name: "a host",
        example: "api.example.com",
        about: "A host name or an IP address (IPv6 in brackets), without a port.",
        pattern: "",
        parse: parse_host,
    }
}

/// Where requests can be sent without TLS.
///
/// ```
/// use breakerbox::config::{HttpUrl, http_url, named, read_file};
///
/// let file = "posts = 'http://[::1]:9001/v2'\nusers = 'http://Users.internal'";
/// let (urls, _) = read_file("urls.toml", file, &named(http_url())).unwrap();
/// let posts = HttpUrl { host: "::1".into(), port: 9001, path: "/v2".into() };
/// assert_eq!(urls["posts"].value, posts);
/// let users = HttpUrl { host: "users.internal".into(), port: 80, path: "".into() };
/// assert_eq!(urls["users"].value, users);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpUrl {
    /// A host name in lower case, or an IP address (IPv6 without brackets).
    pub host: String,
    /// The port, never 0. Default: 80.
    pub port: u16,
    /// The path, empty where the URL has none.
    pub path: String,
}

/// A URL of the scheme `http`, without user, query and fragment.
///
/// ```
/// use breakerbox::config::{http_url, named, read_file};
///
/// let kind = named(http_url());
/// let (urls, _) = read_file("urls.toml", "posts = 'http://127.0.0.1:9001'", &kind).unwrap();
/// assert_eq!(urls["posts"].value.port, 9001);
///
/// let errors = read_file("urls.toml", "posts = '127.0.0.1:9001'", &kind).unwrap_err();
/// assert_eq!(errors[0].fix, "write `http://127.0.0.1:9001`");
/// ```
pub fn http_url() -> impl Kind<Value = HttpUrl> {
    ParsedText {
        name: "a URL",
        example: "http://127.0.0.1:9001",
        about: "A URL of the scheme http.",
        pattern: "^http://",
        parse: parse_http_url,
    }
}

/// The path of a URL: `/` and what follows, percent-encoded, without a query.
///
/// ```
/// use breakerbox::config::{http_path, named, read_file};
///
/// let kind = named(http_path());
/// let (paths, _) = read_file("paths.toml", "health = '/health'", &kind).unwrap();
/// assert_eq!(paths["health"].value, "/health");
///
/// let errors = read_file("paths.toml", "health = 'health'", &kind).unwrap_err();
/// assert_eq!(errors[0].fix, "write `/health`");
/// ```
pub fn http_path() -> impl Kind<Value = String> {
    ParsedText {
        name: "a path",
        example: "/",
        about: "A path: begins with /, percent-encoded, without a query.",
        pattern: "^/[!-~]*$",
        parse: parse_path,
    }
}

fn parse_http_url(text: &str) -> Result<HttpUrl, Refusal> {
    let refuse = |clause: &str, fix: String| {
        Err(Refusal::new(format!("is {}, {clause}", quoted(text)), fix))
    };
    let Some((scheme, rest)) = text.split_once("://") else {
        let fix = match text.is_empty() {
            true => "write for example `http://127.0.0.1:9001`".to_owned(),
            false => format!("write {}", quoted(&format!("http://{text}"))),
        };
        return refuse("which has no scheme", fix);
    };
    if scheme.eq_ignore_ascii_case("https") {
        let fix = "give an endpoint that speaks plain HTTP, such as `http://127.0.0.1:9001`";
        return refuse("but TLS to upstreams is not supported yet", fix.to_owned());
    }
    if !scheme.eq_ignore_ascii_case("http") {
        let fix = format!("write {}", quoted(&format!("http://{rest}")));
        return refuse("which has another scheme than http", fix);
    }
    if rest.contains(['?', '#']) {
        return refuse("which has a query or a fragment", "leave it out".to_owned());
    }
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    if authority.contains('@') {
        return refuse("which has a user", "leave out what stands before the `@`".to_owned());
    }
    let (host, port) = split_port(authority);
    let Some(host) = host_of(host) else {
        let fix = "write for example `http://127.0.0.1:9001` or `http://posts.internal`";
        return refuse("which has no valid host", fix.to_owned());
    };
    let Some(port) = port.map_or(Some(80), parse_port) else {
        return refuse("which has no valid port", "give a port from 1 to 65535".to_owned());
    };
    if !path.is_empty() {
        parse_path(path).map_err(|refusal| {
            Refusal::new(format!("is {}, whose path {}", quoted(text), refusal.clause), refusal.fix)
        })?;
    }
    Ok(HttpUrl { host, port, path: path.to_owned() })
}

/// Splits `host:port`; the colons of an IPv6 address in brackets are none.
fn split_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    }
}

fn parse_port(text: &str) -> Option<u16> {
    let is_digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|port| *port != 0 && is_digits)
}

fn parse_host(text: &str) -> Result<String, Refusal> {
    let refuse =
        |clause: &str, fix: &str| Err(Refusal::new(format!("is {}, {clause}", quoted(text)), fix));
    if text.contains("://") || text.contains('/') {
        return refuse("which is more than a host", "give the host alone, as in `api.example.com`");
    }
    if text.contains('*') {
        return refuse("but wildcards are not supported", "give each host a route of its own");
    }
    if let (host, Some(port)) = split_port(text)
        && host_of(host).is_some()
        && parse_port(port).is_some()
    {
        return refuse("which has a port", "leave out the port: any port of the host is meant");
    }
    match host_of(text) {
        Some(host) if host.contains(':') => Ok(format!("[{host}]")),
        Some(host) => Ok(host),
        None => refuse("which is not a host", "write a host, as in `api.example.com`"),
    }
}

/// A host in lower case, an IPv6 address without its brackets.
fn host_of(text: &str) -> Option<String> {
    if let Some(address) = text.strip_prefix('[') {
        let address: Ipv6Addr = address.strip_suffix(']')?.parse().ok()?;
        return Some(address.to_string());
    }
    let last_label = text.rsplit('.').next().unwrap_or_default();
    if last_label.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse::<Ipv4Addr>().ok().map(|address| address.to_string());
    }
    let is_label = |label: &str| {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        (1..=63).contains(&label.len()) && label.bytes().all(is_plain)
    };
    (text.len() <= 253 && text.split('.').all(is_label)).then(|| text.to_ascii_lowercase())
}

fn parse_path(text: &str) -> Result<String, Refusal> {
    let refuse = |clause: &str, fix: String| {
        Err(Refusal::new(format!("is {}, {clause}", quoted(text)), fix))
    };
    if !text.starts_with('/') {
        let fix = format!("write {}", quoted(&format!("/{text}")));
        return refuse("which does not begin with `/`", fix);
    }
    if text.contains(['?', '#']) {
        return refuse("which has a query or a fragment", "give the path alone".to_owned());
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        let fix = "percent-encode what is not visible ASCII: a space is `%20`";
        return refuse("which has characters that a path cannot have", fix.to_owned());
    }
    Ok(text.to_owned())
}
