//! Files of the gateway, right ones and wrong ones.

use std::time::Duration;

use breakerbox::config::{Fallback, FallbackAnswer, FallbackBody};
use breakerbox::core::SplitMix64;
use breakerbox::{OpenFor, Settings, Window};
use serde_json::json;

use super::*;

/// The example of the documentation.
const EXAMPLE: &str = r#"
[admin]
listen = "127.0.0.1:9900"

[[listener]]
listen = "127.0.0.1:3000"
routes = [{ path = "/data", upstream = "posts", rewrite = "/posts/1" }]

[upstream.posts]
endpoints = ["http://127.0.0.1:9001"]

[upstream.posts.policy]
deadline  = "5s"
breaker   = { failure_rate = 0.5, window = "10s", min_calls = 10, open_for = "30s" }
attempt_timeout = "3s"
fallback  = { status = 200, json = { message = "Service temporarily unavailable. Please try again later." } }
"#;

fn parsed(text: &str) -> Config {
    let (config, warnings) = Config::parse("breakerbox.toml", text).unwrap();
    assert_eq!(warnings, []);
    config
}

/// All that is said of a file, as it is printed.
fn report(text: &str) -> String {
    let diagnostics = match Config::parse("breakerbox.toml", text) {
        Ok((_, warnings)) => warnings,
        Err(diagnostics) => diagnostics,
    };
    diagnostics.iter().map(|diagnostic| format!("{diagnostic}\n")).collect()
}

/// All that is said of a file, without the excerpts.
fn summary(text: &str) -> Vec<String> {
    let diagnostics = match Config::parse("breakerbox.toml", text) {
        Ok((_, warnings)) => warnings,
        Err(diagnostics) => diagnostics,
    };
    diagnostics
        .iter()
        .map(|Diagnostic { line, column, severity, message, fix, .. }| {
            format!("{line}:{column} {severity}: {message}; {fix}")
        })
        .collect()
}

fn routes(routes: &str) -> String {
    format!("{UPSTREAM}[[listener]]\nlisten = '127.0.0.1:3000'\nroutes = [{routes}]\n")
}

#[test]
fn the_example() {
    let seconds = Duration::from_secs;
    let message = "Service temporarily unavailable. Please try again later.";
    let policy = Policy {
        retry: None,
        deadline: Some(seconds(5)),
        attempt_timeout: Some(seconds(3)),
        breaker: Some(Settings {
            failure_rate: Some(0.5),
            window: Some(Window::Time(seconds(10))),
            min_calls: Some(10),
            open_for: Some(OpenFor::fixed(seconds(30))),
            attempt_timeout: Some(seconds(3)),
            ..Settings::default()
        }),
        fallback: Some(Fallback {
            answer: Some(FallbackAnswer {
                status: 200,
                body: FallbackBody::Json(json!({ "message": message })),
                headers: Vec::new(),
            }),
            ..Fallback::default()
        }),
        ..Policy::default()
    };
    let posts = Upstream {
        endpoints: vec![Endpoint { host: "127.0.0.1".to_owned(), port: 9001 }],
        protocol: Protocol::Http1,
        connect_timeout: seconds(5),
        idle_timeout: seconds(60),
        policy,
    };
    let route = Route {
        host: None,
        matcher: PathMatch::Exact("/data".to_owned()),
        rewrite: Some("/posts/1".to_owned()),
        upstream: "posts".to_owned(),
    };
    let expected = Config {
        admin: Some(Admin { listen: "127.0.0.1:9900".parse().unwrap() }),
        state_file: None,
        listeners: vec![Listener {
            listen: "127.0.0.1:3000".parse().unwrap(),
            trust: false,
            routes: vec![route],
        }],
        upstreams: BTreeMap::from([("posts".to_owned(), posts)]),
    };
    assert_eq!(parsed(EXAMPLE), expected);
}

