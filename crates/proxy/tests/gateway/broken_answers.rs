//! Answers that break off: the client sees what came before, head and bytes, and that it is not the whole.

use std::net::SocketAddr;

use http::{Request, Response};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::io::AsyncWriteExt as _;
use tokio::task::JoinSet;

use crate::support::protected::Protected;
use crate::support::upstream::Upstream;
use crate::support::{AnyBody, client, empty, full, raw, within};

/// What came of many answers.
#[derive(Debug, Default, PartialEq, Eq)]
struct Came {
    headless: usize,
    heads: usize,
    bytes: usize,
    broken: usize,
}

impl Came {
    /// All of them broke off after so many bytes.
    fn broken(answers: usize, bytes: usize) -> Self {
        Self { headless: 0, heads: answers, bytes: answers * bytes, broken: answers }
    }

    async fn add<E>(&mut self, response: Result<Response<Incoming>, E>) {
        let Ok(response) = response else {
            self.headless += 1;
            return;
        };
        assert_eq!(response.status(), 200, "{:?}", response.headers());
        self.heads += 1;
        let mut body = response.into_body();
        while let Some(frame) = within(body.frame()).await {
            match frame {
                Ok(frame) => self.bytes += frame.data_ref().map_or(0, bytes::Bytes::len),
                Err(_) => {
                    self.broken += 1;
                    return;
                }
            }
        }
    }
}

fn request() -> Request<AnyBody> {
    Request::post("http://front.example/").header("host", "front.example").body(empty()).unwrap()
}

async fn over_http1(address: SocketAddr, answers: usize) -> Came {
    let mut came = Came::default();
    for _ in 0..answers {
        let (mut client, _) = client::http1(address).await;
        came.add(within(client.send_request(request())).await).await;
    }
    came
}

/// A text of so many bytes.
fn full_of(bytes: usize) -> String {
    "0123456789".repeat(bytes / 10)
}

/// So many times ten at once, over one connection.
async fn over_http2(address: SocketAddr, answers: usize) -> Came {
    let (client, _) = client::http2(address).await;
    let mut all = JoinSet::new();
    for _ in 0..10 {
        let mut client = client.clone();
        all.spawn(async move {
            let mut came = Came::default();
            for _ in 0..answers / 10 {
                came.add(within(client.send_request(request())).await).await;
            }
            came
        });
    }
    all.join_all().await.into_iter().fold(Came::default(), |sum, one| Came {
        headless: sum.headless + one.headless,
        heads: sum.heads + one.heads,
        bytes: sum.bytes + one.bytes,
        broken: sum.broken + one.broken,
    })
}

#[tokio::test]
async fn of_an_answer_that_chaos_cuts_off_the_client_sees_what_came_before() {
    let long = || Response::new(full(full_of(500_000)));
    let upstreams = [
        Upstream::http1(move |_| async move { long() }).await.address,
        Upstream::http2(move |_| async move { long() }).await.address,
    ];
    for (bytes, answers) in [(0, 200), (3, 200), (400_000, 20)] {
        let policy = format!("chaos.truncate_body = {bytes}");
        let expected = Came::broken(answers, bytes);
        for gateway in
            [Protected::new(upstreams[0], &policy), Protected::over_http2(upstreams[1], &policy)]
        {
            assert_eq!(over_http1(gateway.address, answers).await, expected, "HTTP/1, {policy}");
            assert_eq!(over_http2(gateway.address, answers).await, expected, "HTTP/2, {policy}");
        }
    }
}

#[tokio::test]
async fn of_an_upstream_that_dies_in_its_answer_the_client_sees_what_came_before() {
    for (answer, bytes) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n", 0),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", 0),
        ("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf", 4),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n", 4),
    ] {
        let upstream = Upstream::script(move |mut stream, count| async move {
            raw::read_until(&mut stream, "\r\n\r\n").await;
            count();
            stream.write_all(answer.as_bytes()).await.unwrap();
        })
        .await;
        let gateway = Protected::new(upstream.address, "");
        let expected = Came::broken(50, bytes);
        assert_eq!(over_http1(gateway.address, 50).await, expected, "HTTP/1, {answer}");
        assert_eq!(over_http2(gateway.address, 50).await, expected, "HTTP/2, {answer}");
    }
}

#[tokio::test]
async fn many_large_answers_given_up_do_not_end_the_connection_of_the_others() {
    let long = full_of(3_000_000);
    let upstream = Upstream::http2(move |_| {
        let long = long.clone();
        async move { Response::new(full(long)) }
    })
    .await;
    let gateway = Protected::over_http2(upstream.address, "");
    let address = gateway.address;
    let mut all = JoinSet::new();
    for _ in 0..50 {
        all.spawn(async move {
            for _ in 0..20 {
                let (mut client, _) = client::http1(address).await;
                let response = within(client.send_request(request())).await.unwrap();
                assert_eq!(response.status(), 200, "{:?}", response.headers());
                // It is dropped with its body unread.
            }
        });
    }
    all.join_all().await;
    assert_eq!((upstream.connections(), upstream.requests()), (1, 1000));
}
