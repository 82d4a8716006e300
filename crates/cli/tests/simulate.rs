//! `breakerbox simulate`, as somebody sees it who runs it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(dead_code, reason = "of what the black-box tests share this needs a part")]

mod support;

use std::fs;
use std::path::PathBuf;
use support::breakerbox;

const OUTAGE: &str = "duration = '60s'
good_within = '1s'
client.web = { calls = 'api', rate = 50, policy.attempt_timeout = '1s' }
service.api = { workers = 1, time = { exponential = '10ms' } }
fault = [{ at = '20s', for = '5s', service = 'api', stall = true }]
";

/// A file with this text, for one test.
fn file(name: &str, text: &str) -> String {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// The exit code, and what was said on standard output and on standard error.
fn simulate(arguments: &[&str]) -> (i32, String, String) {
    let arguments: Vec<_> = ["simulate"].iter().chain(arguments).copied().collect();
    let output = breakerbox(&arguments).env("COLUMNS", "80").output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn a_table_a_chart_and_a_verdict() {
    let (code, said, complained) = simulate(&[&file("outage.toml", OUTAGE)]);
    assert_eq!((code, complained.as_str()), (0, ""));
    for part in
        ["before", "during", "after", "good answers per second", "latency p99.9", "recovers in"]
    {
        assert!(said.contains(part), "no {part:?} in {said}");
    }
    assert!(said.lines().all(|line| line.chars().count() <= 120), "{said}");
    assert!(said.contains('█'), "{said}");
}

#[test]
fn the_same_seed_says_the_same_and_another_does_not() {
    let path = file("seeds.toml", OUTAGE);
    let csv = |seed| simulate(&[&path, "--csv", "--seed", seed]).1;
    assert_eq!(csv("1"), csv("1"));
    assert_ne!(csv("1"), csv("2"));
    assert_eq!(csv("1").lines().count(), 61);
}

#[test]
fn what_does_not_recover_is_1() {
    let storm = OUTAGE.replace(
        "policy.attempt_timeout = '1s'",
        "policy = { attempt_timeout = '1s', retry = { attempts = 4, budget = false } }",
    );
    let path = file("storm.toml", &storm);
    let (code, said, _) = simulate(&[&path]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("does not recover (metastable)"), "{said}");
    // With a policy of its own in place of that it does, on the same calls.
    let calm = file("calm.toml", "attempt_timeout = '1s'\nretry = { attempts = 4 }\n");
    let (code, said, _) = simulate(&[&path, "--compare", &calm]);
    assert_eq!(code, 1, "{said}");
    let verdicts: Vec<_> = said.lines().filter(|line| line.contains("recover")).collect();
    assert!(verdicts[0].starts_with("storm") && verdicts[1].starts_with("calm"), "{said}");
    assert!(verdicts[1].contains("recovers in"), "{said}");
    // Beside a scenario of its own, too.
    let (_, said, _) = simulate(&[&path, "--compare", &file("other.toml", OUTAGE)]);
    assert!(said.contains("other  recovers"), "{said}");
}

#[test]
fn json_is_json() {
    let path = file("json.toml", OUTAGE);
    let parse = |said: String| serde_json::from_str::<serde_json::Value>(&said).unwrap();
    let one = parse(simulate(&[&path, "--json"]).1);
    assert_eq!((&one["name"], &one["verdict"]["is"]), (&"json".into(), &"recovers".into()));
    assert_eq!(one["phases"].as_array().unwrap().len(), 3);
    let several = parse(simulate(&[&path, "--json", "--seeds", "3"]).1);
    assert_eq!(several["seeds"].as_array().unwrap().len(), 3);
    let found = parse(simulate(&[&path, "--json", "--search", "load"]).1);
    assert!(found["search"][0]["recovers"].as_f64().unwrap() > 0.9, "{found}");
}

#[test]
fn several_seeds_show_how_sure_the_figures_are() {
    let (code, said, _) = simulate(&[&file("several.toml", OUTAGE), "--seeds", "5"]);
    assert_eq!(code, 0);
    assert!(
        said.contains("+-") && said.contains("5 seeds; in 0 it does not recover: 0 %"),
        "{said}"
    );
}

#[test]
fn a_search_says_where_it_tips() {
    let slow = file("search.toml", &OUTAGE.replace("stall = true", "slow = 4.0"));
    let (code, said, _) = simulate(&[&slow, "--search", "fault"]);
    assert_eq!(code, 0);
    for part in ["times the length of the fault", "times the size of the fault"] {
        assert!(said.contains(part), "{said}");
    }
    // What is there or not has a length only.
    let (code, said, _) = simulate(&[&file("stalls.toml", OUTAGE), "--search", "fault"]);
    assert_eq!(code, 0);
    assert!(said.contains("times the length") && !said.contains("times the size"), "{said}");
    assert!(said.contains("not searched: the size of the fault; no `fault` "), "{said}");
    let calm = OUTAGE.lines().take(4).collect::<Vec<_>>().join("\n");
    let (code, _, complained) = simulate(&[&file("nothing.toml", &calm), "--search", "load"]);
    assert_eq!(code, 2);
    assert_eq!(
        complained,
        "error: nothing goes wrong in the scenario: give it a `fault` to search with\n"
    );
}

/// A cache is lost at once: neither longer nor more of it.
#[test]
fn what_has_neither_length_nor_size_is_not_searched() {
    let flush = OUTAGE.replace("for = '5s', ", "").replace("stall", "flush_cache");
    let flush =
        flush.replace("workers", "cache = { entries = 9, ttl = '1h', hit = '1ms' }, workers");
    let flush = flush.replace("rate = 50", "rate = 50, keys = { count = 9 }");
    let path = file("flush.toml", &flush);
    let (code, said, complained) = simulate(&[&path, "--search", "fault"]);
    assert_eq!((code, said.as_str()), (2, ""));
    assert_eq!(
        complained,
        "error: no `fault` of the scenario has a length that can change: a cache is lost at once; search with \
         `--search load`\nerror: no `fault` of the scenario has a size that can change: it is there or not, \
         or it is all there already\n"
    );
    let (code, _, complained) = simulate(&[&path, "--search", "load"]);
    assert_eq!((code, complained.as_str()), (0, ""));
    let (_, said, _) = simulate(&[&path]);
    assert!(said.contains("0 to 20 s  20 to 60 s\n") && !said.contains("during"), "{said}");
}

#[test]
fn what_is_not_watched_long_enough_is_1() {
    let late = OUTAGE.replace("at = '20s'", "at = '53s'").replace("stall = true", "errors = 1.0");
    let path = file("late.toml", &late);
    let (code, said, complained) = simulate(&[&path]);
    assert_eq!((code, complained.as_str()), (1, ""));
    assert!(said.contains("\nnot watched long enough: 2 s after the trouble, "), "{said}");
    let (code, said, _) = simulate(&[&path, "--json"]);
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    let expected = serde_json::json!({ "is": "not_watched_long_enough", "watched": 2.0 });
    assert_eq!((code, &said["verdict"]), (1, &expected));
    let (code, _, complained) = simulate(&[&path, "--search", "load"]);
    assert_eq!(code, 2);
    assert!(complained.contains("make `duration` longer"), "{complained}");
}

#[test]
fn a_system_that_was_broken_before_is_warned_of() {
    let broken = OUTAGE.replace("workers = 1", "workers = 1, errors = 0.2");
    let path = file("broken.toml", &broken);
    for arguments in [&[&path as &str][..], &[&path, "--seeds", "2"], &[&path, "--json"]] {
        let (_, said, complained) = simulate(arguments);
        assert!(
            complained.starts_with("warning: broken: before the trouble only "),
            "{complained}"
        );
        assert!(complained.contains("\n  = fix: ") && complained.contains("--search load"));
        assert!(!said.contains("warning"), "{said}");
    }
}

#[test]
fn a_picture_and_a_page() {
    let path = file("picture.toml", OUTAGE);
    let (svg, html) = (format!("{path}.svg"), format!("{path}.html"));
    assert_eq!(simulate(&[&path, "--svg", &svg, "--html", &html]).0, 0);
    assert!(fs::read_to_string(svg).unwrap().starts_with("<svg "));
    assert!(fs::read_to_string(html).unwrap().contains("stall = true"));
    let (code, _, complained) = simulate(&[&path, "--svg", "/nowhere/it.svg"]);
    assert_eq!(code, 2);
    assert!(complained.starts_with("error: cannot write /nowhere/it.svg: "), "{complained}");
}

#[test]
fn a_bad_file_is_2_with_its_errors() {
    let path = file(
        "bad.toml",
        &OUTAGE.replace("rate = 50", "rate = -50").replace("'api', stall", "'ap', stall"),
    );
    let (code, said, complained) = simulate(&[&path]);
    assert_eq!((code, said.as_str()), (2, ""));
    assert!(
        complained.contains("bad.toml:3:") && complained.contains("`rate` is -50"),
        "{complained}"
    );
    let (code, _, complained) = simulate(&["/nowhere/it.toml"]);
    assert_eq!(code, 2);
    assert!(complained.starts_with("error: cannot read /nowhere/it.toml: "), "{complained}");
    let cache = file("cache.toml", "cache = { ttl = '5s' }");
    let (code, _, complained) = simulate(&[&file("good.toml", OUTAGE), "--compare", &cache]);
    assert_eq!(code, 2);
    assert!(complained.contains("`cache` is kept by services here"), "{complained}");
}

#[test]
fn a_trace_and_a_policy_from_other_files() {
    file("arrivals.txt", "# seconds\n1.0\n2.5\n2.5\n\n40\n");
    file(
        "gateway-of-trace.toml",
        "[[listener]]\nlisten = '127.0.0.1:0'\nroutes = [{ prefix = '/', upstream = 'posts' }]\n\
         [upstream.posts]\nendpoints = ['http://127.0.0.1:1']\npolicy.attempt_timeout = '2ms'\n",
    );
    let text = "duration = '60s'
client.web = { calls = 'api', trace = 'arrivals.txt', policy = { config = 'gateway-of-trace.toml', upstream = 'posts' } }
service.api = { workers = 1, time = '10ms' }
";
    let (code, said, complained) = simulate(&[&file("trace.toml", text), "--json"]);
    assert_eq!(code, 0, "{complained}");
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!((&said["calls"], &said["phases"][0]["failed"]), (&4.into(), &4.into()));
}
