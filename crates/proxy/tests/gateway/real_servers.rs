//! Clients and servers that others have written: curl, nginx, reqwest.

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::Path;
use std::time::Duration;

use http::{Method, Request, Response};
use http_body_util::BodyExt as _;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::support::protected::{Protected, assert_counts};
use crate::support::upstream::Upstream;
use crate::support::{AnyBody, Checksum, channel, client, empty, full, piece, within};

const PIECES: u32 = 800;
const PIECE: usize = 64 * 1024;

/// The user and group `nobody`, whom some servers insist on becoming when they are started as root.
const NOBODY: u32 = 65_534;

/// Whether a program is there. Where it must be there and is not, the test has failed.
async fn installed(program: &str) -> bool {
    if Command::new(program).arg("-V").output().await.is_ok() {
        return true;
    }
    let required = std::env::var_os("BREAKERBOX_REQUIRE_ALL").is_some();
    assert!(!required, "{program} is not installed");
    println!("skipped: {program} is not installed");
    false
}

/// Runs curl and gives back what it wrote.
async fn curl(arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> String {
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--noproxy", "*", "--max-time", "15"]);
    let output = within(command.args(arguments).kill_on_drop(true).output()).await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn sum_of_all() -> Checksum {
    let mut sum = Checksum::new();
    (0..PIECES).for_each(|number| sum.add(&piece(number, PIECE)));
    sum
}

/// Says hello, sums uploads up, and has one large download.
async fn answer(request: Request<hyper::body::Incoming>) -> Response<AnyBody> {
    match request.uri().path() {
        "/sum" => {
            let mut sum = Checksum::new();
            let mut body = request.into_body();
            while let Some(frame) = body.frame().await {
                if let Ok(data) = frame.unwrap().into_data() {
                    sum.add(&data);
                }
            }
            Response::new(full(format!("{sum:?}")))
        }
        "/large" => {
            let (sender, body) = channel();
            tokio::spawn(async move {
                for number in 0..PIECES {
                    if !sender.data(piece(number, PIECE)).await {
                        return;
                    }
                }
            });
            Response::new(body)
        }
        "/echo" => {
            let (sender, body) = channel();
            tokio::spawn(async move {
                let mut incoming = request.into_body();
                while let Some(Ok(frame)) = incoming.frame().await {
                    if let Ok(data) = frame.into_data() {
                        sender.data(data).await;
                    }
                }
            });
            Response::new(body)
        }
        _ => Response::new(full("hello")),
    }
}

async fn greeter() -> (Upstream, Protected, String) {
    let upstream = Upstream::http1(answer).await;
    let gateway = Protected::new(upstream.address, "breaker = { min_calls = 1000 }");
    let base = format!("http://{}", gateway.address);
    (upstream, gateway, base)
}

const SAID: &str = " %{http_code} %{http_version} %{num_connects};";

#[tokio::test]
async fn curl_gets_what_it_asks_for_over_both_protocols() {
    if !installed("curl").await {
        return;
    }
    let (upstream, gateway, base) = greeter().await;
    let one = format!("{base}/one");
    assert_eq!(curl(["-w", SAID, &one]).await, "hello 200 1.1 1;");
    assert_eq!(curl(["-w", SAID, "--http2-prior-knowledge", &one]).await, "hello 200 2 1;");
    // Two in one connection.
    let two = format!("{base}/two");
    assert_eq!(curl(["-w", SAID, &one, &two]).await, "hello 200 1.1 1;hello 200 1.1 0;");
    let head = curl(["--head", &one]).await;
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(head.contains("content-length: 5\r\n") && head.ends_with("\r\n\r\n"), "{head}");
    assert_eq!(upstream.connections(), 1);
    assert_counts(&gateway.at_rest().await, &[("successes", 5), ("ignored", 0)]);
}

#[tokio::test]
async fn curl_uploads_a_file_and_downloads_50_megabytes_whole() {
    if !installed("curl").await {
        return;
    }
    let (_upstream, gateway, base) = greeter().await;
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("upload");
    let bytes: Vec<u8> = (0..64).flat_map(|number| piece(number, PIECE)).collect();
    std::fs::write(&file, &bytes).unwrap();
    let mut sum = Checksum::new();
    sum.add(&bytes);
    let upload = format!("@{}", file.display());
    for protocol in ["--http1.1", "--http2-prior-knowledge"] {
        let url = format!("{base}/sum");
        // 4 MB: curl asks with `Expect: 100-continue` first.
        assert_eq!(curl([protocol, "--data-binary", &upload, &url]).await, format!("{sum:?}"));

        let (large, url) = (folder.path().join(protocol), format!("{base}/large"));
        curl([protocol, "--output", large.to_str().unwrap(), &url]).await;
        let mut sum = Checksum::new();
        sum.add(&std::fs::read(large).unwrap());
        assert_eq!(sum, sum_of_all());
    }
    assert_counts(&gateway.at_rest().await, &[("successes", 4), ("started", 4)]);
}

/// A gateway with an open circuit, and its address.
async fn rejecting() -> (Protected, String) {
    let upstream = Upstream::moody().await;
    let policy = "breaker = { consecutive_failures = 1, open_for = '60s' }";
    let gateway = Protected::new(upstream.address, policy);
    assert_eq!(gateway.outcome("/500").await.0, 500);
    let url = format!("http://{}/", gateway.address);
    (gateway, url)
}

#[tokio::test]
async fn curl_sees_the_rejection_of_its_upload() {
    if !installed("curl").await {
        return;
    }
    let (_gateway, url) = rejecting().await;
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("upload");
    std::fs::write(&file, vec![b'x'; 4 * 1024 * 1024]).unwrap();
    let upload = format!("@{}", file.display());
    // Without asking first: the answer comes while it still sends. (Over HTTP/2 this version of curl
    // takes no answer from anybody before it has sent everything.)
    let said = curl(["-H", "Expect:", "--data-binary", &upload, "-w", " %{http_code}", &url]).await;
    assert!(said.contains(r#""reason":"breaker_open""#) && said.ends_with(" 503"), "{said}");
}

#[tokio::test]
async fn reqwest_sees_the_rejection_of_its_upload_over_both_protocols() {
    let (_gateway, url) = rejecting().await;
    let builder = || reqwest::Client::builder().no_proxy().timeout(crate::support::PATIENCE);
    for client in [builder().build(), builder().http2_prior_knowledge().build()] {
        let upload = client.unwrap().post(&url).body(vec![b'x'; 4 * 1024 * 1024]);
        let response = within(upload.send()).await.unwrap();
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()["breakerbox-reason"], "breaker_open");
        assert!(response.text().await.unwrap().contains("breaker_open"));
    }
}

/// nginx in the foreground; it ends when this is dropped.
struct Nginx {
    folder: TempDir,
    address: SocketAddr,
    process: Option<Child>,
}

impl Nginx {
    async fn start() -> Self {
        Self::start_with("", "").await
    }

    /// `protocol`: what is said of the address; `more`: of the server.
    async fn start_with(protocol: &str, more: &str) -> Self {
        let folder = TempDir::new().unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let address = free();
        let configuration = format!(
            "daemon off; master_process off; pid nginx.pid;\n\
             events {{ worker_connections 256; }}\n\
             http {{ access_log off; default_type text/plain;\n\
               client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;\n\
               uwsgi_temp_path uwsgi; scgi_temp_path scgi;\n\
               server {{ listen {address} {protocol}; {more}\n\
                 location / {{ return 200 'hello'; }}\n\
                 location /503 {{ return 503; }} }} }}\n"
        );
        std::fs::write(folder.path().join("nginx.conf"), configuration).unwrap();
        if is_root() {
            chown(folder.path(), Some(NOBODY), Some(NOBODY)).unwrap();
        }
        let mut nginx = Self { folder, address, process: None };
        nginx.run().await;
        nginx
    }

    async fn run(&mut self) {
        let mut command = Command::new("nginx");
        command.arg("-p").arg(self.folder.path());
        command.args(["-c", "nginx.conf", "-e", "stderr"]).kill_on_drop(true);
        if is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        let mut process = command.spawn().unwrap();
        within(async {
            while TcpStream::connect(self.address).await.is_err() {
                assert_eq!(process.try_wait().unwrap(), None, "nginx has ended");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
        self.process = Some(process);
    }

    async fn kill(&mut self) {
        within(self.process.take().unwrap().kill()).await.unwrap();
    }
}

fn is_root() -> bool {
    Path::new("/proc/self").metadata().unwrap().uid() == 0
}

/// A port that the system gives to nobody else while the server on it is down.
fn free() -> SocketAddr {
    loop {
        let address = SocketAddr::from(([127, 0, 0, 1], fastrand::u16(10_000..32_000)));
        if std::net::TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}

#[tokio::test]
async fn nginx_is_killed_and_comes_back_while_the_breaker_opens_tests_and_closes() {
    if !installed("nginx").await {
        return;
    }
    let mut nginx = Nginx::start().await;
    let policy = "breaker = { consecutive_failures = 3, open_for = '300ms' }";
    let gateway = Protected::new(nginx.address, policy);
    for _ in 0..10 {
        let seen = gateway.seen("/").await;
        assert_eq!((seen.status, seen.body.as_deref()), (200, Some("hello")));
    }
    assert_eq!(gateway.outcome("/503").await, (503, String::new()));
    assert_eq!(gateway.outcome("/").await.0, 200);

    nginx.kill().await;
    for _ in 0..3 {
        assert_eq!(gateway.outcome("/").await.0, 502);
    }
    assert_counts(&gateway.breaker().await, &[("opened", 1), ("failures", 4)]);
    // The probe fails, and the circuit is open again.
    gateway.half_open().await;
    assert_eq!(gateway.outcome("/").await, (502, "connect".to_owned()));
    assert_counts(&gateway.breaker().await, &[("opened", 2), ("failures", 5)]);

    nginx.run().await;
    gateway.half_open().await;
    assert_eq!(gateway.outcome("/").await, (200, String::new()));
    let breaker = gateway.at_rest().await;
    assert_eq!(breaker["state"], "closed");
    for _ in 0..10 {
        assert_eq!(gateway.outcome("/").await.0, 200);
    }
    assert_counts(&gateway.at_rest().await, &[("opened", 2), ("successes", 22), ("failures", 5)]);
    nginx.kill().await;
}

#[tokio::test]
async fn reqwest_keeps_its_connection_and_streams_both_ways_over_both_protocols() {
    let builder = || reqwest::Client::builder().no_proxy().timeout(crate::support::PATIENCE);
    for client in [builder().build(), builder().http2_prior_knowledge().build()] {
        let client = client.unwrap();
        let (upstream, gateway, base) = greeter().await;
        for _ in 0..10 {
            let response = client.get(&base).send().await.unwrap();
            assert_eq!(response.status(), 200);
            assert_eq!(response.text().await.unwrap(), "hello");
        }
        assert_eq!((upstream.connections(), upstream.requests()), (1, 10));

        let (sender, body) = channel();
        let upload = client.post(format!("{base}/echo")).body(reqwest::Body::wrap(body));
        let mut echo = within(upload.send()).await.unwrap();
        for part in ["one", "two", "three"] {
            assert!(sender.data(part).await);
            assert_eq!(within(echo.chunk()).await.unwrap().unwrap(), part);
        }
        drop(sender);
        while let Some(end) = within(echo.chunk()).await.unwrap() {
            // The last frame of a stream may be an empty one.
            assert!(end.is_empty());
        }

        let empty = client.post(format!("{base}/sum")).body(reqwest::Body::wrap(empty()));
        let nothing = within(empty.send()).await.unwrap().text().await.unwrap();
        assert_eq!(nothing, format!("{:?}", Checksum::new()));
        let mut download = within(client.get(format!("{base}/large")).send()).await.unwrap();
        let mut sum = Checksum::new();
        while let Some(chunk) = within(download.chunk()).await.unwrap() {
            sum.add(&chunk);
        }
        assert_eq!(sum, sum_of_all());
        assert_counts(&gateway.at_rest().await, &[("successes", 13), ("failures", 0)]);
    }
}

#[tokio::test]
async fn nginx_ends_its_http2_connections_and_nobody_notices() {
    if !installed("nginx").await {
        return;
    }
    let mut nginx = Nginx::start_with("http2", "keepalive_requests 500;").await;
    let gateway = Protected::over_http2(nginx.address, "breaker = { failure_rate = 1.0 }");
    for method in [Method::GET, Method::POST] {
        let good = client::crowd(gateway.address, &method, 10_000, |_, got| got == "hello").await;
        assert_eq!(good, 10_000, "{method}");
    }
    let counts = [("successes", 20_000), ("failures", 0), ("ignored", 0)];
    assert_counts(&gateway.at_rest().await, &counts);
    nginx.kill().await;
}
