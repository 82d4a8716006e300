//! `breakerbox simulate`: what happens in an outage.

mod find;

use crate::file::{UNREADABLE, policy_of, read};
use crate::output::{complain, say};
use breakerbox::config::{Diagnostic, Policy};
use breakerbox_lab::simulate::{self, OtherFiles, Outcome, Phase, Scenario, report};
use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The scenario.
    #[arg(required_unless_present = "schema")]
    file: Option<PathBuf>,
    /// Run each of these beside it, on the same random numbers: a policy (the tables of `[policy]`) that
    /// takes the place of those of all clients, or a scenario of its own.
    #[arg(long, num_args = 1.., value_name = "FILE")]
    compare: Vec<PathBuf>,
    /// The seed, in place of the file's.
    #[arg(long)]
    seed: Option<u64>,
    /// Run it with so many seeds, and show how sure the figures are.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(2..=10_000), conflicts_with = "compare")]
    seeds: Option<u64>,
    /// Find how many times the load, or how large or long a fault, it takes until the system no longer
    /// recovers.
    #[arg(long, value_enum, conflicts_with_all = ["compare", "svg", "html", "csv"])]
    search: Option<What>,
    /// Print one JSON document instead of tables.
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// Print every second of every run as CSV instead of tables.
    #[arg(long, conflicts_with = "seeds")]
    csv: bool,
    /// Draw good answers, latency, requests and open circuits over time into this file.
    #[arg(long, value_name = "FILE", conflicts_with = "seeds")]
    svg: Option<PathBuf>,
    /// Write a page with the picture, the tables and the scenario into this file.
    #[arg(long, value_name = "FILE", conflicts_with = "seeds")]
    html: Option<PathBuf>,
    /// Print the JSON Schema of scenarios instead, for editors.
    #[arg(long, exclusive = true)]
    schema: bool,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum What {
    /// The load of all clients.
    Load,
    /// The length of all faults, and then their size.
    Fault,
}

/// Some run did not recover.
const STAYS_DOWN: u8 = 1;

pub(crate) fn simulate(arguments: &Arguments) -> ExitCode {
    if arguments.schema {
        say(format_args!("{:#}", simulate::schema()));
        return ExitCode::SUCCESS;
    }
    let Some(path) = &arguments.file else { return ExitCode::from(UNREADABLE) };
    match run(arguments, path) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(STAYS_DOWN),
        Err(message) => {
            complain(message);
            ExitCode::from(UNREADABLE)
        }
    }
}

/// Whether all runs recovered.
fn run(arguments: &Arguments, path: &Path) -> Result<bool, String> {
    let (mut scenario, text) = scenario_of(path)?;
    scenario.seed = arguments.seed.unwrap_or(scenario.seed);
    if let Some(what) = arguments.search {
        return find::find(&scenario, what, arguments);
    }
    if let Some(seeds) = arguments.seeds {
        return several_seeds(&name_of(path), &scenario, seeds, arguments);
    }
    let mut all = vec![(name_of(path), scenario.clone())];
    for other in &arguments.compare {
        let mut other_scenario = compared(&scenario, other)?;
        other_scenario.seed = scenario.seed;
        all.push((name_of(other), other_scenario));
    }
    let mut runs = Vec::new();
    for (name, scenario) in &all {
        let outcome = with_progress(name, scenario, 0)?;
        warn_of_trouble_before(name, std::slice::from_ref(&outcome));
        runs.push((name.clone(), outcome));
    }
    if arguments.json {
        let json: Vec<_> = runs.iter().map(|(name, outcome)| one_json(name, outcome)).collect();
        match json.as_slice() {
            [one] => say(format_args!("{one:#}")),
            all => say(format_args!("{:#}", serde_json::json!({ "runs": all }))),
        }
    } else if arguments.csv {
        say(report::csv(&runs).trim_end());
    } else {
        show(path, &scenario, &runs);
    }
    let title = name_of(path);
    if let Some(file) = &arguments.svg {
        write(file, &report::svg(&title, &scenario, &runs))?;
    }
    if let Some(file) = &arguments.html {
        write(file, &report::html(&title, &scenario, &text, &runs))?;
    }
    Ok(runs.iter().all(|(_, outcome)| outcome.verdict.is_good()))
}

fn one_json(name: &str, outcome: &Outcome) -> serde_json::Value {
    let mut json = report::json(outcome);
    json["name"] = name.into();
    json
}

fn show(path: &Path, scenario: &Scenario, runs: &[(String, Outcome)]) {
    let calls: u64 = runs.iter().map(|(_, outcome)| outcome.calls).sum();
    say(format_args!(
        "{}: {} s, {calls} calls, seed {}\n",
        path.display(),
        scenario.duration,
        scenario.seed
    ));
    match runs {
        [(_, one)] => {
            say(report::table(one));
            say(report::spark(one, width()).trim_end());
        }
        several => {
            say(report::compared(several));
            for (name, outcome) in several {
                say(format_args!("{name}\n{}", report::spark(outcome, width())));
            }
        }
    }
}

