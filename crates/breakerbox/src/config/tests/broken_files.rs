//! Whole files: the syntax, tables, and several errors at once.

use super::super::*;
use super::summary;

fn report(text: &str) -> String {
    let diagnostics = Policy::parse("policy.toml", text).unwrap_err();
    diagnostics.iter().map(|diagnostic| format!("{diagnostic}\n")).collect()
}

fn wrong(text: &str) -> Vec<String> {
    summary(text, &policy())
}

#[test]
fn everything_that_is_wrong_is_told_at_once_in_its_order() {
    let text = "\
deadline = 5
attempt_timeout = \"0s\"

[breaker]
failure-rate = 0.5   # größer
window = { call = 10 }
probes = \"2\"
open_for = { factor = 0.5, jitter = 1 }

[fallback]
status = 999
";
    assert_eq!(
        report(text),
        "\
error: `deadline` is a number without a unit
 --> policy.toml:1:12
  |
1 | deadline = 5
  |            ^
  = fix: write `deadline = \"5s\"` for seconds or `deadline = \"5ms\"` for milliseconds
error: `attempt_timeout` is zero
 --> policy.toml:2:19
  |
2 | attempt_timeout = \"0s\"
  |                   ^^^^
  = fix: give a duration above zero, or leave the key out
error: unknown key `failure-rate` in `[breaker]`
 --> policy.toml:5:1
  |
5 | failure-rate = 0.5   # größer
  | ^^^^^^^^^^^^
  = fix: did you mean `failure_rate`? known keys here: failure_rate, window, min_calls, \
consecutive_failures, slow_call, slow_call_rate, only_on_failure, open_for, probes, \
successes_to_close, key, keys
error: unknown key `call` in `[breaker.window]`
 --> policy.toml:6:12
  |
6 | window = { call = 10 }
  |            ^^^^
  = fix: did you mean `calls`? known keys here: calls
error: `probes` must be an integer, but it is a string
 --> policy.toml:7:10
  |
7 | probes = \"2\"
  |          ^^^
  = fix: leave out the quotes: `probes = 2`
error: `factor` is 0.5
 --> policy.toml:8:23
  |
8 | open_for = { factor = 0.5, jitter = 1 }
  |                       ^^^
  = fix: give a number from 1 to 1000
error: `jitter` must be true or false, but it is an integer
 --> policy.toml:8:37
  |
8 | open_for = { factor = 0.5, jitter = 1 }
  |                                     ^
  = fix: write for example `jitter = true`
error: `status` is 999
  --> policy.toml:11:10
   |
11 | status = 999
   |          ^^^
   = fix: give an integer from 200 to 599
"
    );
}

#[test]
fn tables() {
    let cases = [
        (
            "breaker = 1",
            "1:11 error: `breaker` must be a table, but it is an integer; write for example \
             `breaker = { failure_rate = 0.5 }`",
        ),
        (
            "[[breaker]]",
            "1:1 error: `breaker` must be a table, but it is a list; write for example `breaker = \
             { failure_rate = 0.5 }`",
        ),
        (
            "breaker.window = {}",
            "1:18 error: missing key `calls` in `[breaker.window]`; add for example `calls = 1`",
        ),
        (
            "breaker.window = true",
            "1:18 error: `window` must be a duration or a table, but it is a boolean; write for \
             example `window = \"3s\"`",
        ),
        (
            "\"a\\nb\" = 1",
            "1:1 error: unknown key `a\\nb` at the top of the file; known keys here: deadline, \
             attempt_timeout, shed, throttle, rate_limit, cache, coalesce, retry, hedge, breaker, \
             bulkhead, adaptive_limit, chaos, fallback",
        ),
        (
            "deadlin = '1s'",
            "1:1 error: unknown key `deadlin` at the top of the file; did you mean `deadline`? \
             known keys here: deadline, attempt_timeout, shed, throttle, \
             rate_limit, cache, coalesce, retry, hedge, breaker, bulkhead, adaptive_limit, chaos, \
             fallback",
        ),
        (
            "breaker = { slow_cal = '1s', slow_call_rate = 0.5 }",
            "1:13 error: unknown key `slow_cal` in `[breaker]`; did you mean `slow_call`? known \
             keys here: failure_rate, window, min_calls, consecutive_failures, slow_call, \
             slow_call_rate, only_on_failure, open_for, probes, successes_to_close, key, keys",
        ),
        (
            "deadlin = '1s'\ndeadline = '1s'",
            "1:1 error: unknown key `deadlin` at the top of the file; known keys here: deadline, \
             attempt_timeout, shed, throttle, rate_limit, cache, coalesce, retry, hedge, breaker, \
             bulkhead, adaptive_limit, chaos, fallback",
        ),
    ];
    for (file, expected) in cases {
        assert_eq!(wrong(file), [expected], "{file}");
    }
}

#[test]
fn syntax() {
    let cases = [
        (
            "deadline =",
            "1:11 error: not valid TOML: a value is missing; write a value after the `=`",
        ),
        (
            "deadline = 5s",
            "1:12 error: not valid TOML: a string must stand in quotes; write `\"5s\"`",
        ),
        ("deadline 5", "1:10 error: not valid TOML: key with no value; what can stand here: `=`"),
        ("[breaker", "1:9 error: not valid TOML: unclosed table; what can stand here: `]`"),
        (
            "deadline = \"5s",
            "1:15 error: not valid TOML: invalid basic string; what can stand here: `\"`",
        ),
        (
            "deadline = '1s'\r\ndeadline = '2s'",
            "2:1 error: not valid TOML: this key or table is given twice; keep one of them",
        ),
        (
            "breaker.probes = 01",
            "1:18 error: not valid TOML: unexpected leading zero; leave out `0`",
        ),
        (
            "breaker.only_on_failure = tru",
            "1:27 error: not valid TOML: invalid boolean; what can stand here: `true`",
        ),
        (
            "\r",
            "1:2 error: not valid TOML: carriage return must be followed by newline; what can \
             stand here: newline",
        ),
    ];
    for (file, expected) in cases {
        assert_eq!(wrong(file), [expected], "{file}");
    }
}

