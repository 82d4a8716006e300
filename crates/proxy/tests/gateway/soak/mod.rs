//! Many requests over both protocols through all policies, while endpoints are killed, clients go away,
//! and somebody plays with the admin API: at the end every account adds up, and nothing is left over.
//!
//! `SOAK_SECONDS` says for how long (5).

mod accounts;
mod clients;
mod mortal;

use std::num::NonZeroUsize;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use breakerbox_proxy::server::Options;
use breakerbox_proxy::{Config, Server};
use http::Request;

use crate::support::protected::Protected;
use crate::support::{client, empty, within};
use clients::Tally;
use mortal::{Mortal, Witness};

const CLIENTS: u64 = 64;
/// How much more memory there may be at the end than after a third of the time.
const MORE_KIB: u64 = 16 * 1024;
/// Set in the process that the soak has for itself.
const OWN_PROCESS: &str = "BREAKERBOX_TEST_SOAK";

/// Never the cap, and so much that none is needed: what goes in and what comes out must be equal.
const BUDGET: &str = "{ ratio = 0.05, start = 10, cap = 1000000 }";

/// The memory and the sockets of a process can only be measured where no other test runs.
#[test]
fn a_soak_with_killed_endpoints_and_clients_that_go_away_leaves_nothing_behind() {
    if std::env::var_os(OWN_PROCESS).is_some() {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(soak());
        let patience = Instant::now() + Duration::from_secs(10);
        while runtime.metrics().num_alive_tasks() > 0 {
            assert!(Instant::now() < patience, "tasks of clients or endpoints are left over");
            std::thread::yield_now();
        }
        return;
    }
    let name = "soak::a_soak_with_killed_endpoints_and_clients_that_go_away_leaves_nothing_behind";
    let child = Command::new("sh")
        // As many open files as this user may have.
        .args(["-c", "ulimit -n $(ulimit -Hn) 2>/dev/null; exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(OWN_PROCESS, "1")
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&child.stdout), text(&child.stderr));
    assert!(child.status.success(), "{out}\n{err}");
    assert!(out.contains("1 passed"), "{out}\n{err}");
    println!("{out}");
}

/// Everything that the file can say, for two upstreams.
fn config(posts: &[Mortal], greeter: &[Mortal]) -> Config {
    let endpoints = |all: &[Mortal]| -> Vec<_> {
        all.iter().map(|it| format!("http://{}", it.address)).collect()
    };
    let file = format!(
        r#"
        [admin]
        listen = "127.0.0.1:0"
        [[listener]]
        listen = "127.0.0.1:0"
        trust = true
        routes = [
            {{ prefix = "/posts", upstream = "posts" }},
            {{ prefix = "/greeter", upstream = "greeter" }},
        ]

        [upstream.posts]
        endpoints = {posts:?}
        [upstream.posts.policy]
        deadline = "600ms"
        shed = {{ target = "5ms", interval = "50ms" }}
        throttle = {{ window = "1s" }}
        rate_limit = {{ rate = 6000, burst = 100, wait = "2ms" }}
        cache = {{ ttl = "5ms", entries = 100 }}
        coalesce = true
        hedge = {{ delay = "20ms" }}
        retry = {{ attempts = 3, backoff = {{ initial = "2ms", max = "20ms" }}, budget = {BUDGET} }}
        breaker = {{ failure_rate = 0.5, window = "500ms", min_calls = 20, open_for = "30ms", probes = 2 }}
        bulkhead = {{ concurrent = 14, queue = 24, queue_timeout = "20ms" }}
        adaptive_limit = {{ initial = 16, min = 12 }}
        attempt_timeout = "100ms"
        chaos = {{ latency = {{ max = "10ms" }}, error = 503, fraction = 0.1, on = false }}

        [upstream.greeter]
        endpoints = {greeter:?}
        protocol = "http2"
        [upstream.greeter.policy]
        deadline = "600ms"
        fallback = {{ stale = "50ms", status = 200, text = "later" }}
        retry = {{ attempts = 2, backoff = {{ initial = "2ms", max = "20ms" }}, budget = {BUDGET} }}
        breaker = {{ consecutive_failures = 5, open_for = "30ms" }}
        bulkhead = {{ concurrent = 24, queue = 4, queue_timeout = "20ms", order = "adaptive_lifo" }}
        attempt_timeout = "100ms"
        chaos = {{ truncate_body = 3, fraction = 0.02, on = false }}
        "#,
        posts = endpoints(posts),
        greeter = endpoints(greeter),
    );
    match Config::parse("soak.toml", &file) {
        Ok((config, _)) => config,
        Err(errors) => panic!("{errors:?}"),
    }
}

