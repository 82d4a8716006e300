//! Which upstream a request goes to: host and path in, route and rewritten path out.
//!
//! Nothing here touches a connection, so the whole of routing can be tested with strings.

use http::uri::{InvalidUri, PathAndQuery};

use crate::config::{PathMatch, Route};

/// The routes of one listener in the order in which they are tried.
///
/// * a route with a host beats every route without one;
/// * an exact path beats a prefix;
/// * the longest prefix wins.
///
/// A host that has routes of its own still falls back to the routes without a host where none of
/// its own matches. Paths are compared as they were sent: nothing is decoded and no `..` is
/// resolved, so a route is not an access rule.
///
/// `T` is what a route leads to.
///
/// ```
/// use breakerbox_proxy::config::{PathMatch, Route};
/// use breakerbox_proxy::router::Router;
///
/// let route = Route {
///     host: None,
///     matcher: PathMatch::Prefix("/api".to_owned()),
///     rewrite: None,
///     upstream: "posts".to_owned(),
/// };
/// let router = Router::new(&[route], |name| name.to_owned());
/// assert_eq!(router.find("example.org", "/api/1").unwrap().destination(), "posts");
/// assert!(router.find("example.org", "/apix").is_none());
/// ```
#[derive(Debug)]
pub struct Router<T> {
    entries: Vec<Entry<T>>,
}

/// One route, ready to be compared.
#[derive(Debug)]
pub struct Entry<T> {
    host: Option<String>,
    matcher: PathMatch,
    rewrite: Option<String>,
    destination: T,
}

impl<T> Router<T> {
    /// Sorts the routes; `destination` is asked once per route, with the name of its upstream.
    pub fn new(routes: &[Route], mut destination: impl FnMut(&str) -> T) -> Self {
        let mut entries: Vec<_> = routes
            .iter()
            .map(|route| Entry {
                host: route.host.as_deref().map(|host| without_port(host).to_owned()),
                matcher: route.matcher.clone(),
                rewrite: route.rewrite.clone(),
                destination: destination(&route.upstream),
            })
            .collect();
        // A stable sort: of two equal routes the one written first stays first.
        entries.sort_by_key(|entry| std::cmp::Reverse(entry.rank()));
        Self { entries }
    }

    /// The route for a request, or `None` where no route matches.
    ///
    /// `host` may carry a port, which is ignored, and is compared without regard to case. `path` is
    /// without its query.
    pub fn find(&self, host: &str, path: &str) -> Option<&Entry<T>> {
        let host = without_port(host);
        self.entries.iter().find(|entry| entry.matches(host, path))
    }
}

impl<T> Entry<T> {
    /// What the route leads to.
    pub fn destination(&self) -> &T {
        &self.destination
    }

    /// The path and query to ask the upstream for, or `None` where the route leaves them alone.
    ///
    /// An exact route puts `rewrite` in the place of the path, a prefix route in the place of the
    /// prefix; the query stays.
    ///
    /// # Errors
    ///
    /// Where the result is no valid path, which takes a `rewrite` that is none.
    pub fn rewritten(&self, original: &PathAndQuery) -> Result<Option<PathAndQuery>, InvalidUri> {
        let Some(rewrite) = &self.rewrite else { return Ok(None) };
        let rest = match &self.matcher {
            PathMatch::Exact(_) => "",
            PathMatch::Prefix(prefix) => original.path().get(prefix.len()..).unwrap_or(""),
        };
        let mut target = join(rewrite, rest);
        if let Some(query) = original.query() {
            target.push(if target.contains('?') { '&' } else { '?' });
            target.push_str(query);
        }
        PathAndQuery::try_from(target).map(Some)
    }

    fn rank(&self) -> (bool, bool, usize) {
        match &self.matcher {
            PathMatch::Exact(path) => (self.host.is_some(), true, path.len()),
            PathMatch::Prefix(path) => (self.host.is_some(), false, path.len()),
        }
    }

    fn matches(&self, host: &str, path: &str) -> bool {
        if self.host.as_ref().is_some_and(|own| !own.eq_ignore_ascii_case(host)) {
            return false;
        }
        match &self.matcher {
            PathMatch::Exact(exact) => path == exact,
            PathMatch::Prefix(prefix) => path
                .strip_prefix(prefix.as_str())
                .is_some_and(|rest| rest.is_empty() || at_boundary(prefix, rest)),
        }
    }
}

/// Whether a prefix ends where a segment of the path ends.
fn at_boundary(prefix: &str, rest: &str) -> bool {
    prefix.is_empty() || prefix.ends_with('/') || rest.starts_with('/')
}

/// Puts two parts of a path together, with a slash in front and exactly one between them.
fn join(start: &str, rest: &str) -> String {
    let mut joined = String::with_capacity(start.len() + rest.len() + 2);
    if !start.starts_with('/') {
        joined.push('/');
    }
    joined.push_str(start);
    match (start.ends_with('/'), rest.strip_prefix('/')) {
        (true, Some(rest)) => joined.push_str(rest),
        (false, None) if !rest.is_empty() => {
            joined.push('/');
            joined.push_str(rest);
        }
        _ => joined.push_str(rest),
    }
    joined
}

