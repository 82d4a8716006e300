//! reqwest-middleware: a pipeline as a middleware.

use super::client::ClientLayer;
use crate::clock::Clock;
use crate::tower::Describe;
use crate::{Classify, Error, Hints};
use http::{Extensions, Response};
use reqwest::{Body, Request};
use reqwest_middleware::{Middleware, Next};
use std::pin::Pin;
use std::task::{Context, Poll};
use tower_layer::Layer;
use tower_service::Service;

/// As a middleware of [`reqwest_middleware`]. What comes after it is run once for each attempt.
///
/// An error of the pipeline is an [`Error`] inside of [`reqwest_middleware::Error::Middleware`].
///
/// ```
/// use breakerbox::http::ClientLayer;
///
/// # async fn fetch() -> reqwest_middleware::Result<String> {
/// let client = reqwest_middleware::ClientBuilder::new(reqwest::Client::new())
///     .with(ClientLayer::standard("posts"))
///     .build();
/// let response = client.get("http://posts.internal/1").send().await?;
/// Ok(response.text().await?)
/// # }
/// ```
#[async_trait::async_trait]
impl<C, W, D, K, H> Middleware for ClientLayer<C, W, D, K, H>
where
    C: Clock<Sleep: Send + Sync> + Send + Sync + 'static,
    W: Clone + Send + Sync + 'static,
    D: Describe<Request> + Clone + Send + Sync + 'static,
    K: Classify<Response<Body>, reqwest_middleware::Error> + Clone + Send + Sync + 'static,
    H: Hints<Response<Body>, reqwest_middleware::Error> + Clone + Send + Sync + 'static,
{
    async fn handle(
        &self,
        request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> reqwest_middleware::Result<reqwest::Response> {
        let rest = Rest { next, extensions: extensions.clone() };
        self.layer(rest).call(request).await.map_err(|error| match error {
            Error::Inner(error) => error,
            Error::Rejected(rejection) => {
                let error: Error<reqwest::Error> = Error::Rejected(rejection);
                reqwest_middleware::Error::middleware(error)
            }
            Error::Timeout(timeout) => {
                let error: Error<reqwest::Error> = Error::Timeout(timeout);
                reqwest_middleware::Error::middleware(error)
            }
        })
    }
}

/// What comes after the middleware, as a service.
#[derive(Clone)]
struct Rest<'a> {
    next: Next<'a>,
    extensions: Extensions,
}

impl<'a> Service<Request> for Rest<'a> {
    type Response = reqwest::Response;
    type Error = reqwest_middleware::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send + 'a>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let Self { next, mut extensions } = self.clone();
        Box::pin(async move { next.run(request, &mut extensions).await })
    }
}
