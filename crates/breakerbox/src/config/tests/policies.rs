//! The tables of a policy.

use std::time::Duration;

use breakerbox_core::breaker::{OpenFor, Settings, Window};
use serde_json::json;

use super::super::*;
use super::summary;

fn parsed(text: &str) -> Policy {
    let (policy, warnings) = Policy::parse("f.toml", text).unwrap();
    assert_eq!(warnings, []);
    policy
}

fn wrong(text: &str) -> Vec<String> {
    summary(text, &policy())
}

#[test]
fn an_empty_file_is_an_empty_policy() {
    assert_eq!(parsed(""), Policy::default());
    assert_eq!(parsed("breaker = {}").breaker, Some(Settings::default()));
}

#[test]
fn every_key_is_read() {
    let policy = parsed(
        r#"
        deadline = "5s"
        attempt_timeout = "1.5s"
        fallback = { status = 203, json = { z = [1, 2.5, true], a = "x" }, headers = { X-B = "1", x-a = "2" } }
        [breaker]
        failure_rate = 1
        window = { calls = 65_536 }
        min_calls = 10
        consecutive_failures = 5
        slow_call = "250ms"
        slow_call_rate = 0.25
        only_on_failure = true
        open_for = { initial = "1s", factor = 3, max = "1m30s", jitter = false }
        probes = 3
        successes_to_close = 2
        "#,
    );
    let open_for = OpenFor {
        initial: Duration::from_secs(1),
        factor: 3.0,
        max: Duration::from_secs(90),
        jitter: false,
    };
    let expected = Policy {
        retry: None,
        deadline: Some(Duration::from_secs(5)),
        attempt_timeout: Some(Duration::from_millis(1500)),
        breaker: Some(Settings {
            failure_rate: Some(1.0),
            slow_call: Some(Duration::from_millis(250)),
            slow_call_rate: Some(0.25),
            consecutive_failures: Some(5),
            window: Some(Window::Calls(65_536)),
            min_calls: Some(10),
            only_on_failure: true,
            open_for: Some(open_for),
            probes: Some(3),
            successes_to_close: Some(2),
            attempt_timeout: Some(Duration::from_millis(1500)),
        }),
        fallback: Some(answers(FallbackAnswer {
            status: 203,
            body: FallbackBody::Json(json!({ "z": [1, 2.5, true], "a": "x" })),
            headers: vec![("x-b".to_owned(), "1".to_owned()), ("x-a".to_owned(), "2".to_owned())],
        })),
        ..Policy::default()
    };
    assert_eq!(policy, expected);
    let answer = policy.fallback.and_then(|fallback| fallback.answer);
    let Some(FallbackAnswer { body: FallbackBody::Json(json), .. }) = answer else {
        panic!("the body is JSON");
    };
    assert_eq!(json.to_string(), r#"{"z":[1,2.5,true],"a":"x"}"#, "keys keep their order");
}

fn answers(answer: FallbackAnswer) -> Fallback {
    Fallback { answer: Some(answer), ..Fallback::default() }
}

#[test]
fn short_forms_and_defaults() {
    let breaker = |text: &str| parsed(text).breaker.unwrap();
    let fixed = OpenFor::fixed(Duration::from_secs(30));
    assert_eq!(breaker("breaker.open_for = '30s'").open_for, Some(fixed));
    assert_eq!(breaker("breaker.open_for = {}").open_for, Some(OpenFor::default()));
    let window = Window::Time(Duration::from_secs(3));
    assert_eq!(breaker("breaker.window = '3s'").window, Some(window));

    let fallback = |text: &str| parsed(text).fallback.unwrap();
    let empty = FallbackAnswer { status: 200, body: FallbackBody::Empty, headers: Vec::new() };
    assert_eq!(fallback("fallback = {}"), answers(empty));
    let answer = |text: &str| fallback(text).answer.unwrap();
    assert_eq!(answer("fallback.text = 'later'").body, FallbackBody::Text("later".to_owned()));
    assert_eq!(answer("fallback.status = 204").status, 204);
    let stale = fallback("fallback.stale = '60s'");
    assert!(stale.is_only_stale());
    let both = fallback("fallback = { stale = '60s', text = 'later' }");
    assert_eq!((both.stale, both.answer.is_some()), (Some(Duration::from_secs(60)), true));
    assert_eq!(fallback("fallback.upstream = 'b'").upstream.as_deref(), Some("b"));
}

/// The rules are those of the core; the file adds the place.
#[test]
fn all_contradictions_of_a_breaker_come_at_once() {
    let file = "[breaker]\nslow_call_rate = 0.5\nwindow = { calls = 10 }\nmin_calls = 50\n\
                probes = 1\nsuccesses_to_close = 2";
    let fields: Vec<_> = wrong(file).iter().map(|error| error[..1].to_owned()).collect();
    assert_eq!(fields, ["2", "4", "6"], "the lines: {:?}", wrong(file));
}

#[test]
fn settings_that_contradict_each_other() {
    let cases = [
        (
            "breaker = { min_calls = 50, window = { calls = 10 } }",
            "1:25 error: `min_calls` is 50, but the window never holds more than 10 calls; make \
             `min_calls` smaller or the window larger, or the rates are never judged",
        ),
        ("breaker.window = '2h'", "1:18 error: `window` of 7200s is too long; give at most 1h"),
        (
            "breaker.slow_call_rate = 0.5",
            "1:26 error: `slow_call_rate` is given without `slow_call`; say with `slow_call` how \
             long a call may take before it is slow",
        ),
        (
            "[breaker]\nopen_for = { initial = '9s', max = '1s' }",
            "2:36 error: `open_for.max` of 1s is shorter than the initial 9s; make `max` at least \
             as long as `initial`",
        ),
        (
            "breaker.successes_to_close = 3\nbreaker.probes = 2",
            "1:30 error: `successes_to_close` is 3, but only 2 probes are admitted; raise \
             `probes` or lower `successes_to_close`, or the circuit can never close",
        ),
    ];
    for (file, expected) in cases {
        assert_eq!(wrong(file), [expected], "{file}");
    }
}

#[test]
fn fallbacks_that_cannot_be_sent() {
    assert_eq!(
        wrong("fallback = { text = 'x', json = 1 }"),
        [
            "1:26 error: `json` and `text` are both given in `[fallback]`; keep either `json` or `text`"
        ]
    );
    assert_eq!(
        wrong("[fallback]\nstatus = 204\ntext = 'x'"),
        [
            "2:10 error: an answer with status 204 has no body; leave out the body, or choose another \
          status"
        ]
    );
}

#[test]
fn an_attempt_timeout_beyond_the_deadline_is_only_warned_of() {
    let text = "deadline = '1s'\nattempt_timeout = '2s'";
    let (policy, warnings) = Policy::parse("f.toml", text).unwrap();
    assert_eq!(policy.attempt_timeout, Some(Duration::from_secs(2)));
    assert_eq!(warnings[0].severity, Severity::Warning);
    assert_eq!(
        wrong(text),
        [
            "2:19 warning: `attempt_timeout` can never run out: it is longer than `deadline`; make it \
          shorter than `deadline`, or leave it out"
        ]
    );
    assert_eq!(wrong("deadline = '1s'\nattempt_timeout = '1s'"), [""; 0]);
}

#[test]
fn policies_that_contradict_each_other_are_refused() {
    assert_eq!(
        wrong("shed = {}"),
        ["1:8 error: `shed` sheds by how long calls wait in the bulkhead's queue, and there is \
             none; add `bulkhead` with a `queue`, or leave `shed` out"]
    );
    assert_eq!(
        wrong("retry.on = ['breaker_open']"),
        ["1:1 error: `retry` waits for an open breaker, which may be for ever; add a `deadline`, \
             or take \"breaker_open\" out of `on`"]
    );
    assert_eq!(
        wrong("retry = {}\nhedge = { delay = '1s', budget = false }"),
        [
            "2:1 error: retries and hedges share one budget, and it is given twice; keep `budget` in \
             `retry`, and leave it out of `hedge`"
        ]
    );
    assert_eq!(wrong("retry = {}\nhedge = { delay = '1s' }"), [""; 0]);
    assert_eq!(
        wrong("fallback = { upstream = 'b', text = 'x' }"),
        [
            "1:30 error: `upstream` and `text` are both given in `[fallback]`; keep either `upstream` \
             or `text`"
        ]
    );
}

#[test]
fn keys_of_calls() {
    assert_eq!(
        wrong("rate_limit = { rate = 1, key = 'header:a b' }"),
        ["1:32 error: `key` is `header:a b`; write \"client_ip\", \"header:NAME\", \
             \"host\" or \"path\""]
    );
    assert_eq!(
        wrong("breaker.keys = 5"),
        ["1:16 error: `keys` is for breakers with a `key`; add `key`, for instance `key = \
             \"host\"`, or leave `keys` out"]
    );
    let policy = parsed("breaker = { key = 'header:X-Tenant', keys = 5 }");
    let key = policy.breaker_key.unwrap();
    assert_eq!((key.key, key.keys), (KeyOf::Header("x-tenant".into()), 5));
}

#[test]
fn rate_limits() {
    let limit = parsed("rate_limit = { rate = 2.5, per = '1m', wait = '1s' }").rate_limit.unwrap();
    assert_eq!((limit.settings.rate, limit.settings.burst()), (2.5, 3));
    assert_eq!(limit.settings.wait, Some(Duration::from_secs(1)));
    assert_eq!(
        wrong("rate_limit = {}"),
        ["1:14 error: missing key `rate` in `[rate_limit]`; add for instance `rate = 100`"]
    );
}

/// The texts that the schema gives as defaults are those of the core.
#[test]
fn defaults_in_the_schema_are_true() {
    let rules = Settings::default().check().unwrap();
    assert_eq!(rules.failure_rate(), Some(0.5));
    assert_eq!(rules.window(), Window::Time(Duration::from_secs(10)));
    assert_eq!((rules.min_calls(), rules.probes(), rules.successes_to_close()), (20, 1, 1));
    let schema = Policy::schema();
    let described = |key: &str| {
        let key = &schema["properties"]["breaker"]["properties"][key]["description"];
        key.as_str().unwrap().rsplit_once("Default: ").unwrap().1.to_owned()
    };
    assert_eq!(described("failure_rate").split(' ').next(), Some("0.5"));
    assert_eq!(described("window"), "10s.");
    assert_eq!(described("min_calls").split(',').next(), Some("20"));
    assert_eq!(described("probes"), "`successes_to_close`, else 1.");
    assert_eq!(described("open_for"), "5s, doubling to 60s, with jitter.");
}

#[test]
fn a_longer_first_opening_moves_the_default_maximum_on() {
    let (policy, _) =
        Policy::parse("policy.toml", "breaker.open_for = { initial = '90s' }").unwrap();
    let open_for = policy.breaker.unwrap().open_for.unwrap();
    assert_eq!(
        (open_for.initial, open_for.max),
        (Duration::from_secs(90), Duration::from_secs(90))
    );
}
