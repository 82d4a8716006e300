use breakerbox::{
    Breaker, Control, Error, EventKind, Outcome, Pipeline, Registry, State, breaker, bulkhead,
    retry,
};
use std::io;

/// Errors of ours, which nobody has thought of.
#[derive(Debug, PartialEq)]
struct Ours;

fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(future)
}

#[test]
fn a_breaker_without_any_feature() {
    let breaker = Breaker::builder("posts").consecutive_failures(1).build().unwrap();
    let mut events = breaker.events();
    assert_eq!(block_on(breaker.call(async || Err::<(), _>(Ours))), Err(Error::Inner(Ours)));
    assert_eq!(breaker.state(), State::Open);
    assert!(block_on(breaker.call(async || Ok::<_, Ours>(()))).unwrap_err().is_rejected());
    assert!(matches!(events.try_next().unwrap().kind, EventKind::Failure { .. }));
    breaker.control(Control::Close);
    let judged = breaker.classify(|_: &Result<u16, Ours>| Outcome::Ignored);
    assert_eq!(block_on(judged.call(async || Ok(503))), Ok(503));
    assert_eq!(breaker.stats().ignored, 1);
}

#[test]
fn a_pipeline_and_a_registry_without_any_feature() {
    let pipeline = Pipeline::builder("posts")
        .retry(retry::Settings { attempts: 1, ..retry::Settings::default() })
        .breaker(breaker::Settings::default())
        .bulkhead(bulkhead::Settings::new(4))
        .build_blocking()
        .unwrap();
    assert_eq!(pipeline.call(|| Ok::<_, io::Error>(7)).unwrap(), 7);
    let registry = Registry::new();
    registry.or_insert_with("posts", |builder| builder.build()).unwrap();
    assert!(registry.find("posts").is_some());
}

#[cfg(feature = "tokio")]
#[test]
fn time_runs_out() {
    let limit = std::time::Duration::from_millis(1);
    let pipeline = Pipeline::builder("posts").attempt_timeout(limit).build().unwrap();
    let never = std::future::pending::<Result<(), Ours>>;
    assert!(block_on(async { pipeline.call(never).await }).unwrap_err().is_timeout());
}

#[cfg(feature = "test-util")]
#[test]
fn time_follows_tokios() {
    let clock = breakerbox::clock::TokioClock::new();
    let breaker = Breaker::builder("posts").clock(clock).build().unwrap();
    assert_eq!(block_on(breaker.call(async || Ok::<_, Ours>(1))), Ok(1));
}

#[cfg(feature = "cache")]
#[test]
fn answers_are_kept() {
    let minute = std::time::Duration::from_secs(60);
    let pipeline = Pipeline::builder("posts").cache(minute, 10).build().unwrap();
    let posts: breakerbox::SharedCalls<u32, u32, io::ErrorKind> = pipeline.shared();
    assert_eq!(*block_on(posts.call(1, async || Ok(7))).unwrap(), 7);
    assert_eq!(*block_on(posts.call(1, async || unreachable!())).unwrap(), 7);
}

#[cfg(feature = "config")]
#[test]
fn a_file_is_read() {
    assert!(Pipeline::from_toml("posts", "bulkhead = { concurrent = 1 }").is_ok());
    assert!(Pipeline::from_toml("posts", "bulkhaed = {}").is_err());
}

#[cfg(feature = "tower")]
#[test]
fn a_layer() {
    use breakerbox::tower::PipelineLayer;
    use tower::{Layer, ServiceExt, service_fn};

    let pipeline = Pipeline::builder("posts").bulkhead(bulkhead::Settings::new(4)).build().unwrap();
    let service = PipelineLayer::new(pipeline).layer(service_fn(async |it: u32| Ok::<_, Ours>(it)));
    assert_eq!(block_on(service.oneshot(7)), Ok(7));
}

#[cfg(feature = "http")]
#[test]
fn a_client_and_a_server() {
    use breakerbox::http::{ClientLayer, ServerLayer};
    use http::{Request, Response};
    use http_body_util::Full;
    use tower::{Layer, ServiceExt, service_fn};

    type Body = Full<bytes::Bytes>;
    let answers =
        service_fn(async |_: Request<_>| Ok::<_, io::Error>(Response::new(Body::from("a post"))));
    let pipeline = Pipeline::builder("posts").bulkhead(bulkhead::Settings::new(4)).build().unwrap();
    let server = ServerLayer::new(pipeline).layer(answers);
    let client = ClientLayer::standard("posts").layer(server);
    let request = Request::get("http://posts/").body(Body::default()).unwrap();
    assert_eq!(block_on(client.oneshot(request)).unwrap().status(), 200);
}

#[cfg(feature = "reqwest")]
#[test]
fn a_client_of_reqwest() {
    use breakerbox::http::ClientLayer;
    use tower::{Layer, ServiceExt};

    let client = reqwest::Client::new();
    let request = client.get("http://127.0.0.1:1/").build().unwrap();
    let service = ClientLayer::standard("posts").layer(client);
    assert!(block_on(service.oneshot(request)).is_err());
}

#[cfg(feature = "reqwest-middleware")]
#[test]
fn a_middleware_of_reqwest() {
    let client = reqwest_middleware::ClientBuilder::new(reqwest::Client::new())
        .with(breakerbox::http::ClientLayer::standard("posts"))
        .build();
    assert!(block_on(client.get("http://127.0.0.1:1/").send()).is_err());
}

#[cfg(feature = "axum")]
#[test]
fn a_response_of_axum() {
    use axum_core::response::IntoResponse;

    assert_eq!(Error::Inner(Ours).into_response().status(), 502);
}

#[cfg(feature = "tonic")]
#[test]
fn a_status_of_tonic() {
    let error: Error<tonic::Status> = Error::Inner(tonic::Status::not_found("none"));
    assert_eq!(tonic::Status::from(error).code(), tonic::Code::NotFound);
    let layer = breakerbox::http::GrpcLayer::standard("posts");
    assert_eq!(layer.pipeline().stats().retries, 0);
}

#[cfg(feature = "metrics")]
#[test]
fn an_exporter() {
    let breaker = Breaker::builder("posts").build().unwrap();
    let exporter = breakerbox::metrics::Exporter::new().with(&breaker);
    exporter.publish();
    assert_eq!(exporter.len(), 1);
}

#[cfg(feature = "tracing")]
#[test]
fn a_log() {
    let breaker = Breaker::builder("posts").build().unwrap();
    let listener = breakerbox::tracing::log(&breaker);
    assert!(breaker.remove_listener(listener));
}
