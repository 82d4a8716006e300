//! reqwest over real sockets.

use crate::support::{attempts, breaker_after, counted};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::any;
use breakerbox::clock::TokioClock;
use breakerbox::http::ClientLayer;
use breakerbox::{Error, Pipeline};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tower::{Layer, ServiceExt};

/// The bodies that came.
type Came = Arc<Mutex<Vec<String>>>;

/// 503 for the first of every three requests, and a redirect that keeps method and body.
async fn serve() -> (String, Came) {
    let came = Came::default();
    async fn flaky(State(came): State<Came>, body: String) -> Response {
        let mut came = came.lock().unwrap();
        came.push(body);
        let good = came.len() % 3 != 1;
        if good {
            "a post".into_response()
        } else {
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
    }
    let router = Router::new()
        .route("/posts", any(flaky))
        .route("/moved", any(async || Redirect::temporary("/posts")))
        .with_state(Arc::clone(&came));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async { axum::serve(listener, router).await });
    (url, came)
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

fn pipeline() -> Pipeline<TokioClock> {
    let pipeline = Pipeline::builder("posts").retry(attempts(3)).breaker(breaker_after(9));
    pipeline.clock(TokioClock::new()).build().unwrap()
}

#[tokio::test]
async fn a_request_is_sent_again_with_its_body_and_after_a_redirect() {
    let (url, came) = serve().await;
    let pipeline = pipeline();
    let service = ClientLayer::new(pipeline.clone()).layer(client());
    let request = client().put(format!("{url}/moved")).body("new").build().unwrap();
    let response = service.oneshot(request).await.unwrap();
    assert_eq!((response.status(), response.url().path()), (StatusCode::OK, "/posts"));
    assert_eq!(response.text().await.unwrap(), "a post");
    assert_eq!(
        (came.lock().unwrap().clone(), pipeline.stats().retries),
        (vec!["new".to_owned(); 2], 1)
    );
    assert_eq!(counted(&pipeline), [1, 1, 0, 0]);
}

#[tokio::test]
async fn a_body_that_is_a_stream_is_sent_once() {
    let (url, came) = serve().await;
    let service = ClientLayer::new(pipeline()).layer(client());
    let body = reqwest::Body::wrap(http_body_util::Full::new(Bytes::from("stream")));
    let request = client().put(format!("{url}/posts")).body(body).build().unwrap();
    assert_eq!(service.oneshot(request).await.unwrap().status(), 503);
    assert_eq!(came.lock().unwrap().clone(), ["stream"]);
}

#[tokio::test]
async fn a_response_counts_when_its_body_has_ended() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let half = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        assert!(stream.read(&mut [0; 1024]).await.unwrap() > 0);
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\nhalf";
        stream.write_all(answer).await.unwrap();
    });
    let pipeline = pipeline();
    let service = ClientLayer::new(pipeline.clone()).layer(client());
    let request = client().get(url).build().unwrap();
    let response = service.oneshot(request).await.unwrap();
    assert_eq!(counted(&pipeline), [0, 0, 0, 1]);
    assert!(response.text().await.is_err());
    half.await.unwrap();
    assert_eq!(counted(&pipeline), [0, 1, 0, 0]);
}

#[tokio::test]
async fn where_there_is_no_connection_what_may_be_repeated_is_repeated() {
    let pipeline = pipeline();
    let service = ClientLayer::new(pipeline.clone()).layer(client());
    // Nobody listens there, and the name of the other is none.
    for url in ["http://127.0.0.1:1/", "http://breakerbox.invalid/"] {
        // What reqwest could not connect for may be where it was redirected to.
        for (request, retries) in [(client().put(url), 2), (client().post(url), 0)] {
            let before = pipeline.stats().retries;
            let request = request.body("new").build().unwrap();
            assert!(matches!(service.clone().oneshot(request).await, Err(Error::Inner(_))));
            assert_eq!(pipeline.stats().retries - before, retries, "{url}");
        }
    }
}

#[tokio::test]
async fn as_a_middleware_its_own_errors_can_be_told_apart() {
    let (url, _) = serve().await;
    let settings = breaker_after(1);
    let pipeline = Pipeline::builder("posts").breaker(settings).build().unwrap();
    let client =
        reqwest_middleware::ClientBuilder::new(client()).with(ClientLayer::new(pipeline)).build();
    let url = format!("{url}/posts");
    assert_eq!(client.get(&url).send().await.unwrap().status(), 503);
    let Err(reqwest_middleware::Error::Middleware(error)) = client.get(&url).send().await else {
        panic!()
    };
    let error = error.downcast_ref::<Error<reqwest::Error>>().unwrap();
    assert!(error.is_rejected());
}

#[tokio::test]
async fn a_short_error_that_is_repeated_leaves_its_connection_usable() {
    let ports = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&ports);
    let answer = move |ConnectInfo(peer): ConnectInfo<SocketAddr>| {
        let mut seen = seen.lock().unwrap();
        seen.push(peer.port());
        let status = if seen.len() < 3 { 503 } else { 200 };
        std::future::ready((StatusCode::from_u16(status).unwrap(), "this is what I say to that"))
    };
    let router = Router::new().route("/", any(answer));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async { axum::serve(listener, service).await });

    let service = ClientLayer::new(pipeline()).layer(client());
    let response = service.oneshot(client().get(url).build().unwrap()).await.unwrap();
    assert_eq!(response.status(), 200);
    let ports = ports.lock().unwrap();
    assert_eq!(ports[..], [ports[0]; 3]);
}
