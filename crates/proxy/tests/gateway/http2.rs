//! HTTP/2 with prior knowledge, in front and behind.

use breakerbox_proxy::config::Protocol;
use http::{HeaderMap, HeaderValue, Request, Response, Version};
use http_body_util::BodyExt as _;
use tokio::sync::{mpsc, oneshot};

use crate::support::upstream::Upstream;
use crate::support::{channel, client, config, empty, full, start, within};

fn get(path: &str) -> Request<crate::support::AnyBody> {
    Request::get(format!("http://front.example{path}")).body(empty()).unwrap()
}

#[tokio::test]
async fn every_pair_of_protocols_works() {
    for back in [Protocol::Http1, Protocol::Http2] {
        let answer = |request: Request<hyper::body::Incoming>| async move {
            let host = match request.uri().authority() {
                Some(authority) => authority.to_string(),
                None => request.headers()["host"].to_str().unwrap().to_owned(),
            };
            let said = format!("{} {host} {:?}", request.uri().path(), request.version());
            let body = request.into_body().collect().await.unwrap().to_bytes();
            Response::builder().header("x-said", said).body(full(body)).unwrap()
        };
        let upstream = match back {
            Protocol::Http1 => Upstream::http1(answer).await,
            Protocol::Http2 => Upstream::http2(answer).await,
        };
        let running = start(config(back, &[upstream.address]));
        let version = match back {
            Protocol::Http1 => Version::HTTP_11,
            Protocol::Http2 => Version::HTTP_2,
        };
        let expected = format!("/x {} {version:?}", upstream.address);

        let (mut http1, _) = client::http1(running.addresses()[0]).await;
        let request = Request::post("/x").header("host", "front").body(full("body")).unwrap();
        let response = within(http1.send_request(request)).await.unwrap();
        assert_eq!(response.headers()["x-said"], expected);
        assert_eq!(client::text(response).await, "body");

        let (mut http2, _) = client::http2(running.addresses()[0]).await;
        let request = Request::post("http://front.example/x").body(full("body")).unwrap();
        let response = within(http2.send_request(request)).await.unwrap();
        assert_eq!(response.version(), Version::HTTP_2);
        assert_eq!(response.headers()["x-said"], expected);
        assert_eq!(client::text(response).await, "body");
        assert_eq!(upstream.connections(), 1);
    }
}

#[tokio::test]
async fn many_requests_share_one_upstream_connection() {
    let upstream =
        Upstream::http2(
            |request| async move { Response::new(full(request.uri().path().to_owned())) },
        )
        .await;
    let running = start(config(Protocol::Http2, &[upstream.address]));
    let (client, _) = client::http2(running.addresses()[0]).await;
    let mut answers = Vec::new();
    for number in 0..100 {
        let mut client = client.clone();
        answers.push(tokio::spawn(async move {
            let path = format!("/{number}");
            let response = within(client.send_request(get(&path))).await.unwrap();
            assert_eq!(client::text(response).await, path);
        }));
    }
    for answer in answers {
        answer.await.unwrap();
    }
    assert_eq!((upstream.connections(), upstream.requests()), (1, 100));
}

#[tokio::test]
async fn a_dead_upstream_connection_is_made_anew() {
    let (stop, mut stopped) = mpsc::unbounded_channel::<oneshot::Sender<()>>();
    let upstream = Upstream::script(move |stream, count| {
        let stop = stop.clone();
        async move {
            let (end, ended) = oneshot::channel::<()>();
            stop.send(end).unwrap();
            let service = hyper::service::service_fn(move |_| {
                count();
                async { Ok::<_, std::convert::Infallible>(Response::new(full("hello"))) }
            });
            let server =
                hyper::server::conn::http2::Builder::new(hyper_util::rt::TokioExecutor::new());
            let connection = server.serve_connection(hyper_util::rt::TokioIo::new(stream), service);
            tokio::select! {
                _ = connection => {}
                _ = ended => {}
            }
        }
    })
    .await;
    let running = start(config(Protocol::Http2, &[upstream.address]));
    for number in 1..=3 {
        let response = client::get(running.addresses()[0], "/").await;
        assert_eq!(response.status(), 200, "{number}");
        drop(stopped.recv().await.unwrap());
        within(upstream.all_closed()).await;
    }
    assert_eq!(upstream.connections(), 3);
}