#[test]
fn an_unclosed_bracket_is_told_once() {
    assert_eq!(
        wrong("breaker = {\n  probes = 2\n\n[fallback]\nstatus = 1\n"),
        [
            "4:1 error: not valid TOML: missing key for inline table element; what can stand \
             here: `,`",
            "5:11 error: not valid TOML: unclosed inline table; what can stand here: `}`",
        ]
    );
}

#[test]
fn what_stands_around_a_syntax_error_is_judged_where_it_can_be() {
    // Only the value is lost: everything else is known.
    assert_eq!(
        wrong("deadline = 1s\nbreaker.probes = 0\nbreaker.window = {}"),
        [
            "1:12 error: not valid TOML: a string must stand in quotes; write `\"1s\"`",
            "2:18 error: `probes` is 0; give an integer from 1 to 10000",
            "3:18 error: missing key `calls` in `[breaker.window]`; add for example `calls = 1`",
        ]
    );
    // A table may be lost: what is missing says nothing.
    assert_eq!(
        wrong("breaker.window = {}\ndeadline = '1s'\ndeadline = '1s'\nmirror = 1"),
        [
            "3:1 error: not valid TOML: this key or table is given twice; keep one of them",
            "4:1 error: unknown key `mirror` at the top of the file; known keys here: deadline, \
             attempt_timeout, shed, throttle, rate_limit, cache, coalesce, retry, hedge, breaker, \
             bulkhead, adaptive_limit, chaos, fallback",
        ]
    );
    // What follows may be misread: it is not judged.
    assert_eq!(
        wrong("mirror = 1\ndeadline 5\nmirror = 1\nmirrorr = 1"),
        [
            "1:1 error: unknown key `mirror` at the top of the file; known keys here: deadline, \
             attempt_timeout, shed, throttle, rate_limit, cache, coalesce, retry, hedge, breaker, \
             bulkhead, adaptive_limit, chaos, fallback",
            "2:10 error: not valid TOML: key with no value; what can stand here: `=`",
        ]
    );
}

#[test]
fn nesting_is_bounded() {
    let deep = format!("fallback.json = {}", "[".repeat(1000));
    assert_eq!(
        wrong(&deep),
        [
            "1:49 error: lists and tables stand more than 32 deep in each other; write it with fewer \
          levels, or close the ones before"
        ]
    );
    // Dotted keys make levels, too.
    let key = ["a"; 79].join(".");
    let dotted = format!("x = {}1{}", format!("{{ {key} = ").repeat(32), "}".repeat(32));
    assert_eq!(wrong(&dotted).len(), 1);
}

#[test]
fn diagnostics_are_bounded() {
    let text: String = (0..1000).map(|number| format!("k{number} = 1\n")).collect();
    let diagnostics = wrong(&text);
    assert_eq!(diagnostics.len(), 201);
    assert_eq!(
        diagnostics[200],
        "200:1 error: 800 more of them are not shown; mend the ones before first"
    );
}

#[test]
fn a_refusal_without_a_reason_still_says_something() {
    let kind = policy().then(|_, _, _| None::<()>);
    assert_eq!(
        summary("", &kind),
        ["1:1 error: the file was refused without a reason; this is a mistake in breakerbox: \
          please report it with the file"]
    );
}

/// Thousands of files that are nearly right: nothing panics, and each is either right or refused
/// with a reason.
#[test]
fn no_file_makes_it_panic() {
    const SEED: &str = "deadline = \"5s\" # é\nattempt_timeout = '''1m30s'''\n\n[breaker]\n\
        failure_rate = 0.5\nwindow = { calls = 1_00 }\nopen_for = { initial = \"1s\", factor = 2 }\n\
        probes = +3\r\n\tslow_call.x = [0x1F, 1979-05-27, -inf, 1e5, \"\\u00e9\"]\n[fallback]\n\
        headers = { a = \"b\" }\njson = { \"ü\" = [[], {}] }\n";
    const PIECES: [&str; 24] = [
        "[",
        "]",
        "{",
        "}",
        "\"",
        "'",
        "'''",
        "\\",
        "=",
        ".",
        ",",
        "\n",
        "\r",
        "\t",
        "#",
        "ü",
        "\u{feff}",
        "\u{0}",
        "0",
        "-",
        "99999999999999999999",
        "[breaker]\n",
        "deadline",
        "\u{1b}",
    ];
    let mut random = breakerbox_core::SplitMix64::new(7);
    let mut below = |limit: usize| (random.next_u64() % limit as u64) as usize;
    for _ in 0..5_000 {
        let mut characters: Vec<char> = SEED.chars().collect();
        for _ in 0..=below(4) {
            let at = below(characters.len());
            let end = (at + below(12)).min(characters.len());
            match below(3) {
                0 => drop(characters.drain(at..end)),
                1 => drop(characters.splice(at..at, PIECES[below(PIECES.len())].chars())),
                _ => {
                    let copied = characters[at..end].to_vec();
                    let to = below(characters.len());
                    characters.splice(to..to, copied);
                }
            }
        }
        let text: String = characters.into_iter().collect();
        if let Err(diagnostics) = Policy::parse("f.toml", &text) {
            let shown: String = diagnostics.iter().map(Diagnostic::to_string).collect();
            assert!(shown.contains("error: "), "{text}");
        }
    }
}
