//! The table of a service.

use super::client::CallTable;
use super::time::{Time, time};
use crate::policy_source::{PolicyKind, PolicySource};
use crate::simulate::QueueOrder;
use breakerbox::config::{self, Located, boolean, duration, integer, list, number, one_of, table};
use std::time::Duration;

config::table! {
    /// Equal endpoints that do the same work.
    pub(super) struct ServiceTable {
        /// How many endpoints each shard has.
        endpoints: u32 = integer(1..=1000), default 1;
        /// How many shards there are: a key has its place on one of them.
        shards: u32 = integer(1..=1000), default 1;
        /// How many requests an endpoint works on at once, each on a worker of its own.
        workers: u32 = integer(1..=1_000_000), optional;
        /// Instead of `workers`: how many cores an endpoint has, which all its requests share equally.
        cores: f64 = number(0.01..=1000.0), optional;
        /// How long a request takes, alone.
        time: Time = time(), required "add for example `time = { exponential = \"10ms\" }`";
        /// How much longer it takes while others run beside it.
        slowdown: SlowdownTable = table::<SlowdownTable>(), optional "no longer";
        /// How many requests wait at most at an endpoint; more are turned away with 503.
        queue: u32 = integer(0..=10_000_000), optional "as many as there are";
        /// Who is next: `fifo` whoever came first, `lifo` whoever came last.
        order: QueueOrder = one_of(&[("fifo", QueueOrder::Fifo), ("lifo", QueueOrder::Lifo)]),
            default "fifo";
        /// How much work it is to turn a request away.
        rejection_cost: Duration = duration(), default "0s";
        /// Whether work stops when nobody waits for it any more.
        cancels: bool = boolean(), default false;
        /// Whether requests bring along how much time is left, which is kept to and passed on.
        deadlines: bool = boolean(), default false;
        /// How many requests fail with 503 when all is well.
        errors: f64 = number(0.0..=1.0), default 0.0;
        /// The calls that it makes for each request, after its own work.
        calls: Vec<Located<CallTable>> = list(table::<CallTable>()), optional "none";
        /// Whether it makes them all at once, instead of one after the other.
        parallel: bool = boolean(), default false;
        /// What protects an endpoint on its own side.
        policy: Located<PolicySource> = PolicyKind, optional "nothing";
        /// Answers that an endpoint keeps, by key, so that they need no calls.
        cache: CacheTable = table::<CacheTable>(), optional "none";
    }
}

config::table! {
    /// With `n` requests at work each takes `1 + contention (n - 1) + coherence n (n - 1)` times as long
    /// (the universal scalability law).
    pub(super) struct SlowdownTable {
        /// What has to be done one after the other.
        contention: f64 = number(0.0..=1.0), default 0.0;
        /// What each has to agree on with every other.
        coherence: f64 = number(0.0..=1.0), default 0.0;
    }
}

config::table! {
    /// Answers that an endpoint keeps, by key.
    pub(super) struct CacheTable {
        /// How many.
        entries: u32 = integer(1..=10_000_000), required;
        /// For how long.
        ttl: Duration = duration().above_zero().required(), required;
        /// How long an answer that is there takes.
        hit: Duration = duration(), default "0s";
    }
}
