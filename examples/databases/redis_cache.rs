//! How do I keep a dead cache from costing anything?
//!
//! A cache that is down should be a cache that misses. The worst outage is the one without an error: the
//! server hangs, and every reader waits for it before asking the source that would have answered. And one
//! that is back should be used at once: after a restart every connection that idles is dead, so the first that
//! breaks takes the others with it. Thrown away one by one, they would fail probe after probe.
//!
//! Needs a Redis server (Debian: `apt-get install redis-server`). This starts one by hand; Ctrl-Z there
//! makes it hang, `fg` lets it go on, and Ctrl-C ends it:
//!
//!     redis-server --port 6380 --save ''
//!     REDIS_URL=redis://127.0.0.1:6380 cargo run -p breakerbox-examples-databases --example redis_cache

use breakerbox::{Error, EventKind, Outcome, Pipeline, State, breaker, bulkhead};
use redis::aio::MultiplexedConnection;
use redis::{AsyncCommands, AsyncConnectionConfig, Client, ErrorKind, RedisError};
use std::io;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, BufReader, stdin};
use tokio::task::JoinSet;

/// What a result says of the cache's health: `WRONGTYPE` and its like are our own mistakes.
fn health<T>(result: &Result<T, RedisError>) -> Outcome {
    match result {
        Err(error) if broken(error) => Outcome::Failure,
        Err(error) if matches!(error.code(), Some("LOADING" | "OOM" | "MISCONF" | "READONLY")) => {
            Outcome::Failure
        }
        Ok(_) | Err(_) => Outcome::Success,
    }
}

/// Whether the connection is of no more use.
fn broken(error: &RedisError) -> bool {
    matches!(error.kind(), ErrorKind::Io | ErrorKind::Parse)
}

/// Connections that nobody uses: at most as many as the bulkhead ever let in at once.
#[derive(Default)]
struct Idle {
    connections: Vec<MultiplexedConnection>,
    /// Grows when all are thrown away. What was taken before then is not put back.
    generation: u64,
}

/// A connection in use. It ends all of its generation, unless it is put back.
struct Taken<'a> {
    idle: &'a Mutex<Idle>,
    generation: u64,
}

impl Taken<'_> {
    fn put_back(self, connection: MultiplexedConnection) {
        let mut idle = lock(self.idle);
        if idle.generation == self.generation {
            idle.connections.push(connection);
        }
        drop(idle);
        mem::forget(self);
    }
}

impl Drop for Taken<'_> {
    /// It broke, or its call was cut off: it may hang for ever, and the others with it. A reader who gives up
    /// looks the same from here. That costs some connections, but seldom: a call takes a millisecond.
    fn drop(&mut self) {
        let mut idle = lock(self.idle);
        if idle.generation == self.generation {
            idle.generation += 1;
            idle.connections.clear();
        }
    }
}

fn lock(idle: &Mutex<Idle>) -> MutexGuard<'_, Idle> {
    idle.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Posts {
    client: Client,
    idle: Mutex<Idle>,
    cache: Pipeline,
    source: Pipeline,
}

impl Posts {
    fn new(url: &str) -> Result<Self, Box<dyn std::error::Error>> {
        let cache = Pipeline::builder("cache")
            // Not much longer than it ever takes: a reader waits so long in vain when the cache hangs.
            .attempt_timeout(Duration::from_millis(200))
            .breaker(breaker::Settings {
                consecutive_failures: Some(5),
                // So short because you are waiting. Some seconds are usual.
                open_for: Some(Duration::from_millis(500).into()),
                ..Default::default()
            })
            .bulkhead(bulkhead::Settings::new(64))
            .build()?;
        // Without the cache all readers come here. It must not be the next to fall.
        let source = Pipeline::builder("source")
            .deadline(Duration::from_secs(2))
            .bulkhead(bulkhead::Settings { queue: 64, ..bulkhead::Settings::new(8) })
            .build()?;
        Ok(Self { client: Client::open(url)?, idle: Mutex::default(), cache, source })
    }

