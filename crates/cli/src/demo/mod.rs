//! `breakerbox demo`: a circuit breaker at work, live, with a control beside it.
//!
//! Everything is real and on loopback: a service ([`upstream`]), the gateway in front of it
//! ([`gateway`]), and two equal clients ([`clients`], [`tally`]), one of which calls the service
//! itself. The [`script`] makes the service fail and recover. [`watch`] looks on: at the [`circuit`],
//! at the clients, and at the whole run ([`timeline`]). A [`view`] shows it: a terminal ([`screen`],
//! [`frame`], [`paint`]) or a log ([`plain`]). At the end there is a [`summary`], and [`keep`] says
//! what to try by hand.

mod circuit;
mod clients;
mod frame;
mod gateway;
mod keep;
mod paint;
mod plain;
mod screen;
mod script;
mod summary;
mod tally;
mod timeline;
mod upstream;
mod view;
mod watch;
mod words;

use crate::output::complain;
use crate::signals::Signals;
use breakerbox_proxy::Running;
use clients::{Caller, Clients};
use keep::Addresses;
use script::LENGTH;
use std::error::Error;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use summary::Summary;
use tokio::runtime::Runtime;
use tokio::time::{MissedTickBehavior, interval};
use upstream::Upstream;
use view::{Setting, View};
use watch::{TICK, Watch};
use words::clock;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Write a plain log, on a terminal too.
    #[arg(long)]
    plain: bool,
    /// Leave service and gateway running at the end, and print what to try with curl.
    #[arg(long)]
    keep: bool,
}

/// It could not be started, or shown.
const FAILED: u8 = 1;

pub(crate) fn demo(arguments: &Arguments) -> ExitCode {
    match perform(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read the output has seen enough.
        Err(error) if is_broken_pipe(&*error) => ExitCode::SUCCESS,
        Err(error) => {
            complain(format_args!("error: {error}"));
            ExitCode::from(FAILED)
        }
    }
}

fn perform(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let stage = Stage::set()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("cannot start the demo: {error}"))?;
    let signals = runtime.block_on(async { Signals::new() });
    let mut signals = signals.map_err(|error| format!("cannot start the demo: {error}"))?;
    let mut view = view::choose(arguments.plain);
    let Some(summary) = stage.play(&mut *view, &runtime, &mut signals)? else { return Ok(()) };
    let mut out = io::stdout();
    writeln!(out, "{summary}")?;
    if arguments.keep {
        write!(out, "{}", stage.addresses()?)?;
        out.flush()?;
        runtime.block_on(signals.next());
    }
    Ok(())
}

/// The service and the gateway in front of it.
struct Stage {
    service: Upstream,
    file: String,
    running: Running,
    gateway: SocketAddr,
}

impl Stage {
    fn set() -> Result<Self, Box<dyn Error>> {
        let service = Upstream::start();
        let service =
            service.map_err(|error| format!("cannot start the demo's service: {error}"))?;
        let file = gateway::file(service.address());
        let (running, gateway) = gateway::start(&file)
            .map_err(|error| format!("cannot start the demo's gateway: {error}"))?;
        Ok(Self { service, file, running, gateway })
    }

    fn addresses(&self) -> Result<Addresses, Box<dyn Error>> {
        let admin = self.running.admin_address().ok_or("the gateway has no admin listener")?;
        Ok(Addresses { gateway: self.gateway, admin, service: self.service.address() })
    }

    /// Plays the script to its end; nothing comes back when somebody ends it before.
    fn play(
        &self,
        view: &mut dyn View,
        runtime: &Runtime,
        signals: &mut Signals,
    ) -> Result<Option<Summary>, Box<dyn Error>> {
        let clients = Clients::start(self.gateway, self.service.address())
            .map_err(|error| format!("cannot start the demo's clients: {error}"))?;
        let policies = self.running.policies().find(gateway::UPSTREAM);
        let policies = Arc::clone(policies.ok_or("the gateway does not know the service")?);
        let setting =
            Setting { service: self.service.address(), gateway: self.gateway, file: &self.file };
        view.begin(&setting)?;
        let mut watch = Watch::new(policies, &clients);
        if !runtime.block_on(self.play_on(&mut watch, view, signals))? {
            view.stop()?;
            writeln!(io::stdout(), "Stopped at {}.", clock(watch.now()))?;
            return Ok(None);
        }
        let tallies = Caller::ALL.map(|caller| Arc::clone(clients.tally(caller)));
        clients.stop();
        view.end(watch.story())?;
        Ok(Some(Summary {
            clients: tallies.map(|tally| tally.read()),
            reached_while_down: Caller::ALL.map(|caller| self.service.reached_while_down(caller)),
            recovery_noticed_after: watch.story().recovery_noticed_after,
        }))
    }

    /// Whether it came to its end.
    async fn play_on(
        &self,
        watch: &mut Watch,
        view: &mut dyn View,
        signals: &mut Signals,
    ) -> io::Result<bool> {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = signals.next() => return Ok(false),
            }
            let moment = watch.look();
            self.service.set(moment.scene.service);
            view.show(&moment, watch.story())?;
            if moment.at >= LENGTH {
                return Ok(true);
            }
        }
    }
}

impl Drop for Stage {
    /// Nothing is under way any more that would have to be waited for.
    fn drop(&mut self) {
        self.running.shutdown(Duration::ZERO);
        // A core that has panicked has said so.
        let _ = self.running.wait();
    }
}

fn is_broken_pipe(error: &(dyn Error + 'static)) -> bool {
    let error = error.downcast_ref::<io::Error>();
    error.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
