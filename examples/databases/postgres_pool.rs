//! How do I put a pool of database connections behind a circuit breaker?
//!
//! Callers should fail fast while the database is down, only what is safe may be repeated, and a
//! constraint violation must not look like an outage.
//!
//! Needs a PostgreSQL server (Debian: `apt-get install postgresql`). This starts one by hand, not as
//! root, and Ctrl-C stops it; to start it again leave out `initdb`:
//!
//!     cd /usr/lib/postgresql/*/bin; ./initdb -U me -A trust /tmp/pg; ./postgres -D /tmp/pg -k /tmp -p 5433
//!     DATABASE_URL=postgres://me@127.0.0.1:5433/postgres \
//!         cargo run -p breakerbox-examples-databases --example postgres_pool

use breakerbox::retry::{self, When};
use breakerbox::{Error, EventKind, Outcome, Pipeline, State, breaker, bulkhead};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use std::borrow::Cow;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, BufReader, stdin};
use tokio::task::JoinSet;

const CONNECTIONS: u32 = 4;
const TABLE: &str = "drop table if exists breakerbox_items;
    create table breakerbox_items (id int primary key, name text, stock int)";

/// The classes of errors that are the database's own: the connection (08), its resources (53300: too many
/// connections), its operator (57P01 to 57P03: stops, crashes, starts; 57014: timeouts), the disks, its bugs.
const SYSTEM: [&str; 5] = ["08", "53", "57", "58", "XX"];

/// What a result says of the database's health.
fn health<T>(result: &Result<T, sqlx::Error>) -> Outcome {
    use sqlx::Error::{Database, Io, PoolClosed, PoolTimedOut, Protocol, Tls};
    match result {
        // sqlx tries a refused connection again until its `acquire_timeout`, and then says `PoolTimedOut`.
        // That cannot mean a busy pool here: the bulkhead lets no more in than there are connections.
        Err(Io(_) | Tls(_) | Protocol(_) | PoolTimedOut) => Outcome::Failure,
        Err(PoolClosed) => Outcome::Ignored, // by ourselves
        Err(Database(_)) => match code(result).as_deref() {
            // Rolled back for the sake of another transaction: that is how it is meant to work.
            Some("40001" | "40P01") => Outcome::Ignored,
            Some(code) if SYSTEM.iter().any(|class| code.starts_with(class)) => Outcome::Failure,
            // It is well enough to say no: a constraint, a missing table, a wrong password.
            _ => Outcome::Success,
        },
        Ok(_) | Err(_) => Outcome::Success, // `RowNotFound` is an answer
    }
}

/// The code of what the database said no with.
fn code<T>(result: &Result<T, sqlx::Error>) -> Option<Cow<'_, str>> {
    result.as_ref().err()?.as_database_error()?.code()
}

/// Whether nothing of it has happened: it was rolled back, or never got to the database.
fn undone<T>(result: &Result<T, sqlx::Error>) -> bool {
    matches!(result, Err(sqlx::Error::PoolTimedOut))
        || matches!(code(result).as_deref(), Some("40001" | "40P01" | "53300" | "57P03"))
}

/// Whether the connection broke. A write may have been committed before it did, so only reads go on.
fn cut_off<T>(result: &Result<T, sqlx::Error>) -> bool {
    matches!(result, Err(sqlx::Error::Io(_)))
        // The server stops, or one of its other processes has crashed.
        || matches!(code(result).as_deref(), Some("57P01" | "57P02"))
}

struct Items {
    pool: PgPool,
    pipeline: Pipeline,
    /// How often the pool was asked for a connection.
    asked: AtomicU32,
}

impl Items {
    fn new(url: &str) -> Result<Self, Box<dyn std::error::Error>> {
        let pipeline = Pipeline::builder("items")
            .deadline(Duration::from_secs(20))
            // Each call says what of it may be repeated. A query that timed out is not: it may still run.
            .retry(retry::Settings { attempts: 2, on: When::nothing(), ..Default::default() })
            .breaker(breaker::Settings {
                consecutive_failures: Some(3),
                // So short because you are waiting. Some seconds are usual.
                open_for: Some(Duration::from_millis(500).into()),
                ..Default::default()
            })
            // As many as the pool has, so that callers wait here, where the queue has an end.
            .bulkhead(bulkhead::Settings {
                queue: 2 * CONNECTIONS,
                queue_timeout: Duration::from_secs(5),
                ..bulkhead::Settings::new(CONNECTIONS)
            })
            .attempt_timeout(Duration::from_secs(5))
            .build()?;
        // An attempt that is cut off leaves its query behind, on a connection that nobody can use meanwhile.
        // So the server is told to end it a little sooner.
        let server = url.parse::<PgConnectOptions>()?.options([("statement_timeout", "4s")]);
        // Before the pool hands out a connection it asks it whether it is alive, so those that a restart has
        // ended do not reach the breaker.
        let pool = PgPoolOptions::new()
            .test_before_acquire(true)
            .max_connections(CONNECTIONS)
            .acquire_timeout(Duration::from_secs(1))
            .connect_lazy_with(server);
        Ok(Self { pool, pipeline, asked: AtomicU32::new(0) })
    }

