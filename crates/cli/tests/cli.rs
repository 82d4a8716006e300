//! `breakerbox run` and `breakerbox check`, as somebody sees them who runs them.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use support::{Ended, PATIENCE, Program, Signal, address_in, breakerbox, http, status};

/// A file with this text, for one test.
fn file(name: &str, text: impl AsRef<[u8]>) -> String {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let path = folder.join(format!("{name}.toml"));
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// A gateway in front of one upstream, with a policy.
fn gateway(listen: &str, upstream: &str, policy: &str) -> String {
    format!(
        r#"
        [[listener]]
        listen = "{listen}"
        routes = [{{ prefix = "/", upstream = "posts" }}]
        [upstream.posts]
        endpoints = ["http://{upstream}"]
        {policy}
        "#
    )
}

/// An address that nobody listens on. It stays taken, so that nobody else gets it.
fn nobody() -> (socket2::Socket, String) {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    let any: std::net::SocketAddr = "127.0.0.1:0".parse().unwrap();
    socket.bind(&any.into()).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap().to_string();
    (socket, address)
}

/// An upstream that says when a request has come, and answers it when it is told to.
struct SlowUpstream {
    address: String,
    arrived: Receiver<()>,
    answer: Sender<()>,
}

impl SlowUpstream {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (said, arrived) = mpsc::channel();
        let (answer, told) = mpsc::channel();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            read_head(&mut stream);
            said.send(()).unwrap();
            if told.recv().is_ok() {
                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nat la";
                stream.write_all(answer).unwrap();
            }
        });
        Self { address, arrived, answer }
    }
}

fn read_head(stream: &mut TcpStream) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
}

fn ends(arguments: &[&str]) -> Ended {
    Program::start(arguments).end()
}

#[test]
fn a_wrong_command_line_is_told_with_what_is_possible() {
    let unknown = ends(&["run", "--colour"]);
    assert_eq!(unknown.code, Some(2));
    assert!(unknown.output.contains("unexpected argument '--colour'"), "{}", unknown.output);
    assert!(unknown.output.contains("Usage: breakerbox run"), "{}", unknown.output);

    let no_file = ends(&["check"]);
    assert_eq!(no_file.code, Some(2));
    assert!(no_file.output.contains("<FILE>"), "{}", no_file.output);

    let wrong_unit = ends(&["run", "x.toml", "--grace", "30 parsecs"]);
    assert_eq!(wrong_unit.code, Some(2));
    assert!(wrong_unit.output.contains("30 parsecs"), "{}", wrong_unit.output);

    let nothing = ends(&[]);
    assert_eq!(nothing.code, Some(2));
    for command in ["run", "check", "test", "demo"] {
        assert!(nothing.output.contains(command), "{}", nothing.output);
    }
}

#[test]
fn a_file_that_cannot_be_read_is_2() {
    let folder = env!("CARGO_TARGET_TMPDIR");
    let no_text = file("no_text", b"\xff\xfe");
    for command in ["run", "check"] {
        for path in ["/nowhere/breakerbox.toml", folder, no_text.as_str()] {
            let Ended { code, output, .. } = ends(&[command, path]);
            assert_eq!(code, Some(2), "{output}");
            assert!(output.starts_with(&format!("error: cannot read {path}: ")), "{output}");
            assert_eq!(output.lines().count(), 1, "{output}");
        }
    }
}

#[test]
fn a_bad_file_is_1_and_all_its_errors_are_shown() {
    let path = file(
        "bad",
        gateway(
            "127.0.0.1:70000",
            "127.0.0.1:9001/posts",
            r#"
        [upstream.posts.policy]
        breakr = {}
        attempt_timeout = "3 parsecs"
        breaker = { failure_rate = 50 }
    "#,
        ),
    );
    for command in ["run", "check"] {
        let Ended { code, output, .. } = ends(&[command, &path]);
        assert_eq!(code, Some(1), "{output}");
        for wrong in ["127.0.0.1:70000", "/posts", "breakr", "3 parsecs", "failure_rate"] {
            assert!(output.contains(wrong), "{wrong:?} is not in:\n{output}");
        }
        assert!(output.contains(&path), "{output}");
        assert!(!output.contains("listening"), "{output}");
    }
}

#[test]
fn a_good_file_is_0() {
    let path = file("good", gateway("127.0.0.1:3000", "127.0.0.1:9001", ""));
    let Ended { code, output, .. } = ends(&["check", &path]);
    assert_eq!(code, Some(0), "{output}");
    let report = "\
capacity
  posts  1 attempt per call: stable up to 100 % of what it can serve
         a caller waits at most 30s for an answer to begin (1 attempt of 30s), and no deadline ends it
         nothing limits how many attempts run at once: of 100 calls a second that hang, 3000
";
    assert_eq!(output, format!("{path}: good (1 listener, 1 upstream)\n\n{report}"));
}

