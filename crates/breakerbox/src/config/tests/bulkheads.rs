//! The table `bulkhead` and the key `coalesce`.

use std::time::Duration;

use breakerbox_core::bulkhead::{Order, Settings};
use breakerbox_core::coalesce;

use super::super::*;
use super::summary;

config_table! {
    /// A policy.
    struct Both {
        bulkhead: Settings = bulkhead(), optional;
        coalesce: Option<coalesce::Settings> = coalesce(), optional;
    }
}

fn wrong(text: &str) -> Vec<String> {
    summary(text, &table::<Both>())
}

fn read(text: &str) -> (Both, Vec<Diagnostic>) {
    read_file("f.toml", text, &table::<Both>()).unwrap()
}

#[test]
fn the_defaults_are_those_of_the_core() {
    let (both, warnings) = read("bulkhead = { concurrent = 64 }");
    assert_eq!(both.bulkhead.optional(), Some(Some(Settings::new(64))));
    assert_eq!(both.coalesce.optional(), Some(None));
    assert_eq!(warnings, []);
}

#[test]
fn every_key_is_read() {
    let (both, warnings) = read(
        "coalesce = true\nbulkhead = { concurrent = 1000000, queue = 128, queue_timeout = '1s', \
         order = 'adaptive_lifo' }",
    );
    let expected = Settings {
        queue: 128,
        queue_timeout: Duration::from_secs(1),
        order: Order::AdaptiveLifo,
        ..Settings::new(1_000_000)
    };
    assert_eq!(both.bulkhead.optional(), Some(Some(expected)));
    assert_eq!(both.coalesce.optional(), Some(Some(Some(coalesce::Settings::default()))));
    assert_eq!(warnings, []);
    assert_eq!(read("coalesce = false").0.coalesce.optional(), Some(Some(None)));
}

#[test]
fn the_schema_shows_the_defaults() {
    let schema = bulkhead().schema();
    let default = |key: &str| schema["properties"][key]["default"].clone();
    assert_eq!(default("queue"), 0);
    assert_eq!(default("queue_timeout"), "100ms");
    assert_eq!(default("order"), "fifo");
    assert_eq!(schema["required"], serde_json::json!(["concurrent"]));
}

#[test]
fn what_a_bulkhead_refuses() {
    for (table, message) in [
        (
            "{ queue = 5 }",
            "1:12 error: missing key `concurrent` in `[bulkhead]`; add how many calls may run at \
             once, such as `concurrent = 64`",
        ),
        ("{ concurrent = 0 }", "1:27 error: `concurrent` is 0; give an integer from 1 to 1000000"),
        (
            "{ concurrent = 1, queue = 1000001 }",
            "1:38 error: `queue` is 1000001; give an integer from 0 to 1000000",
        ),
        (
            "{ concurrent = 1, queue = 1, queue_timeout = '0s' }",
            "1:57 error: `queue_timeout` is zero; give a duration above zero, or leave the \
             key out",
        ),
        (
            "{ concurrent = 1, queue = 1, order = 'lifo' }",
            "1:49 error: `order` cannot be `lifo`; did you mean \"fifo\"? it is one of \"fifo\", \
             \"adaptive_lifo\"",
        ),
        (
            "{ concurent = 1 }",
            "1:14 error: unknown key `concurent` in `[bulkhead]`; did you mean `concurrent`? known \
             keys here: concurrent, queue, queue_timeout, order",
        ),
    ] {
        assert_eq!(wrong(&format!("bulkhead = {table}")), [message], "{table}");
    }
    assert_eq!(
        wrong("coalesce = 'yes'"),
        ["1:12 error: `coalesce` must be true or false, but it is a string; write for example \
          `coalesce = true`"]
    );
}

#[test]
fn what_has_no_effect_without_a_queue_is_a_warning() {
    for queue in ["", "queue = 0, "] {
        let text = format!(
            "bulkhead = {{ {queue}queue_timeout = '1s', order = 'adaptive_lifo', concurrent = 1 }}"
        );
        let (first, second) = (30 + queue.len(), 44 + queue.len());
        assert_eq!(
            wrong(&text),
            [
                format!(
                    "1:{first} warning: `queue_timeout` has no effect: there is no queue; add a \
                     `queue`, such as `queue = 64`, or leave it out"
                ),
                format!(
                    "1:{second} warning: `order` has no effect: there is no queue; add a `queue`, \
                     such as `queue = 64`, or leave it out"
                ),
            ]
        );
    }
}
