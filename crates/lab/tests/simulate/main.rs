//! Scenarios small enough to reckon by hand, and files that are wrong.

mod faults;
mod refusals;
mod same;
mod world;

use breakerbox_lab::simulate::{NoOtherFiles, Outcome, Scenario, read, simulate};

pub(crate) fn scenario(text: &str) -> Scenario {
    match read("test.toml", text, &NoOtherFiles) {
        Ok((scenario, _)) => scenario,
        Err(errors) => panic!("{}", errors.iter().map(|it| format!("{it}\n")).collect::<String>()),
    }
}

pub(crate) fn run(text: &str) -> Outcome {
    simulate(&scenario(text), 0, &mut |_| {}).expect("good policies")
}
