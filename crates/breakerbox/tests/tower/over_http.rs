//! The layers for HTTP as layers of this test's services, whose requests and answers are numbers.

use crate::support::Scripted;
use breakerbox::Error;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Empty;
use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};
use tower::{Layer, Service};

type Future<T, E> = Pin<Box<dyn std::future::Future<Output = Result<T, E>>>>;

/// A layer for HTTP between numbers, and the body of its requests.
pub(crate) struct OverHttp<L, B = Empty<Bytes>>(L, PhantomData<B>);

impl<L, B> OverHttp<L, B> {
    pub(crate) fn new(layer: L) -> Self {
        Self(layer, PhantomData)
    }
}

impl<L: Layer<AsHttp>, B> Layer<Scripted> for OverHttp<L, B> {
    type Service = Numbers<L::Service, B>;

    fn layer(&self, service: Scripted) -> Self::Service {
        Numbers(self.0.layer(AsHttp(service)), PhantomData)
    }
}

/// A service of numbers as one of HTTP.
#[derive(Clone)]
pub(crate) struct AsHttp(Scripted);

impl<B> Service<Request<B>> for AsHttp {
    type Response = Response<Empty<Bytes>>;
    type Error = Number;
    type Future = Future<Self::Response, Number>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Number>> {
        self.0.poll_ready(cx).map_err(Number)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let answer = self.0.call(request.extensions().get().copied().expect("a number"));
        Box::pin(async {
            let mut response = Response::new(Empty::new());
            // For a call of gRPC, which would fail without.
            response.headers_mut().insert("grpc-status", 0.into());
            response.extensions_mut().insert(answer.await.map_err(Number)?);
            Ok(response)
        })
    }
}

/// A service of HTTP as one of numbers.
pub(crate) struct Numbers<S, B>(S, PhantomData<B>);

impl<S: Clone, B> Clone for Numbers<S, B> {
    fn clone(&self) -> Self {
        Self(self.0.clone(), PhantomData)
    }
}

impl<S, B, RB, E> Service<u32> for Numbers<S, B>
where
    S: Service<Request<B>, Response = Response<RB>, Error = E>,
    S::Future: 'static,
    B: Default,
    E: IntoError + 'static,
{
    type Response = u32;
    type Error = Error<u32>;
    type Future = Future<u32, Error<u32>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(cx).map_err(E::into_error)
    }

    fn call(&mut self, number: u32) -> Self::Future {
        let mut request = Request::new(B::default());
        request.extensions_mut().insert(number);
        let response = self.0.call(request);
        Box::pin(async {
            let response = response.await.map_err(E::into_error)?;
            Ok(response.extensions().get().copied().expect("it was let through"))
        })
    }
}

/// An error that is a number.
#[derive(Debug)]
pub(crate) struct Number(u32);

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Number {}

/// A client's error has the service's inside, a server's is the service's.
pub(crate) trait IntoError {
    fn into_error(self) -> Error<u32>;
}

impl IntoError for Number {
    fn into_error(self) -> Error<u32> {
        Error::Inner(self.0)
    }
}

impl IntoError for Error<Number> {
    fn into_error(self) -> Error<u32> {
        self.map_inner(|number| number.0)
    }
}

/// tonic's has it as its source.
#[cfg(feature = "tonic")]
impl IntoError for tonic::Status {
    fn into_error(self) -> Error<u32> {
        let source = std::error::Error::source(&self).and_then(|it| it.downcast_ref::<Number>());
        Error::Inner(source.unwrap_or_else(|| panic!("of the service: {self:?}")).0)
    }
}

/// A layer for reqwest between numbers.
#[cfg(feature = "reqwest")]
pub(crate) struct OverReqwest<L>(pub(crate) L);

#[cfg(feature = "reqwest")]
impl<L: Layer<AsReqwest>> Layer<Scripted> for OverReqwest<L> {
    type Service = OfReqwest<L::Service>;

    fn layer(&self, service: Scripted) -> Self::Service {
        OfReqwest(self.0.layer(AsReqwest(service)))
    }
}

/// A service of numbers as one of reqwest.
#[cfg(feature = "reqwest")]
#[derive(Clone)]
pub(crate) struct AsReqwest(Scripted);

#[cfg(feature = "reqwest")]
impl Service<reqwest::Request> for AsReqwest {
    type Response = reqwest::Response;
    type Error = Number;
    type Future = Future<Self::Response, Number>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Number>> {
        self.0.poll_ready(cx).map_err(Number)
    }

    fn call(&mut self, request: reqwest::Request) -> Self::Future {
        let number = request.url().port().expect("a number");
        let answer = self.0.call(number.into());
        Box::pin(async {
            let mut response = Response::new("");
            response.headers_mut().insert("number", answer.await.map_err(Number)?.into());
            Ok(response.into())
        })
    }
}

/// A service of reqwest as one of numbers.
#[cfg(feature = "reqwest")]
#[derive(Clone)]
pub(crate) struct OfReqwest<S>(S);

#[cfg(feature = "reqwest")]
impl<S> Service<u32> for OfReqwest<S>
where
    S: Service<reqwest::Request, Response = reqwest::Response, Error = Error<Number>>,
    S::Future: 'static,
{
    type Response = u32;
    type Error = Error<u32>;
    type Future = Future<u32, Error<u32>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(cx).map_err(IntoError::into_error)
    }

    fn call(&mut self, number: u32) -> Self::Future {
        let url = format!("http://posts:{number}/").parse().expect("a URL");
        let response = self.0.call(reqwest::Request::new(reqwest::Method::GET, url));
        Box::pin(async {
            let response = response.await.map_err(IntoError::into_error)?;
            let number = response.headers()["number"].to_str().expect("a number");
            Ok(number.parse().expect("a number"))
        })
    }
}