#[test]
fn every_key_is_read() {
    let config = parsed(
        r#"
        [[listener]]
        listen = "[::]:0"
        trust = true
        routes = [{ host = "API.example.com", prefix = "/v1", rewrite = "/", upstream = "a.b" }]
        [upstream."a.b"]
        endpoints = ["http://one", "http://[::1]:9001"]
        protocol = "http2"
        connect_timeout = "1s"
        idle_timeout = "2s"
        policy.breaker = {}
        "#,
    );
    let listener = &config.listeners[0];
    assert_eq!((listener.listen.port(), listener.trust), (0, true));
    assert_eq!(listener.routes[0].host.as_deref(), Some("api.example.com"));
    assert_eq!(listener.routes[0].matcher, PathMatch::Prefix("/v1".to_owned()));
    assert_eq!(listener.routes[0].rewrite.as_deref(), Some("/"));
    let upstream = &config.upstreams["a.b"];
    let endpoints: Vec<_> = upstream.endpoints.iter().map(Endpoint::to_string).collect();
    assert_eq!(endpoints, ["one:80", "[::1]:9001"]);
    assert_eq!(upstream.protocol, Protocol::Http2);
    assert_eq!(upstream.connect_timeout, Duration::from_secs(1));
    assert_eq!(upstream.idle_timeout, Duration::from_secs(2));
    let default = Some(Duration::from_secs(30));
    assert_eq!(upstream.policy.attempt_timeout, default, "the gateway's own default");
    assert_eq!(upstream.policy.breaker.as_ref().unwrap().attempt_timeout, default);
    assert_eq!(config.admin, None);
}

#[test]
fn an_empty_file() {
    assert_eq!(
        report(""),
        "\
error: missing key `listener` at the top of the file
 --> breakerbox.toml:1:1
  |
1 |
  | ^
  = fix: add a `[[listener]]` with `listen = \"127.0.0.1:3000\"` and its `routes`
error: missing key `upstream` at the top of the file
 --> breakerbox.toml:1:1
  |
1 |
  | ^
  = fix: add an `[upstream.NAME]` with its `endpoints`
"
    );
}

