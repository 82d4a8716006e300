//! `breakerbox demo`, as somebody sees it who runs it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use std::fs::File;
use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::process::Command;
use std::time::Duration;
use support::{Ended, Program, Signal, address_in, breakerbox, http, status};

/// What stands in the summary's row of this name, for both clients.
fn row(output: &str, name: &str) -> [String; 2] {
    let (_, summary) = output.split_once("\nSummary").expect("there is a summary");
    let row = summary.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| {
        panic!("no row {name:?} in:\n{summary}");
    });
    let cells: Vec<_> = row.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect();
    let [with, without] = cells[..] else { panic!("not two cells in {row:?}") };
    [with.to_owned(), without.to_owned()]
}

fn counts(output: &str, name: &str) -> [u64; 2] {
    row(output, name).map(|cell| cell.parse().unwrap())
}

/// `12.8 s` as seconds.
fn seconds(span: &str) -> f64 {
    let (number, unit) = span.split_once(' ').unwrap();
    let number: f64 = number.parse().unwrap();
    match unit {
        "µs" => number / 1e6,
        "ms" => number / 1e3,
        "s" => number,
        _ => panic!("{span:?} is no span"),
    }
}

fn assert_in_order(output: &str, parts: &[&str]) {
    let mut rest = output;
    for part in parts {
        let (_, after) = rest.split_once(part).unwrap_or_else(|| {
            panic!("{part:?} is not where it should be in:\n{output}");
        });
        rest = after;
    }
}

#[test]
fn tells_the_whole_story_in_a_plain_log_and_ends_by_itself() {
    let Ended { code, output, took } = Program::start(&["demo"]).end();
    assert_eq!(code, Some(0), "{output}");
    assert!(took < Duration::from_secs(40), "it took {took:?}");
    assert!(!output.contains('\x1b'), "{output:?}");
    assert_in_order(
        &output,
        &[
            "The gateway's file",
            "[upstream.api.policy]",
            "Before: normal operation",
            "closed ",
            "Scene 1, service down: the circuit opens, rejects, tests, stays open",
            "the service goes down",
            "circuit opened: 10 of the last 20 calls failed",
            "rejected calls get the fallback after",
            "circuit half-open",
            "circuit opened again: the probe failed",
            "Scene 2, service recovers: half-open, closes, normal operation",
            "the service recovers",
            "circuit half-open",
            "circuit closed: the probe succeeded",
            "Summary",
            "With the breaker callers waited",
        ],
    );
    assert_consistent(&output);
}

fn assert_consistent(output: &str) {
    let calls = counts(output, "calls  ");
    let good = counts(output, "good answers");
    let fallbacks = counts(output, "fallback answers");
    let failed = counts(output, "failed");
    let reached = counts(output, "calls that reached the failing service");
    assert_eq!(calls[0], calls[1], "equal clients make equally many calls");
    for client in 0..2 {
        assert_eq!(calls[client], good[client] + fallbacks[client] + failed[client], "{output}");
    }
    assert_eq!(failed[0], 0, "every failure is covered by the fallback");
    assert_eq!(fallbacks[1], 0, "nobody answers instead of the service");
    assert_eq!(failed[1], reached[1], "who reaches the failing service fails");
    assert!(reached[0] > 10 && reached[0] * 4 < reached[1], "{output}");
    let [with, without] =
        row(output, "time callers spent waiting, in total").map(|it| seconds(&it));
    assert!(with * 4.0 < without, "{output}");
    for name in ["p50", "p90", "p99"] {
        let [with, without] =
            row(output, &format!("{name} of the time until the answer")).map(|it| seconds(&it));
        assert!(with > 0.0 && without > 0.0);
    }
    let read_out =
        format!("the failing service got {} calls instead of {}", reached[0], reached[1]);
    assert!(output.contains(&read_out), "{output}");
}

