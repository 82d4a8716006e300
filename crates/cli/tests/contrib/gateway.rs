//! A gateway with every policy on, after some traffic.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::thread;
use std::time::Instant;

use crate::scrape::Scrape;
use crate::support::{PATIENCE, Program, address_in, http, status};

/// A gateway that has been called.
pub(crate) struct Gateway {
    _program: Program,
    address: String,
    admin: String,
}

impl Gateway {
    /// Every metric that there can be is there when this is done. `name` is that of its file.
    pub(crate) fn start(name: &str) -> Self {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("contrib_{name}.toml"));
        fs::write(&path, configuration(&upstream())).unwrap();
        let mut program = Program::start(&["run", path.to_str().unwrap()]);
        let address = address_in(&program.wait_for("listening on "));
        let admin = address_in(&program.wait_for("admin on "));
        let gateway = Self { _program: program, address, admin };
        gateway.traffic();
        gateway
    }

    /// The address of the admin API.
    pub(crate) fn admin(&self) -> &str {
        &self.admin
    }

    /// All metrics.
    pub(crate) fn metrics(&self) -> Scrape {
        let answer = http(&self.admin, "GET", "/metrics");
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.contains("content-type: application/openmetrics-text"), "{head}");
        assert!(!head.contains("chunked"), "{head}");
        Scrape::read(body.to_owned())
    }

    fn get(&self, path: &str) -> u16 {
        status(&http(&self.address, "GET", path))
    }

    /// A circuit opens, is half-open and closes again, so that those changes are counted; afterwards there are enough
    /// outcomes for its rates.
    fn traffic(&self) {
        assert_eq!(self.get("/posts/first"), 200);
        assert_eq!(self.get("/tenants/first"), 200);
        self.until("it opens", "/posts/fail", |metrics| {
            metrics.contains("from=\"closed\",to=\"open\"")
        });
        self.until("it closes", "/posts/good", |metrics| {
            metrics.contains("from=\"half_open\",to=\"closed\"")
        });
        self.until("it has a failure rate", "/posts/good", |metrics| {
            metrics.contains("\nbreakerbox_breaker_failure_rate{")
        });
    }

    fn until(&self, what: &str, path: &str, done: impl Fn(&str) -> bool) {
        let began = Instant::now();
        // Each path of its own, or the cache answers.
        for number in 0.. {
            self.get(&format!("{path}/{number}"));
            if done(&http(&self.admin, "GET", "/metrics")) {
                return;
            }
            assert!(began.elapsed() < PATIENCE, "never: {what}");
        }
    }
}

fn configuration(upstream: &str) -> String {
    format!(
        r#"
        [admin]
        listen = "127.0.0.1:0"
        [[listener]]
        listen = "127.0.0.1:0"
        routes = [
          {{ prefix = "/posts", upstream = "posts" }},
          {{ prefix = "/tenants", upstream = "tenants" }},
        ]
        [upstream.posts]
        endpoints = ["http://{upstream}"]
        [upstream.posts.policy]
        fallback = {{ stale = "10m", status = 503, text = "later" }}
        deadline = "5s"
        shed = {{ classes = {{ batch = 7 }} }}
        throttle = {{}}
        rate_limit = {{ rate = 1000, burst = 2000, key = "client_ip" }}
        cache = {{ ttl = "30s" }}
        coalesce = true
        hedge = {{ delay = "p95" }}
        retry = {{ backoff = {{ initial = "1ms" }} }}
        bulkhead = {{ concurrent = 64, queue = 128 }}
        adaptive_limit = {{ max = 64 }}
        attempt_timeout = "1s"
        chaos = {{ latency = "1ms", fraction = 0.1, on = false }}
        [upstream.posts.policy.breaker]
        failure_rate = 0.5
        slow_call = "1s"
        slow_call_rate = 0.5
        consecutive_failures = 3
        window = "60s"
        min_calls = 3
        open_for = "50ms"
        [upstream.tenants]
        endpoints = ["http://{upstream}"]
        [upstream.tenants.policy]
        breaker = {{ key = "header:tenant" }}
        [upstream.greeter]
        endpoints = ["http://{upstream}"]
        protocol = "http2"
        "#
    )
}

/// Answers 503 to paths with `fail` in them, else 200. It ends with the test.
fn upstream() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || answer(&stream));
        }
    });
    address
}

fn answer(stream: &TcpStream) {
    let mut fails = false;
    for line in BufReader::new(stream).lines().map_while(Result::ok) {
        fails |= line.starts_with("GET ") && line.contains("/fail");
        if line.is_empty() {
            let status = if fails { "503 Service Unavailable" } else { "200 OK" };
            let head = format!("HTTP/1.1 {status}\r\ncontent-length: 2\r\n\r\nok");
            // The other side may be gone.
            let _ = { stream }.write_all(head.as_bytes());
            fails = false;
        }
    }
}
