//! gRPC says how a call ended in trailers, or in the headers where there is nothing else.

use breakerbox_proxy::config::Protocol;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::BodyExt as _;

use crate::support::protected::{Protected, assert_counts, with_policy};
use crate::support::upstream::Upstream;
use crate::support::{AnyBody, channel, client, empty, full, within};

const PATIENT: &str = "breaker = { min_calls = 1000 }";

fn trailers(status: &str) -> HeaderMap {
    HeaderMap::from_iter([(
        http::HeaderName::from_static("grpc-status"),
        HeaderValue::from_str(status).unwrap(),
    )])
}

/// `/trailers/14` has its status in the trailers, `/headers/14` in the headers and nothing else;
/// the others say nothing about how they ended. The content type comes with the request.
async fn answer(request: Request<hyper::body::Incoming>) -> Response<AnyBody> {
    let response =
        Response::builder().header("content-type", request.headers()["content-type"].clone());
    let path = request.uri().path()[1..].to_owned();
    match path.split_once('/') {
        Some(("headers", status)) => response.header("grpc-status", status).body(empty()).unwrap(),
        Some(("trailers", status)) => {
            let (sender, body) = channel();
            let trailers = trailers(status);
            tokio::spawn(async move {
                sender.data("\0\0\0\0\x02ok").await;
                sender.trailers(trailers).await;
            });
            response.body(body).unwrap()
        }
        None if path == "nothing" => response.body(empty()).unwrap(),
        None if path == "no-trailers" => response.body(full("\0\0\0\0\x02ok")).unwrap(),
        None if path == "http-503" => response.status(503).body(empty()).unwrap(),
        None => {
            assert_eq!(path, "reset");
            let (sender, body) = channel();
            tokio::spawn(async move {
                sender.data("\0\0\0\0\x02ok").await;
                sender.fail().await;
            });
            response.body(body).unwrap()
        }
        Some(other) => unreachable!("{other:?}"),
    }
}

async fn gateway(policy: &str) -> Protected {
    let upstream = Upstream::http2(answer).await;
    let mut config = with_policy(&[upstream.address], policy);
    config.upstreams.get_mut("posts").unwrap().protocol = Protocol::Http2;
    Protected::start(config)
}

/// One call over HTTP/2: the trailers of its response, or nothing where it broke off.
async fn call(gateway: &Protected, path: &str, content_type: &str) -> Option<HeaderMap> {
    let (mut client, _) = client::http2(gateway.address).await;
    let request = Request::post(format!("http://front.example{path}"))
        .header("content-type", content_type)
        .body(full("\0\0\0\0\x02hi"))
        .unwrap();
    let response = within(client.send_request(request)).await.unwrap();
    let body = within(response.into_body().collect()).await.ok()?;
    Some(body.trailers().cloned().unwrap_or_default())
}

#[tokio::test]
async fn each_status_counts_in_the_trailers_and_alone_in_the_headers() {
    let statuses = [
        ("0", "successes"),
        ("5", "successes"),
        ("1", "successes"),
        ("14", "failures"),
        ("2", "failures"),
        ("4", "failures"),
        ("13", "failures"),
        ("15", "failures"),
        ("8", "ignored"),
    ];
    let gateway = gateway(PATIENT).await;
    let mut expected =
        std::collections::BTreeMap::from([("successes", 0), ("failures", 0), ("ignored", 0)]);
    for (status, outcome) in statuses {
        let seen = call(&gateway, &format!("/trailers/{status}"), "application/grpc").await;
        assert_eq!(seen.unwrap()["grpc-status"], status);
        call(&gateway, &format!("/headers/{status}"), "application/grpc+proto").await.unwrap();
        *expected.get_mut(outcome).unwrap() += 2;
        let expected: Vec<_> = expected.iter().map(|(name, count)| (*name, *count)).collect();
        assert_counts(&gateway.at_rest().await, &expected);
    }
}

