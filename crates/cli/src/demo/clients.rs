//! The two clients: equal, but for whom they call.

use super::tally::{Answer, Tally};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, header};
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use std::cell::RefCell;
use std::convert::Infallible;
use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::{JoinSet, LocalSet, spawn_local};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

/// Each client begins a call so often, whether the ones before have ended or not.
const EVERY: Duration = Duration::from_millis(50);
/// A client gives a call up after so long, so at most 40 of its calls are under way.
const PATIENCE: Duration = Duration::from_secs(2);
/// What is called, in turn.
const PATHS: [&str; 4] = ["/users", "/users/1", "/posts", "/posts/1"];

/// Who calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Caller {
    /// The client that calls the gateway.
    WithBreaker = 0,
    /// The control, which calls the service itself.
    WithoutBreaker = 1,
}

impl Caller {
    /// Both.
    pub(super) const ALL: [Self; 2] = [Self::WithBreaker, Self::WithoutBreaker];
    /// The header in which a client says who it is.
    const HEADER: &str = "demo-client";

    /// How it is called on the screen, and in the header.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::WithBreaker => "with breaker",
            Self::WithoutBreaker => "without breaker",
        }
    }

    /// Who sent a request.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let name = headers.get(Self::HEADER)?;
        Self::ALL.into_iter().find(|caller| name == caller.name())
    }
}

/// Both clients, on a thread of their own.
#[derive(Debug)]
pub(super) struct Clients {
    tallies: [Arc<Tally>; Caller::ALL.len()],
    stop: oneshot::Sender<Infallible>,
    thread: JoinHandle<()>,
}

impl Clients {
    /// Both begin: one calls the gateway, the other one the service.
    pub(super) fn start(gateway: SocketAddr, service: SocketAddr) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let tallies: [Arc<Tally>; 2] = Default::default();
        let [with, without] = tallies.clone();
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new().name("demo-clients".to_owned());
        let thread = thread.spawn(move || {
            let clients = [
                Client::new(Caller::WithBreaker, gateway, with),
                Client::new(Caller::WithoutBreaker, service, without),
            ];
            LocalSet::new().block_on(&runtime, call_steadily(&clients, stopped));
        })?;
        Ok(Self { tallies, stop, thread })
    }

    /// What a client has seen.
    pub(super) fn tally(&self, caller: Caller) -> &Arc<Tally> {
        &self.tallies[caller as usize]
    }

    /// Begins no more calls, and waits for those under way.
    pub(super) fn stop(self) {
        drop(self.stop);
        // If it has panicked, its counts say what there was.
        let _ = self.thread.join();
    }
}

/// Until it is told to stop: every so often a call of each client, and both the same.
async fn call_steadily(clients: &[Rc<Client>], mut stopped: oneshot::Receiver<Infallible>) {
    let mut ticks = interval(EVERY);
    // After a pause of the machine no flood of calls.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut paths = PATHS.into_iter().cycle();
    let mut under_way = JoinSet::new();
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = &mut stopped => break,
        }
        while under_way.try_join_next().is_some() {}
        let Some(path) = paths.next() else { break };
        for client in clients {
            under_way.spawn_local(Rc::clone(client).call(path));
        }
    }
    while under_way.join_next().await.is_some() {}
}

struct Client {
    caller: Caller,
    address: SocketAddr,
    idle: RefCell<Vec<Connection>>,
    tally: Arc<Tally>,
}

type Connection = SendRequest<Empty<Bytes>>;

impl Client {
    fn new(caller: Caller, address: SocketAddr, tally: Arc<Tally>) -> Rc<Self> {
        Rc::new(Self { caller, address, idle: RefCell::default(), tally })
    }

    /// One call, which is measured.
    async fn call(self: Rc<Self>, path: &'static str) {
        self.tally.begun();
        let begun = Instant::now();
        let answer = match timeout(PATIENCE, self.ask(path)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) | Err(_) => Answer::Failed,
        };
        self.tally.ended(answer, begun.elapsed());
    }

    async fn ask(&self, path: &'static str) -> Result<Answer, Box<dyn Error>> {
        let mut connection = self.connection().await?;
        let request = Request::get(path)
            .header(header::HOST, HeaderValue::try_from(self.address.to_string())?)
            .header(Caller::HEADER, self.caller.name())
            .body(Empty::new())?;
        let response = connection.send_request(request).await?;
        let answer = Answer::of(&response);
        response.into_body().collect().await?;
        self.idle.borrow_mut().push(connection);
        Ok(answer)
    }

    /// One that is open already, else a new one.
    async fn connection(&self) -> Result<Connection, Box<dyn Error>> {
        let another = || self.idle.borrow_mut().pop();
        while let Some(mut connection) = another() {
            if connection.ready().await.is_ok() {
                return Ok(connection);
            }
        }
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let (connection, io) = http1::handshake(TokioIo::new(stream)).await?;
        // It ends when the connection does; who has sent a request is told why.
        spawn_local(io);
        Ok(connection)
    }
}
