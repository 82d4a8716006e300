//! What errors of real clients stem from: what was never sent, what ran out of time, whose fault it was.

use crate::support::{attempts, breaker_after, counted};
use breakerbox::clock::TokioClock;
use breakerbox::http::{ClientLayer, GrpcLayer, Replay, ReplayBody};
use breakerbox::{Pipeline, PipelineBuilder, WithTimer, bulkhead};
use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tonic::body::Body;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Code, Status, service::Routes};
use tower::{Layer, ServiceBuilder, ServiceExt};

const MS: Duration = Duration::from_millis(1);

type Sent = UnsyncBoxBody<Bytes, io::Error>;

fn builder() -> PipelineBuilder<TokioClock, WithTimer> {
    let retry = breakerbox::retry::Settings { budget: None, ..attempts(3) };
    let builder = Pipeline::builder("posts").retry(retry).breaker(breaker_after(99));
    builder.clock(TokioClock::new()).attempt_timeout(3000 * MS)
}

fn pipeline() -> Pipeline<TokioClock> {
    builder().build().unwrap()
}

fn hyper(http2: bool) -> Client<HttpConnector, ReplayBody<Sent>> {
    Client::builder(TokioExecutor::new()).http2_only(http2).build_http()
}

fn reqwest() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

/// An address where nobody listens.
async fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

/// How often a request was sent again, and what the breaker counted.
async fn over_hyper(method: Method, uri: &str, body: Sent) -> (u64, [u64; 4]) {
    over(false, method, uri, body).await
}

async fn over(http2: bool, method: Method, uri: &str, body: Sent) -> (u64, [u64; 4]) {
    let pipeline = pipeline();
    let request = Request::builder().method(method).uri(uri).body(body).unwrap();
    let service = ClientLayer::new(pipeline.clone()).layer(hyper(http2));
    service.oneshot(request).await.unwrap_err();
    (pipeline.stats().retries, counted(&pipeline))
}

fn bytes(bytes: &'static str) -> Sent {
    Full::new(Bytes::from(bytes)).map_err(|never| match never {}).boxed_unsync()
}

#[tokio::test]
async fn what_hyper_could_not_connect_for_was_never_sent() {
    let refused = format!("http://{}/", nobody().await);
    for uri in [refused.as_str(), "http://breakerbox.invalid/"] {
        assert_eq!(over_hyper(Method::POST, uri, bytes("new")).await, (2, [0, 3, 0, 0]), "{uri}");
    }
}

/// Takes connections, says this to each, and keeps them or lets them go.
async fn says(said: &'static str, keep: bool) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            if !keep {
                assert_ne!(stream.read(&mut [0; 1000]).await.unwrap(), 0);
            }
            stream.write_all(said.as_bytes()).await.unwrap();
            if keep {
                open.push(stream);
            }
        }
    });
    uri
}

/// A body that breaks off so.
fn broken(kind: io::ErrorKind) -> impl http_body::Body<Data = Bytes, Error = io::Error> {
    let parts =
        [Ok(Frame::data(Bytes::from("half"))), Err(io::Error::new(kind, "the file is gone"))];
    StreamBody::new(tokio_stream::iter(parts))
}

#[tokio::test]
async fn a_body_that_fails_by_itself_is_the_callers_fault() {
    let uri = says("", true).await;
    for kind in [io::ErrorKind::Other, io::ErrorKind::TimedOut, io::ErrorKind::ConnectionRefused] {
        for http2 in [false, true] {
            let body = broken(kind).boxed_unsync();
            let came = over(http2, Method::PUT, &uri, body).await;
            assert_eq!(came, (0, [0, 0, 1, 0]), "{kind}, HTTP/2: {http2}");
        }
        let pipeline = pipeline();
        let body = reqwest::Body::wrap(broken(kind).boxed());
        let request = reqwest().put(&uri).body(body).build().unwrap();
        let service = ClientLayer::new(pipeline.clone()).layer(reqwest());
        service.oneshot(request).await.unwrap_err();
        assert_eq!(counted(&pipeline), [0, 0, 1, 0], "{kind}");
    }
}

