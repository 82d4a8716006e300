//! What all proxies stand in front of: a hyper server with a small answer and a large one.

use crate::ports::Ports;
use crate::serve::serve;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::{Request, Response};
use std::convert::Infallible;
use std::io;

/// The path of the large answer.
pub const LARGE: &str = "/large";
const LARGE_BYTES: usize = 1 << 20;

/// Serves for ever.
pub async fn run(ports: Ports) -> io::Result<()> {
    let large = Bytes::from(vec![b'x'; LARGE_BYTES]);
    let answer = move |request: Request<Incoming>| {
        let large = large.clone();
        async move {
            let body =
                if request.uri().path() == LARGE { large } else { Bytes::from_static(b"hello") };
            Ok::<_, Infallible>(Response::new(Full::new(body)))
        }
    };
    serve(ports, answer).await
}
