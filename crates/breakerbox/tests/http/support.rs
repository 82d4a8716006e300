//! Services that answer what they are told, and bodies that come as they are told.

use breakerbox::clock::TokioClock;
use breakerbox::{Outcome, Pipeline, PipelineBuilder, WithTimer, breaker, retry};
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tower::Service;

pub(crate) const MS: Duration = Duration::from_millis(1);

/// What is next of a body.
#[derive(Clone, Debug)]
pub(crate) enum Part {
    Data(&'static str),
    Trailers(HeaderMap),
    Fails,
    /// Nothing comes any more.
    Hangs,
    /// What is next comes so many milliseconds after it was asked for.
    Later(u64),
}

/// A body that comes as it was told.
#[derive(Debug, Default)]
pub(crate) struct Parts(VecDeque<Part>, Option<Pin<Box<tokio::time::Sleep>>>);

impl Parts {
    pub(crate) fn of(parts: &[Part]) -> Self {
        Self(parts.iter().cloned().collect(), None)
    }
}

impl Body for Parts {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if let Some(Part::Later(millis)) = self.0.front().cloned() {
            let later = self
                .1
                .get_or_insert_with(|| Box::pin(tokio::time::sleep(Duration::from_millis(millis))));
            ready!(later.as_mut().poll(cx));
            self.0.pop_front();
        }
        if matches!(self.0.front(), Some(Part::Hangs)) {
            return Poll::Pending;
        }
        Poll::Ready(self.0.pop_front().map(|part| match part {
            Part::Data(text) => Ok(Frame::data(Bytes::from_static(text.as_bytes()))),
            Part::Trailers(trailers) => Ok(Frame::trailers(trailers)),
            Part::Fails | Part::Hangs | Part::Later(_) => {
                Err(io::ErrorKind::ConnectionReset.into())
            }
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }
}

/// What a service was sent: the head, and the body if it was read.
pub(crate) type Seen = Arc<Mutex<Vec<(http::request::Parts, Vec<u8>)>>>;

/// What a service answers, one after the other; the last repeats.
#[derive(Clone)]
pub(crate) struct Answers {
    answers: Arc<dyn Fn(usize) -> io::Result<Response<Parts>> + Send + Sync>,
    pub(crate) seen: Seen,
    pub(crate) takes: Duration,
    /// It answers without having read the body.
    pub(crate) early: bool,
}

impl Answers {
    pub(crate) fn new(
        answers: impl Fn(usize) -> io::Result<Response<Parts>> + Send + Sync + 'static,
    ) -> Self {
        let (answers, seen) = (Arc::new(answers) as _, Seen::default());
        Self { answers, seen, takes: Duration::ZERO, early: false }
    }

    /// One status after the other.
    pub(crate) fn statuses(statuses: &'static [u16]) -> Self {
        Self::new(move |number| {
            let status = statuses.get(number).or(statuses.last()).copied().unwrap();
            Ok(answer(status, &[]))
        })
    }

    pub(crate) fn calls(&self) -> usize {
        self.seen.lock().unwrap().len()
    }

    /// A header of each request that came.
    pub(crate) fn header(&self, name: &str) -> Vec<Option<String>> {
        let of = |head: &http::request::Parts| {
            Some(head.headers.get(name)?.to_str().unwrap().to_owned())
        };
        self.seen.lock().unwrap().iter().map(|(head, _)| of(head)).collect()
    }

    pub(crate) fn bodies(&self) -> Vec<String> {
        let text = |body: &[u8]| String::from_utf8_lossy(body).into_owned();
        self.seen.lock().unwrap().iter().map(|(_, body)| text(body)).collect()
    }
}

impl<B> Service<Request<B>> for Answers
where
    B: Body<Data = Bytes, Error: std::fmt::Debug> + Send + Unpin + 'static,
{
    type Response = Response<Parts>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Response<Parts>>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let Self { answers, seen, takes, early } = self.clone();
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let number = seen.lock().unwrap().len();
            seen.lock().unwrap().push((head, Vec::new()));
            if !early {
                let body = body.collect().await.expect("the body comes").to_bytes();
                seen.lock().unwrap()[number].1 = body.to_vec();
            }
            tokio::time::sleep(takes).await;
            answers(number)
        })
    }
}

/// A response with a body of one part.
pub(crate) fn answer(status: u16, headers: &[(&str, &str)]) -> Response<Parts> {
    with_body(status, headers, &[Part::Data("a post")])
}

pub(crate) fn with_body(status: u16, headers: &[(&str, &str)], body: &[Part]) -> Response<Parts> {
    let response = Response::builder().status(status);
    let response = headers.iter().fold(response, |it, (name, value)| it.header(*name, *value));
    response.body(Parts::of(body)).unwrap()
}

pub(crate) fn trailers(status: &'static str) -> Part {
    let name = http::HeaderName::from_static("grpc-status");
    Part::Trailers(HeaderMap::from_iter([(name, status.parse().unwrap())]))
}

pub(crate) fn builder() -> PipelineBuilder<TokioClock, WithTimer> {
    Pipeline::builder("posts").clock(TokioClock::new()).attempt_timeout(3000 * MS)
}

/// So many attempts, 10 ms apart.
pub(crate) fn attempts(attempts: u32) -> retry::Settings {
    let on = retry::When::http();
    let mut settings = retry::Settings { attempts, on, ..retry::Settings::default() };
    settings.backoff.initial = 10 * MS;
    settings.backoff.growth = retry::Growth::Fixed;
    settings.backoff.jitter = retry::Jitter::None;
    settings
}

pub(crate) fn breaker_after(failures: u32) -> breaker::Settings {
    breaker::Settings { consecutive_failures: Some(failures), ..breaker::Settings::default() }
}

/// Successes, failures, ignored outcomes and calls in flight, as the breaker has counted them.
pub(crate) fn counted(pipeline: &Pipeline<TokioClock>) -> [u64; 4] {
    let stats = pipeline.stats().breaker.unwrap();
    [stats.successes, stats.failures, stats.ignored, stats.in_flight]
}

pub(crate) const NEITHER: Outcome = Outcome::Ignored;

pub(crate) type Never = Infallible;
