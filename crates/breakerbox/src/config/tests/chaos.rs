//! The table `chaos`.

use std::time::Duration;

use breakerbox_core::chaos::{Latency, Settings};
use serde_json::json;

use super::super::*;
use super::summary;

config_table! {
    /// A file with this table alone.
    struct File {
        chaos: Chaos = chaos(), required;
    }
}

fn parsed(table: &str) -> Chaos {
    let (file, warnings) =
        read_file("f.toml", &format!("chaos = {table}"), &super::super::table::<File>()).unwrap();
    assert_eq!(warnings, []);
    file.chaos.required().unwrap()
}

fn wrong(table: &str) -> Vec<String> {
    summary(&format!("chaos = {table}"), &super::super::table::<File>())
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[test]
fn every_key_of_chaos_is_read() {
    let found = parsed(
        "{ latency = { min = '100ms', max = '300ms' }, error = 500, fraction = 0.25, \
         max_fraction = 0.5, header = 'X-Chaos:  yes ', key = 'header:X-User', seed = 7, \
         for = '10m', on = false }",
    );
    let wanted = Chaos {
        settings: Settings {
            latency: Some(Latency::Uniform { min: millis(100), max: millis(300) }),
            error: Some(500),
            fraction: 0.25,
            max_fraction: 0.5,
            seed: 7,
            lasts: Some(millis(600_000)),
            on: false,
            ..Settings::default()
        },
        key: Some(KeyOf::Header("x-user".to_owned())),
        header: Some(("x-chaos".to_owned(), Some("yes".to_owned()))),
    };
    assert_eq!(found, wanted);
    let bodies = parsed("{ slow_body = 1024, truncate_body = 0 }").settings;
    let wanted = Settings { slow_body: Some(1024), truncate_body: Some(0), ..Settings::default() };
    assert_eq!(bodies, wanted);
    assert!(parsed("{ black_hole = true }").settings.black_hole);
}

#[test]
fn what_is_not_given_has_its_default() {
    let wanted = Settings { reset: true, ..Settings::default() };
    assert_eq!(parsed("{ reset = true }"), Chaos { settings: wanted, key: None, header: None });
    let latency = |table: &str| parsed(&format!("{{ latency = {table} }}")).settings.latency;
    assert_eq!(latency("'200ms'"), Some(Latency::Fixed(millis(200))));
    assert_eq!(latency("{ mean = '200ms' }"), Some(Latency::Exponential { mean: millis(200) }));
    let from_zero = Latency::Uniform { min: Duration::ZERO, max: millis(200) };
    assert_eq!(latency("{ max = '200ms' }"), Some(from_zero));
    let error =
        |given: &str| parsed(&format!("{{ error = {given}, latency = '1s' }}")).settings.error;
    assert_eq!((error("true"), error("false"), error("429")), (Some(503), None, Some(429)));
    assert_eq!(parsed("{ reset = true, fraction = 0 }").settings.fraction, 0.0);
    assert_eq!(
        parsed("{ reset = true, seed = 9223372036854775807 }").settings.seed,
        i64::MAX as u64
    );
}

#[test]
fn who_can_be_hit() {
    let key = |key: &str| parsed(&format!("{{ reset = true, key = '{key}' }}")).key;
    assert_eq!(key("client_ip"), Some(KeyOf::ClientIp));
    assert_eq!((key("host"), key("path")), (Some(KeyOf::Host), Some(KeyOf::Path)));
    let header = |header: &str| parsed(&format!("{{ reset = true, header = '{header}' }}")).header;
    let named = |value: Option<&str>| Some(("x-chaos".to_owned(), value.map(str::to_owned)));
    assert_eq!(header("X-Chaos"), named(None));
    assert_eq!(header("x-chaos:YES"), named(Some("YES")));
    assert_eq!(header("x-chaos: a: b"), named(Some("a: b")));
}

#[test]
fn what_chaos_refuses() {
    for (table, message) in [
        (
            "{}",
            "1:9 error: `latency` is not given, nor is any other fault; give at least one of \
             `latency`, `error`, `reset`, `black_hole`, `slow_body` and `truncate_body`",
        ),
        (
            "{ error = true, reset = true }",
            "1:33 error: `reset` is given with `error`, and a call ends only once; keep one of \
             `error`, `reset` and `black_hole`",
        ),
        (
            "{ slow_body = 1, black_hole = true }",
            "1:23 error: `slow_body` is given with `black_hole`, which leaves no body; leave out \
             `slow_body` or `black_hole`",
        ),
        ("{ slow_body = 0 }", "1:23 error: `slow_body` is 0; give an integer from 1 to 4294967295"),
        ("{ error = 200 }", "1:19 error: `error` is 200; give an integer from 400 to 599"),
        (
            "{ error = 'yes' }",
            "1:19 error: `error` must be an integer or true or false, but it is a string; write for \
             example `error = 400`",
        ),
        (
            "{ latency = 200 }",
            "1:21 error: `latency` is a number without a unit; write `latency = \"200s\"` for \
             seconds or `latency = \"200ms\"` for milliseconds",
        ),
        (
            "{ latency = '0s' }",
            "1:21 error: `latency` is zero; give a duration above zero, or leave the key out",
        ),
        ("{ latency = '2h' }", "1:21 error: `latency` of 7200s is too long; give at most 1h"),
        (
            "{ latency = { mean = '2h' } }",
            "1:30 error: `latency.mean` of 7200s is too long; give at most 1h",
        ),
        (
            "{ latency = { min = '2s', max = '1s' } }",
            "1:41 error: `latency.max` of 1s is shorter than the minimum 2s; make `max` at least \
             as long as `min`",
        ),
        (
            "{ latency = { min = '1s' } }",
            "1:21 error: neither `max` nor `mean` is given in `[chaos.latency]`; add one of them, \
             `max` or `mean`",
        ),
        (
            "{ latency = { min = '1s', mean = '1s' } }",
            "1:35 error: `min` and `mean` are both given in `[chaos.latency]`; keep either `min` \
             or `mean`",
        ),
        (
            "{ latency = { max = '1s', mean = '1s' } }",
            "1:35 error: `max` and `mean` are both given in `[chaos.latency]`; keep either `max` \
             or `mean`",
        ),
        (
            "{ reset = true, fraction = 50 }",
            "1:36 error: `fraction` is 50; give a number from 0 to 1",
        ),
        (
            "{ reset = true, max_fraction = 50 }",
            "1:40 error: `max_fraction` is 50; rates are fractions: write 0.5",
        ),
        (
            "{ reset = true, max_fraction = 0 }",
            "1:40 error: `max_fraction` is 0; give a fraction above 0, at most 1",
        ),
        (
            "{ reset = true, for = '0s' }",
            "1:31 error: `for` is zero; give a duration above zero, or leave the key out",
        ),
        (
            "{ reset = true, seed = -1 }",
            "1:32 error: `seed` is -1; give an integer from 0 to 18446744073709551615",
        ),
        (
            "{ reset = true, key = 'ip' }",
            "1:31 error: `key` is `ip`; write \"client_ip\", \"header:NAME\", \"host\" or \"path\"",
        ),
        (
            "{ reset = true, header = 'x chaos' }",
            "1:34 error: `header` is `x chaos`, which has no name that a header can have; write \
             \"NAME\" or \"NAME: VALUE\", as in \"x-chaos: yes\"",
        ),
        (
            "{ reset = true, header = ': yes' }",
            "1:34 error: `header` is `: yes`, which has no name that a header can have; write \
             \"NAME\" or \"NAME: VALUE\", as in \"x-chaos: yes\"",
        ),
        (
            "{ reset = true, header = 'x-chaos: ' }",
            "1:34 error: `header` is `x-chaos: `, which has no value; write \"x-chaos\" for any \
             value, or \"x-chaos: VALUE\" for one",
        ),
        (
            "{ reset = true, header = 'x-chaos: j\u{e4}' }",
            "1:34 error: `header` is `x-chaos: j\u{e4}`, whose value has characters that a header \
             cannot have; use visible ASCII, spaces and tabs",
        ),
        (
            "{ reset = true, fractoin = 0.5 }",
            "1:25 error: unknown key `fractoin` in `[chaos]`; did you mean `fraction`? known keys \
             here: latency, error, reset, black_hole, slow_body, truncate_body, fraction, \
             max_fraction, header, key, seed, for, on",
        ),
    ] {
        assert_eq!(wrong(table), [message], "{table}");
    }
}

/// The defaults in the schema are those of the core.
#[test]
fn the_schema_of_chaos_is_true() {
    let schema = chaos().schema();
    let core = Settings::default();
    let default = |key: &str| schema["properties"][key]["default"].clone();
    assert_eq!(default("fraction"), json!(core.fraction));
    assert_eq!(default("on"), json!(core.on));
    assert_eq!(default("seed"), json!(core.seed));
    assert_eq!((default("reset"), default("black_hole")), (json!(false), json!(false)));
    assert_eq!(core.max_fraction, 1.0);
    assert_eq!(schema["properties"]["seed"]["maximum"], json!(u64::MAX));
}