/// A host without its port; the brackets of an IPv6 address stay.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
            // A bare IPv6 address has more colons and no port.
            if name.contains(':') && !name.ends_with(']') { host } else { name }
        }
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(host: Option<&str>, matcher: PathMatch, upstream: &str) -> Route {
        Route {
            host: host.map(str::to_owned),
            matcher,
            rewrite: None,
            upstream: upstream.to_owned(),
        }
    }

    fn exact(path: &str) -> PathMatch {
        PathMatch::Exact(path.to_owned())
    }

    fn prefix(path: &str) -> PathMatch {
        PathMatch::Prefix(path.to_owned())
    }

    fn found(routes: &[Route], host: &str, path: &str) -> Option<String> {
        let router = Router::new(routes, str::to_owned);
        router.find(host, path).map(|entry| entry.destination().clone())
    }

    fn rewritten(matcher: PathMatch, rewrite: &str, target: &str) -> String {
        let route =
            Route { host: None, matcher, rewrite: Some(rewrite.to_owned()), upstream: "u".into() };
        let router = Router::new(&[route], str::to_owned);
        let target: PathAndQuery = target.parse().unwrap();
        let entry = router.find("", target.path()).unwrap();
        entry.rewritten(&target).unwrap().unwrap().as_str().to_owned()
    }

    #[test]
    fn exact_beats_prefix_and_the_longest_prefix_wins() {
        let routes = [
            route(None, prefix("/"), "root"),
            route(None, prefix("/api"), "api"),
            route(None, prefix("/api/v2"), "v2"),
            route(None, exact("/api/v2"), "exact"),
        ];
        assert_eq!(found(&routes, "h", "/api/v2").as_deref(), Some("exact"));
        assert_eq!(found(&routes, "h", "/api/v2/x").as_deref(), Some("v2"));
        assert_eq!(found(&routes, "h", "/api/v20").as_deref(), Some("api"));
        assert_eq!(found(&routes, "h", "/other").as_deref(), Some("root"));
    }

    #[test]
    fn a_prefix_ends_at_a_segment() {
        let routes = [route(None, prefix("/api"), "api")];
        assert!(found(&routes, "h", "/api").is_some());
        assert!(found(&routes, "h", "/api/").is_some());
        assert!(found(&routes, "h", "/api/x").is_some());
        assert!(found(&routes, "h", "/apix").is_none());

        let below = [route(None, prefix("/api/"), "api")];
        assert!(found(&below, "h", "/api").is_none());
        assert!(found(&below, "h", "/api/").is_some());
        assert!(found(&below, "h", "/api/x").is_some());
    }

    #[test]
    fn a_route_with_a_host_beats_every_route_without() {
        let routes = [
            route(None, exact("/x"), "any"),
            route(Some("Shop.example:8080"), prefix("/"), "shop"),
        ];
        assert_eq!(found(&routes, "shop.EXAMPLE", "/x").as_deref(), Some("shop"));
        assert_eq!(found(&routes, "shop.example:3000", "/x").as_deref(), Some("shop"));
        assert_eq!(found(&routes, "other.example", "/x").as_deref(), Some("any"));
    }

    #[test]
    fn a_host_falls_back_to_the_routes_without_one() {
        let routes =
            [route(Some("a.example"), exact("/only"), "a"), route(None, prefix("/"), "rest")];
        assert_eq!(found(&routes, "a.example", "/only").as_deref(), Some("a"));
        assert_eq!(found(&routes, "a.example", "/else").as_deref(), Some("rest"));
    }

    #[test]
    fn of_two_equal_routes_the_first_wins() {
        let routes = [route(None, prefix("/a"), "first"), route(None, prefix("/a"), "second")];
        assert_eq!(found(&routes, "h", "/a").as_deref(), Some("first"));
    }

    #[test]
    fn nothing_matches_nothing() {
        assert!(found(&[], "h", "/").is_none());
        assert!(found(&[route(None, exact("/a"), "a")], "h", "/a/").is_none());
        assert!(found(&[route(None, exact("/a"), "a")], "h", "").is_none());
    }

    #[test]
    fn rewriting_keeps_the_query_and_one_slash() {
        assert_eq!(rewritten(exact("/data"), "/posts/1", "/data"), "/posts/1");
        assert_eq!(rewritten(exact("/data"), "/posts/1", "/data?a=1"), "/posts/1?a=1");
        assert_eq!(rewritten(exact("/data"), "/posts?b=2", "/data?a=1"), "/posts?b=2&a=1");
        assert_eq!(rewritten(prefix("/api"), "/v2", "/api/x?q"), "/v2/x?q");
        assert_eq!(rewritten(prefix("/api"), "/v2", "/api"), "/v2");
        assert_eq!(rewritten(prefix("/api"), "/", "/api/x"), "/x");
        assert_eq!(rewritten(prefix("/api/"), "/v2", "/api/x"), "/v2/x");
        assert_eq!(rewritten(prefix("/"), "/base", "/x"), "/base/x");
        assert_eq!(rewritten(prefix("/api"), "/v2/", "/api"), "/v2/");
        assert_eq!(rewritten(prefix("/api"), "v2", "/api/x"), "/v2/x");
    }

    #[test]
    fn ports_are_cut_off_and_addresses_are_not() {
        assert_eq!(without_port("a.example:80"), "a.example");
        assert_eq!(without_port("a.example"), "a.example");
        assert_eq!(without_port("[::1]:80"), "[::1]");
        assert_eq!(without_port("[::1]"), "[::1]");
        assert_eq!(without_port("::1"), "::1");
        assert_eq!(without_port(""), "");
    }
}