    /// Runs a command of the cache.
    async fn ask<T>(
        &self,
        command: impl AsyncFnOnce(&mut MultiplexedConnection) -> Result<T, RedisError>,
    ) -> Result<T, RedisError> {
        let (taken, idle) = self.take();
        let mut connection = match idle {
            Some(connection) => connection,
            None => {
                // The attempt timeout bounds both.
                let patient = AsyncConnectionConfig::new()
                    .set_connection_timeout(None)
                    .set_response_timeout(None);
                self.client.get_multiplexed_async_connection_with_config(&patient).await?
            }
        };
        let answer = command(&mut connection).await;
        if !answer.as_ref().is_err_and(broken) {
            taken.put_back(connection);
        }
        answer
    }

    fn take(&self) -> (Taken<'_>, Option<MultiplexedConnection>) {
        let mut idle = lock(&self.idle);
        let taken = Taken { idle: &self.idle, generation: idle.generation };
        (taken, idle.connections.pop())
    }

    /// A post, and where it comes from.
    async fn read(&self, id: u32) -> Result<(String, &'static str), Error<io::Error>> {
        let key = format!("post:{id}");
        let found = self
            .cache
            .protect()
            .classify(health)
            // Down, hanging or left alone: it is a miss, and marked as one that is none.
            .fallback(|_came_to| None)
            .call(|| self.ask(async |redis| redis.get::<_, Option<String>>(&key).await))
            .await;
        let there = found.as_ref().is_ok_and(|found| !found.is_fallback());
        if let Ok(found) = found
            && let Some(post) = found.into_inner()
        {
            return Ok((post, "the cache"));
        }
        let post = self.source.call(async || slow_query(id).await).await?;
        if there {
            let set = async |redis: &mut MultiplexedConnection| redis.set_ex(&key, &post, 60).await;
            let _good_to_have: Result<(), _> =
                self.cache.protect().classify(health).call_once(|| self.ask(set)).await;
        }
        Ok((post, if there { "the source" } else { "the source, without a cache" }))
    }
}

/// What the cache is there to save.
async fn slow_query(id: u32) -> io::Result<String> {
    tokio::time::sleep(Duration::from_millis(20)).await;
    Ok(format!("post {id}"))
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
    let Ok(url) = std::env::var("REDIS_URL") else {
        return Err("set REDIS_URL; the top of this example says how to start a server".into());
    };
    let posts = Arc::new(Posts::new(&url)?);
    println!("{}", posts.cache);
    posts.cache.on_event(|event| {
        if let EventKind::Transition(change) = &event.kind {
            println!("-- {} to {}, {}", change.from, change.to, change.cause);
        }
    });
    while show(&posts).await? != "the cache" {}

    please("make the server hang").await?;
    while posts.cache.breaker_state() != Some(State::Open) {
        show(&posts).await?;
    }
    for _ in 0..3 {
        show(&posts).await?;
    }

    please("let the server go on").await?;
    while show(&posts).await? != "the cache" {}
    let stats = posts.cache.stats();
    println!("{} readers were not kept waiting for the cache", stats.rejected("breaker_open"));

    // One that is kept waiting leaves fewer.
    while forty_readers(&posts).await? < 40 {}
    please("end the server and start it again").await?;
    while show(&posts).await? != "the cache" {}
    Ok(())
}

async fn show(posts: &Posts) -> Result<&'static str, Error<io::Error>> {
    let began = Instant::now();
    let (post, origin) = posts.read(7).await?;
    println!("{post} from {origin}, after {:.1?}", began.elapsed());
    Ok(origin)
}

/// Reads a post with many readers at once, and says how many connections they leave.
async fn forty_readers(posts: &Arc<Posts>) -> Result<usize, Error<io::Error>> {
    let mut readers = JoinSet::new();
    for _ in 0..40 {
        let posts = Arc::clone(posts);
        readers.spawn(async move { posts.read(7).await });
    }
    for read in readers.join_all().await {
        read?;
    }
    Ok(lock(&posts.idle).connections.len())
}
