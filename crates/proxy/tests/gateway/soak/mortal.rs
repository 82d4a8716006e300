//! Endpoints that are killed in the middle of their work, and come back at the same address.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use crate::support::{AnyBody, full, slowly};

/// What all endpoints have seen.
#[derive(Default)]
pub(super) struct Witness {
    pub(super) requests: AtomicU64,
    /// Requests that were seen twice and must not be.
    pub(super) doubled: AtomicU64,
    /// The last numbers of the POST requests of each client.
    posts: Mutex<HashMap<u64, [u64; 16]>>,
}

impl Witness {
    /// A client numbers its requests from 1, and makes few at once.
    fn see_post(&self, name: &str) {
        let (client, number) = name.split_once('-').unwrap();
        let (client, number) = (client.parse().unwrap(), number.parse::<u64>().unwrap());
        let mut posts = self.posts.lock().unwrap();
        let last = posts.entry(client).or_insert([0; 16]);
        if last.contains(&number) {
            self.doubled.fetch_add(1, Ordering::Relaxed);
        }
        last[(number % 16) as usize] = number;
    }
}

pub(super) struct Mortal {
    pub(super) address: SocketAddr,
    http2: bool,
    witness: Arc<Witness>,
    life: Mutex<Option<JoinHandle<()>>>,
}

impl Mortal {
    pub(super) async fn new(http2: bool, witness: &Arc<Witness>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let witness = Arc::clone(witness);
        let mortal = Self { address, http2, witness, life: Mutex::new(None) };
        mortal.live(listener);
        mortal
    }

    /// All its connections end, wherever they are, and nobody listens.
    pub(super) async fn kill(&self) {
        let life = self.life.lock().unwrap().take();
        if let Some(life) = life {
            life.abort();
            let _ = life.await;
        }
    }

    pub(super) async fn revive(&self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        self.live(listener);
    }

    fn live(&self, listener: TcpListener) {
        let (http2, witness) = (self.http2, Arc::clone(&self.witness));
        let life = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                tokio::select! {
                    accepted = listener.accept() => {
                        // Out of file descriptors, perhaps; the test will say what came of it.
                        let Ok((stream, _)) = accepted else { continue };
                        connections.spawn(serve(stream, http2, Arc::clone(&witness)));
                    }
                    Some(_) = connections.join_next() => {}
                }
            }
        });
        *self.life.lock().unwrap() = Some(life);
    }
}

async fn serve(stream: TcpStream, http2: bool, witness: Arc<Witness>) {
    let service = service_fn(move |request| answer(request, Arc::clone(&witness)));
    let io = TokioIo::new(stream);
    if http2 {
        let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        let _ = server.serve_connection(io, service).await;
    } else {
        let server = hyper::server::conn::http1::Builder::new();
        let _ = server.serve_connection(io, service).await;
    }
}

/// Does what the path says: `/MOOD/ARGUMENT/...`.
async fn answer(
    request: Request<Incoming>,
    witness: Arc<Witness>,
) -> Result<Response<AnyBody>, Infallible> {
    witness.requests.fetch_add(1, Ordering::Relaxed);
    let path = request.uri().path().to_owned();
    let mut parts = path.split('/').skip(2);
    let (mood, argument) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    if request.method() == Method::POST {
        witness.see_post(request.headers()["x-name"].to_str().unwrap());
        let Ok(sent) = request.into_body().collect().await else {
            return Ok(Response::new(full("")));
        };
        return Ok(Response::new(full(sent.to_bytes())));
    }
    let mut response = Response::new(full(path.clone()));
    match mood {
        "slow" => {
            tokio::time::sleep(Duration::from_millis(argument.parse().unwrap())).await;
        }
        "hang" => std::future::pending().await,
        "drip" => {
            *response.body_mut() = slowly(["answer"; 4], Duration::from_millis(5));
        }
        "large" => *response.body_mut() = full(vec![b'x'; 100_000]),
        "status" => *response.status_mut() = StatusCode::from_bytes(argument.as_bytes()).unwrap(),
        _ => {}
    }
    Ok(response)
}
