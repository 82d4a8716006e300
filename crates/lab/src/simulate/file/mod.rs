//! The scenario file.

mod check;
mod client;
mod fault;
mod resolve;
mod service;
mod time;

use super::Scenario;
use breakerbox::config::{
    self, Diagnostic, Kind as _, Located, Policy, Severity, duration, file_schema, integer, list,
    named, read_file, table,
};
pub(super) use resolve::not_for_callers;

use client::ClientTable;
use fault::FaultTable;
use serde_json::Value as Json;
use service::ServiceTable;
use std::collections::BTreeMap;
use std::time::Duration;

config::table! {
    /// An outage to be simulated: who calls whom, and what goes wrong.
    struct ScenarioTable {
        /// How long clients begin calls.
        duration: Duration = duration().above_zero().required(), required "add for example `duration = \"300s\"`";
        /// How much of the start is not looked at.
        warmup: Duration = duration(), default "0s";
        /// An answer that takes longer is no good one.
        good_within: Duration = duration().above_zero(), optional "however long it takes";
        /// The seed of everything random.
        seed: u64 = integer(0..=i64::MAX as u64), default 0;
        /// Who calls.
        client: BTreeMap<String, Located<ClientTable>> = named(table::<ClientTable>()).not_empty(),
            required "add `[client.web]` with `calls` and `rate`";
        /// Who is called.
        service: BTreeMap<String, Located<ServiceTable>> = named(table::<ServiceTable>()).not_empty(),
            required "add `[service.api]` with `workers` and `time`";
        /// What goes wrong.
        fault: Vec<Located<FaultTable>> = list(table::<FaultTable>()), optional "nothing does";
    }
}

/// A run of fewer windows of its slowest policy says little.
const WINDOWS: f64 = 10.0;

/// What stands in other files that a scenario names.
pub trait OtherFiles {
    /// The policy of an upstream of a gateway's file.
    ///
    /// # Errors
    /// What is wrong with that file.
    fn policy(&self, file: &str, upstream: &str) -> Result<Policy, String>;

    /// The text of a file, such as a trace.
    ///
    /// # Errors
    /// Why it cannot be read.
    fn text(&self, file: &str) -> Result<String, String>;
}

/// No other file is there: for scenarios that stand alone.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoOtherFiles;

impl OtherFiles for NoOtherFiles {
    fn policy(&self, file: &str, _: &str) -> Result<Policy, String> {
        self.text(file).map(|_| Policy::default())
    }

    fn text(&self, file: &str) -> Result<String, String> {
        Err(format!("the file {file} cannot be read from here"))
    }
}

/// Reads a scenario file. Returns it with the warnings.
///
/// ```
/// use breakerbox_lab::simulate::{NoOtherFiles, read};
///
/// let text = "
/// duration = '60s'
/// client.web = { calls = 'api', rate = 100 }
/// service.api = { workers = 4, time = { exponential = '10ms' } }
/// fault = [{ at = '20s', for = '10s', service = 'api', slow = 10.0 }]
/// ";
/// let (scenario, warnings) = read("outage.toml", text, &NoOtherFiles).unwrap();
/// assert_eq!((scenario.duration, warnings.len()), (60.0, 0));
///
/// let errors = read("outage.toml", &text.replace("= 'api', slow", "= 'ap', slow"), &NoOtherFiles);
/// assert_eq!(errors.unwrap_err()[0].message, "there is no service `ap`");
/// ```
///
/// # Errors
/// Everything that is wrong with the file, in its order.
pub fn read(
    file_name: &str,
    text: &str,
    others: &dyn OtherFiles,
) -> Result<(Scenario, Vec<Diagnostic>), Vec<Diagnostic>> {
    let kind = table::<ScenarioTable>().then(check::check);
    let (draft, mut warnings) = read_file(file_name, text, &kind)?;
    let duration = draft.duration;
    let at = |span, message, fix| Diagnostic::at(file_name, text, span, message, fix);
    let scenario = resolve::resolve(draft, &at, others)?;
    let slowest = resolve::slowest_window(&scenario);
    if scenario.duration < WINDOWS * slowest {
        let message = format!(
            "the run is short for its policies: one of them looks back {slowest} s, and the run takes {} s",
            scenario.duration
        );
        let fix = format!("make `duration` at least {} s", WINDOWS * slowest);
        let mut warning = at(duration, message, fix);
        warning.severity = Severity::Warning;
        warnings.push(warning);
    }
    Ok((scenario, warnings))
}

/// The JSON Schema of a scenario file.
pub fn schema() -> Json {
    file_schema("An outage for breakerbox to simulate", &table::<ScenarioTable>())
}