#[test]
fn everything_that_is_wrong_is_told_at_once_in_its_order() {
    let text = "\
[admin]
listen = \"0.0.0.0:3000\"

[[listener]]
listen = \"0.0.0.0:3000\"
routes = [
  { path = \"/a\", upstream = \"post\" },
  { prefix = \"b\", upstream = \"posts\", rewite = \"/\" },
]

[upstream.posts]
endpoints = [\"https://a\", \"http://b/x\"]

[upstream.posts.policy.breaker]
  failure_rte = 0.5
";
    assert_eq!(
        report(text),
        "\
warning: the admin API listens on `0.0.0.0:3000`, beyond this machine
 --> breakerbox.toml:2:10
  |
2 | listen = \"0.0.0.0:3000\"
  |          ^^^^^^^^^^^^^^
  = fix: it has no authentication: listen on `127.0.0.1:3000`, or see to it that nobody else can \
reach this address
error: `0.0.0.0:3000` is listened on twice
 --> breakerbox.toml:5:10
  |
5 | listen = \"0.0.0.0:3000\"
  |          ^^^^^^^^^^^^^^
  = fix: give another port, or put all routes into one listener
error: there is no upstream `post`
 --> breakerbox.toml:7:29
  |
7 |   { path = \"/a\", upstream = \"post\" },
  |                             ^^^^^^
  = fix: did you mean `posts`? upstreams here: posts
error: `prefix` is `b`, which does not begin with `/`
 --> breakerbox.toml:8:14
  |
8 |   { prefix = \"b\", upstream = \"posts\", rewite = \"/\" },
  |              ^^^
  = fix: write `/b`
error: unknown key `rewite` in `listener[0].routes[1]`
 --> breakerbox.toml:8:39
  |
8 |   { prefix = \"b\", upstream = \"posts\", rewite = \"/\" },
  |                                       ^^^^^^
  = fix: did you mean `rewrite`? known keys here: host, path, prefix, rewrite, upstream
error: `endpoints[0]` is `https://a`, but TLS to upstreams is not supported yet
  --> breakerbox.toml:12:14
   |
12 | endpoints = [\"https://a\", \"http://b/x\"]
   |              ^^^^^^^^^^^
   = fix: give an endpoint that speaks plain HTTP, such as `http://127.0.0.1:9001`
error: an endpoint has no path, but this one has `/x`
  --> breakerbox.toml:12:27
   |
12 | endpoints = [\"https://a\", \"http://b/x\"]
   |                           ^^^^^^^^^^^^
   = fix: write `http://b:80`, and `rewrite = \"/x\"` in the route
error: unknown key `failure_rte` in `[upstream.posts.policy.breaker]`
  --> breakerbox.toml:15:3
   |
15 |   failure_rte = 0.5
   |   ^^^^^^^^^^^
   = fix: did you mean `failure_rate`? known keys here: failure_rate, window, min_calls, \
consecutive_failures, slow_call, slow_call_rate, only_on_failure, open_for, probes, \
successes_to_close, key, keys
"
    );
}

#[test]
fn missing_and_empty_parts() {
    assert_eq!(
        summary(LISTENER),
        [
            "1:1 error: missing key `upstream` at the top of the file; add an `[upstream.NAME]` with \
          its `endpoints`"
        ]
    );
    assert_eq!(
        summary("listener = []\nupstream = {}"),
        [
            "1:12 error: `listener` is empty; give at least one entry, for example `listener = [{ \
             listen = \"127.0.0.1:3000\", routes = [{ path = \"/\", upstream = \"...\" }] }]`",
            "2:12 error: `upstream` is empty; give at least one entry, for example `upstream = { \
             NAME = { endpoints = [\"http://127.0.0.1:9001\"] } }`",
        ]
    );
    assert_eq!(
        summary(&format!("{UPSTREAM}[[listener]]\n[admin]\n")),
        [
            "3:1 error: missing key `listen` in `listener[0]`; add for example `listen = \
             \"127.0.0.1:3000\"`",
            "3:1 error: missing key `routes` in `listener[0]`; add `routes = [{ prefix = \"/\", \
             upstream = \"NAME\" }]`",
        ]
    );
    assert_eq!(
        summary(&routes("")),
        [
            "5:10 error: `routes` is empty; give at least one entry, for example `routes = [{ path = \
          \"/\", upstream = \"...\" }]`"
        ]
    );
    assert_eq!(
        summary(&format!("{LISTENER}[upstream.posts]\nendpoints = []")),
        ["5:13 error: `endpoints` is empty; give at least one entry, for example `endpoints = \
          [\"http://127.0.0.1:9001\"]`"]
    );
}

#[test]
fn a_route_has_either_a_path_or_a_prefix() {
    assert_eq!(
        summary(&routes("{ path = '/', prefix = '/', upstream = 'posts' }")),
        ["5:25 error: `path` and `prefix` are both given in `listener[0].routes[0]`; keep either \
          `path` or `prefix`"]
    );
    assert_eq!(
        summary(&routes("{ upstream = 'posts' }")),
        [
            "5:11 error: neither `path` nor `prefix` is given in `listener[0].routes[0]`; add one of \
          them, `path` or `prefix`"
        ]
    );
    assert_eq!(
        summary(&routes("{ prefx = '/', upstream = 'posts' }")),
        [
            "5:13 error: unknown key `prefx` in `listener[0].routes[0]`; did you mean `prefix`? known \
          keys here: host, path, prefix, rewrite, upstream"
        ]
    );
}

#[test]
fn names_of_upstreams() {
    let other = "[upstream.other]\nendpoints = ['http://b']\n";
    assert_eq!(
        summary(&format!("{other}{}", routes("{ path = '/', upstream = 'x' }"))),
        [
            "1:11 warning: no route leads to the upstream `other`; add a route with `upstream = \
             \"other\"`, or take the upstream out",
            "3:11 warning: no route leads to the upstream `posts`; add a route with `upstream = \
             \"posts\"`, or take the upstream out",
            "7:36 error: there is no upstream `x`; upstreams here: other, posts",
        ]
    );
    assert_eq!(
        summary(&routes("{ path = '/', upstream = 'post' }")),
        ["5:36 error: there is no upstream `post`; did you mean `posts`? upstreams here: posts"]
    );
    assert_eq!(
        summary(&format!("{UPSTREAM}{LISTENER}[upstream.'a b']\nendpoints = ['http://b']\n")),
        ["6:11 error: `a b` cannot be a name; use 1 to 100 letters, digits, `_`, `-` and `.`"]
    );
    let many: String =
        (0..11).map(|n| format!("[upstream.n{n:02}]\nendpoints = ['http://b']\n")).collect();
    let said = summary(&format!("{many}{}", routes("{ path = '/', upstream = '?' }")));
    assert_eq!(
        said.last().unwrap(),
        "27:36 error: there is no upstream `?`; upstreams here: n00, n01, n02, n03, n04, n05, \
         n06, n07, n08, n09, ..."
    );
}

#[test]
fn addresses() {
    let twice = format!("{UPSTREAM}{LISTENER}{LISTENER}");
    assert_eq!(
        summary(&twice),
        [
            "7:10 error: `127.0.0.1:3000` is listened on twice; give another port, or put all routes \
          into one listener"
        ]
    );
    assert_eq!(summary(&twice.replace(":3000", ":0")), [""; 0]);
    let admin =
        |address: &str| summary(&format!("{UPSTREAM}{LISTENER}[admin]\nlisten = '{address}'\n"));
    assert_eq!(
        admin("127.0.0.1:3000"),
        [
            "7:10 error: `127.0.0.1:3000` is listened on twice; give another port, or put all routes \
          into one listener"
        ]
    );
    assert_eq!(admin("[::1]:3000"), [""; 0]);
    assert_eq!(
        admin("10.0.0.1:9900"),
        ["7:10 warning: the admin API listens on `10.0.0.1:9900`, beyond this machine; it has no \
          authentication: listen on `127.0.0.1:9900`, or see to it that nobody else can reach \
          this address"]
    );
}

#[test]
fn endpoints() {
    let endpoints =
        |list: &str| summary(&format!("{LISTENER}[upstream.posts]\nendpoints = [{list}]\n"));
    assert_eq!(
        endpoints("'http://a:80', 'http://A'"),
        ["5:29 error: the endpoint `a:80` is given twice; take one of them out"]
    );
    assert_eq!(
        endpoints("'http://a:81/'"),
        ["5:14 error: an endpoint has no path, but this one has `/`; write `http://a:81`"]
    );
    assert_eq!(
        endpoints("9001"),
        ["5:14 error: `endpoints[0]` must be a URL, but it is an integer; write for example \
          `\"http://127.0.0.1:9001\"`"]
    );
}

#[test]
fn routes_that_are_never_taken() {
    assert_eq!(
        summary(&routes(
            "\n{ prefix = '/a', upstream = 'posts' },\n{ path = '/a', upstream = 'posts' },\n\
             { prefix = '/a', host = 'b', upstream = 'posts' },\n\
             { prefix = '/a', upstream = 'posts' },\n"
        )),
        ["9:12 warning: this route is never taken: `routes[0]` takes the same requests; take one \
          of them out, or make them differ in `host` or path"]
    );
}

#[test]
fn protocols_and_timeouts() {
    let upstream = |line: &str| summary(&format!("{UPSTREAM}{line}\n{LISTENER}"));
    assert_eq!(
        upstream("protocol = 'http3'"),
        ["3:12 error: `protocol` cannot be `http3`; did you mean \"http1\"? it is one of \
          \"http1\", \"http2\""]
    );
    assert_eq!(
        upstream("connect_timeout = '0s'"),
        ["3:19 error: `connect_timeout` is zero; give a duration above zero, or leave the key out"]
    );
    assert_eq!(
        upstream("policy = { deadline = '1s', attempt_timeout = '2s' }"),
        ["3:47 warning: `attempt_timeout` can never run out: it is longer than `deadline`; make \
          it shorter than `deadline`, or leave it out"]
    );
    assert_eq!(upstream("policy = { deadline = '1s' }"), [""; 0], "nobody asked for the default");
}

/// Thousands of files that are nearly right: nothing panics, and each is either right or refused
/// with a reason.
#[test]
fn no_file_makes_it_panic() {
    let pieces: Vec<&str> = EXAMPLE.split_inclusive([' ', '\n', ',', '"']).collect();
    let mut random = SplitMix64::new(11);
    let mut below = |limit: usize| (random.next_u64() % limit as u64) as usize;
    for _ in 0..5_000 {
        let mut mutated = pieces.clone();
        for _ in 0..=below(4) {
            let at = below(mutated.len());
            match below(4) {
                0 => drop(mutated.remove(at)),
                1 => mutated[at] = pieces[below(pieces.len())],
                2 => mutated.insert(at, pieces[below(pieces.len())]),
                _ => mutated.insert(at, ["\u{e9}", "\"", "]", "{", "=", "\r", "0"][below(7)]),
            }
        }
        let text = mutated.concat();
        if let Err(diagnostics) = Config::parse("f.toml", &text) {
            let shown: String = diagnostics.iter().map(Diagnostic::to_string).collect();
            assert!(shown.contains("error: "), "{text}");
        }
    }
}
