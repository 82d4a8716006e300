//! What the black-box tests share: the program as a child process, and HTTP over a raw socket.

use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

pub(crate) use rustix::process::Signal;

/// Nothing takes longer than this.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

/// The program that is tested.
pub(crate) fn breakerbox(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_breakerbox"));
    command.args(arguments).env_remove("NO_COLOR").stdin(Stdio::null());
    command
}

/// A child process whose output, both streams of it, is read as it comes.
pub(crate) struct Program {
    child: Child,
    began: Instant,
    lines: Receiver<String>,
    output: String,
}

/// A child process that has ended.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) output: String,
    pub(crate) took: Duration,
}

impl Program {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::spawn(breakerbox(arguments))
    }

    pub(crate) fn spawn(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = mpsc::channel();
        read_lines(child.stdout.take().unwrap(), sender.clone());
        read_lines(child.stderr.take().unwrap(), sender);
        Self { child, began: Instant::now(), lines, output: String::new() }
    }

    /// The next line that has this in it.
    pub(crate) fn wait_for(&mut self, part: &str) -> String {
        loop {
            let line = self.next_line().unwrap_or_else(|| {
                panic!("it never said {part:?}, but:\n{}", self.output);
            });
            if line.contains(part) {
                return line;
            }
        }
    }

    fn next_line(&mut self) -> Option<String> {
        let left = PATIENCE.saturating_sub(self.began.elapsed());
        let line = self.lines.recv_timeout(left).ok()?;
        self.output.push_str(&line);
        self.output.push('\n');
        Some(line)
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let id = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(id, signal).unwrap();
    }

    /// Waits for its end. Whatever it was: no error of ours is a panic.
    pub(crate) fn end(mut self) -> Ended {
        while self.next_line().is_some() {}
        let took = self.began.elapsed();
        assert!(took < PATIENCE, "it does not end:\n{}", self.output);
        let code = self.child.wait().unwrap().code();
        let output = std::mem::take(&mut self.output);
        for bad in ["panicked", "backtrace"] {
            assert!(!output.contains(bad), "{output}");
        }
        Ended { code, output, took }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read_lines(from: impl Read + Send + 'static, to: Sender<String>) {
    thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            if to.send(line).is_err() {
                return;
            }
        }
    });
}

/// A request over a connection of its own; all of the answer, or what came of it.
pub(crate) fn http(address: &str, method: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let request =
        format!("{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    // A connection that is cut has answered what it has.
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8(answer).unwrap()
}

/// The status of an answer; 0 where there was none.
pub(crate) fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
}

/// What follows `http://` in a line, up to a space or a path.
pub(crate) fn address_in(line: &str) -> String {
    let (_, rest) = line.split_once("http://").unwrap();
    rest.split([' ', '/']).next().unwrap().to_owned()
}