fn width() -> usize {
    std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok()).unwrap_or(100)
}

fn several_seeds(
    name: &str,
    scenario: &Scenario,
    seeds: u64,
    arguments: &Arguments,
) -> Result<bool, String> {
    let mut outcomes = Vec::new();
    for seed in 0..seeds {
        outcomes.push(with_progress(&format!("seed {} of {seeds}", seed + 1), scenario, seed)?);
    }
    warn_of_trouble_before(name, &outcomes);
    if arguments.json {
        let runs: Vec<_> = outcomes.iter().map(report::json).collect();
        say(format_args!("{:#}", serde_json::json!({ "seeds": runs })));
    } else {
        say(report::intervals(&outcomes).trim_end());
    }
    Ok(outcomes.iter().all(|outcome| outcome.verdict.is_good()))
}

/// A system whose good answers are fewer before anything goes wrong is not well then.
const WELL: f64 = 0.95;

/// The verdict takes for usual what was before the trouble, however bad that was.
fn warn_of_trouble_before(name: &str, outcomes: &[Outcome]) {
    let before = || outcomes.iter().filter_map(|it| it.phase("before"));
    let sum = |of: fn(&Phase) -> u64| before().map(of).sum::<u64>() as f64;
    let (good, offered) = (sum(|it| it.good), sum(|it| it.offered));
    if good < WELL * offered {
        let share = 100.0 * good / offered;
        complain(format_args!(
            "warning: {name}: before the trouble only {share:.1} % of the calls come to a good answer, and the \
             verdict takes that for usual\n  = fix: find the load that it can stand with `--search load`, or \
             make `warmup` longer if it only had no time to begin\n"
        ));
    }
}

/// Runs it, and says on a terminal how far it has come.
fn with_progress(name: &str, scenario: &Scenario, seed: u64) -> Result<Outcome, String> {
    let mut error = std::io::stderr();
    let shown = error.is_terminal();
    let every = (scenario.duration / 50.0).max(1.0);
    let mut next = every;
    let mut progress = |seconds: f64| {
        if shown && seconds >= next {
            next += every;
            // What cannot be shown is not needed.
            let _ = write!(error, "\r{name}: {seconds:.0} s of {:.0} s ", scenario.duration);
            let _ = error.flush();
        }
    };
    let outcome = simulate::simulate(scenario, seed, &mut progress);
    if shown {
        let _ = write!(std::io::stderr(), "\r\x1b[K");
    }
    outcome.map_err(|error| format!("error: {error}"))
}

/// A scenario, or the one at hand with another policy.
fn compared(scenario: &Scenario, path: &Path) -> Result<Scenario, String> {
    let text = read(path)?;
    let is_scenario = text.lines().any(|line| {
        let line = line.trim_start();
        line.starts_with("[client") || line.starts_with("client.") || line.starts_with("[service")
    });
    if is_scenario {
        return scenario_of(path).map(|(scenario, _)| scenario);
    }
    let name = path.display().to_string();
    let (policy, warnings) = Policy::parse(&name, &text).map_err(|all| listed(&all))?;
    warnings.iter().for_each(|warning| complain(format_args!("{warning}\n")));
    let mut other = scenario.clone();
    simulate::protect_clients(&mut other, &policy)
        .map_err(|problem| format!("error: {name}: {problem}"))?;
    Ok(other)
}

fn scenario_of(path: &Path) -> Result<(Scenario, String), String> {
    let name = path.display().to_string();
    let text = read(path)?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let (scenario, warnings) =
        simulate::read(&name, &text, &Beside(folder)).map_err(|all| listed(&all))?;
    warnings.iter().for_each(|warning| complain(format_args!("{warning}\n")));
    Ok((scenario, text))
}

fn listed(diagnostics: &[Diagnostic]) -> String {
    diagnostics.iter().map(|it| format!("{it}\n")).collect::<Vec<_>>().join("\n")
}

/// Files that a scenario names, from its own folder.
struct Beside<'a>(&'a Path);

impl OtherFiles for Beside<'_> {
    fn policy(&self, file: &str, upstream: &str) -> Result<Policy, String> {
        policy_of(&self.0.join(file), upstream)
    }

    fn text(&self, file: &str) -> Result<String, String> {
        let path = self.0.join(file);
        std::fs::read_to_string(&path)
            .map_err(|error| format!("the file {} cannot be read: {error}", path.display()))
    }
}

fn name_of(path: &Path) -> String {
    path.file_stem()
        .map_or_else(|| path.display().to_string(), |it| it.to_string_lossy().into_owned())
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    std::fs::write(path, text)
        .map_err(|error| format!("error: cannot write {}: {error}", path.display()))
}
