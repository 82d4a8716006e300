//! What connections cost that do nothing, and what those may cost that do too much.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::process::Command;
use std::time::Duration;

use breakerbox_proxy::Server;
use breakerbox_proxy::config::Protocol;
use breakerbox_proxy::server::Options;
use http::Response;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::support::http2::{
    CONTINUATION, END_HEADERS, END_STREAM, Frame, HEADERS, NO_FLAGS, PING, RST_STREAM, RawHttp2,
    get, headers,
};
use crate::support::upstream::Upstream;
use crate::support::{client, config, full, raw};

/// Set in the process that the measurements have for themselves.
const OWN_PROCESS: &str = "BREAKERBOX_TEST_MEMORY";

/// Memory can only be measured where no other test runs.
#[test]
fn idle_connections_cost_little_and_floods_have_a_bound() {
    if std::env::var_os(OWN_PROCESS).is_some() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        return runtime.block_on(measure());
    }
    let name = "memory::idle_connections_cost_little_and_floods_have_a_bound";
    let child = Command::new("sh")
        .args(["-c", "ulimit -n $(ulimit -Hn) 2>/dev/null; exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(OWN_PROCESS, "1")
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&child.stdout), text(&child.stderr));
    assert!(child.status.success(), "{out}\n{err}");
    println!("{out}");
}

const IDLE: usize = 1000;

async fn measure() {
    let upstream = Upstream::http1(|_| async { Response::new(full("hello")) }).await;
    let config = config(Protocol::Http1, &[upstream.address]);
    let options = Options { cores: NonZeroUsize::MIN, ..Options::default() };
    let running = Server::start_with(config, options).unwrap();
    let address = running.addresses()[0];
    assert_eq!(client::text(client::get(address, "/").await).await, "hello");

    let before = resident_kib();
    let mut idle = Vec::new();
    for _ in 0..IDLE {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        raw::read_until(&mut stream, "hello").await;
        idle.push(stream);
    }
    let each = (resident_kib() - before) / IDLE as u64;
    println!("{each} KiB for each idle connection of HTTP/1.1");
    drop(idle);
    let before = resident_kib();
    let mut idle = Vec::new();
    for _ in 0..IDLE {
        let mut client = RawHttp2::new(address).await;
        client.get(1, "/").await;
        client.await_frame(0, 1).await.unwrap();
        idle.push(client);
    }
    let each_http2 = (resident_kib() - before) / IDLE as u64;
    println!("{each_http2} KiB for each idle connection of HTTP/2, with that of its client");
    drop(idle);
    // Its client is in this process too, and what the test keeps of it.
    assert!(each <= 32, "{each} KiB");
    assert!(each_http2 <= 32, "{each_http2} KiB");

    let before = resident_kib();
    floods(address).await;
    let more = resident_kib().saturating_sub(before);
    println!("{more} KiB more after the floods");
    assert!(more < 32 * 1024, "{more} KiB");
    assert_eq!(client::text(client::get(address, "/").await).await, "hello");
}

/// Eight of each, one after the other.
async fn floods(address: SocketAddr) {
    let odd = |number: u32| 2 * number + 1;
    let resets: Vec<u8> = (0..2000)
        .flat_map(|number| {
            let head = Frame::bytes(HEADERS, END_STREAM | END_HEADERS, odd(number), &get("/"));
            [head, Frame::bytes(RST_STREAM, NO_FLAGS, odd(number), &[0, 0, 0, 8])].concat()
        })
        .collect();
    let pings = Frame::bytes(PING, NO_FLAGS, 0, &[0; 8]).repeat(100_000);
    let endless = [
        Frame::bytes(HEADERS, END_STREAM, 1, &get("/")),
        Frame::bytes(CONTINUATION, NO_FLAGS, 1, &headers(&[("x", &[b'y'; 10_000])])).repeat(100),
    ]
    .concat();
    for flood in [resets, pings, endless].iter().cycle().take(24) {
        let mut client = RawHttp2::with_small_buffer(address).await;
        let _ = tokio::time::timeout(Duration::from_millis(300), client.write(flood)).await;
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
