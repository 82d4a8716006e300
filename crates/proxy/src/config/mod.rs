//! The gateway's file: what it listens on, where it sends, and what protects the way there.

mod check;
mod file;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use breakerbox::config::{Diagnostic, Policy, file_schema, read_file};
use serde_json::Value as Json;

/// A gateway, as one file describes it. Made by [`Config::parse`], so everything in it fits
/// together: every route's upstream exists, no address is used twice.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The admin API. Default: none.
    pub admin: Option<Admin>,
    /// Where the states of the breakers are kept over a restart. Default: nowhere.
    pub state_file: Option<PathBuf>,
    /// Where requests come in; at least one, in the order of the file.
    pub listeners: Vec<Listener>,
    /// Where requests go, by name; at least one.
    pub upstreams: BTreeMap<String, Upstream>,
}

impl Config {
    /// Reads a gateway's file; `file_name` only appears in messages. Returns it with the warnings.
    ///
    /// ```
    /// use breakerbox_proxy::config::{Config, PathMatch};
    ///
    /// let text = r#"
    /// listener = [{ listen = "127.0.0.1:3000", routes = [{ prefix = "/", upstream = "posts" }] }]
    /// upstream.posts.endpoints = ["http://127.0.0.1:9001"]
    /// "#;
    /// let (config, warnings) = Config::parse("breakerbox.toml", text).unwrap();
    /// assert_eq!(config.listeners[0].routes[0].matcher, PathMatch::Prefix("/".to_owned()));
    /// assert_eq!(config.upstreams["posts"].endpoints[0].to_string(), "127.0.0.1:9001");
    /// assert!(warnings.is_empty());
    /// ```
    ///
    /// # Errors
    /// Everything that is wrong with the file, with the warnings, in the order of the file.
    pub fn parse(file_name: &str, text: &str) -> Result<(Self, Vec<Diagnostic>), Vec<Diagnostic>> {
        read_file(file_name, text, &file::config())
    }

    /// The JSON Schema (draft 2020-12) of the file.
    ///
    /// ```
    /// let schema = breakerbox_proxy::config::Config::schema();
    /// assert_eq!(schema["properties"]["upstream"]["minProperties"], 1);
    /// ```
    pub fn schema() -> Json {
        file_schema("The file of the breakerbox gateway", &file::config())
    }
}

/// The admin API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admin {
    /// The address it listens on.
    pub listen: SocketAddr,
}

/// An address on which requests come in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// The address; port 0 is any free one.
    pub listen: SocketAddr,
    /// Whether headers such as `breakerbox-deadline-ms` are believed when they come from outside.
    /// Default: false.
    pub trust: bool,
    /// Where requests are sent; at least one, in the order of the file.
    pub routes: Vec<Route>,
}

/// Which requests of a listener go to which upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Only requests for this host, in lower case and without a port. Default: any host.
    pub host: Option<String>,
    /// Only requests for this path.
    pub matcher: PathMatch,
    /// Replaces the whole path of an exact route, the prefix of a prefix route; the query is
    /// kept. Starts with `/`. Default: the path is passed on as it came.
    pub rewrite: Option<String>,
    /// The name of the upstream; it is in [`Config::upstreams`].
    pub upstream: String,
}

/// Which paths a route takes; both start with `/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathMatch {
    /// This path alone (key `path`).
    Exact(String),
    /// Every path that begins with this (key `prefix`).
    Prefix(String),
}

/// A service that requests are sent to.
#[derive(Clone, Debug, PartialEq)]
pub struct Upstream {
    /// Its addresses; at least one, none twice.
    pub endpoints: Vec<Endpoint>,
    /// The protocol spoken to it. Default: HTTP/1.1.
    pub protocol: Protocol,
    /// How long a connection may take to be made. Above zero. Default: 5 s.
    pub connect_timeout: Duration,
    /// How long a connection or a body may be silent. Above zero. Default: 60 s.
    pub idle_timeout: Duration,
    /// What protects calls to it. Here `attempt_timeout` is always given. Default: 30 s, and
    /// nothing else.
    pub policy: Policy,
}

/// The protocol spoken to an upstream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1.
    #[default]
    Http1,
    /// HTTP/2 without TLS, with prior knowledge.
    Http2,
}

/// One address of an upstream. Displayed as `host:port`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    /// A host name in lower case or an IP address (IPv6 without brackets).
    pub host: String,
    /// The port, never 0.
    pub port: u16,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}
