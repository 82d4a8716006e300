//! What is simulated: clients, services, the network between them, and what goes wrong.

use super::distribution::Distribution;
use super::load::RateCurve;
use breakerbox::config::Policy;
use std::sync::Arc;

/// Clients that call services that call services, and what goes wrong when. Times are in seconds.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// The seed of everything random.
    pub seed: u64,
    /// For so long clients begin calls.
    pub duration: f64,
    /// So much of the start is not looked at.
    pub warmup: f64,
    /// An answer that takes longer is no good one. `None`: however long it takes.
    pub good_within: Option<f64>,
    /// Who calls.
    pub clients: Vec<Client>,
    /// Who is called.
    pub services: Vec<Service>,
    /// What goes wrong.
    pub faults: Vec<Fault>,
    /// The times from and to which clients send more than usual, which counts like a fault.
    pub spikes: Vec<(f64, f64)>,
}

/// Equal processes that make the same kind of call.
#[derive(Clone, Debug)]
pub struct Client {
    /// Its name.
    pub name: String,
    /// How many processes; each has its own state of the policy.
    pub processes: u32,
    /// How many calls they make.
    pub load: Load,
    /// A user gives up after this time.
    pub give_up: Option<f64>,
    /// What the calls belong to.
    pub keys: Option<Keys>,
    /// How important they are: urgencies (0 the most important, 7 the least) with their shares, which
    /// add up to 1.
    pub priorities: Vec<(u8, f64)>,
    /// Whether they may be repeated.
    pub repeatable: bool,
    /// Whom they call, and how.
    pub call: Edge,
}

/// How many calls are made.
#[derive(Clone, Debug)]
pub enum Load {
    /// Whatever becomes of those before: the usual case of many users.
    Open {
        /// How many come per second, of all processes together.
        rate: RateCurve,
        /// At equal intervals instead of at random (Poisson).
        even: bool,
    },
    /// At these times, in seconds.
    Trace(Arc<[f64]>),
    /// So many users, each of whom waits for an answer and thinks before the next call.
    Closed {
        /// How many, of all processes together.
        users: u32,
        /// How long one thinks.
        think: Distribution,
    },
}

/// What calls belong to: the i-th of `count` keys is chosen in proportion to `1 / i^zipf`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Keys {
    /// How many there are.
    pub count: u32,
    /// 0: all alike.
    pub zipf: f64,
}

/// Calls from one place to a service.
#[derive(Clone, Debug)]
pub struct Edge {
    /// The place of the service called among those of the scenario.
    pub service: usize,
    /// What protects the calls on the caller's side.
    pub policy: Policy,
    /// How long a message is on its way, in each direction.
    pub latency: Distribution,
    /// How many of the messages are lost, in each direction.
    pub loss: f64,
    /// How many calls are made of one.
    pub times: u32,
}

/// Equal endpoints that do the same work.
#[derive(Clone, Debug)]
pub struct Service {
    /// Its name.
    pub name: String,
    /// How many endpoints each shard has.
    pub endpoints: u32,
    /// How many shards there are: a key has its place on one of them.
    pub shards: u32,
    /// How an endpoint works.
    pub server: Server,
    /// How long a request takes it, alone.
    pub time: Distribution,
    /// How much longer it takes while others run beside it: `1 + contention (n - 1) + coherence n (n - 1)`
    /// times as long with `n` running (the universal scalability law).
    pub contention: f64,
    /// See `contention`.
    pub coherence: f64,
    /// How many requests wait at most at an endpoint. `None`: as many as there are.
    pub queue: Option<u32>,
    /// Who is next.
    pub order: QueueOrder,
    /// How much work it is to turn a request away when the queue is full.
    pub rejection: f64,
    /// Whether work stops when nobody waits for it any more.
    pub cancels: bool,
    /// Whether requests bring along how much time is left, which is kept to.
    pub deadlines: bool,
    /// How many requests fail when all is well.
    pub errors: f64,
    /// Whom it calls for each request, after its own work.
    pub calls: Vec<Edge>,
    /// All at once instead of one after the other.
    pub parallel: bool,
    /// What protects an endpoint on its own side.
    pub policy: Policy,
    /// Answers that it keeps.
    pub cache: Option<Cache>,
}

