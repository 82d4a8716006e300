//! The load: requests one after the other on kept connections, as fast as they are answered or at a fixed
//! rate.

use crate::bare::connect;
use crate::ports::Ports;
use crate::serve::Here;
use crate::upstream::LARGE;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper::client::conn::{http1, http2};
use std::error::Error;
use std::time::{Duration, Instant};
use tokio::task::{JoinSet, spawn_local};

/// What is asked for, and how.
#[derive(Clone, Copy)]
pub struct Shape {
    pub name: &'static str,
    pub http2: bool,
    pub large: bool,
    /// Requests of a round.
    pub requests: usize,
}

pub const SHAPES: [Shape; 4] = [
    Shape { name: "HTTP/1.1, 5 bytes", http2: false, large: false, requests: 2_000 },
    Shape { name: "HTTP/1.1, 1 MB", http2: false, large: true, requests: 40 },
    Shape { name: "HTTP/2, 5 bytes", http2: true, large: false, requests: 2_000 },
    Shape { name: "HTTP/2, 1 MB", http2: true, large: true, requests: 40 },
];

/// Requests under way at once: that many connections of HTTP/1.1, or streams of one of HTTP/2.
const AT_ONCE: usize = 16;

type Failure = Box<dyn Error>;

/// One connection.
pub enum Client {
    First(http1::SendRequest<Empty<Bytes>>),
    Second(http2::SendRequest<Empty<Bytes>>),
}

impl Client {
    pub async fn connect(ports: Ports, http2: bool) -> Result<Self, Failure> {
        if http2 {
            let (sender, connection) = http2::handshake(Here, connect(ports.http2).await?).await?;
            spawn_local(async { connection.await.is_ok() });
            return Ok(Self::Second(sender));
        }
        let (sender, connection) = http1::handshake(connect(ports.http1).await?).await?;
        spawn_local(async { connection.await.is_ok() });
        Ok(Self::First(sender))
    }

    /// As many clients as requests are under way at once.
    pub async fn connect_all(ports: Ports, http2: bool) -> Result<Vec<Self>, Failure> {
        let mut clients = Vec::new();
        while clients.len() < AT_ONCE {
            clients.push(match clients.first() {
                Some(Self::Second(sender)) => Self::Second(sender.clone()),
                _ => Self::connect(ports, http2).await?,
            });
        }
        Ok(clients)
    }

    /// A request, and its answer to the end.
    pub async fn get(&mut self, path: &str) -> Result<(), Failure> {
        let response = match self {
            Self::First(sender) => {
                sender.ready().await?;
                let request = Request::get(path).header("host", "bench").body(Empty::new())?;
                sender.send_request(request).await?
            }
            Self::Second(sender) => {
                sender.ready().await?;
                let uri = format!("http://bench{path}");
                sender.send_request(Request::get(uri).body(Empty::new())?).await?
            }
        };
        if !response.status().is_success() {
            return Err(format!("the answer was {}", response.status()).into());
        }
        let mut body = response.into_body();
        while let Some(frame) = body.frame().await {
            frame?;
        }
        Ok(())
    }
}

/// A round of requests over these clients, as fast as they are answered.
pub async fn round(clients: &mut Vec<Client>, shape: Shape) -> Result<(), Failure> {
    let path = if shape.large { LARGE } else { "/" };
    let each = shape.requests / clients.len().max(1);
    let mut tasks = JoinSet::new();
    for mut client in clients.drain(..) {
        tasks.spawn_local(async move {
            for _ in 0..each {
                client.get(path).await?;
            }
            Ok::<_, Failure>(client)
        });
    }
    while let Some(client) = tasks.join_next().await {
        clients.push(client??);
    }
    Ok(())
}

/// How many requests a round really makes.
pub fn requests_of(shape: Shape) -> usize {
    shape.requests / AT_ONCE * AT_ONCE
}

/// Latencies at a fixed rate, from when each request was due, in order.
pub async fn at_rate(
    ports: Ports,
    http2: bool,
    per_second: u32,
    takes: Duration,
) -> Result<Vec<Duration>, Failure> {
    let interval = Duration::from_secs(1) * AT_ONCE as u32 / per_second;
    let mut tasks = JoinSet::new();
    let clients = Client::connect_all(ports, http2).await?;
    let start = Instant::now() + Duration::from_millis(50);
    for (number, mut client) in clients.into_iter().enumerate() {
        tasks.spawn_local(async move {
            let mut latencies = Vec::new();
            // They do not all begin at the same instant.
            let mut due = start + interval * number as u32 / AT_ONCE as u32;
            while due < start + takes {
                tokio::time::sleep_until(due.into()).await;
                client.get("/").await?;
                latencies.push(due.elapsed());
                due += interval;
            }
            Ok::<_, Failure>(latencies)
        });
    }
    let mut latencies = Vec::new();
    while let Some(some) = tasks.join_next().await {
        latencies.extend(some??);
    }
    latencies.sort();
    Ok(latencies)
}