/// The gateway's file in a page: the first example with a listener and a policy.
fn example(page: &str) -> String {
    let page = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").join(page);
    let page = fs::read_to_string(page).unwrap();
    let mut examples = page.split("```toml\n").skip(1).filter_map(|it| it.split("```").next());
    let whole = |it: &&str| it.contains("[[listener]]") && it.contains(".policy]");
    examples.find(whole).unwrap().to_owned()
}

/// What `check` says of it on standard output, after the first line; nothing may be wrong with it.
fn capacity_of(name: &str, page: &str) -> String {
    let path = file(name, example(page));
    let output = breakerbox(&["check", &path]).output().unwrap();
    let (said, warned) =
        [output.stdout, output.stderr].map(|it| String::from_utf8(it).unwrap()).into();
    assert_eq!((output.status.code(), warned.as_str()), (Some(0), ""));
    let (first, report) = said.split_once("\n\n").unwrap();
    assert!(first.starts_with(&format!("{path}: good (1 listener, ")), "{first}");
    report.to_owned()
}

#[test]
fn a_good_file_is_told_what_it_allows_at_worst() {
    assert_eq!(
        capacity_of("readme", "README.md"),
        "\
capacity
  posts  at most 3 attempts per call (3 by retry), 1.10 sustained by the budget: stable up to 91 % \
         of what it can serve
         a full budget allows 100 more at once, no budget would leave 33 %
         a caller waits at most 5s (deadline)
         nothing limits how many attempts run at once: of 100 calls a second that hang, 110
"
    );
    assert_eq!(
        capacity_of("whole", "docs/gateway.md"),
        "\
capacity
  greeter  1 attempt per call: stable up to 100 % of what it can serve
           a caller waits at most 1s for an answer to begin (1 attempt of 1s), and no deadline ends it
           nothing limits how many attempts run at once: of 100 calls a second that hang, 100
  posts    at most 4 attempts per call (3 by retry, 1 by hedge), 1.10 sustained by the budget: \
         stable up to 91 % of what it can serve
           a full budget allows 100 more at once, no budget would leave 25 %; calls that are \
         answered or rejected here fill it too
           with one of its 2 endpoints down: stable up to 45 %
           a caller waits at most 5s (deadline)
           at most 64 attempts at once: 64 a second that hang fill that
           128 more may wait 100ms: the last has its turn in time if attempts take no more than 50ms
"
    );
}

/// The warnings do not keep the report back, and do not stand in it.
#[test]
fn doubts_about_a_file_go_where_errors_go() {
    let policy =
        "[upstream.posts.policy]\nretry = { attempts = 2, budget = false, methods = ['POST'] }";
    let path = file("doubtful", gateway("127.0.0.1:3000", "127.0.0.1:9001", policy));
    let output = breakerbox(&["check", &path]).output().unwrap();
    let (said, warned) =
        [output.stdout, output.stderr].map(|it| String::from_utf8(it).unwrap()).into();
    assert_eq!(output.status.code(), Some(0), "{warned}");
    let warnings: Vec<_> = warned.lines().filter(|line| line.starts_with("warning: ")).collect();
    assert_eq!(
        warnings,
        [
            "warning: `budget` is false, so an upstream that fails gets up to 2 times its load",
            "warning: POST is repeated, though it may have been done the first time",
        ]
    );
    assert!(said.contains("(2 by retry), and no budget: stable up to 50 % of"), "{said}");
    assert!(!said.contains("warning"), "{said}");
}

#[test]
fn the_schema_is_json_and_may_be_read_in_part() {
    let Ended { code, output, .. } = ends(&["check", "--schema"]);
    assert_eq!(code, Some(0));
    let schema: serde_json::Value = serde_json::from_str(&output).unwrap();
    assert!(schema["properties"]["listener"].is_object());

    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut check = breakerbox(&["check", "--schema"]);
    let output = check.stdout(writer).output().unwrap();
    assert_eq!((output.status.code(), output.stderr), (Some(0), Vec::new()));
}

#[test]
fn a_taken_port_is_told_in_a_sentence() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let path = file("taken", gateway(&address.to_string(), "127.0.0.1:9001", ""));
    let Ended { code, output, .. } = ends(&["run", &path]);
    assert_eq!(code, Some(1));
    let sentence =
        format!("error: cannot listen on {address}: another program listens there already\n");
    assert_eq!(output, sentence);
}

