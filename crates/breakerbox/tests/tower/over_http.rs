//! The layers for HTTP as layers of this test's services, whose requests and answers are numbers.

use crate::support::Scripted;
use breakerbox::Error;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Empty;
use std::pin::Pin;
use std::task::{Context, Poll};
use tower::{Layer, Service};

type Asked<B> = Request<B>;
type Future<T, E> = Pin<Box<dyn std::future::Future<Output = Result<T, E>>>>;

/// A layer for HTTP between numbers.
pub(crate) struct OverHttp<L>(pub(crate) L);

impl<L: Layer<AsHttp>> Layer<Scripted> for OverHttp<L> {
    type Service = Numbers<L::Service>;

    fn layer(&self, service: Scripted) -> Self::Service {
        Numbers(self.0.layer(AsHttp(service)))
    }
}

/// A service of numbers as one of HTTP.
#[derive(Clone)]
pub(crate) struct AsHttp(Scripted);

impl<B> Service<Asked<B>> for AsHttp {
    type Response = Response<Empty<Bytes>>;
    type Error = u32;
    type Future = Future<Self::Response, u32>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), u32>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Asked<B>) -> Self::Future {
        let answer = self.0.call(request.extensions().get().copied().expect("a number"));
        Box::pin(async {
            let mut response = Response::new(Empty::new());
            response.extensions_mut().insert(answer.await?);
            Ok(response)
        })
    }
}

/// A service of HTTP as one of numbers.
#[derive(Clone)]
pub(crate) struct Numbers<S>(S);

impl<S, B, E> Service<u32> for Numbers<S>
where
    S: Service<Asked<Empty<Bytes>>, Response = Response<B>, Error = E>,
    S::Future: 'static,
    E: IntoError + 'static,
{
    type Response = u32;
    type Error = Error<u32>;
    type Future = Future<u32, Error<u32>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(cx).map_err(E::into_error)
    }

    fn call(&mut self, number: u32) -> Self::Future {
        let mut request = Request::new(Empty::new());
        request.extensions_mut().insert(number);
        let response = self.0.call(request);
        Box::pin(async {
            let response = response.await.map_err(E::into_error)?;
            Ok(response.extensions().get().copied().expect("it was let through"))
        })
    }
}

/// A client's error has the service's inside, a server's is the service's.
pub(crate) trait IntoError {
    fn into_error(self) -> Error<u32>;
}

impl IntoError for u32 {
    fn into_error(self) -> Error<u32> {
        Error::Inner(self)
    }
}

impl IntoError for Error<u32> {
    fn into_error(self) -> Self {
        self
    }
}
