//! `breakerbox check`: is the file good, and what does it allow at worst?

use crate::file;
use crate::output::say;
use breakerbox_lab::capacity::{Upstream, report};
use breakerbox_proxy::Config;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The gateway's file.
    #[arg(required_unless_present = "schema")]
    file: Option<PathBuf>,
    /// Print the JSON Schema of the file instead, for editors.
    #[arg(long, conflicts_with = "file")]
    schema: bool,
}

pub(crate) fn check(arguments: &Arguments) -> ExitCode {
    let Some(path) = &arguments.file else {
        say(format_args!("{:#}", Config::schema()));
        return ExitCode::SUCCESS;
    };
    match file::load(path) {
        Ok(config) => {
            let (listeners, upstreams) = (config.listeners.len(), config.upstreams.len());
            say(format_args!(
                "{}: good ({listeners} listener{}, {upstreams} upstream{})",
                path.display(),
                plural(listeners),
                plural(upstreams)
            ));
            say(format_args!("\n{}", report(&capacity_of(&config))));
            ExitCode::SUCCESS
        }
        Err(file::Refused(code)) => code,
    }
}

/// The upstreams, as far as their capacity goes.
fn capacity_of(config: &Config) -> Vec<Upstream<'_>> {
    let upstreams = config.upstreams.iter();
    let of = upstreams.map(|(name, upstream)| Upstream {
        name,
        policy: &upstream.policy,
        endpoints: upstream.endpoints.len(),
    });
    of.collect()
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}
