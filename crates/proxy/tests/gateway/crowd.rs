//! A thousand clients at once in front of an upstream that fails half the time.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use breakerbox_proxy::Server;
use breakerbox_proxy::server::Options;
use http::Request;
use http_body_util::BodyExt as _;

use crate::support::protected::{Protected, with_policy};
use crate::support::upstream::Upstream;
use crate::support::{client, empty, within};

const CLIENTS: u64 = 1000;
const TIME: Duration = Duration::from_secs(10);

const POLICY: &str = "attempt_timeout = '150ms'\n\
    breaker = { failure_rate = 0.45, window = '500ms', min_calls = 20, open_for = '50ms', probes = 3 }";

const BAD: [&str; 8] =
    ["/500", "/503", "/reset", "/close", "/half-head", "/half-body", "/half-chunked", "/hang"];

/// Set in the process that the crowd has for itself.
const OWN_PROCESS: &str = "BREAKERBOX_TEST_CROWD";

/// The memory and the sockets of a process can only be measured where no other test runs.
#[test]
fn nothing_is_lost_in_a_crowd_in_front_of_an_upstream_that_fails_half_the_time() {
    if std::env::var_os(OWN_PROCESS).is_some() {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        return runtime.block_on(crowd());
    }
    let name = "crowd::nothing_is_lost_in_a_crowd_in_front_of_an_upstream_that_fails_half_the_time";
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
}

/// What the clients saw, by kind as the gateway counts them.
#[derive(Default)]
struct Tally(Mutex<BTreeMap<&'static str, u64>>);

impl Tally {
    fn add(&self, kind: &'static str) {
        *self.0.lock().unwrap().entry(kind).or_default() += 1;
    }

    fn count(&self, kind: &str) -> u64 {
        self.0.lock().unwrap().get(kind).copied().unwrap_or(0)
    }
}

async fn crowd() {
    static PANICS: AtomicUsize = AtomicUsize::new(0);
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        PANICS.fetch_add(1, Ordering::SeqCst);
        usual(panic);
    }));

    let upstream = Upstream::moody().await;
    let sockets_before = open_files();
    let options = Options { cores: NonZeroUsize::new(2).unwrap(), ..Options::default() };
    let config = with_policy(&[upstream.address], POLICY);
    let running = Server::start_with(config, options).unwrap();
    let (address, admin) = (running.addresses()[0], running.admin_address().unwrap());
    let gateway = Protected { running, address, admin };

    let tally = Arc::new(Tally::default());
    let end = Instant::now() + TIME;
    let clients: Vec<_> =
        (0..CLIENTS).map(|seed| tokio::spawn(one(address, seed, end, tally.clone()))).collect();
    tokio::time::sleep(TIME / 2).await;
    let memory_half_way = resident_kib();
    for client in clients {
        client.await.unwrap();
    }
    let memory = resident_kib();

    let breaker = gateway.at_rest().await;
    let mut kinds = BTreeMap::new();
    for kind in
        ["delivered", "timeout", "no_response", "breaker_open", "cancelled", "deadline", "fallback"]
    {
        kinds.insert(kind, gateway.calls(kind).await as u64);
    }
    let seen = tally.0.lock().unwrap().clone();
    println!("{seen:?}\n{kinds:?}\n{breaker}\n{memory_half_way} KiB, then {memory} KiB");

    // Nobody was left without an answer, and every kind of answer was there.
    assert_eq!(tally.count("lost"), 0);
    let gave_up = tally.count("gave_up");
    assert!(gave_up > 0 && kinds["cancelled"] > 0);
    let mut unseen = 0;
    for kind in ["delivered", "timeout", "no_response", "breaker_open"] {
        assert!(tally.count(kind) > 0, "{kind}");
        // What a client did not wait for may have become anything.
        unseen += kinds[kind].checked_sub(tally.count(kind)).expect(kind);
    }
    assert!(unseen + kinds["cancelled"] <= gave_up);
    assert_eq!((kinds["deadline"], kinds["fallback"]), (0, 0));

    // The breaker and the gateway have counted the same calls.
    let count = |key: &str| breaker[key].as_u64().unwrap();
    let sent = ["delivered", "timeout", "no_response", "cancelled"].map(|kind| kinds[kind]);
    assert_eq!(count("started"), sent.iter().sum::<u64>());
    assert_eq!(count("rejected"), kinds["breaker_open"]);
    assert!(count("opened") > 0);
    assert_eq!(PANICS.load(Ordering::SeqCst), 0);

    assert!(memory < memory_half_way + 16 * 1024, "{memory_half_way} KiB, then {memory} KiB");
    // Both cores still answer.
    gateway.breaker_when(|breaker| breaker["state"] != "open").await;
    assert_eq!(within(client::get(admin, "/ready")).await.status(), 200);
    within(async { while gateway.outcome("/200").await.0 != 200 {} }).await;
    for _ in 0..20 {
        assert_eq!(gateway.outcome("/200").await.0, 200);
    }
    gateway.running.shutdown(Duration::from_secs(5));
    let running = gateway.running;
    within(tokio::task::spawn_blocking(move || running.wait())).await.unwrap().unwrap();
    within(async {
        while open_files() > sockets_before {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}

/// One client: a request now and then over a connection that is kept as long as it lives.
async fn one(address: SocketAddr, seed: u64, end: Instant, tally: Arc<Tally>) {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut kept = None;
    while Instant::now() < end {
        tokio::time::sleep(Duration::from_millis(random.u64(0..2000))).await;
        let (mut sender, connection) = match kept.take() {
            Some(kept) => kept,
            None => client::http1(address).await,
        };
        let path = if random.bool() { "/200" } else { BAD[random.usize(0..BAD.len())] };
        let patience = match random.u8(0..4) {
            0 => Duration::from_millis(random.u64(1..60)),
            _ => Duration::from_secs(20),
        };
        let request = Request::get(path).header("host", "a").body(empty()).unwrap();
        match tokio::time::timeout(patience, sender.send_request(request)).await {
            Err(_) => {
                tally.add("gave_up");
                connection.abort();
                continue;
            }
            Ok(Err(error)) => {
                eprintln!("{path}: {error:?}");
                tally.add("lost");
                continue;
            }
            Ok(Ok(response)) => {
                let status = response.status().as_u16();
                let reason = response.headers().get("breakerbox-reason").cloned();
                let reason = reason.as_ref().map(|reason| reason.to_str().unwrap());
                tally.add(match (reason, status) {
                    (None, 200 | 500 | 503) => "delivered",
                    (Some("breaker_open"), 503) => "breaker_open",
                    (Some("timeout"), 504) => "timeout",
                    (Some("connect" | "reset" | "protocol"), 502) => "no_response",
                    other => panic!("{path}: {other:?}"),
                });
                if let (Some("breaker_open"), wait) =
                    (reason, response.headers().get("retry-after"))
                {
                    assert_ne!(wait.unwrap(), "0");
                }
                if random.u8(0..20) == 0 {
                    // Gives up in the middle of the body, where there is one left.
                    connection.abort();
                    continue;
                }
                match within(response.into_body().collect()).await {
                    Ok(body) => {
                        let body = body.to_bytes();
                        let whole = reason.is_some() || body == "answer" && !path.contains("half");
                        assert!(whole, "{path}: {body:?}");
                    }
                    Err(_) => {
                        assert!(path.contains("half-") && reason.is_none(), "{path}");
                        continue;
                    }
                }
            }
        }
        if within(sender.ready()).await.is_ok() {
            kept = Some((sender, connection));
        }
    }
}

fn open_files() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
