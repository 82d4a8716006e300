//! Simulates an outage: what callers see of it, how a policy takes it, and whether it ends.
//!
//! A scenario names clients, services and what goes wrong. Calls go through core's pipeline, the very
//! machine that runs in production, on virtual time; the same file and seed give the same numbers on every
//! machine. The guide is `docs/simulate.md`.

mod distribution;
mod engine;
mod file;
mod load;
mod measure;
mod outcome;
mod random;
pub mod report;
mod scenario;
mod search;
mod stuck;

pub use distribution::Distribution;
pub use file::{NoOtherFiles, OtherFiles, read, schema};
pub use load::RateCurve;
pub use measure::Second;
pub use outcome::{ClientPhase, EdgePhase, Outcome, Phase, ServicePhase, Verdict};
pub use scenario::{
    Cache, Caller, Client, Edge, Effect, Fault, Keys, Load, QueueOrder, Scenario, Server, Service,
};
pub use search::{Search, Tipping, search};

use breakerbox::config::Policy;
use breakerbox::core::SettingsError;

/// Runs a scenario; a seed beside that of the scenario gives another run of the same kind.
///
/// ```
/// use breakerbox_lab::simulate::{NoOtherFiles, Verdict, read, simulate};
///
/// let text = "
/// duration = '60s'
/// good_within = '1s'
/// client.web = { calls = 'api', rate = 100, policy.attempt_timeout = '1s' }
/// service.api = { workers = 4, time = { exponential = '10ms' }, queue = 100 }
/// fault = [{ at = '20s', for = '10s', service = 'api', stall = true }]
/// ";
/// let (scenario, _) = read("outage.toml", text, &NoOtherFiles).unwrap();
/// let outcome = simulate(&scenario, 0, &mut |_| {}).unwrap();
/// // A queue of 100 is emptied in a quarter of a second.
/// assert_eq!(outcome.verdict, Verdict::Recovers { after: 0.0 });
/// assert!(outcome.phase("during").unwrap().success().unwrap() < 0.2);
/// ```
///
/// While it runs it tells the seconds of virtual time that have passed.
///
/// # Errors
/// A policy is refused. One that was read from a file has been checked.
pub fn simulate(
    scenario: &Scenario,
    seed: u64,
    progress: &mut dyn FnMut(f64),
) -> Result<Outcome, SettingsError> {
    let recorder = engine::run(scenario, seed, progress)?;
    Ok(Outcome::of(scenario, recorder))
}

/// Gives all clients of a scenario this policy.
///
/// # Errors
/// What of it has no meaning in a simulation, and what to do about it.
pub fn protect_clients(scenario: &mut Scenario, policy: &Policy) -> Result<(), String> {
    if let Some(problem) = file::not_for_callers(policy) {
        return Err(problem);
    }
    for client in &mut scenario.clients {
        client.call.policy = policy.clone();
    }
    Ok(())
}
