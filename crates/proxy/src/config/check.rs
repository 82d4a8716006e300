//! What must hold between the tables of the file.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use breakerbox::config::{Located, Node, Reader, closest, quoted};

use super::file::{AdminTable, ConfigTable, ListenerTable, RouteTable, UpstreamTable};
use super::{Admin, Config, Endpoint, Listener, PathMatch, Route, Upstream};

/// The gateway's own default; elsewhere an attempt has none.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(30);

/// For so many unknown names the one that was meant is looked for among all upstreams.
const SUGGESTED: usize = 100;

type Upstreams = BTreeMap<String, Located<UpstreamTable>>;

/// Makes every check, whatever the ones before it found, then puts the parts together.
pub(super) fn check(file: ConfigTable, node: Node<'_>, reader: &mut Reader) -> Option<Config> {
    check_addresses(&file, reader);
    if let Some(upstreams) = file.upstream.value() {
        check_upstream_names(&file, upstreams, reader);
        check_fallbacks(upstreams, &node, reader);
        for upstream in upstreams.values() {
            check_endpoints(&upstream.value, reader);
        }
    }
    for listener in file.listener.value().into_iter().flatten() {
        check_routes(&listener.value, reader);
    }
    build(file)
}

/// No address is listened on twice; the admin API stays on this machine.
fn check_addresses(file: &ConfigTable, reader: &mut Reader) {
    let admin = file.admin.value().and_then(|admin| admin.listen.located());
    if let Some(admin) = admin.filter(|admin| !admin.value.ip().to_canonical().is_loopback()) {
        reader.warning(
            admin.span,
            format!(
                "the admin API listens on {}, beyond this machine",
                quoted(&admin.value.to_string())
            ),
            format!(
                "it has no authentication: listen on `127.0.0.1:{}`, or see to it that nobody \
                 else can reach this address",
                admin.value.port()
            ),
        );
    }
    let listeners = file.listener.value().into_iter().flatten();
    let listeners = listeners.filter_map(|listener| listener.value.listen.located());
    let mut addresses: Vec<&Located<SocketAddr>> = listeners.chain(admin).collect();
    addresses.sort_by_key(|address| address.span.start);
    let mut seen = HashSet::new();
    for address in addresses {
        // Port 0 is another free port each time.
        if address.value.port() != 0 && !seen.insert(address.value) {
            reader.error(
                address.span,
                format!("{} is listened on twice", quoted(&address.value.to_string())),
                "give another port, or put all routes into one listener",
            );
        }
    }
}

/// Every route leads to an upstream, and to every upstream leads a route.
fn check_upstream_names(file: &ConfigTable, upstreams: &Upstreams, reader: &mut Reader) {
    let listeners = file.listener.value().into_iter().flatten();
    let all_read = file.listener.value().is_some_and(|listeners| {
        listeners.iter().all(|listener| listener.value.routes.value().is_some())
    });
    let routes = listeners.flat_map(|listener| listener.value.routes.value().into_iter().flatten());
    let mut used: HashSet<&str> =
        upstreams.values().filter_map(|it| fallback_of(&it.value)).collect();
    let mut unknown = 0;
    for name in routes.filter_map(|route| route.value.upstream.located()) {
        if upstreams.contains_key(&name.value) {
            used.insert(&name.value);
            continue;
        }
        unknown += 1;
        let names = upstreams.keys().map(String::as_str);
        let meant = if unknown <= SUGGESTED { closest(&name.value, names) } else { None };
        used.extend(meant);
        report_unknown_upstream(name, meant, upstreams, reader);
    }
    for (name, upstream) in upstreams.iter().filter(|(name, _)| !used.contains(name.as_str())) {
        if all_read {
            reader.warning(
                upstream.key,
                format!("no route leads to the upstream {}", quoted(name)),
                format!("add a route with `upstream = \"{name}\"`, or take the upstream out"),
            );
        }
    }
}

/// The upstream that another one falls back to.
fn fallback_of(upstream: &UpstreamTable) -> Option<&str> {
    upstream.policy.value()?.fallback.as_ref()?.upstream.as_deref()
}

