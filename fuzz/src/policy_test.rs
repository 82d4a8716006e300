//! A file of policy tests: refused with a place and a reason, or run to its end.

use breakerbox_lab::policy_test;
use toml::Value;

use crate::diagnostics;

/// More calls than this are not made: a file may ask for millions, and is right to.
const MOST_CALLS: i64 = 2_000;

/// Takes the bytes as a file of policy tests, and runs it twice.
pub fn run(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    if text.parse::<toml::Table>().is_ok_and(|file| calls(&Value::Table(file)) > MOST_CALLS) {
        return;
    }
    let nowhere = |path: &str, _: &str| Err(format!("{path} is not here"));
    match policy_test::run("test.toml", text, &nowhere) {
        Ok(report) => {
            diagnostics::check(report.warnings(), text);
            assert_eq!(report.passed() + report.failed(), report.cases().len());
            let again = policy_test::run("test.toml", text, &nowhere).expect("as before");
            assert_eq!(report.to_json(), again.to_json(), "a case came out in two ways");
            for case in report.cases() {
                assert!(!case.to_string().is_empty());
            }
        }
        Err(errors) => {
            assert!(!errors.is_empty());
            diagnostics::check(&errors, text);
        }
    }
}

/// How many calls a file asks for, at most: each step is one, or as many as `times` says.
fn calls(value: &Value) -> i64 {
    match value {
        Value::Table(table) => {
            let times = table.get("times").and_then(Value::as_integer).unwrap_or(0);
            table.values().map(calls).fold(times.max(1), i64::saturating_add)
        }
        Value::Array(values) => values.iter().map(calls).fold(0, i64::saturating_add),
        _ => 0,
    }
}
