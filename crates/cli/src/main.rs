//! The program `breakerbox`.

mod check;
mod demo;
mod file;
mod output;
mod run;
mod signals;
mod simulate;
mod test;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Circuit breakers, timeouts and fallbacks in front of any HTTP service.
#[derive(Parser)]
#[command(name = "breakerbox", version, about, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve as the gateway that FILE describes, until SIGTERM or Ctrl-C.
    Run(run::Arguments),
    /// Show every error of a file, with its line and how to fix it; of a good one, what it allows.
    ///
    /// That is a report of capacity, worked out from the file alone: how many attempts a call makes at
    /// worst, up to which load an upstream stays stable, how long a caller waits.
    ///
    /// Exits with 0 if the file is good (warnings are no errors), 1 if it has errors or what is to be
    /// said cannot be written, and 2 if it cannot be read.
    Check(check::Arguments),
    /// Run the cases of test files on virtual time: what does a policy do, and when?
    ///
    /// Exits with 0 if all cases came as expected, 1 if not or if what is to be said cannot be
    /// written, and 2 if a file cannot be read.
    Test(test::Arguments),
    /// Show what happens in an outage: who gets answers, what it costs, and whether it ends.
    ///
    /// FILE describes clients, services and what goes wrong; the policies are those that run in
    /// production, on virtual time. Exits with 0 if the system recovers, 1 if it does not, and 2 if a
    /// file cannot be read.
    Simulate(simulate::Arguments),
    /// Watch a circuit breaker at work: a service fails and recovers, live, in half a minute.
    ///
    /// Needs nothing installed and no file. A small service, the gateway in front of it and two
    /// equal clients run inside this program, on loopback: one client calls through the gateway,
    /// the other one calls the service itself, as the control.
    Demo(demo::Arguments),
}

fn main() -> ExitCode {
    output::unless_lost(match Arguments::parse().command {
        Command::Run(arguments) => run::run(&arguments),
        Command::Check(arguments) => check::check(&arguments),
        Command::Test(arguments) => test::test(&arguments),
        Command::Simulate(arguments) => simulate::simulate(&arguments),
        Command::Demo(arguments) => demo::demo(&arguments),
    })
}
