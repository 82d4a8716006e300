//! Cores, listeners and client connections: from a configuration to a running server and to its
//! end.
//!
//! Every address is bound in the calling thread before anything is served. Each core then runs a
//! thread of its own; nothing but a shutdown signal and the readiness is shared between them.

mod accept;
mod activity;
mod connection;
mod core;
mod heads;
pub mod limits;
mod listen;
mod tracked;
mod unsent;
mod watched;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::watch;

use crate::admin::Readiness;
use crate::config::Config;
use crate::policies::AllPolicies;
use crate::pool::InvalidEndpoint;
use core::Core;
use limits::Limits;
use listen::{Bound, bind};

/// Starts gateways.
#[derive(Debug)]
pub struct Server;

/// How a server runs; nothing of this is in the file.
#[derive(Debug, Clone)]
pub struct Options {
    /// Threads that serve, each with its own connections. Default: one per core that the system
    /// lets this process use.
    pub cores: NonZeroUsize,
    /// The bounds of client connections.
    pub limits: Limits,
}

impl Default for Options {
    fn default() -> Self {
        let cores = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        Self { cores, limits: Limits::default() }
    }
}

impl Server {
    /// The usual time for what is in flight to be finished: 30 s.
    pub const DEFAULT_GRACE: Duration = Duration::from_secs(30);

    /// Binds every address and serves on all cores. Returns when connections are accepted.
    ///
    /// # Errors
    ///
    /// Where addresses cannot be bound (all of them are said) or a core cannot be started; nothing is
    /// served then.
    pub fn start(config: Config) -> Result<Running, StartError> {
        Self::start_with(config, Options::default())
    }

    /// The same, not as usual.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub fn start_with(config: Config, options: Options) -> Result<Running, StartError> {
        let cores = options.cores;
        let policies = Arc::new(AllPolicies::new(&config).map_err(StartError::Breaker)?);
        if let Some(file) = &config.state_file {
            match policies.restore(file) {
                Ok(breakers) => tracing::info!(breakers, file = %file.display(), "states restored"),
                Err(error) => {
                    tracing::warn!(%error, "the state file cannot be read: all breakers start closed");
                }
            }
        }
        let (mut bound, mut admin) = bind_all(&config, cores).map_err(StartError::Bind)?;

        let (shutdown, shutdown_seen) = watch::channel(None);
        let serving = Arc::new(watch::Sender::new(cores.get()));
        let running = Running {
            addresses: bound.iter().map(|bound| bound.address).collect(),
            admin_address: admin.as_ref().map(|bound| bound.address),
            policies,
            state_file: config.state_file.clone(),
            readiness: Arc::default(),
            shutdown,
            cores: Mutex::default(),
        };
        let config = Arc::new(config);
        let (started, starts) = mpsc::channel();
        for number in 0..cores.get() {
            let core = Core {
                config: config.clone(),
                policies: running.policies.clone(),
                limits: options.limits,
                sockets: bound.iter_mut().filter_map(|bound| bound.sockets.pop()).collect(),
                has_admin: number == 0 && admin.is_some(),
                serving: serving.clone(),
                admin: admin.as_mut().and_then(|bound: &mut Bound| bound.sockets.pop()),
                readiness: running.readiness.clone(),
                shutdown: shutdown_seen.clone(),
            };
            running.spawn(number, core, started.clone()).map_err(StartError::Core)?;
        }
        drop(started);
        for start in starts {
            start?;
        }
        running.readiness.started();
        Ok(running)
    }
}

/// Binds every address, or says of all that cannot be bound why.
fn bind_all(
    config: &Config,
    cores: NonZeroUsize,
) -> Result<(Vec<Bound>, Option<Bound>), Vec<BindError>> {
    let mut failed = Vec::new();
    let mut tried = |address, sockets| match bind(address, sockets) {
        Ok(bound) => Some(bound),
        Err(error) => {
            failed.push(error);
            None
        }
    };
    let listeners =
        config.listeners.iter().filter_map(|listener| tried(listener.listen, cores)).collect();
    let admin = config.admin.as_ref().and_then(|admin| tried(admin.listen, NonZeroUsize::MIN));
    if failed.is_empty() { Ok((listeners, admin)) } else { Err(failed) }
}

