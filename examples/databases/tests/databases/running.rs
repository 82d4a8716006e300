//! An example that runs, with somebody who reads what it prints and presses Enter.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

pub(crate) struct Running {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    printed: String,
}

impl Running {
    /// Starts an example. Cargo builds the examples before it runs tests, beside them.
    #[track_caller]
    pub(crate) fn start(example: &str, variable: &str, address: &str) -> Self {
        let test = std::env::current_exe().expect("a running program has a path");
        let folder = test.parent().and_then(|deps| deps.parent()).map(|it| it.join("examples"));
        let program: PathBuf = folder.expect("tests are in target/PROFILE/deps").join(example);
        assert!(program.exists(), "{} is missing: run `cargo build --examples`", program.display());
        let mut command = Command::new(program);
        command.env(variable, address).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("a program that is there can be run");
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().expect("it is piped"));
        Self { child, input, output, printed: String::new() }
    }

    /// What it prints until it asks for Enter.
    #[track_caller]
    pub(crate) fn until_asked(&mut self, what: &str) -> String {
        let question = format!("now {what} and press Enter\n");
        let begin = self.printed.len();
        while !self.printed.ends_with(&question) {
            let read = self.output.read_line(&mut self.printed).expect("it prints text");
            assert!(read > 0, "it ended before it asked: {question}{}", self.printed);
        }
        self.printed[begin..].to_owned()
    }

    /// Presses Enter.
    pub(crate) fn enter(&mut self) {
        let input = self.input.as_mut().expect("it is there until the end");
        input.write_all(b"\n").expect("it reads");
    }

    /// What it prints until its end, which must be a good one.
    #[track_caller]
    pub(crate) fn end(mut self) -> String {
        self.input = None;
        let begin = self.printed.len();
        while self.output.read_line(&mut self.printed).expect("it prints text") > 0 {}
        let status = self.child.wait().expect("a child can be waited for");
        assert!(status.success(), "{status}: {}", self.printed);
        self.printed[begin..].to_owned()
    }
}

/// What stands between two texts.
#[track_caller]
pub(crate) fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let found = text.split_once(before).and_then(|(_, rest)| rest.split_once(after));
    found.expect("both are there").0
}

impl Drop for Running {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
        // Shown where the test fails, or with `--nocapture`.
        println!("{}", self.printed);
    }
}
