//! Files that are wrong: each gets a sentence with its place and the fix.

use breakerbox_lab::simulate::{NoOtherFiles, read};

const GOOD: &str = "duration = '60s'
client.web = { calls = 'api', rate = 100 }
service.api = { workers = 4, time = '10ms' }
";

/// What is said of a file: line, message and fix of each.
fn said(text: &str) -> Vec<(usize, String, String)> {
    let diagnostics = match read("outage.toml", text, &NoOtherFiles) {
        Ok((_, warnings)) => warnings,
        Err(errors) => errors,
    };
    diagnostics.into_iter().map(|it| (it.line, it.message, it.fix)).collect()
}

#[track_caller]
fn assert_said(text: &str, line: usize, message: &str, fix: &str) {
    assert_eq!(said(text), [(line, message.to_owned(), fix.to_owned())], "{text}");
}

#[track_caller]
fn assert_fault(fault: &str, message: &str, fix: &str) {
    assert_said(&format!("{GOOD}[[fault]]\n{fault}\n"), 4, message, fix);
}

#[test]
fn a_good_file_has_nothing_to_be_said() {
    assert_eq!(said(GOOD), []);
}

#[test]
fn names_that_are_not_there() {
    assert_said(
        &GOOD.replace("'api', rate", "'apo', rate"),
        2,
        "there is no service `apo`",
        "did you mean `api`? services here: api",
    );
    let fault = "at = '1s'\nfor = '1s'\nservice = 'db'\nslow = 2.0";
    assert_said(
        &format!("{GOOD}[[fault]]\n{fault}\n"),
        7,
        "there is no service `db`",
        "services here: api",
    );
    let from = "at = '1s'\nfor = '1s'\nservice = 'api'\nlatency = '1s'\nfrom = 'mobile'";
    assert_said(
        &format!("{GOOD}[[fault]]\n{from}\n"),
        9,
        "there is no client or service `mobile`",
        "there are web, api",
    );
}

#[test]
fn distributions() {
    let unknown = said(&GOOD.replace("time = '10ms'", "time = { exponentail = '10ms' }"));
    assert_eq!(unknown.len(), 1, "{unknown:?}");
    assert!(unknown[0].1.starts_with("unknown key `exponentail`"), "{unknown:?}");
    assert!(unknown[0].2.starts_with("did you mean `exponential`?"), "{unknown:?}");
    assert_said(
        &GOOD.replace("time = '10ms'", "time = {}"),
        3,
        "`time` is not one distribution",
        "give one of exponential, lognormal, bimodal, weibull and trace, or a duration",
    );
    assert_said(
        &GOOD.replace("time = '10ms'", "time = { lognormal = { median = '10ms', p99 = '5ms' } }"),
        3,
        "`p99` is shorter than the median",
        "make it longer, or write a plain duration if it never differs",
    );
}

#[test]
fn rates_and_users() {
    assert_said(
        &GOOD.replace("rate = 100", "rate = -1"),
        2,
        "`rate` is -1",
        "give a number from 0 to 1000000",
    );
    let unclear =
        ("it is not clear how many calls `web` makes", "give one of `rate`, `users` and `trace`");
    assert_said(&GOOD.replace(", rate = 100", ""), 2, unclear.0, unclear.1);
    assert_said(&GOOD.replace("rate = 100", "rate = 100, users = 5"), 2, unclear.0, unclear.1);
    assert_said(
        &GOOD.replace("rate = 100", "rate = 100, think = '1s'"),
        2,
        "`think` is for `users`, and there are none",
        "leave it out, or give `users`",
    );
    assert_said(
        &GOOD.replace("rate = 100", "users = 100, arrivals = 'even'"),
        2,
        "`arrivals` says how calls come by a `rate`",
        "leave it out, or give a `rate`",
    );
    assert_said(
        &GOOD.replace(
            "rate = 100",
            "rate = [{ rate = 5 }, { at = '9s', rate = 7, over = '5s' }, { at = '10s', rate = 1 }]",
        ),
        2,
        "the change begins before the one before it is complete",
        "give the changes in the order of their time, each after the one before is complete",
    );
    assert_said(
        &GOOD.replace("rate = 100", "rate = 5, priorities = [{ urgency = 1, share = 0.4 }]"),
        2,
        "the shares of `priorities` add up to 0.4",
        "make them add up to 1",
    );
}

#[test]
fn a_run_that_would_not_end() {
    assert_said(
        &GOOD.replace("60s", "365d").replace("= 100", "= 1000"),
        1,
        "the run makes 31536000000 calls, which takes too long",
        "make `duration` shorter, or the rates lower: at most 1000000000 calls",
    );
    let circle = "duration = '60s'
client.web = { calls = 'a', rate = 100 }
service.a = { workers = 4, time = '10ms', calls = [{ service = 'b' }] }
service.b = { workers = 4, time = '10ms', calls = [{ service = 'a' }] }
";
    let fix = "take one of the `calls` out: a request that calls its own service never ends";
    assert_eq!(
        said(circle),
        [
            (3, "the service `a` calls itself in the end".to_owned(), fix.to_owned()),
            (4, "the service `b` calls itself in the end".to_owned(), fix.to_owned()),
        ]
    );
    assert_said(
        &GOOD.replace("'60s'", "'60s'\nwarmup = '60s'"),
        2,
        "`warmup` is not shorter than `duration`",
        "make it shorter",
    );
}

