//! Prometheus itself and its tool, as others have built them.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::contrib;
use crate::support::PATIENCE;

/// Whether a program is there. Where it must be there and is not, the test has failed.
pub(crate) fn installed(program: &str) -> bool {
    if Command::new(program).arg("--version").output().is_ok() {
        return true;
    }
    let required = std::env::var_os("BREAKERBOX_REQUIRE_ALL").is_some();
    assert!(!required, "{program} is not installed (apt-get install prometheus)");
    println!("skipped: {program} is not installed (apt-get install prometheus)");
    false
}

/// Runs promtool, which must be content; gives back what it wrote.
pub(crate) fn promtool(arguments: &[&str]) -> String {
    promtool_reads(arguments, "")
}

/// The same with something to read. Its complaints are part of what it wrote.
pub(crate) fn promtool_reads(arguments: &[&str], input: &str) -> String {
    let mut command = Command::new("promtool");
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(output.status.success(), "promtool {arguments:?}:\n{text}");
    text
}

/// A Prometheus with the configuration of `contrib`, in a hurry; it ends when this is dropped.
pub(crate) struct Prometheus {
    process: Child,
    url: String,
    folder: PathBuf,
}

impl Prometheus {
    /// It scrapes the gateway at this address, and itself.
    pub(crate) fn start(gateway: &str) -> Self {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("prometheus-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        fs::copy(contrib("prometheus/alerts.yml"), folder.join("alerts.yml")).unwrap();
        let address = free();
        let ours = fs::read_to_string(contrib("prometheus/scrape.yml")).unwrap();
        let hasty = ours.replace("15s", "1s").replace("127.0.0.1:9900", gateway);
        assert!(hasty.contains("scrape_interval: 1s") && hasty.contains(gateway), "{hasty}");
        let itself = format!(
            "{hasty}\n  - job_name: itself\n    static_configs:\n      - targets: [\"{address}\"]\n"
        );
        fs::write(folder.join("prometheus.yml"), itself).unwrap();

        let log = File::create(folder.join("log")).unwrap();
        let mut command = Command::new("prometheus");
        command.arg(format!("--config.file={}", folder.join("prometheus.yml").display()));
        command.arg(format!("--storage.tsdb.path={}", folder.join("data").display()));
        command.arg(format!("--web.listen-address={address}"));
        let process =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        Self { process, url: format!("http://{address}"), folder }
    }

    /// The labels of each series that answers a query; `None` where it does not answer at all.
    fn try_ask(&self, query: &str) -> Result<Vec<BTreeMap<String, String>>, String> {
        let mut command = Command::new("promtool");
        let output = command.args(["query", "-o", "json", "instant", &self.url, query]).output();
        let output = output.unwrap();
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let series = answer.as_array().unwrap().iter().map(|it| {
            let labels = it["metric"].as_object().unwrap().iter();
            labels.map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())).collect()
        });
        Ok(series.collect())
    }

    /// The same, where it must answer.
    pub(crate) fn ask(&self, query: &str) -> Vec<BTreeMap<String, String>> {
        self.try_ask(query).unwrap_or_else(|error| panic!("{query}:\n{error}"))
    }

    /// Until a query has an answer.
    pub(crate) fn wait_for(&self, query: &str) {
        let began = Instant::now();
        loop {
            let answer = self.try_ask(query);
            if answer.as_ref().is_ok_and(|series| !series.is_empty()) {
                return;
            }
            let log = || fs::read_to_string(self.folder.join("log")).unwrap();
            assert!(began.elapsed() < PATIENCE, "never {query}: {answer:?}\n{}", log());
            thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// An address that nobody has. Not one of those that the system gives away, so that nobody gets it meanwhile.
fn free() -> String {
    let start = 10_000 + std::process::id() % 20_000;
    let mut addresses = (start..32_000).map(|port| format!("127.0.0.1:{port}"));
    addresses.find(|address| TcpListener::bind(address.as_str()).is_ok()).unwrap()
}
