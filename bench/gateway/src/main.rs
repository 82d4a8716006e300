//! Measures the gateway beside a bare hyper proxy of the same shape, nginx and HAProxy: each a process of
//! its own with one thread, before the same upstream, in turn.
//!
//! ```text
//! cargo run --release --manifest-path bench/Cargo.toml -p breakerbox-bench-gateway
//! cargo run --release --manifest-path bench/Cargo.toml -p breakerbox-bench-gateway -- instructions
//! ```

mod bare;
mod load;
mod ports;
mod process;
mod proxies;
mod report;
mod serve;
mod upstream;

use breakerbox_proxy::server::Options;
use breakerbox_proxy::{Config, Server};
use ports::Ports;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::error::Error;
use std::num::NonZeroUsize;
use tokio::task::LocalSet;

fn main() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args().skip(1);
    let command = words.next();
    if command.as_deref() == Some("gateway") {
        return gateway(&words.next().ok_or("a file is missing")?);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let run = async {
        match command.as_deref() {
            None => {
                open_many_files();
                report::print(false).await?;
            }
            Some("instructions") => report::print(true).await?,
            Some("upstream") => upstream::run(Ports::parse(&mut words)?).await?,
            Some("bare") => bare::run(Ports::parse(&mut words)?, Ports::parse(&mut words)?).await?,
            // For a profiler: the load alone, on a proxy that is running.
            Some("load") => {
                let (ports, mut number) =
                    (Ports::parse(&mut words)?, || words.next()?.parse().ok());
                let (shape, rounds) = number().zip(number()).ok_or("two numbers are missing")?;
                report::load(ports, shape, rounds).await?;
            }
            Some(other) => return Err(format!("`{other}` is no command: give none").into()),
        }
        Ok(())
    };
    LocalSet::new().block_on(&runtime, run)
}

/// The gateway on one core, as the program `breakerbox` runs it.
fn gateway(file: &str) -> Result<(), Box<dyn Error>> {
    let text = std::fs::read_to_string(file)?;
    let (config, _) = Config::parse(file, &text).map_err(|errors| format!("{errors:?}"))?;
    let options = Options { cores: NonZeroUsize::MIN, ..Options::default() };
    Ok(Server::start_with(config, options)?.wait()?)
}

/// A thousand connections are more than some systems allow by default. What is started inherits it.
fn open_many_files() {
    let limits = getrlimit(Resource::Nofile);
    let most = Rlimit { current: limits.maximum, ..limits };
    // Where that is refused the measurement says what is missing.
    let _ = setrlimit(Resource::Nofile, most);
}
