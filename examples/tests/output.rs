//! The examples run to their end and print what they say.

use std::path::PathBuf;
use std::process::Command;

/// What an example prints. Cargo builds the examples before it runs tests, beside them.
#[track_caller]
fn output(example: &str) -> String {
    let test = std::env::current_exe().expect("a running program has a path");
    let folder = test.parent().and_then(|deps| deps.parent()).map(|it| it.join("examples"));
    let program: PathBuf = folder.expect("tests are in target/PROFILE/deps").join(example);
    let program = program.with_extension(std::env::consts::EXE_EXTENSION);
    assert!(program.exists(), "{} is missing: run `cargo build --examples`", program.display());
    let mut program = Command::new(&program);
    let program = program.env("NO_PROXY", "*");
    let output = program.output().expect("a program that is there can be run");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{example}: {}", text(&output.stderr));
    assert_eq!(text(&output.stderr), "");
    text(&output.stdout)
}

#[test]
fn a_call_is_protected_in_ten_lines() {
    assert_eq!(output("protect_a_call"), "post 7\n");
}

#[test]
fn a_blocking_call_is_rejected_once_its_other_side_is_gone() {
    assert_eq!(
        output("blocking_call"),
        "there it is\n\
         tried and failed: NotFound\n\
         tried and failed: NotFound\n\
         tried and failed: NotFound\n\
         not even tried: breaker_open\n\
         not even tried: breaker_open\n\
         the circuit is open\n"
    );
}

