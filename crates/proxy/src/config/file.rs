//! The tables of the file, as they are written.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use breakerbox::config::{
    self, HttpUrl, Kind, Located, Node, Policy, Reader, boolean, duration, host_name, http_path,
    http_url, list, named, one_of, policy, quoted, socket_address, table, text,
};

use super::check::check;
use super::{Config, Endpoint, Protocol};

config::table! {
    /// A gateway: what it listens on, where it sends, and what protects the way there.
    pub(super) struct ConfigTable {
        admin: AdminTable = table::<AdminTable>(), optional "none";
        /// A file in which the states of the breakers are kept over a restart: written when the
        /// gateway has drained, read when it starts.
        state_file: String = text(), optional "a gateway that starts knows nothing";
        /// The addresses on which requests come in.
        listener: Vec<Located<ListenerTable>> = list(table::<ListenerTable>()).not_empty(),
            required "add a `[[listener]]` with `listen = \"127.0.0.1:3000\"` and its `routes`";
        /// The services that requests are sent to, by names of your choice.
        upstream: BTreeMap<String, Located<UpstreamTable>> = named(table::<UpstreamTable>()).not_empty(),
            required "add an `[upstream.NAME]` with its `endpoints`";
    }
}

config::table! {
    /// The admin API. It has no authentication.
    pub(super) struct AdminTable {
        /// The address that the admin API listens on.
        listen: SocketAddr = socket_address(), default "127.0.0.1:9900";
    }
}

config::table! {
    /// An address on which requests come in.
    pub(super) struct ListenerTable {
        /// The address; port 0 is any free one.
        listen: SocketAddr = socket_address(), required;
        /// Whether headers such as `breakerbox-deadline-ms` are believed when they come from
        /// outside.
        trust: bool = boolean(), default false;
        /// Where requests are sent.
        routes: Vec<Located<RouteTable>> =
            list(table::<RouteTable>().exactly_one_of(["path", "prefix"])).not_empty(),
            required "add `routes = [{ prefix = \"/\", upstream = \"NAME\" }]`";
    }
}

config::table! {
    /// Which requests go to which upstream.
    pub(super) struct RouteTable {
        /// Only requests for this host.
        host: String = host_name(), optional "any host";
        /// Only requests for exactly this path.
        path: String = http_path(), optional;
        /// Only requests for paths that begin with this.
        prefix: String = http_path(), optional;
        /// Replaces the whole path of a route with `path`, the prefix of one with `prefix`. The
        /// query is kept.
        rewrite: String = http_path(), optional "the path is passed on as it came";
        /// The name of the upstream.
        upstream: String = text(), required;
    }
}

config::table! {
    /// A service that requests are sent to.
    pub(super) struct UpstreamTable {
        /// Its addresses, without paths.
        endpoints: Vec<Located<Endpoint>> = list(http_url().then(endpoint)).not_empty(), required;
        /// The protocol spoken to it: HTTP/1.1, or HTTP/2 without TLS and with prior knowledge.
        protocol: Protocol = one_of(&[("http1", Protocol::Http1), ("http2", Protocol::Http2)]),
            default "http1";
        /// How long a connection may take to be made.
        connect_timeout: Duration = duration().above_zero(), default "5s";
        /// How long a body, either way, may be silent.
        idle_timeout: Duration = duration().above_zero(), default "60s";
        policy: Policy = policy(), optional "an `attempt_timeout` of 30s";
    }
}

/// The kind of the whole file.
pub(super) fn config() -> impl Kind<Value = Config> {
    table::<ConfigTable>().then(check)
}

fn endpoint(url: HttpUrl, node: Node<'_>, reader: &mut Reader) -> Option<Endpoint> {
    let HttpUrl { host, port, path } = url;
    let endpoint = Endpoint { host, port };
    if path.is_empty() {
        return Some(endpoint);
    }
    let without_path = quoted(&format!("http://{endpoint}"));
    let fix = if path == "/" {
        format!("write {without_path}")
    } else {
        format!(
            "write {without_path}, and {} in the route",
            quoted(&format!("rewrite = \"{path}\""))
        )
    };
    reader.error(
        node.span(),
        format!("an endpoint has no path, but this one has {}", quoted(&path)),
        fix,
    );
    None
}