/// Upstreams fall back to others that are there, and never in a circle.
fn check_fallbacks(upstreams: &Upstreams, node: &Node<'_>, reader: &mut Reader) {
    for (name, upstream) in upstreams {
        let Some(fallback) = fallback_of(&upstream.value) else { continue };
        let span = node.find(&format!("upstream.{name}.policy.fallback.upstream"));
        if !upstreams.contains_key(fallback) {
            let meant = closest(fallback, upstreams.keys().map(String::as_str));
            let located = Located { value: fallback.to_owned(), span, key: span };
            report_unknown_upstream(&located, meant, upstreams, reader);
            continue;
        }
        let next = |name: &&str| fallback_of(&upstreams.get(*name)?.value);
        let circle = std::iter::successors(Some(fallback), next)
            .take(upstreams.len())
            .any(|other| other == name);
        if circle {
            reader.error(
                span,
                format!("the upstream {} would fall back to itself in the end", quoted(name)),
                "let the last of them have an answer of the file: `status`, `json` or `text`",
            );
        }
    }
}

fn report_unknown_upstream(
    name: &Located<String>,
    meant: Option<&str>,
    upstreams: &Upstreams,
    reader: &mut Reader,
) {
    /// A message lists no more names than this.
    const LISTED: usize = 10;
    let suggestion = meant.map(|meant| format!("did you mean `{meant}`? "));
    let mut known: Vec<_> = upstreams.keys().take(LISTED).map(String::as_str).collect();
    if upstreams.len() > LISTED {
        known.push("...");
    }
    reader.error(
        name.span,
        format!("there is no upstream {}", quoted(&name.value)),
        format!("{}upstreams here: {}", suggestion.unwrap_or_default(), known.join(", ")),
    );
}

fn check_endpoints(upstream: &UpstreamTable, reader: &mut Reader) {
    let mut seen = HashSet::new();
    for endpoint in upstream.endpoints.value().into_iter().flatten() {
        if !seen.insert(&endpoint.value) {
            reader.error(
                endpoint.span,
                format!("the endpoint {} is given twice", quoted(&endpoint.value.to_string())),
                "take one of them out",
            );
        }
    }
}

/// Warns of routes that an earlier one hides.
fn check_routes(listener: &ListenerTable, reader: &mut Reader) {
    let mut seen: HashMap<_, usize> = HashMap::new();
    for (index, route) in listener.routes.value().into_iter().flatten().enumerate() {
        let RouteTable { host, path, prefix, .. } = &route.value;
        let Some(matched) = path.located().or(prefix.located()) else { continue };
        let key = (host.value(), path.value(), prefix.value());
        if let Some(earlier) = seen.get(&key) {
            reader.warning(
                matched.span,
                format!("this route is never taken: `routes[{earlier}]` takes the same requests"),
                "take one of them out, or make them differ in `host` or path",
            );
        } else {
            seen.insert(key, index);
        }
    }
}

fn build(file: ConfigTable) -> Option<Config> {
    let admin = match file.admin.optional()? {
        Some(AdminTable { listen }) => Some(Admin { listen: listen.required()? }),
        None => None,
    };
    let listeners = file.listener.required()?.into_iter().map(|table| listener(table.value));
    let upstreams = file.upstream.required()?.into_iter();
    let upstreams = upstreams.map(|(name, table)| Some((name, upstream(table.value)?)));
    Some(Config {
        admin,
        state_file: file.state_file.optional()?.map(PathBuf::from),
        listeners: listeners.collect::<Option<_>>()?,
        upstreams: upstreams.collect::<Option<_>>()?,
    })
}

fn listener(table: ListenerTable) -> Option<Listener> {
    let routes = table.routes.required()?.into_iter().map(|table| route(table.value));
    Some(Listener {
        listen: table.listen.required()?,
        trust: table.trust.required()?,
        routes: routes.collect::<Option<_>>()?,
    })
}

fn route(table: RouteTable) -> Option<Route> {
    let matcher = match (table.path.optional()?, table.prefix.optional()?) {
        (Some(path), _) => PathMatch::Exact(path),
        (None, prefix) => PathMatch::Prefix(prefix?),
    };
    Some(Route {
        host: table.host.optional()?,
        matcher,
        rewrite: table.rewrite.optional()?,
        upstream: table.upstream.required()?,
    })
}

fn upstream(table: UpstreamTable) -> Option<Upstream> {
    let endpoints: Vec<Endpoint> =
        table.endpoints.required()?.into_iter().map(|endpoint| endpoint.value).collect();
    let policy = table.policy.optional()?.unwrap_or_default();
    Some(Upstream {
        endpoints,
        protocol: table.protocol.required()?,
        connect_timeout: table.connect_timeout.required()?,
        idle_timeout: table.idle_timeout.required()?,
        policy: policy.or_attempt_timeout(ATTEMPT_TIMEOUT),
    })
}
