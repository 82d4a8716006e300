//! Tests of a policy, from a file, on virtual time.
//!
//! The machine under test is core's pipeline, the very one that runs in the library and the gateway.
//! A test file names a policy and cases; a case is a list of steps: calls, time, commands and
//! expectations. The guide is `docs/policy-tests.md`.

mod answers;
mod expect;
mod file;
mod report;
mod run;
mod step;
mod world;

pub use report::{CaseReport, Report};

use breakerbox::config::{Diagnostic, Policy};

/// Where the policy of another file comes from: its path as the test file has it, and the upstream.
///
/// # Errors
/// What is wrong with that file, as lines to be shown.
pub type FromFile<'a> = &'a dyn Fn(&str, &str) -> Result<Policy, String>;

/// Runs all cases of a test file.
///
/// ```
/// let file = r#"
/// policy.breaker = { window = { calls = 2 }, open_for = "50s" }
///
/// [[case]]
/// name = "opens on the second failure"
/// steps = [
///   { call = "fail", times = 2, expect = "fail" },
///   { call = "ok", expect = "breaker_open" },
///   { advance = "50s" },
///   { call = "ok", expect = "ok" },
///   { expect = { state = "closed", executed = 3 } },
/// ]
/// "#;
/// let none = |path: &str, _: &str| Err(format!("{path} is not here"));
/// let report = breakerbox_lab::policy_test::run("test.toml", file, &none).unwrap();
/// assert_eq!((report.passed(), report.failed()), (1, 0));
/// ```
///
/// # Errors
/// Everything that is wrong with the file, in its order.
pub fn run(
    file_name: &str,
    text: &str,
    from_file: FromFile<'_>,
) -> Result<Report, Vec<Diagnostic>> {
    let file = file::read(file_name, text, from_file)?;
    Ok(run::all_cases(&file, text))
}

/// The JSON Schema of a test file.
pub fn schema() -> serde_json::Value {
    file::schema()
}
