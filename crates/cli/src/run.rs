//! `breakerbox run`: the gateway, until it is told to stop.

use crate::file;
use crate::output::complain;
use crate::signals::Signals;
use breakerbox::config::parse_duration;
use breakerbox_proxy::process::count_panics;
use breakerbox_proxy::{Config, Running, Server};
use std::error::Error;
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The gateway's file.
    file: PathBuf,
    /// How long requests under way may take to end after SIGTERM or Ctrl-C. A second signal ends
    /// them at once.
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration)]
    grace: Duration,
    /// What is logged to standard error: error, warn, info, debug or trace.
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    log: LevelFilter,
}

/// The gateway could not be started, or one of its threads ended badly.
const FAILED: u8 = 1;

pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    let config = match file::load(&arguments.file) {
        Ok(config) => config,
        Err(file::Refused(code)) => return code,
    };
    log_to_stderr(arguments.log);
    count_panics();
    match serve(config, arguments.grace) {
        Ok(()) => {
            tracing::info!("stopped");
            ExitCode::SUCCESS
        }
        Err(error) => {
            // A line for each address that cannot be listened on.
            for line in error.to_string().lines() {
                complain(format_args!("error: {line}"));
            }
            ExitCode::from(FAILED)
        }
    }
}

/// A duration as the file has it.
fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).map_err(|refusal| format!("it {}; {}", refusal.clause, refusal.fix))
}

/// Lines for people: our own at this level, those of the libraries below only if they warn; with
/// colours only on a terminal.
pub(crate) fn log_to_stderr(level: LevelFilter) {
    let ours = Targets::new()
        .with_default(level.min(LevelFilter::WARN))
        .with_target("breakerbox", level)
        .with_target("breakerbox_proxy", level);
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false);
    tracing_subscriber::registry().with(lines.with_filter(ours)).init();
}

fn announce(running: &Running) {
    for address in running.addresses() {
        tracing::info!("listening on http://{address}");
    }
    if let Some(address) = running.admin_address() {
        tracing::info!("admin on http://{address}");
        if !address.ip().is_loopback() {
            tracing::warn!(
                "the admin API can be reached from other machines: whoever reaches {address} can \
                 open and close breakers"
            );
        }
    }
}

/// Serves until SIGTERM or Ctrl-C, then drains; the next signal cuts what is still under way.
fn serve(config: Config, grace: Duration) -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        // Before anybody learns that it runs, and may want it to stop.
        let mut signals = Signals::new()?;
        let running = Arc::new(Server::start(config)?);
        announce(&running);
        let waiting = Arc::clone(&running);
        let mut stopped = tokio::task::spawn_blocking(move || waiting.wait());
        tokio::select! {
            () = signals.next() => {}
            // It never stops of itself, so a thread of its has ended badly.
            result = &mut stopped => return Ok(result??),
        }
        tracing::info!(?grace, "draining: nothing new is accepted; signal again to stop at once");
        running.shutdown(grace);
        tokio::select! {
            () = signals.next() => running.shutdown(Duration::ZERO),
            result = &mut stopped => return Ok(result??),
        }
        Ok(stopped.await??)
    })
}
