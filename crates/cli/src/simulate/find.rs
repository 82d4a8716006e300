//! `breakerbox simulate --search`: where it tips.

use super::{Arguments, What};
use crate::output::say;
use breakerbox_lab::simulate::{Scenario, Search, Tipping, search};

pub(super) fn find(scenario: &Scenario, what: What, arguments: &Arguments) -> Result<bool, String> {
    let searches: &[(&str, Search)] = match what {
        What::Load => &[("load", Search::Load)],
        What::Fault => &[
            ("length of the fault", Search::FaultLength),
            ("size of the fault", Search::FaultSize),
        ],
    };
    let mut refused: Vec<_> =
        searches.iter().filter_map(|(_, what)| what.refusal(scenario)).collect();
    if refused.len() == searches.len() {
        refused.dedup();
        let lines: Vec<_> = refused.iter().map(|why| format!("error: {why}")).collect();
        return Err(lines.join("\n"));
    }
    let mut found = Vec::new();
    for (name, what) in searches {
        // Of the two only one makes sense.
        if let Some(why) = what.refusal(scenario) {
            if !arguments.json {
                say(format_args!("not searched: the {name}; {why}"));
            }
            continue;
        }
        let mut tried = |factor: f64, recovers: bool| {
            if !arguments.json {
                let how = if recovers { "recovers" } else { "does not recover" };
                say(format_args!("{factor:8.3} times the {name}: {how}"));
            }
        };
        let seeds = arguments.seeds.unwrap_or(1);
        let tipping =
            search(scenario, *what, seeds, &mut tried).map_err(|it| format!("error: {it}"))?;
        if !arguments.json {
            say(format_args!("{}\n", sentence(name, tipping)));
        }
        let Tipping { recovers, stays } = tipping;
        found.push(
            serde_json::json!({ "of": name, "recovers": recovers, "does_not_recover": stays }),
        );
    }
    if arguments.json {
        say(format_args!("{:#}", serde_json::json!({ "search": found })));
    }
    Ok(true)
}

fn sentence(name: &str, tipping: Tipping) -> String {
    match tipping {
        Tipping { recovers: Some(good), stays: Some(bad) } => {
            format!("recovers with {good:.3} times the {name}, and no longer with {bad:.3} times")
        }
        Tipping { recovers: Some(good), stays: None } => {
            format!("recovers with {good:.0} times the {name} still, the most that was tried")
        }
        Tipping { stays, .. } => format!(
            "does not recover with {:.3} times the {name} either, the least that was tried",
            stays.unwrap_or(0.0)
        ),
    }
}