#[test]
fn keeps_running_when_asked_and_shows_what_to_try() {
    let mut demo = Program::start(&["demo", "--keep"]);
    let gateway = address_in(&demo.wait_for("curl -i"));
    let admin = address_in(&demo.wait_for("/breakers"));
    demo.wait_for("/health");
    demo.wait_for("/metrics");
    let service = address_in(&demo.wait_for("/demo/fail"));
    demo.wait_for("/breakers/api/isolate");
    demo.wait_for("Ctrl-C ends it.");

    let answer = http(&gateway, "GET", "/posts/1");
    assert_eq!(status(&answer), 200, "{answer}");
    assert!(answer.contains("On analytical engines"), "{answer}");

    assert_eq!(status(&http(&service, "POST", "/demo/fail")), 200);
    std::thread::scope(|scope| {
        for _ in 0..10 {
            scope.spawn(|| {
                let answer = http(&gateway, "GET", "/posts/1");
                assert!(answer.contains("breakerbox-reason: status"), "{answer}");
            });
        }
    });
    let answer = http(&gateway, "GET", "/posts/1");
    assert!(answer.contains("breakerbox-reason: breaker_open"), "{answer}");
    assert!(http(&admin, "GET", "/breakers").contains(r#""state":"open""#));
    assert_eq!(status(&http(&admin, "GET", "/health")), 503);

    assert_eq!(status(&http(&service, "POST", "/demo/recover")), 200);
    assert_eq!(status(&http(&admin, "POST", "/breakers/api/close")), 200);
    assert!(http(&gateway, "GET", "/users").contains("Ada"));
    assert_eq!(status(&http(&admin, "POST", "/breakers/api/isolate")), 200);
    assert!(http(&gateway, "GET", "/users").contains("breakerbox-fallback"));
    assert!(http(&admin, "GET", "/metrics").contains("breakerbox_calls"));

    demo.signal(Signal::INT);
    let Ended { code, output, .. } = demo.end();
    assert_eq!(code, Some(0), "{output}");
}

#[test]
fn can_be_stopped_at_any_time() {
    for signal in [Signal::INT, Signal::TERM] {
        let mut demo = Program::start(&["demo", "--plain"]);
        demo.wait_for("both clients begin");
        demo.signal(signal);
        let Ended { code, output, .. } = demo.end();
        assert_eq!(code, Some(0), "{output}");
        assert!(output.contains("Stopped at 00:0"), "{output}");
    }
}

#[test]
fn says_why_it_cannot_start() {
    let mut command = Command::new("sh");
    let program = env!("CARGO_BIN_EXE_breakerbox");
    // Too few files for all the sockets.
    command.args(["-c", "ulimit -n 16; exec \"$0\" demo", program]);
    let Ended { code, output, .. } = Program::spawn(command).end();
    assert_eq!(code, Some(1), "{output}");
    assert!(output.starts_with("error: cannot start the demo"), "{output}");
    assert_eq!(output.lines().count(), 1, "{output}");
}

#[test]
fn ends_when_nobody_reads_it() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = breakerbox(&["demo"]).stdout(writer).output().unwrap();
    assert_eq!((output.status.code(), output.stderr), (Some(0), Vec::new()));
}

/// The demo on a terminal, stopped after a short while; everything that was written to it.
fn on_a_terminal(variables: &[(&str, &str)]) -> String {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap();
    let open = || rustix::fs::open(&name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
    let terminal: OwnedFd = open();
    let mut command = breakerbox(&["demo"]);
    command.env("TERM", "xterm-256color").envs(variables.iter().copied());
    let mut child = command.stdout(terminal).spawn().unwrap();
    // It holds the terminal open as well.
    drop(command);
    let reading = std::thread::spawn(move || {
        let (mut master, mut all, mut part) = (File::from(master), Vec::new(), [0; 4096]);
        // When nobody has it open any more, reading a terminal fails.
        while let Ok(count @ 1..) = master.read(&mut part) {
            all.extend_from_slice(&part[..count]);
        }
        all
    });
    std::thread::sleep(Duration::from_secs(2));
    let id = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(id, Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    String::from_utf8(reading.join().unwrap()).unwrap()
}

const ENTER: &str = "\x1b[?1049h\x1b[?25l\x1b[?7l";
const LEAVE: &str = "\x1b[?7h\x1b[?25h\x1b[?1049l";

#[test]
fn leaves_a_terminal_as_it_was() {
    let output = on_a_terminal(&[]);
    assert!(output.starts_with(ENTER), "{output:?}");
    assert!(output.contains("\x1b[1mBefore: normal operation\x1b[0m"), "{output:?}");
    assert!(output.contains("\x1b[32m"), "there are colours: {output:?}");
    let (_, after) = output.split_once(LEAVE).expect("the cursor is back");
    assert!(after.starts_with("Stopped at 00:0") && !after.contains('\x1b'), "{after:?}");
}

#[test]
fn is_without_colours_where_they_are_not_wanted() {
    let output = on_a_terminal(&[("NO_COLOR", "1")]);
    assert!(output.starts_with(ENTER) && output.contains("Before: normal operation"), "{output:?}");
    // What ends with `m` sets a colour.
    let sets_colour = |sequence: &str| {
        sequence
            .find(|it: char| it.is_ascii_alphabetic())
            .is_some_and(|end| sequence[end..].starts_with('m'))
    };
    assert!(!output.split("\x1b[").skip(1).any(sets_colour), "{output:?}");
}

#[test]
fn is_a_log_on_a_terminal_that_cannot_draw() {
    let output = on_a_terminal(&[("TERM", "dumb")]);
    assert!(!output.contains('\x1b'), "{output:?}");
    assert!(output.contains("The gateway's file"), "{output:?}");
}