    fn pool(&self) -> &PgPool {
        self.asked.fetch_add(1, Ordering::Relaxed);
        &self.pool
    }

    async fn find(&self, id: i32) -> Result<String, Error<sqlx::Error>> {
        let query =
            || sqlx::query_scalar("select name from breakerbox_items where id = $1").bind(id);
        let call = self.pipeline.protect().classify(health);
        let call = call.retry_if(|result| undone(result) || cut_off(result));
        call.call(|| query().fetch_one(self.pool())).await
    }

    async fn add(&self, id: i32, name: &str) -> Result<(), Error<sqlx::Error>> {
        let call = self.pipeline.protect().classify(health).retry_if(undone);
        let query =
            || sqlx::query("insert into breakerbox_items values ($1, $2, 10)").bind(id).bind(name);
        call.call(async || query().execute(self.pool()).await.map(|_| ())).await
    }

    /// A transaction that another one gets in the way of, the first time.
    async fn take_one(&self, id: i32) -> Result<u32, Error<sqlx::Error>> {
        let mut attempts = 0;
        let call = self.pipeline.protect().classify(health).retry_if(undone);
        call.call(|| {
            attempts += 1;
            async move {
                let mut ours = self.pool().begin_with("begin isolation level serializable").await?;
                let stock = "select stock from breakerbox_items where id = $1";
                let stock: i32 = sqlx::query_scalar(stock).bind(id).fetch_one(&mut *ours).await?;
                let update = "update breakerbox_items set stock = $2 where id = $1";
                let update = || sqlx::query(update).bind(id).bind(stock - 1);
                if attempts == 1 {
                    update().execute(self.pool()).await?;
                }
                update().execute(&mut *ours).await?;
                ours.commit().await.map(|()| attempts)
            }
        })
        .await
    }
}

async fn please(what: &str) -> io::Result<()> {
    println!("now {what} and press Enter");
    match BufReader::new(stdin()).read_line(&mut String::new()).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let Ok(url) = std::env::var("DATABASE_URL") else {
        return Err("set DATABASE_URL; the top of this example says how to start a server".into());
    };
    let items = Arc::new(Items::new(&url)?);
    println!("{}", items.pipeline);
    items.pipeline.on_event(|event| {
        if let EventKind::Transition(change) = &event.kind {
            println!("-- {} to {}, {}", change.from, change.to, change.cause);
        }
    });
    sqlx::raw_sql(TABLE).execute(items.pool()).await?;
    items.add(1, "a lamp").await?;
    println!("item 1 is {}", items.find(1).await?);

    // None of these is an outage.
    let chair = items.add(1, "a chair").await.map(|()| "added".to_owned());
    println!("item 1 is a chair: {}", outcome(chair));
    println!("item 2 is {}", outcome(items.find(2).await));
    println!("one taken with {} attempts, the first was rolled back", items.take_one(1).await?);
    let failures = items.pipeline.stats().breaker.map_or(0, |breaker| breaker.failures);
    println!("failures for the breaker: {failures}");

    // More callers than connections: some wait for one, and the rest are told so at once.
    let mut callers = JoinSet::new();
    for _ in 0..20 {
        let items = Arc::clone(&items);
        callers.spawn(async move { items.find(1).await });
    }
    let served = callers.join_all().await.iter().filter(|result| result.is_ok()).count();
    println!("of 20 callers at once {served} were served, {} rejected", 20 - served);

    please("stop the server").await?;
    // The pool alone would let every caller wait for its `acquire_timeout`.
    while items.pipeline.breaker_state() != Some(State::Open) {
        println!("item 1 is {}", outcome(items.find(1).await));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let (asked, began) = (items.asked.load(Ordering::Relaxed), Instant::now());
    let first = items.find(1).await;
    for _ in 1..100 {
        let _rejected = items.find(1).await;
    }
    println!("item 1 is {}; 100 such answers took {:?}", outcome(first), began.elapsed());
    println!("the pool was asked {} times", items.asked.load(Ordering::Relaxed) - asked);

    please("start the server again").await?;
    let lamp = loop {
        match items.find(1).await {
            Ok(lamp) => break lamp,
            Err(error) => tokio::time::sleep(error.retry_after().unwrap_or_default()).await,
        }
    };
    println!("item 1 is {lamp}");
    Ok(())
}

fn outcome(result: Result<String, Error<sqlx::Error>>) -> String {
    result.unwrap_or_else(|error| format!("unknown: {error}"))
}