#[tokio::test]
async fn a_connection_that_is_closed_without_an_answer_is_a_reset() {
    let uri = says("", false).await;
    let on = breakerbox::retry::When::http().without(breakerbox::retry::Failure::Reset);
    for (on, retries) in [(breakerbox::retry::When::http(), 2), (on, 0)] {
        let retry = breakerbox::retry::Settings { on, budget: None, ..attempts(3) };
        let pipeline = builder().retry(retry).build().unwrap();
        let request = Request::get(&uri).body(bytes("")).unwrap();
        let service = ClientLayer::new(pipeline.clone()).layer(hyper(false));
        service.oneshot(request).await.unwrap_err();
        assert_eq!(pipeline.stats().retries, retries);
    }
}

/// Reads answers to their end, as a cache does.
struct Reads;

#[async_trait::async_trait]
impl reqwest_middleware::Middleware for Reads {
    async fn handle(
        &self,
        request: reqwest::Request,
        extensions: &mut http::Extensions,
        next: reqwest_middleware::Next<'_>,
    ) -> reqwest_middleware::Result<reqwest::Response> {
        let answer = next.run(request, extensions).await?;
        Ok(http::Response::new(answer.bytes().await?).into())
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_below_is_a_failure() {
    let uri = says("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf", false).await;
    let pipeline = pipeline();
    let client = reqwest_middleware::ClientBuilder::new(reqwest())
        .with(ClientLayer::new(pipeline.clone()))
        .with(Reads)
        .build();
    client.get(&uri).timeout(30_000 * MS).send().await.unwrap_err();
    assert_eq!(counted(&pipeline), [0, 3, 0, 0]);
}

/// A server that takes payments and then sends elsewhere; how many it has taken.
async fn shop(receipt: String) -> (String, Arc<AtomicUsize>) {
    let paid = Arc::new(AtomicUsize::new(0));
    let taken = Arc::clone(&paid);
    let pay = async move || {
        taken.fetch_add(1, Ordering::SeqCst);
        (StatusCode::SEE_OTHER, [("location", receipt)])
    };
    let router = axum::Router::new().route("/pay", axum::routing::post(pay));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/pay", listener.local_addr().unwrap());
    tokio::spawn(async { axum::serve(listener, router).await });
    (url, paid)
}

#[tokio::test]
async fn a_payment_is_sent_once_though_its_redirect_leads_nowhere() {
    for receipt in [format!("http://{}/", nobody().await), "http://breakerbox.invalid/".to_owned()]
    {
        let (url, paid) = shop(receipt).await;
        let layer = ClientLayer::new(pipeline());
        let request = reqwest().post(&url).body("9.99").build().unwrap();
        layer.layer(reqwest()).oneshot(request).await.unwrap_err();
        assert_eq!(paid.swap(0, Ordering::SeqCst), 1);
        let client = reqwest_middleware::ClientBuilder::new(reqwest()).with(layer).build();
        client.post(&url).body("9.99").send().await.unwrap_err();
        assert_eq!(paid.load(Ordering::SeqCst), 1);
    }
}

#[tokio::test]
async fn what_reqwest_cannot_ask_for_is_the_callers_fault() {
    let round = shop("/round".to_owned()).await.0.replace("/pay", "/round");
    for url in ["ftp://posts.internal/".to_owned(), round.replace("http:", "gopher:")] {
        for middleware in [false, true] {
            let pipeline = pipeline();
            let layer = ClientLayer::new(pipeline.clone());
            if middleware {
                let client = reqwest_middleware::ClientBuilder::new(reqwest()).with(layer).build();
                client.get(&url).send().await.unwrap_err();
            } else {
                let request = reqwest().get(&url).build().unwrap();
                layer.layer(reqwest()).oneshot(request).await.unwrap_err();
            }
            assert_eq!((pipeline.stats().retries, counted(&pipeline)), (0, [0, 0, 1, 0]), "{url}");
        }
    }
}

#[tokio::test]
async fn a_timeout_of_reqwest_is_one_with_the_middleware_too() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let on = breakerbox::retry::When::http().without(breakerbox::retry::Failure::Timeout);
    let retry = breakerbox::retry::Settings { on, ..attempts(3) };
    let pipeline = builder().retry(retry).build().unwrap();
    let client = reqwest_middleware::ClientBuilder::new(reqwest())
        .with(ClientLayer::new(pipeline.clone()))
        .build();
    let error = client.get(&url).timeout(50 * MS).send().await.unwrap_err();
    assert!(error.is_timeout());
    assert_eq!((pipeline.stats().retries, counted(&pipeline)), (0, [0, 1, 0, 0]));
}

/// A full bulkhead of a pipeline of its own.
fn full() -> Pipeline<TokioClock> {
    let full = bulkhead::Settings { queue: 0, ..bulkhead::Settings::new(1) };
    let builder = Pipeline::builder("inner").bulkhead(full).clock(TokioClock::new());
    let pipeline = builder.build().unwrap();
    let never = pipeline.clone();
    tokio::spawn(async move { never.call(std::future::pending::<Result<(), ()>>).await });
    pipeline
}

#[tokio::test]
async fn what_a_pipeline_below_rejects_is_no_failure_of_the_service() {
    let (outer, inner) = (pipeline(), full());
    tokio::task::yield_now().await;
    let client = reqwest_middleware::ClientBuilder::new(reqwest())
        .with(ClientLayer::new(outer.clone()))
        .with(ClientLayer::new(inner.clone()))
        .build();
    let error = client.get("http://posts.internal/").send().await.unwrap_err();
    assert_eq!(error.to_string(), "the bulkhead of `inner` is full");
    assert_eq!((outer.stats().retries, counted(&outer)), (0, [0, 0, 1, 0]));

    let channel = Endpoint::from_static("http://posts.internal").connect_lazy();
    let channel = ServiceBuilder::new()
        .layer(GrpcLayer::new(outer.clone()))
        .layer(GrpcLayer::new(inner))
        .service(channel);
    let status = channel.oneshot(grpc(None)).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert_eq!((outer.stats().retries, counted(&outer)), (0, [0, 0, 2, 0]));
}

/// A gRPC server that takes a second to answer anything; how often it was asked.
async fn slow() -> (Channel, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let router = axum::Router::new().fallback(async move || {
        counted.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(1000 * MS).await;
        Status::not_found("late").into_http::<axum::body::Body>()
    });
    let incoming = TcpIncoming::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let uri = format!("http://{}", incoming.local_addr().unwrap());
    let routes = Routes::from(router);
    tokio::spawn(async {
        Server::builder().add_routes(routes).serve_with_incoming(incoming).await
    });
    (Endpoint::from_shared(uri).unwrap().connect_lazy(), asked)
}

fn grpc(timeout: Option<&str>) -> Request<Body> {
    let request = Request::post("http://posts/posts.Posts/Get");
    let request = request.header("content-type", "application/grpc");
    let request = timeout.into_iter().fold(request, |it, time| it.header("grpc-timeout", time));
    request.body(Body::new(Full::from("\0\0\0\0\0"))).unwrap()
}

#[tokio::test]
async fn the_deadline_that_a_channel_was_told_is_ours() {
    let (channel, _) = slow().await;
    let pipeline = builder().deadline(200 * MS).build().unwrap();
    for number in 1..=5 {
        let channel = GrpcLayer::new(pipeline.clone()).layer(channel.clone());
        let status = channel.oneshot(grpc(None)).await.unwrap_err();
        assert_eq!(status.code(), Code::DeadlineExceeded);
        assert_eq!(status.metadata().get("breakerbox-reason").unwrap(), "deadline");
        assert_eq!(pipeline.stats().deadlines, number);
    }
    assert_eq!(counted(&pipeline), [0, 5, 0, 0]);
}

#[tokio::test]
async fn a_callers_own_timeout_bounds_all_attempts_and_says_nothing_of_the_service() {
    let (channel, asked) = slow().await;
    let pipeline = builder().deadline(10_000 * MS).build().unwrap();
    let layer = GrpcLayer::new(pipeline.clone()).repeat_all();
    let began = Instant::now();
    let status = layer.layer(channel).oneshot(grpc(Some("200m"))).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert!(began.elapsed() < 400 * MS, "{:?}", began.elapsed());
    assert_eq!((asked.load(Ordering::SeqCst), counted(&pipeline)), (1, [0, 0, 1, 0]));
}

#[tokio::test]
async fn a_body_that_was_not_read_can_be_sent_again_however_long_it_is() {
    let long = Replay::new(Full::<Bytes>::from(vec![0; 100_000]), 1024);
    assert!(long.is_kept());
    let uri = format!("http://{}/", nobody().await);
    let long = Full::new(Bytes::from(vec![0; 100_000])).map_err(|never| match never {});
    assert_eq!(over_hyper(Method::PUT, &uri, long.boxed_unsync()).await.0, 2);
}