/// A server that runs. Dropping it shuts down without grace and without waiting.
#[derive(Debug)]
pub struct Running {
    addresses: Vec<SocketAddr>,
    admin_address: Option<SocketAddr>,
    policies: Arc<AllPolicies>,
    state_file: Option<PathBuf>,
    readiness: Arc<Readiness>,
    shutdown: watch::Sender<Option<Duration>>,
    cores: Mutex<Vec<JoinHandle<()>>>,
}

impl Running {
    /// The addresses that are listened on, in the order of the configuration, with the ports that
    /// the system chose.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The address of the admin API.
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin_address
    }

    /// The policies in front of the upstreams.
    pub fn policies(&self) -> &AllPolicies {
        &self.policies
    }

    /// Whether requests are welcome, as `GET /ready` says it.
    pub fn readiness(&self) -> &Readiness {
        &self.readiness
    }

    /// Begins shutting down and returns at once: nothing new is accepted, `/ready` turns 503,
    /// connections are told to close after what is in flight, and what is in flight after `grace`
    /// is cut. May be called again to change the grace period, which counts from the first call.
    pub fn shutdown(&self, grace: Duration) {
        self.readiness.draining();
        self.shutdown.send_replace(Some(grace));
    }

    /// Blocks the calling thread until shutting down is over; then the states of the breakers are
    /// written to the state file, where the configuration names one.
    ///
    /// # Errors
    ///
    /// Where a core's thread has panicked.
    pub fn wait(&self) -> Result<(), CorePanicked> {
        let cores = std::mem::take(&mut *self.cores.lock().unwrap_or_else(PoisonError::into_inner));
        let ends: Vec<_> = cores.into_iter().map(JoinHandle::join).collect();
        if !ends.is_empty()
            && let Some(file) = &self.state_file
            && let Err(error) = self.policies.save(file)
        {
            tracing::error!(%error, file = %file.display(), "the state file cannot be written");
        }
        if ends.iter().any(Result::is_err) { Err(CorePanicked) } else { Ok(()) }
    }

    fn spawn(
        &self,
        number: usize,
        core: Core,
        started: mpsc::Sender<Result<(), StartError>>,
    ) -> io::Result<()> {
        let thread = thread::Builder::new().name(format!("core-{number}")).spawn(move || {
            core.run(move |start| {
                // Nobody listens where another core has failed to start before.
                let _ = started.send(start);
            });
        })?;
        self.cores.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shutdown(Duration::ZERO);
    }
}

/// A core's thread has panicked, which is a bug; its connections were lost.
#[derive(Debug, thiserror::Error)]
#[error("a core's thread has panicked")]
pub struct CorePanicked;

/// Why a server could not be started.
#[derive(Debug)]
pub enum StartError {
    /// Addresses cannot be listened on: all of those.
    Bind(Vec<BindError>),
    /// Host and port of an endpoint make no address.
    Endpoint(InvalidEndpoint),
    /// The settings of a breaker are refused; a parsed configuration has none such.
    Breaker(breakerbox::core::breaker::SettingsError),
    /// A core could not be started.
    Core(io::Error),
}

/// An address that cannot be listened on.
#[derive(Debug)]
pub struct BindError {
    /// The address.
    pub address: SocketAddr,
    /// What the system says.
    pub source: io::Error,
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot listen on {}: ", self.address)?;
        match self.source.kind() {
            io::ErrorKind::AddrInUse => f.write_str("another program listens there already"),
            io::ErrorKind::AddrNotAvailable => {
                f.write_str("this machine does not have that address")
            }
            io::ErrorKind::PermissionDenied => f.write_str("this user may not use that port"),
            _ => self.source.fmt(f),
        }
    }
}

impl std::error::Error for BindError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bind(errors) => {
                for (number, error) in errors.iter().enumerate() {
                    let separator = if number == 0 { "" } else { "\n" };
                    write!(f, "{separator}{error}")?;
                }
                Ok(())
            }
            Self::Endpoint(error) => error.fmt(f),
            Self::Breaker(error) => error.fmt(f),
            Self::Core(error) => write!(f, "cannot start a core: {error}"),
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Core(source) => Some(source),
            // Displayed above: what comes next is their own cause, if there is one.
            Self::Bind(errors) => errors.first().and_then(std::error::Error::source),
            Self::Endpoint(_) | Self::Breaker(_) => None,
        }
    }
}