#[tokio::test]
async fn clients_got_what_the_status_of_grpc_says() {
    let gateway = gateway("").await;
    let grpc = "application/grpc";
    for status in ["0", "5", "8", "14"] {
        call(&gateway, &format!("/trailers/{status}"), grpc).await.unwrap();
        call(&gateway, &format!("/headers/{status}"), grpc).await.unwrap();
    }
    for path in ["/no-trailers", "/nothing", "/reset", "/http-503"] {
        call(&gateway, path, grpc).await;
    }
    call(&gateway, "/no-trailers", "text/plain").await.unwrap();
    let expected = [
        ("2xx", 1),
        ("5xx", 1),
        ("grpc_ok", 2),
        ("grpc_client_error", 4),
        ("grpc_server_error", 5),
    ];
    let expected = expected.map(|(class, count)| (class.to_owned(), count));
    assert_eq!(gateway.responses("posts").await, expected);
}

#[tokio::test]
async fn an_answer_without_a_status_was_cut_off() {
    let gateway = gateway(PATIENT).await;
    for (failures, path) in (1..).zip(["/no-trailers", "/nothing", "/reset", "/http-503"]) {
        let seen = call(&gateway, path, "application/grpc").await;
        assert_eq!(seen.is_none(), path == "/reset", "{path}");
        assert_counts(&gateway.at_rest().await, &[("failures", failures), ("successes", 0)]);
    }
}

#[tokio::test]
async fn what_is_not_grpc_has_no_status_in_its_trailers() {
    let gateway = gateway(PATIENT).await;
    // gRPC-Web has its status in the body, where it is not looked for.
    let content_types = [
        "application/grpc-web",
        "application/grpc-web+proto",
        "application/grpc-web-text",
        "text/plain",
    ];
    for (successes, content_type) in (1..).zip(content_types) {
        call(&gateway, "/no-trailers", content_type).await.unwrap();
        assert_counts(&gateway.at_rest().await, &[("successes", successes), ("failures", 0)]);
    }
    for content_type in ["application/grpc", "Application/gRPC; charset=x", "application/grpc+json"]
    {
        call(&gateway, "/no-trailers", content_type).await.unwrap();
    }
    assert_counts(&gateway.at_rest().await, &[("successes", 4), ("failures", 3)]);
}

#[tokio::test]
async fn unavailable_in_the_trailers_opens_the_circuit() {
    let gateway = gateway("breaker = { consecutive_failures = 3, open_for = '60s' }").await;
    for _ in 0..3 {
        assert_eq!(gateway.state().await, "closed");
        call(&gateway, "/trailers/14", "application/grpc").await.unwrap();
    }
    assert_eq!(gateway.at_rest().await["state"], "open");
}

#[tokio::test]
async fn unavailable_in_the_headers_is_replaced_by_the_fallback_and_in_the_trailers_is_too_late() {
    let gateway =
        gateway(&format!("{PATIENT}\nfallback = {{ status = 203, text = 'instead' }}")).await;
    let (mut client, _) = client::http2(gateway.address).await;
    let mut seen = Vec::new();
    for path in ["/headers/14", "/headers/0", "/headers/5", "/headers/8", "/trailers/14"] {
        let request = Request::post(format!("http://front.example{path}"))
            .header("content-type", "application/grpc")
            .body(empty())
            .unwrap();
        let response = within(client.send_request(request)).await.unwrap();
        let marks = response.headers().get("breakerbox-fallback").is_some();
        seen.push((response.status().as_u16(), marks));
        client::body(response).await.unwrap();
    }
    assert_eq!(seen, [(203, true), (200, false), (200, false), (200, false), (200, false)]);
}

#[tokio::test]
async fn a_client_that_goes_away_before_the_trailers_is_ignored() {
    let (told, mut asked) = tokio::sync::mpsc::unbounded_channel();
    let upstream =
        Upstream::http2(move |_| {
            let (sender, body) = channel();
            told.send(sender).unwrap();
            async move {
                Response::builder().header("content-type", "application/grpc").body(body).unwrap()
            }
        })
        .await;
    let mut config = with_policy(&[upstream.address], PATIENT);
    config.upstreams.get_mut("posts").unwrap().protocol = Protocol::Http2;
    let gateway = Protected::start(config);
    let (mut client, _) = client::http2(gateway.address).await;
    let request = Request::get("http://front.example/").body(empty()).unwrap();
    let response = within(client.send_request(request)).await.unwrap();
    let sender = within(asked.recv()).await.unwrap();
    assert!(sender.data("some").await);
    drop(response);
    assert_counts(&gateway.at_rest().await, &[("ignored", 1), ("failures", 0)]);
    within(sender.gone()).await;
}
