//! Measures breakerbox beside its peers: one process, the candidates in turn, medians over many rounds, and
//! the floors of the machine in the same run. Quote ratios, not nanoseconds.
//!
//! ```text
//! cargo run --release --manifest-path bench/Cargo.toml                        # the whole table
//! cargo run --release --manifest-path bench/Cargo.toml -- check-instructions  # what CI checks
//! cargo run --release --manifest-path bench/Cargo.toml -- accept-instructions
//! ```

mod allocations;
mod breaker;
mod bulkhead;
mod case;
mod check;
mod failures;
mod floors;
mod goals;
mod instructions;
mod memory;
mod open;
mod rate_limit;
mod retry;
mod rounds;
mod stack;
mod table;
mod threads;
mod timeout;
mod tower_service;

use case::Group;
use std::io;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: allocations::Counting = allocations::Counting;

fn main() -> io::Result<ExitCode> {
    // Timers want a runtime around them; nobody waits for one here.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let _entered = runtime.enter();
    let mut words = std::env::args().skip(1);
    let command = words.next();
    let good = match command.as_deref() {
        None => table::print(groups()).map(|()| true),
        Some("check-instructions") => check::check(&groups()),
        Some("accept-instructions") => check::accept(&groups()),
        Some(instructions::COMMAND) => {
            instructions::be_counted(groups(), &words.collect::<Vec<_>>());
            Ok(true)
        }
        Some(other) => {
            eprintln!(
                "`{other}` is no command: give `check-instructions`, `accept-instructions` or none"
            );
            Ok(false)
        }
    }?;
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// All cases, by subject.
fn groups() -> Vec<Group> {
    vec![
        floors::group(),
        tower_service::group(),
        breaker::group(),
        failures::group(),
        failures::large_windows(),
        open::rejections(),
        open::probes(),
        retry::group(),
        rate_limit::group(),
        bulkhead::group(),
        timeout::timeouts(),
        timeout::hedges(),
        stack::group(),
    ]
}