#[tokio::test]
async fn trailers_and_te_pass() {
    let upstream = Upstream::http2(|request| async move {
        assert_eq!(request.headers()["te"], "trailers");
        let collected = request.into_body().collect().await.unwrap();
        let came = collected.trailers().unwrap()["x-sum"].clone();
        let (sender, body) = channel();
        tokio::spawn(async move {
            sender.data("body").await;
            sender.trailers(HeaderMap::from_iter([("grpc-status".parse().unwrap(), came)])).await;
        });
        Response::new(body)
    })
    .await;
    let running = start(config(Protocol::Http2, &[upstream.address]));
    let (mut client, _) = client::http2(running.addresses()[0]).await;
    let (sender, body) = channel();
    tokio::spawn(async move {
        sender.data("body").await;
        let sum = HeaderValue::from_static("7");
        sender.trailers(HeaderMap::from_iter([("x-sum".parse().unwrap(), sum)])).await;
    });
    let request =
        Request::post("http://front.example/").header("te", "trailers").body(body).unwrap();
    let response = within(client.send_request(request)).await.unwrap();
    let collected = within(response.into_body().collect()).await.unwrap();
    assert_eq!(collected.trailers().unwrap()["grpc-status"], "7");
}

#[tokio::test]
async fn a_broken_upstream_body_resets_the_stream_and_not_the_connection() {
    let (told, mut asked) = mpsc::unbounded_channel();
    let upstream = Upstream::http2(move |_| {
        let told = told.clone();
        async move {
            let (sender, body) = channel();
            told.send(sender).unwrap();
            Response::new(body)
        }
    })
    .await;
    let running = start(config(Protocol::Http2, &[upstream.address]));
    let (mut client, _) = client::http2(running.addresses()[0]).await;
    let broken = within(client.send_request(get("/broken"))).await.unwrap();
    let sender = within(asked.recv()).await.unwrap();
    sender.data("half").await;
    sender.fail().await;
    client::body(broken).await.unwrap_err();

    let whole = within(client.send_request(get("/whole"))).await.unwrap();
    drop(within(asked.recv()).await.unwrap());
    assert_eq!(client::text(whole).await, "");
}

#[tokio::test]
async fn a_cancelled_stream_is_reset_upstream() {
    let (told, mut asked) = mpsc::unbounded_channel();
    let upstream = Upstream::http2(move |_| {
        let told = told.clone();
        async move {
            // Dropped with the stream.
            let (alive, gone) = oneshot::channel::<()>();
            told.send(gone).unwrap();
            std::future::pending::<()>().await;
            drop(alive);
            Response::new(empty())
        }
    })
    .await;
    let running = start(config(Protocol::Http2, &[upstream.address]));
    let (mut client, _) = client::http2(running.addresses()[0]).await;
    let waiting = tokio::spawn(client.send_request(get("/")));
    let gone = within(asked.recv()).await.unwrap();
    waiting.abort();
    within(gone).await.unwrap_err();
}

#[tokio::test]
async fn a_refused_stream_says_so() {
    let upstream = Upstream::script(|stream, _| async move {
        let mut connection = h2::server::handshake(stream).await.unwrap();
        while let Some(Ok((_, mut respond))) = connection.accept().await {
            respond.send_reset(h2::Reason::REFUSED_STREAM);
        }
    })
    .await;
    let running = start(config(Protocol::Http2, &[upstream.address]));
    let response = client::get(running.addresses()[0], "/").await;
    assert_eq!(response.status(), 502);
    assert_eq!(response.headers()["breakerbox-reason"], "refused_stream");
}

#[tokio::test]
async fn a_client_body_that_fails_is_not_the_upstreams_fault() {
    let upstream = Upstream::http2(|request| async move {
        let _ = request.into_body().collect().await;
        Response::new(empty())
    })
    .await;
    let mut config = config(Protocol::Http2, &[upstream.address]);
    config.upstreams.get_mut("posts").unwrap().idle_timeout = std::time::Duration::from_millis(100);
    let running = start(config);
    let (mut client, _) = client::http1(running.addresses()[0]).await;
    let (sender, body) = channel();
    let request = Request::post("/").header("host", "a").body(body).unwrap();
    let waiting = tokio::spawn(client.send_request(request));
    sender.data("half").await;
    let response = within(waiting).await.unwrap().unwrap();
    assert_eq!(response.headers()["breakerbox-reason"], "client_body");
}