/// How an endpoint works.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Server {
    /// So many workers, each at one request; held until the answer is ready, the calls it makes included.
    Workers(u32),
    /// So many cores, which all requests share equally.
    Sharing(f64),
}

/// Which of those who wait is next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueOrder {
    /// Who came first.
    Fifo,
    /// Who came last.
    Lifo,
}

/// The answers of a service that an endpoint keeps, by key; what it has kept needs no calls.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cache {
    /// How many.
    pub entries: u32,
    /// For how long, in seconds.
    pub ttl: f64,
    /// How long an answer that is there takes, in seconds.
    pub hit: f64,
}

/// Something goes wrong for some time.
#[derive(Clone, Debug)]
pub struct Fault {
    /// When.
    pub at: f64,
    /// For how long.
    pub lasts: f64,
    /// It comes, and goes, within this time.
    pub ramp: f64,
    /// Which service.
    pub service: usize,
    /// Which endpoint of each shard; `None`: all.
    pub endpoint: Option<u32>,
    /// Which shard; `None`: all.
    pub shard: Option<u32>,
    /// Only on the way from this client or service.
    pub from: Option<Caller>,
    /// What.
    pub effect: Effect,
}

/// Who calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// A client.
    Client(usize),
    /// A service.
    Service(usize),
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Effect {
    /// Requests take so many times as long.
    Slow(f64),
    /// Requests take so much longer.
    SlowBy(f64),
    /// There is so much of its capacity left.
    Capacity(f64),
    /// So many requests fail at once, without any work.
    Errors {
        /// How many.
        share: f64,
        /// With this HTTP status.
        status: u16,
    },
    /// Requests disappear.
    BlackHole,
    /// Nothing moves; then it goes on where it was.
    Stall,
    /// It is not there: connections are refused, and what it was doing is lost.
    Kill,
    /// What it has kept is lost.
    FlushCache,
    /// Messages take so much longer, in each direction.
    Latency(f64),
    /// So many messages are lost, in each direction; 1 is a partition.
    Loss(f64),
}

impl Fault {
    /// How much of it there is at this time: 0 none, 1 all.
    pub(super) fn strength(&self, time: f64) -> f64 {
        let end = self.at + self.lasts;
        if time < self.at || time >= end {
            return 0.0;
        }
        if self.ramp <= 0.0 {
            return 1.0;
        }
        ((time - self.at) / self.ramp).min((end - time) / self.ramp).min(1.0)
    }
}

impl Scenario {
    /// All ways from a caller to a service, in the order in which they are counted: those of the clients
    /// first.
    pub(super) fn edges(&self) -> impl Iterator<Item = (Caller, &Edge)> {
        let clients = self.clients.iter().enumerate();
        let services = self.services.iter().enumerate();
        clients.map(|(number, client)| (Caller::Client(number), &client.call)).chain(
            services.flat_map(|(number, service)| {
                service.calls.iter().map(move |edge| (Caller::Service(number), edge))
            }),
        )
    }

    /// The name of a client or service.
    pub(super) fn name(&self, caller: Caller) -> &str {
        match caller {
            Caller::Client(number) => &self.clients[number].name,
            Caller::Service(number) => &self.services[number].name,
        }
    }

    /// From when to when something is wrong, if anything is: the first fault or spike begins, the last
    /// one ends. What of it is before the end of the warm-up or after that of the run does not count.
    pub fn trouble(&self) -> Option<(f64, f64)> {
        let faults = self.faults.iter().map(|fault| (fault.at, fault.at + fault.lasts));
        let all = faults.chain(self.spikes.iter().copied());
        let (from, to) = all.reduce(|one, two| (one.0.min(two.0), one.1.max(two.1)))?;
        let from = from.max(self.warmup).min(self.duration);
        Some((from, to.min(self.duration).max(from)))
    }
}