#[test]
fn opossums_defaults_open_half_open_and_close() {
    let (real, fallback) = (r#"{"posts":["first","second"]}"#, r#"{"posts":[],"stale":true}"#);
    assert_eq!(
        output("opossum_defaults"),
        format!("{real}\nopen\n{fallback}\n{fallback}\nhalfOpen\nclose\n{real}\n")
    );
}

#[test]
fn a_reqwest_client_leaves_a_failing_server_alone_until_it_works() {
    assert_eq!(
        output("protect_reqwest"),
        "500 Internal Server Error: oops\n\
         500 Internal Server Error: oops\n\
         500 Internal Server Error: oops\n\
         circuit breaker `posts` is open; it may admit a call in 30.0s\n\
         200 OK: a post\n\
         200 OK: a post\n\
         the circuit is closed\n"
    );
}

#[test]
fn a_hyper_client_sends_a_body_again_and_says_which_attempt_it_is() {
    assert_eq!(
        output("hyper_client"),
        "the server gets \"a post\", attempt 1\n\
         the server gets \"a post\", attempt 2\n\
         200 OK: stored\n\
         repeated 1 time\n\
         client error (Connect)\n\
         repeated 3 times\n"
    );
}

#[test]
fn an_axum_server_limits_its_clients_and_says_how_it_is() {
    assert_eq!(
        output("axum_layers"),
        r#"/report for ann: 200
42
/report for bob: 504 (deadline)
{"error":"The request ran into its deadline.","reason":"deadline"}
/report for ann: 200
/report for ann: 429 (rate_limited)
{"error":"The rate limit is reached.","reason":"rate_limited"}
/health for ann: 200
{"healthy":true,"breakers":{"database":{"state":"closed"}}}
/health for ann: 503
{"healthy":false,"breakers":{"database":{"state":"isolated"}}}
"#
    );
}

#[test]
fn a_grpc_client_leaves_a_failing_server_alone_until_it_works() {
    assert_eq!(
        output("grpc"),
        "first: it works; the circuit is closed\n\
         watching: true\n\
         beside it: Unavailable: As many requests as may run at once are under way.; the circuit is closed\n\
         watching: false\n\
         down: Unavailable: I have no database; the circuit is open\n\
         open: Unavailable: The circuit breaker of the upstream is open.; the circuit is open\n\
         tested: it works; the circuit is closed\n"
    );
}

#[test]
fn an_axum_route_answers_with_a_message_while_its_upstream_is_down() {
    let down = r#"503 {"message":"Service temporarily unavailable. Please try again later."}"#;
    assert_eq!(
        output("axum_server"),
        format!(
            "200 a post\n200 a post\n{down}\n{down}\n{down}\n{down}\n\
             circuit open, upstream asked 4 times\n"
        )
    );
}

#[test]
fn statistics_and_events_tell_one_story() {
    assert_eq!(
        output("statistics_and_events"),
        "10 started, 2 rejected\n\
         8 good, 2 failed\n\
         failure rate Some(0.2)\n\
         median Some(5.119ms), all 55ms\n\
         failed after 5ms\n\
         failed after 10ms\n\
         closed -> open: failure rate\n\
         rejected: breaker_open\n\
         rejected: breaker_open\n"
    );
}

#[test]
fn a_test_on_paused_time_takes_no_time() {
    assert_eq!(output("test_with_paused_time"), "37 s have passed, and no time at all\n");
}

#[test]
fn metrics_are_shown_as_prometheus_reads_them() {
    assert_eq!(
        output("metrics"),
        r#"breakerbox_breaker_calls_total{name="posts",kind="failure"} 3
breakerbox_breaker_calls_total{name="posts",kind="success"} 3
breakerbox_breaker_state{name="posts",state="open"} 1
breakerbox_call_duration_seconds_bucket{name="posts",le="0.01"} 5
breakerbox_call_duration_seconds_sum{name="posts"} 0.051
breakerbox_rejections_total{name="posts",policy="breaker",reason="breaker_open"} 1
"#
    );
}

#[test]
fn changes_are_logged() {
    assert_eq!(
        output("log_changes"),
        r#" WARN breakerbox: circuit breaker opened name=posts from=closed to=open cause=consecutive failures
DEBUG breakerbox: call rejected name=posts policy="breaker" reason="breaker_open" retry_after=5s
 INFO breakerbox: circuit breaker changed name=posts from=open to=half_open cause=open duration elapsed
 INFO breakerbox: circuit breaker changed name=posts from=half_open to=closed cause=probes succeeded
"#
    );
}

#[test]
fn calls_become_spans_and_counts_metrics_of_opentelemetry() {
    assert_eq!(
        output("opentelemetry"),
        r#"get post: Unset, retrying
get post: Error { description: "down" }, retrying
get post: Error { description: "not tried" }, transition, rejected
get post: Error { description: "not tried" }, rejected
breakerbox.breaker.calls kind=failure name=posts 4
breakerbox.breaker.calls kind=success name=posts 1
breakerbox.breaker.state name=posts state=open 1
"#
    );
}

#[test]
fn each_pattern_has_an_example_that_does_what_it_says() {
    for (example, printed) in [
        (
            "retry_a_flaky_call",
            "Ok(\"a post\") after 3 attempts\n\
             Err(Inner(\"no answer\")) after one attempt\n\
             Err(Inner(\"not found\")) after one attempt\n\
             2 retries in all\n",
        ),
        ("hedge_a_slow_call", "Ok(\"found\") after 70ms, with 2 attempts\n"),
        (
            "limit_concurrency",
            "nightly batch: the bulkhead of `reports` is full\nfirst: done\ncheckout: done\n",
        ),
        (
            "rate_limit_each_tenant",
            "blue: served\nblue: served\nblue: rate_limited\ngreen: served\n",
        ),
        ("find_the_limit", "64 callers, 10 workers, and a limit from 10 to 20: true\n"),
        (
            "hold_back",
            "a service that refuses everything got fewer than 150 calls: true\n\
             the others were held back: true\n",
        ),
        (
            "shed_by_priority",
            "more than half of what matters least was shed: true\nof what matters most: 0 %\n",
        ),
        (
            "deadlines",
            "the attempt timed out after 300.0ms in `posts`; within the second: true\n\
             the deadline was exceeded after 200.0ms in `posts`; it took 200ms\n",
        ),
        (
            "last_good_answer",
            "a post, kept: false\na post, kept: true\na post, as a fallback: true\n\
             the other side is down\n",
        ),
        ("share_equal_calls", "Ok(\"post 7\"), Ok(\"post 7\"), Ok(\"post 7\")\nasked once: true\n"),
        (
            "breaker_for_each_tenant",
            "red: None\nred: None\nred: None\ngreen: Some(\"a row\")\nred is Some(Open)\n\
             green is Some(Closed)\nafter a restart: true\n",
        ),
        ("make_chaos", "about half came from the fallback: true\nOk(\"a post\") when it is over\n"),
    ] {
        assert_eq!(output(example), printed, "{example}");
    }
    assert!(output("pipeline_from_a_file").contains("\ntry again later\n"));
    assert!(output("whole_pipeline").ends_with("200 after 1 retries, 0 rejected\n"));
}
