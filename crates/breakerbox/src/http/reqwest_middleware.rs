//! reqwest-middleware: a pipeline as a middleware.

use super::client::ClientLayer;
use crate::clock::Clock;
use crate::lock::lock;
use crate::tower::Describe;
use crate::{Classify, Error, Hints};
use http::{Extensions, Response};
use reqwest::{Body, Request};
use reqwest_middleware::{Middleware, Next};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use tower_layer::Layer;
use tower_service::Service;

/// As a middleware of [`reqwest_middleware`]. What comes after it is run once for each attempt, with
/// extensions of its own; those of the last attempt are what comes out.
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
        let answered = Arc::default();
        let rest = Rest { next, extensions: extensions.clone(), answered: Arc::clone(&answered) };
        let result = self.layer(rest).call(request).await;
        if let Some(theirs) = lock(&answered).take() {
            *extensions = theirs;
        }
        result.map_err(|error| match error {
            Error::Inner(error) => error,
            Error::Rejected(rejection) => own(Error::Rejected(rejection)),
            Error::Timeout(timeout) => own(Error::Timeout(timeout)),
        })
    }
}

fn own(error: Error<reqwest::Error>) -> reqwest_middleware::Error {
    reqwest_middleware::Error::middleware(error)
}

/// What comes after the middleware, as a service.
#[derive(Clone)]
struct Rest<'a> {
    next: Next<'a>,
    extensions: Extensions,
    /// What the last attempt that has ended leaves behind for the middleware before this one.
    answered: Arc<Mutex<Option<Extensions>>>,
}

impl<'a> Service<Request> for Rest<'a> {
    type Response = reqwest::Response;
    type Error = reqwest_middleware::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send + 'a>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let Self { next, mut extensions, answered } = self.clone();
        Box::pin(async move {
            let result = next.run(request, &mut extensions).await;
            *lock(&answered) = Some(extensions);
            result
        })
    }
}
