//! `breakerbox test`: tests of policies on virtual time.

use crate::file::{UNREADABLE, policy_of, read};
use crate::output::{complain, say};
use breakerbox_lab::policy_test::{self, Report};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The test files.
    #[arg(required_unless_present = "schema")]
    files: Vec<PathBuf>,
    /// Print one JSON document instead of lines.
    #[arg(long)]
    json: bool,
    /// Print the JSON Schema of test files instead, for editors.
    #[arg(long, conflicts_with_all = ["files", "json"])]
    schema: bool,
}

/// Some case came otherwise than expected.
const FAILED: u8 = 1;

pub(crate) fn test(arguments: &Arguments) -> ExitCode {
    if arguments.schema {
        say(format_args!("{:#}", policy_test::schema()));
        return ExitCode::SUCCESS;
    }
    let mut all = Report::default();
    let mut unreadable = false;
    for path in &arguments.files {
        match run_file(path) {
            Ok(report) => {
                report.warnings().iter().for_each(|warning| complain(format_args!("{warning}\n")));
                if !arguments.json {
                    show(path, &report, arguments.files.len() > 1);
                }
                all.append(report);
            }
            Err(message) => {
                complain(message);
                unreadable = true;
            }
        }
    }
    if arguments.json {
        say(all.to_json());
    } else if !(unreadable && all.cases().is_empty()) {
        say(format_args!("{} passed, {} failed", all.passed(), all.failed()));
    }
    match (unreadable, all.failed()) {
        (true, _) => ExitCode::from(UNREADABLE),
        (false, 0) => ExitCode::SUCCESS,
        (false, _) => ExitCode::from(FAILED),
    }
}

fn show(path: &Path, report: &Report, with_name: bool) {
    if with_name {
        say(format_args!("{}:", path.display()));
    }
    for case in report.cases() {
        say(case);
    }
}

fn run_file(path: &Path) -> Result<Report, String> {
    let name = path.display().to_string();
    let text = read(path)?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let from_file = |file: &str, upstream: &str| policy_of(&folder.join(file), upstream);
    policy_test::run(&name, &text, &from_file).map_err(|diagnostics| {
        diagnostics.iter().map(|it| format!("{it}\n")).collect::<Vec<_>>().join("\n")
    })
}