async fn soak() {
    static PANICS: AtomicUsize = AtomicUsize::new(0);
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        PANICS.fetch_add(1, Ordering::SeqCst);
        usual(panic);
    }));
    let seconds = std::env::var("SOAK_SECONDS").ok().and_then(|seconds| seconds.parse().ok());
    let time = Duration::from_secs_f64(seconds.unwrap_or(5.0));

    let witness = Arc::new(Witness::default());
    let mut mortals = Vec::new();
    for http2 in [false, false, false, true, true] {
        mortals.push(Mortal::new(http2, &witness).await);
    }
    let sockets_before = open_files();
    let (posts, greeter) = mortals.split_at(3);
    let options = Options { cores: NonZeroUsize::new(2).unwrap(), ..Options::default() };
    let running = Server::start_with(config(posts, greeter), options).unwrap();
    let (address, admin) = (running.addresses()[0], running.admin_address().unwrap());
    let gateway = Protected { running, address, admin };

    let (tally, began) = (Arc::new(Tally::default()), Instant::now());
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| tokio::spawn(clients::one(address, number, began + time, Arc::clone(&tally))))
        .collect();
    let mut random = fastrand::Rng::with_seed(7);
    let mut after_a_third = None;
    while began.elapsed() < time {
        disturb(&gateway, &mortals, &mut random).await;
        if began.elapsed() > time / 3 {
            after_a_third.get_or_insert_with(resident_kib);
        }
    }
    for client in clients {
        client.await.unwrap();
    }
    let (after_a_third, at_the_end) = (after_a_third.unwrap_or_default(), resident_kib());
    println!("{after_a_third} KiB, then {at_the_end} KiB");

    accounts::check(&gateway, &tally).await;
    println!("{} requests at the endpoints", witness.requests.load(Ordering::Relaxed));
    assert_eq!(witness.doubled.load(Ordering::Relaxed), 0, "requests that must not be repeated");
    assert_eq!(PANICS.load(Ordering::SeqCst), 0);
    assert!(at_the_end < after_a_third + MORE_KIB, "{after_a_third} KiB, then {at_the_end} KiB");

    // It still does all that it has to.
    for upstream in ["posts", "greeter"] {
        command(&gateway, &format!("/chaos/{upstream}/off")).await;
        command(&gateway, &format!("/breakers/{upstream}/reset")).await;
        let path = format!("/{upstream}/ok/at-the-end");
        within(async {
            while gateway.seen(&path).await.body.as_deref() != Some(&path) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    }
    assert_eq!(within(client::get(admin, "/ready")).await.status(), 200);
    gateway.running.shutdown(Duration::from_secs(5));
    let running = gateway.running;
    let stopping = Instant::now();
    within(tokio::task::spawn_blocking(move || running.wait())).await.unwrap().unwrap();
    assert!(stopping.elapsed() < Duration::from_secs(4), "something was cut off");
    within(async {
        while open_files() > sockets_before {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    for mortal in &mortals {
        mortal.kill().await;
    }
}

/// Kills an endpoint for a while, forces states, switches chaos, or looks at everything.
async fn disturb(gateway: &Protected, mortals: &[Mortal], random: &mut fastrand::Rng) {
    let upstream = ["posts", "greeter"][random.usize(0..2)];
    match random.u8(0..8) {
        0..3 => {
            let mortal = &mortals[random.usize(0..mortals.len())];
            mortal.kill().await;
            tokio::time::sleep(Duration::from_millis(random.u64(1..100))).await;
            mortal.revive().await;
        }
        3 => {
            let controls = ["isolate", "disable", "metrics_only"];
            let control = controls[random.usize(0..controls.len())];
            command(gateway, &format!("/breakers/{upstream}/{control}")).await;
            tokio::time::sleep(Duration::from_millis(10)).await;
            command(gateway, &format!("/breakers/{upstream}/reset")).await;
        }
        4 => command(gateway, &format!("/breakers/{upstream}/force_open")).await,
        5 => command(gateway, &format!("/chaos/{upstream}/on")).await,
        6 => command(gateway, &format!("/chaos/{upstream}/off")).await,
        _ => {
            for path in ["/metrics", "/breakers", "/policies", "/health"] {
                client::body(within(client::get(gateway.admin, path)).await).await.unwrap();
            }
        }
    }
    tokio::time::sleep(Duration::from_millis(random.u64(1..60))).await;
}

async fn command(gateway: &Protected, path: &str) {
    let (mut sender, _) = client::http1(gateway.admin).await;
    let request = Request::post(path).header("host", "a").body(empty()).unwrap();
    let response = within(sender.send_request(request)).await.unwrap();
    assert_eq!(response.status(), 200, "{path}");
}

fn open_files() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
