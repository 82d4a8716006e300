//! The demo's service: a small JSON API that can be made to fail.

use super::clients::Caller;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::{LocalSet, spawn_local};
use tokio::time::sleep;

/// How the service does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Health {
    /// It answers after a few milliseconds.
    #[default]
    Healthy,
    /// It takes half a second over an answer, and the answer is a 503: what an overloaded service
    /// looks like from outside.
    Failing,
    /// It takes a request and gives no answer.
    Hanging,
}

impl Health {
    /// How long a request takes.
    fn takes(self) -> Duration {
        match self {
            Self::Healthy => Duration::from_millis(2),
            Self::Failing => Duration::from_millis(500),
            Self::Hanging => Duration::from_secs(60),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Failing => "failing",
            Self::Hanging => "hanging",
        }
    }
}

/// A service that runs on a thread of its own, until it is dropped.
#[derive(Debug)]
pub(super) struct Upstream {
    address: SocketAddr,
    state: Arc<State>,
    _stop: oneshot::Sender<Infallible>,
}

#[derive(Debug, Default)]
struct State(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    health: Health,
    /// Calls that came while it was not healthy, by [`Caller`].
    reached_while_down: [u64; Caller::ALL.len()],
}

impl Upstream {
    /// Starts it on a free port of this machine.
    pub(super) fn start() -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let bound = TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
        let listener = runtime.block_on(bound)?;
        let address = listener.local_addr()?;
        let (stop, stopped) = oneshot::channel();
        let state = Arc::new(State::default());
        let serving = serve(listener, Arc::clone(&state));
        std::thread::Builder::new().name("demo-service".to_owned()).spawn(move || {
            LocalSet::new().block_on(&runtime, async {
                tokio::select! {
                    () = serving => {}
                    _ = stopped => {}
                }
            });
        })?;
        Ok(Self { address, state, _stop: stop })
    }

    /// Where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on it does so.
    pub(super) fn set(&self, health: Health) {
        self.state.lock().health = health;
    }

    /// How many calls of this client came while it was down.
    pub(super) fn reached_while_down(&self, caller: Caller) -> u64 {
        self.state.lock().reached_while_down[caller as usize]
    }
}

impl State {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a request; how the service does now decides what becomes of it.
    fn arrived(&self, caller: Option<Caller>) -> Health {
        let mut inner = self.lock();
        if let (true, Some(caller)) = (inner.health != Health::Healthy, caller) {
            inner.reached_while_down[caller as usize] += 1;
        }
        inner.health
    }
}

async fn serve(listener: TcpListener, state: Arc<State>) {
    loop {
        // What cannot be accepted now (no more file descriptors) may be later.
        let Ok((stream, _)) = listener.accept().await else {
            sleep(Duration::from_millis(10)).await;
            continue;
        };
        let state = Arc::clone(&state);
        spawn_local(async move {
            let service = service_fn(|request| {
                let state = Arc::clone(&state);
                async move { Ok::<_, Infallible>(answer(&request, &state).await) }
            });
            let http = hyper::server::conn::http1::Builder::new();
            // A client that goes away is no concern of the service.
            let _ = http.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(request: &Request<Incoming>, state: &State) -> Response<Full<Bytes>> {
    if let Some(command) = request.uri().path().strip_prefix("/demo/") {
        return control(request.method(), command, state);
    }
    let health = state.arrived(Caller::of(request.headers()));
    sleep(health.takes()).await;
    if health != Health::Healthy {
        return json(StatusCode::SERVICE_UNAVAILABLE, &json!({ "error": "The service is down." }));
    }
    match document(request.uri().path()) {
        Some(document) => json(StatusCode::OK, &document),
        None => json(StatusCode::NOT_FOUND, &json!({ "error": "There is no such thing here." })),
    }
}

/// `POST /demo/fail`, `/demo/hang` and `/demo/recover`.
fn control(method: &Method, command: &str, state: &State) -> Response<Full<Bytes>> {
    let health = match command {
        "fail" => Health::Failing,
        "hang" => Health::Hanging,
        "recover" => Health::Healthy,
        _ => {
            let error = "There are /demo/fail, /demo/hang and /demo/recover.";
            return json(StatusCode::NOT_FOUND, &json!({ "error": error }));
        }
    };
    if method != Method::POST {
        return json(StatusCode::METHOD_NOT_ALLOWED, &json!({ "error": "This path takes POST." }));
    }
    state.lock().health = health;
    json(StatusCode::OK, &json!({ "service": health.name() }))
}

fn document(path: &str) -> Option<Value> {
    let users = [json!({ "id": 1, "name": "Ada" }), json!({ "id": 2, "name": "Grace" })];
    let posts = [
        json!({ "id": 1, "user": 1, "title": "On analytical engines" }),
        json!({ "id": 2, "user": 2, "title": "A moth in the relay" }),
    ];
    let (documents, id) = match path.split('/').collect::<Vec<_>>()[..] {
        ["", "users"] => return Some(Value::from(users.to_vec())),
        ["", "posts"] => return Some(Value::from(posts.to_vec())),
        ["", "users", id] => (users, id),
        ["", "posts", id] => (posts, id),
        _ => return None,
    };
    let id: u64 = id.parse().ok()?;
    documents.into_iter().find(|document| document["id"] == id)
}

fn json(status: StatusCode, document: &Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(document.to_string()));
    *response.status_mut() = status;
    let content_type = header::HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_like_a_small_api() {
        assert_eq!(document("/users").unwrap().as_array().unwrap().len(), 2);
        assert_eq!(document("/posts/1").unwrap()["title"], "On analytical engines");
        assert_eq!(document("/posts/9"), None);
        assert_eq!(document("/posts/1/2"), None);
    }

    #[test]
    fn counts_by_caller_and_only_while_it_is_down() {
        let state = State::default();
        assert_eq!(state.arrived(Some(Caller::WithBreaker)), Health::Healthy);
        assert_eq!(control(&Method::POST, "fail", &state).status(), 200);
        assert_eq!(state.arrived(Some(Caller::WithoutBreaker)), Health::Failing);
        assert_eq!(state.arrived(None), Health::Failing);
        assert_eq!(control(&Method::GET, "recover", &state).status(), 405);
        assert_eq!(control(&Method::POST, "explode", &state).status(), 404);
        assert_eq!(state.lock().reached_while_down, [0, 1]);
    }
}