#[test]
fn all_taken_ports_are_told_at_once() {
    let taken = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let [first, second] = taken.each_ref().map(|taken| taken.local_addr().unwrap());
    let more = format!("[admin]\nlisten = \"{second}\"");
    let path = file("all_taken", gateway(&first.to_string(), "127.0.0.1:9001", &more));
    let Ended { code, output, .. } = ends(&["run", &path]);
    assert_eq!(code, Some(1));
    let sentence = |address| {
        format!("error: cannot listen on {address}: another program listens there already\n")
    };
    assert_eq!(output, [sentence(first), sentence(second)].concat());
}

#[test]
#[cfg(target_os = "linux")]
fn what_cannot_be_said_is_an_error() {
    let good = file("good_and_lost", gateway("127.0.0.1:3000", "127.0.0.1:9001", ""));
    for arguments in [["check", &good], ["check", "--schema"], ["test", "--schema"]] {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let output = breakerbox(&arguments).stdout(full).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.starts_with("error: cannot write to standard output: "), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
}

#[test]
fn an_upstream_that_is_not_there_does_not_keep_the_gateway_from_starting() {
    let (_taken, address) = nobody();
    let policy = "[upstream.posts.policy]\nbreaker = { consecutive_failures = 2 }";
    let path = file("unreachable", gateway("127.0.0.1:0", &address, policy));
    let mut running = Program::start(&["run", &path]);
    let gateway = address_in(&running.wait_for("listening on"));
    for _ in 0..2 {
        let answer = http(&gateway, "GET", "/");
        assert_eq!(status(&answer), 502, "{answer}");
        assert!(answer.contains("breakerbox-reason: connect"), "{answer}");
    }
    running.wait_for("circuit breaker opened");
    let answer = http(&gateway, "GET", "/");
    assert_eq!(status(&answer), 503, "{answer}");
    assert!(answer.contains("breakerbox-reason: breaker_open"), "{answer}");
    assert!(answer.contains("retry-after: "), "{answer}");
    running.signal(Signal::INT);
    let Ended { code, output, .. } = running.end();
    assert_eq!(code, Some(0), "{output}");
}

/// A gateway with one request under way, and where the answer will come.
fn with_a_request_under_way(name: &str) -> (Program, SlowUpstream, Receiver<String>) {
    let upstream = SlowUpstream::start();
    let path = file(name, gateway("127.0.0.1:0", &upstream.address, ""));
    let mut running = Program::start(&["run", &path]);
    let gateway = address_in(&running.wait_for("listening on"));
    let (sender, answer) = mpsc::channel();
    thread::spawn(move || sender.send(http(&gateway, "GET", "/")));
    upstream.arrived.recv_timeout(PATIENCE).unwrap();
    (running, upstream, answer)
}

#[test]
fn the_first_signal_lets_what_is_under_way_be_finished() {
    let (mut running, upstream, answer) = with_a_request_under_way("drains");
    running.signal(Signal::TERM);
    running.wait_for("draining");
    upstream.answer.send(()).unwrap();
    let answer = answer.recv_timeout(PATIENCE).unwrap();
    assert_eq!(status(&answer), 200, "{answer}");
    assert!(answer.ends_with("at la"), "{answer}");
    let Ended { code, output, .. } = running.end();
    assert_eq!(code, Some(0), "{output}");
    assert!(output.contains("stopped"), "{output}");
}

#[test]
fn the_second_signal_cuts_what_is_under_way() {
    let (mut running, _upstream, answer) = with_a_request_under_way("cuts");
    running.signal(Signal::TERM);
    running.wait_for("draining");
    running.signal(Signal::TERM);
    let Ended { code, output, took } = running.end();
    assert_eq!(code, Some(0), "{output}");
    // The grace period would have been 30 s.
    assert!(took.as_secs() < 20, "it took {took:?}");
    assert_eq!(answer.recv_timeout(PATIENCE).unwrap(), "");
}

#[test]
fn a_grace_period_ends() {
    let upstream = SlowUpstream::start();
    let path = file("grace", gateway("127.0.0.1:0", &upstream.address, ""));
    let mut running = Program::start(&["run", &path, "--grace", "100ms"]);
    let gateway = address_in(&running.wait_for("listening on"));
    let asking = thread::spawn(move || http(&gateway, "GET", "/"));
    upstream.arrived.recv_timeout(PATIENCE).unwrap();
    running.signal(Signal::TERM);
    let Ended { code, output, .. } = running.end();
    assert_eq!(code, Some(0), "{output}");
    assert!(output.contains("the grace period is over"), "{output}");
    assert_eq!(asking.join().unwrap(), "");
}