#[test]
fn a_key_that_is_required_cannot_be_left_out() {
    let text = GOOD.replace("duration = '60s'", "duration = '0s'");
    assert_said(&text, 1, "`duration` is zero", "give a duration above zero");
}

#[test]
fn services() {
    let unclear =
        ("it is not clear how the service `api` works", "give one of `workers` and `cores`");
    assert_said(&GOOD.replace("workers = 4, ", ""), 3, unclear.0, unclear.1);
    assert_said(&GOOD.replace("workers = 4", "workers = 4, cores = 2"), 3, unclear.0, unclear.1);
    assert_said(
        &GOOD.replace("workers = 4", "workers = 4, rejection_cost = '1ms'"),
        3,
        "`rejection_cost` is that of a full queue, and it never is full",
        "give a `queue`, or leave `rejection_cost` out",
    );
}

#[test]
fn faults() {
    let where_ = "at = '10s'\nfor = '10s'\nservice = 'api'";
    let names = "slow, slow_by, capacity, errors, black_hole, stall, kill, flush_cache, latency, loss and \
                 partition";
    let more = format!("give one of {names}; for more write more faults");
    assert_fault(where_, "the fault does nothing", &more);
    assert_fault(
        &format!("{where_}\nslow = 2.0\nkill = true"),
        "the fault does several things",
        &more,
    );
    assert_fault(
        &format!("{where_}\nslow = 2.0\nendpoint = 1"),
        "`api` has no endpoint 1",
        "leave `endpoint` out: there is only one",
    );
    assert_said(
        &format!(
            "{}[[fault]]\n{where_}\nslow = 2.0\nshard = 5\n",
            GOOD.replace("workers", "shards = 5, workers")
        ),
        4,
        "`api` has no shard 5",
        "give 0 to 4: they are counted from 0",
    );
    assert_fault(
        &format!("{where_}\nflush_cache = true"),
        "`api` has no cache to lose",
        "give the service a `cache`, or leave the fault out",
    );
    assert_fault(
        &format!("{where_}\nstall = true\nramp = '1s'"),
        "the fault is there or not, so it has no ramp",
        "leave `ramp` out",
    );
    assert_fault(
        &format!("{where_}\nslow = 2.0\nramp = '6s'"),
        "the fault ends before it is all there",
        "make `for` at least twice `ramp`",
    );
    assert_fault(
        &format!("{where_}\nslow = 2.0\nstatus = 500"),
        "`status` is that of `errors`, and there are none",
        "leave it out",
    );
    assert_fault(
        "at = '10s'\nservice = 'api'\nslow = 2.0",
        "the fault does not last",
        "add for example `for = \"30s\"`",
    );
    assert_fault(
        "at = '70s'\nfor = '1s'\nservice = 'api'\nslow = 2.0",
        "the fault comes after the end of the run",
        "make `duration` longer, or `at` earlier",
    );
    assert_fault(
        "at = '50s'\nfor = '10s'\nservice = 'api'\nslow = 2.0",
        "the fault lasts until the end of the run",
        "make `duration` longer, or `for` shorter, if recovery is of interest",
    );
}

#[test]
fn policies_that_have_no_meaning_here() {
    for (policy, message, fix) in [
        (
            "cache = { ttl = '1s' }",
            "`cache` is kept by services here",
            "give the service a `cache`",
        ),
        ("coalesce = true", "`coalesce` has no meaning here", "leave it out"),
        (
            "fallback = { stale = '1s' }",
            "`fallback.stale` needs answers, and calls here have none",
            "write any other fallback: it counts as degraded",
        ),
    ] {
        let text = GOOD.replace("rate = 100", &format!("rate = 100, policy = {{ {policy} }}"));
        assert_said(&text, 2, message, fix);
    }
    assert_said(
        &GOOD.replace("workers = 4", "workers = 4, policy.retry = {}"),
        3,
        "`retry` is for callers, and this is the side of the service",
        "give it to those who call the service",
    );
}

#[test]
fn other_files() {
    assert_said(
        &GOOD.replace("rate = 100", "trace = 'calls.txt'"),
        2,
        "the file calls.txt cannot be read from here",
        "correct the path",
    );
    assert_said(
        &GOOD.replace(
            "rate = 100",
            "rate = 1, policy = { config = 'gateway.toml', upstream = 'posts' }",
        ),
        2,
        "the file gateway.toml cannot be read from here",
        "correct the file, or give the policy here",
    );
}

#[test]
fn what_is_hardly_meant() {
    assert_said(
        &GOOD.replace("rate = 100", "rate = 100, policy.breaker = {}"),
        1,
        "the run is short for its policies: one of them looks back 10 s, and the run takes 60 s",
        "make `duration` at least 100 s",
    );
    assert_said(
        &format!("{GOOD}service.db = {{ workers = 1, time = '1ms' }}\n"),
        4,
        "nobody calls the service `db`",
        "let a client or another service call it, or take it out",
    );
    assert_said(
        &GOOD.replace("workers = 4", "workers = 4, cache = { entries = 5, ttl = '1s' }"),
        3,
        "the cache of `api` has no use: every call has a key of its own",
        "give the clients `keys`",
    );
}
