//! One core: a single-threaded runtime with its own sockets, gateway and connections.

use std::io;
use std::net::TcpListener;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use tokio::runtime;
use tokio::sync::watch;
use tokio::task::{JoinHandle, LocalSet, spawn_local};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout_at};

use super::StartError;
use super::accept::accept;
use super::activity::Connections;
use super::connection::{Handler, Protocols};
use super::limits::Limits;
use crate::admin::{Admin, Readiness};
use crate::body::ResponseBody;
use crate::config::Config;
use crate::gateway::{Front, Gateway};
use crate::headers::Peer;
use crate::policies::AllPolicies;
use crate::pool::Pool;
use crate::process::Refused;
use crate::runtime::CoreRuns;

/// Open connections of the admin API; more wait in the kernel's backlog.
const ADMIN_CONNECTIONS: usize = 256;

/// Everything that a core needs, made in the main thread.
#[derive(Debug)]
pub(super) struct Core {
    pub(super) config: Arc<Config>,
    pub(super) policies: Arc<AllPolicies>,
    pub(super) limits: Limits,
    /// One socket per listener, in the order of the configuration.
    pub(super) sockets: Vec<TcpListener>,
    /// The admin listener's, on the first core.
    pub(super) admin: Option<TcpListener>,
    pub(super) has_admin: bool,
    pub(super) readiness: Arc<Readiness>,
    /// How many cores still have something under way.
    pub(super) serving: Arc<watch::Sender<usize>>,
    /// How long what is in flight may take, once shutting down has begun.
    pub(super) shutdown: watch::Receiver<Option<Duration>>,
}

impl Core {
    /// Serves until shutting down is over; `started` is called when connections are accepted, or
    /// with the reason why that cannot be.
    pub(super) fn run(self, started: impl FnOnce(Result<(), StartError>)) {
        let runtime = match runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return started(Err(StartError::Core(error))),
        };
        let tasks = LocalSet::new();
        tasks.block_on(&runtime, self.serve(started));
        // What is still open is cut here. A name that is still being looked up is not waited for.
        drop(tasks);
        runtime.shutdown_background();
    }

    async fn serve(mut self, started: impl FnOnce(Result<(), StartError>)) {
        let _runs = CoreRuns::begin();
        let connections = Connections::new(self.limits);
        let listening = match self.listen(&connections) {
            Ok(listening) => listening,
            Err(error) => return started(Err(error)),
        };
        started(Ok(()));
        // An error means that the server's handle is gone.
        let _ = self.shutdown.wait_for(Option::is_some).await;
        for listener in listening {
            listener.abort();
            // The socket is closed when the task has gone.
            let _ = listener.await;
        }
        connections.drain();
        self.wait_for_the_last(&connections).await;
        self.serving.send_modify(|serving| *serving -= 1);
        if self.has_admin {
            // `/ready` is asked until the end: of all cores, not of this one.
            let mut serving = self.serving.subscribe();
            let _ = serving.wait_for(|serving| *serving == 0).await;
        }
        if connections.open() > 0 {
            tracing::warn!(open = connections.open(), "the grace period is over");
        }
    }

    /// Starts accepting on every socket; what comes back are the listeners that end with draining.
    fn listen(&mut self, connections: &Rc<Connections>) -> Result<Vec<JoinHandle<()>>, StartError> {
        let gateway =
            Rc::new(Gateway::new(&self.config, &self.policies).map_err(StartError::Endpoint)?);
        let protocols = Rc::new(Protocols::new());
        let mut listening = Vec::new();
        for (socket, front) in self.sockets.drain(..).zip(gateway.fronts()) {
            let listener = into_tokio(socket).map_err(StartError::Core)?;
            let (front, protocols) = (front.clone(), protocols.clone());
            let accepting = accept(listener, front.trust(), front, protocols, connections.clone());
            listening.push(spawn_local(accepting));
        }
        spawn_local(tick(connections.clone()));
        if let Some(socket) = self.admin.take() {
            let listener = into_tokio(socket).map_err(StartError::Core)?;
            let limits = Limits { connections: ADMIN_CONNECTIONS, ..self.limits };
            let own = Connections::new(limits);
            let admin = Rc::new(Admin::new(self.readiness.clone(), self.policies.clone()));
            spawn_local(tick(own.clone()));
            // Not among those that end with draining: `/ready` is asked until the end.
            spawn_local(accept(listener, false, admin, protocols, own));
        }
        spawn_local(sweep(gateway));
        Ok(listening)
    }

    /// Waits until no connection is open or the grace period, which may be shortened meanwhile, is
    /// over.
    async fn wait_for_the_last(&mut self, connections: &Connections) {
        let start = Instant::now();
        loop {
            let grace = self.shutdown.borrow_and_update().unwrap_or_default();
            let end = start.checked_add(grace).unwrap_or_else(|| start + LONGEST_GRACE);
            let shortened = async {
                if self.shutdown.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            };
            tokio::select! {
                _ = timeout_at(end, connections.none_open()) => return,
                () = shortened => {}
            }
        }
    }
}

/// A grace period that does not fit the clock is a day.
const LONGEST_GRACE: Duration = Duration::from_secs(24 * 60 * 60);

fn into_tokio(socket: TcpListener) -> io::Result<tokio::net::TcpListener> {
    tokio::net::TcpListener::from_std(socket)
}

async fn tick(connections: Rc<Connections>) {
    let mut ticks = interval(Limits::TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        connections.tick(ticks.tick().await.max(Instant::now()));
    }
}

async fn sweep(gateway: Rc<Gateway>) {
    let mut sweeps = interval(Pool::SWEEP_INTERVAL);
    sweeps.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        sweeps.tick().await;
        gateway.sweep();
    }
}

impl Handler for Front {
    fn handle(
        &self,
        request: Request<Incoming>,
        peer: &Peer,
        two_lengths: bool,
    ) -> impl Future<Output = Response<ResponseBody>> {
        self.handle(request, peer, two_lengths)
    }

    fn unreadable(&self, too_large: bool) {
        self.refuse(if too_large { Refused::HeadTooLarge } else { Refused::Malformed });
    }
}

impl Handler for Admin {
    fn handle(
        &self,
        request: Request<Incoming>,
        _peer: &Peer,
        _two_lengths: bool,
    ) -> impl Future<Output = Response<ResponseBody>> {
        self.handle(request)
    }
}
