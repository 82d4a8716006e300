//! A gateway with policies in front of its upstream, and what its admin API says of them.

use std::net::SocketAddr;
use std::time::Duration;

use breakerbox::config::Policy;
use breakerbox_proxy::Config;
use breakerbox_proxy::config::Protocol;
use breakerbox_proxy::server::Running;
use http::{Request, Response};
use hyper::body::Incoming;
use serde_json::Value;

use super::{client, config, empty, start, within};

/// The gateway of one upstream, `posts`, on one core.
pub(crate) struct Protected {
    pub(crate) running: Running,
    pub(crate) address: SocketAddr,
    pub(crate) admin: SocketAddr,
}

/// A configuration with these policies, written as in the file, in front of HTTP/1 endpoints.
pub(crate) fn with_policy(endpoints: &[SocketAddr], policy: &str) -> Config {
    let (policy, _) = Policy::parse("policy.toml", policy).unwrap();
    let mut config = config(Protocol::Http1, endpoints);
    config.upstreams.get_mut("posts").unwrap().policy = policy;
    config
}

/// What a client has got.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) status: u16,
    /// `breakerbox-reason`, or nothing.
    pub(crate) reason: String,
    /// `breakerbox-fallback`, or nothing.
    pub(crate) fallback: String,
    /// The body, unless it broke off.
    pub(crate) body: Option<String>,
}

impl Protected {
    pub(crate) fn new(upstream: SocketAddr, policy: &str) -> Self {
        Self::start(with_policy(&[upstream], policy))
    }

    /// In front of an HTTP/2 endpoint.
    pub(crate) fn over_http2(upstream: SocketAddr, policy: &str) -> Self {
        let mut config = with_policy(&[upstream], policy);
        config.upstreams.get_mut("posts").unwrap().protocol = Protocol::Http2;
        Self::start(config)
    }

    pub(crate) fn start(config: Config) -> Self {
        let running = start(config);
        let (address, admin) = (running.addresses()[0], running.admin_address().unwrap());
        Self { running, address, admin }
    }

    /// A GET over a connection of its own.
    pub(crate) async fn get(&self, path: &str) -> Response<Incoming> {
        client::get(self.address, path).await
    }

    /// The same to its end.
    pub(crate) async fn seen(&self, path: &str) -> Seen {
        let response = self.get(path).await;
        let text = |name| match response.headers().get(name) {
            Some(value) => value.to_str().unwrap().to_owned(),
            None => String::new(),
        };
        Seen {
            status: response.status().as_u16(),
            reason: text("breakerbox-reason"),
            fallback: text("breakerbox-fallback"),
            body: match client::body(response).await {
                Ok(body) => Some(String::from_utf8(body.to_vec()).unwrap()),
                Err(_) => None,
            },
        }
    }

    /// Status and reason of a GET.
    pub(crate) async fn outcome(&self, path: &str) -> (u16, String) {
        let seen = self.seen(path).await;
        (seen.status, seen.reason)
    }

    /// All breakers as `/breakers` shows them.
    pub(crate) async fn breakers(&self) -> Vec<Value> {
        let text = client::text(client::get(self.admin, "/breakers").await).await;
        let mut all: Value = serde_json::from_str(&text).unwrap();
        serde_json::from_value(all["breakers"].take()).unwrap()
    }

    /// The first of them.
    pub(crate) async fn breaker(&self) -> Value {
        self.breakers().await.remove(0)
    }

    pub(crate) async fn state(&self) -> String {
        self.breaker().await["state"].as_str().unwrap().to_owned()
    }

    /// The first breaker, as soon as it is like this.
    pub(crate) async fn breaker_when(&self, like: impl Fn(&Value) -> bool) -> Value {
        within(async {
            loop {
                let breaker = self.breaker().await;
                if like(&breaker) {
                    return breaker;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await
    }

    /// The first breaker as soon as no call is under way.
    pub(crate) async fn at_rest(&self) -> Value {
        let breaker = self.breaker_when(|breaker| breaker["in_flight"] == 0).await;
        let count = |name: &str| breaker[name].as_u64().unwrap();
        let ended = count("successes") + count("failures") + count("ignored") + count("late");
        assert_eq!(count("started"), ended, "{breaker}");
        breaker
    }

    pub(crate) async fn half_open(&self) {
        self.breaker_when(|breaker| breaker["state"] == "half_open").await;
    }

    /// All of `/metrics`.
    pub(crate) async fn metrics(&self) -> String {
        client::text(client::get(self.admin, "/metrics").await).await
    }

    /// A counter or gauge of `/metrics`.
    pub(crate) async fn metric(&self, series: &str) -> f64 {
        let text = self.metrics().await;
        let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {series} in\n{text}")).parse().unwrap()
    }

    /// How many responses there were of each class, but for those of which there was none.
    pub(crate) async fn responses(&self, upstream: &str) -> Vec<(String, u64)> {
        let start = format!("breakerbox_responses_total{{upstream=\"{upstream}\",class=\"");
        let text = self.metrics().await;
        let lines = text.lines().filter_map(|line| line.strip_prefix(&start)?.split_once("\"} "));
        let counts = lines.map(|(class, count)| (class.to_owned(), count.parse().unwrap()));
        counts.filter(|(_, count)| *count > 0).collect()
    }

    /// A command of the admin API: its status and its document.
    pub(crate) async fn command(&self, path: &str) -> (u16, Value) {
        let (mut client, _) = client::http1(self.admin).await;
        let request = Request::post(path).header("host", "a").body(empty()).unwrap();
        let response = within(client.send_request(request)).await.unwrap();
        let status = response.status().as_u16();
        (status, serde_json::from_str(&client::text(response).await).unwrap())
    }

    /// What the admin API shows under this path: its status and its document.
    pub(crate) async fn shown(&self, path: &str) -> (u16, Value) {
        let response = client::get(self.admin, path).await;
        let status = response.status().as_u16();
        (status, serde_json::from_str(&client::text(response).await).unwrap())
    }

    /// How many calls became this.
    pub(crate) async fn calls(&self, kind: &str) -> f64 {
        let series = format!("breakerbox_calls_total{{upstream=\"posts\",kind=\"{kind}\"}}");
        self.metric(&series).await
    }
}

/// Asserts some numbers of a breaker.
pub(crate) fn assert_counts(breaker: &Value, expected: &[(&str, u64)]) {
    for (name, value) in expected {
        assert_eq!(breaker[name], *value, "{name} of {breaker}");
    }
}
