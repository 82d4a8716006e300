//! A real server on a free port, with its data in a temporary folder. It ends with the test, whatever happens.

use rustix::process::{Pid, Signal, geteuid, kill_process, kill_process_group};
use std::fs::{self, File};
use std::net::TcpListener;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A server takes seconds to start. One that has not after so long never will.
const PATIENCE: Duration = Duration::from_secs(180);

/// The user and group `nobody`: PostgreSQL refuses to be run by root.
pub(crate) const NOBODY: u32 = 65_534;

/// Whether a program is there. Where it must be there and is not, the test has failed.
pub(crate) fn installed(program: Option<PathBuf>, name: &str, package: &str) -> Option<PathBuf> {
    let program = program.filter(|program| program.exists());
    if program.is_none() {
        let required = std::env::var_os("BREAKERBOX_REQUIRE_ALL").is_some();
        assert!(!required, "{name} is not installed (apt-get install {package})");
        println!("skipped: {name} is not installed (apt-get install {package})");
    }
    program
}

/// A port that nobody listens on. It is below those that the system gives to clients, so that none of them
/// takes it while its server is stopped.
pub(crate) fn free_port() -> u16 {
    static TAKEN: AtomicU16 = AtomicU16::new(0);
    let start = std::process::id() * 16 % 10_000;
    loop {
        let taken = u32::from(TAKEN.fetch_add(1, Ordering::Relaxed));
        let port = u16::try_from(20_000 + (start + taken) % 10_000).expect("it is below 30000");
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// A temporary folder that `nobody` may write to where the test is run by root.
pub(crate) fn folder() -> (TempDir, bool) {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let as_nobody = geteuid().is_root();
    if as_nobody {
        chown(folder.path(), Some(NOBODY), Some(NOBODY)).expect("root may give files away");
    }
    (folder, as_nobody)
}

/// A program, run as `nobody` where the test is run by root.
pub(crate) fn command(program: &Path, as_nobody: bool) -> Command {
    if !as_nobody {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.arg(format!("--reuid={NOBODY}")).arg(format!("--regid={NOBODY}"));
    command.args(["--clear-groups", "--"]).arg(program);
    command
}

/// A running server: a process, and all the processes that it starts.
pub(crate) struct Server {
    child: Child,
    /// Kills the server if this program is killed, and cannot do so itself.
    watchdog: Child,
}

impl Server {
    /// Starts it, and waits until it is `ready` by what it has said.
    pub(crate) fn start(command: &mut Command, log: &Path, ready: impl Fn(&str) -> bool) -> Self {
        let output = File::create(log).expect("a log can be written");
        let errors = output.try_clone().expect("a file can be opened twice");
        command.stdin(Stdio::null()).stdout(output).stderr(errors);
        let child = command.process_group(0).spawn().expect("an installed program can be run");
        // It reads until this program ends. That ends the pipe, too.
        let watchdog = Command::new("sh")
            .args(["-c", "read -r _; kill -s KILL -- \"-$1\"", "sh", &child.id().to_string()])
            .stdin(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("there is a shell");
        let mut server = Self { child, watchdog };
        let began = Instant::now();
        loop {
            let said = fs::read_to_string(log).unwrap_or_default();
            if ready(&said) {
                return server;
            }
            let ended = server.child.try_wait().expect("a child can be asked for");
            assert!(ended.is_none(), "{command:?} has ended: {said}");
            assert!(began.elapsed() < PATIENCE, "{command:?} does not start: {said}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Sends a signal to the server.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("a child can be signalled");
    }

    /// Makes it hang until it is sent `CONT`.
    pub(crate) fn freeze(&self) {
        self.signal(Signal::STOP);
        let status = format!("/proc/{}/status", self.child.id());
        while !fs::read_to_string(&status).expect("it runs").contains("State:\tT") {
            std::thread::yield_now();
        }
    }

    /// Lets it stop in its own way, and waits until it has.
    pub(crate) fn stop(mut self, signal: Signal) {
        self.signal(signal);
        let _status = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _gone = self.watchdog.kill();
        let _gone = self.watchdog.wait();
        // What it has started goes with it, even where the server itself has stopped already.
        let _gone = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        let _gone = self.child.wait();
    }
}
