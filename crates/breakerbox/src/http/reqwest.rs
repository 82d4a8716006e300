//! reqwest: a client behind a pipeline.

use super::client::ClientService;
use super::hosts::{ByHost, of_host};
use super::plan::ByBody;
use super::sending::{is_hedgeable, tell};
use crate::clock::Clock;
use crate::pipeline::{Operation, PipelineFuture};
use crate::tower::{About, Attempt, Describe, release, take_ready};
use crate::{Classify, Error, Hints};
use http::Response;
use reqwest::Body;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tower_service::Service;

impl Describe<reqwest::Request> for ByHost {
    fn describe(&self, request: &reqwest::Request, about: About) -> About {
        let url = request.url();
        match url.host_str() {
            Some(host) => of_host(about, host, url.port_or_known_default()),
            None => about,
        }
    }
}

/// With requests and responses of reqwest. A request whose body is a stream is sent once, as reqwest itself
/// does when it is redirected.
///
/// ```
/// use breakerbox::http::ClientLayer;
/// use tower::{ServiceBuilder, ServiceExt};
///
/// # async fn fetch() -> Result<String, Box<dyn std::error::Error>> {
/// let client = reqwest::Client::new();
/// let posts = ServiceBuilder::new().layer(ClientLayer::standard("posts")).service(client.clone());
/// let request = client.get("http://posts.internal/1").build()?;
/// let response: reqwest::Response = posts.oneshot(request).await?;
/// Ok(response.text().await?)
/// # }
/// ```
impl<S, C, W, D, K, H> Service<reqwest::Request> for ClientService<S, C, W, D, K, H>
where
    S: Service<reqwest::Request, Response = reqwest::Response> + Clone,
    C: Clock<Sleep: Send + Sync> + Send + Sync + 'static,
    D: Describe<reqwest::Request>,
    K: Classify<Response<Body>, S::Error> + Clone,
    H: Hints<Response<Body>, S::Error> + Clone,
{
    type Response = reqwest::Response;
    type Error = Error<S::Error>;
    type Future = ReqwestFuture<S, C, K, H>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.service.poll_ready(cx).map_err(Error::Inner)
    }

    fn call(&mut self, request: reqwest::Request) -> Self::Future {
        let service = Converted(take_ready(&mut self.service));
        let inner = Arc::clone(self.layer.pipeline.inner());
        let with = &self.layer.with;
        let told = with.told(&request, request.headers(), &inner);
        let again = inner.pipeline.repeats_at_all();
        let operation = Sending {
            service,
            spare: if again { request.try_clone() } else { None },
            repeatable: with.repeats.may(request.method(), request.url().path(), request.headers()),
            request: Some(request),
            tells: with.tells,
            ready: true,
        };
        let plan = with.plan(&inner);
        ReqwestFuture { running: PipelineFuture::new(inner, operation, plan, told) }
    }
}

/// A request of reqwest, once or several times.
struct Sending<S> {
    service: Converted<S>,
    request: Option<reqwest::Request>,
    /// Another one like it; none where its body is a stream.
    spare: Option<reqwest::Request>,
    repeatable: bool,
    tells: bool,
    ready: bool,
}

impl<S> Operation for Sending<S>
where
    S: Service<reqwest::Request, Response = reqwest::Response> + Clone,
{
    type Value = Response<Body>;
    type Error = S::Error;
    type Future = Attempt<Converted<S>, reqwest::Request>;

    fn repeatable(&self) -> bool {
        self.repeatable && self.spare.is_some()
    }

    fn hedgeable(&self) -> bool {
        self.repeatable()
            && self
                .request
                .as_ref()
                .is_some_and(|request| is_hedgeable(request.method(), request.body().is_none()))
    }

    fn can_start(&self) -> bool {
        self.request.is_some() || self.spare.is_some()
    }

    fn start(&mut self, number: u32, left: impl FnOnce() -> Option<Duration>) -> Self::Future {
        let request = self.request.take().or_else(|| {
            let spare = self.spare.take()?;
            self.spare = spare.try_clone();
            Some(spare)
        });
        let mut request =
            request.expect("the machine repeats nothing that it was told not to repeat");
        if self.tells {
            tell(request.headers_mut(), number, left());
        }
        Attempt::new(&mut self.service, request, std::mem::replace(&mut self.ready, false))
    }

    fn release(&mut self) {
        release(&mut self.service, &mut self.ready);
    }

    fn waits(attempt: &Self::Future) -> bool {
        attempt.waits()
    }
}

/// A service of reqwest whose responses are those of everybody.
#[derive(Clone)]
struct Converted<S>(S);

impl<S> Service<reqwest::Request> for Converted<S>
where
    S: Service<reqwest::Request, Response = reqwest::Response>,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Converting<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: reqwest::Request) -> Self::Future {
        Converting { response: self.0.call(request) }
    }
}

pin_project_lite::pin_project! {
    struct Converting<F> {
        #[pin]
        response: F,
    }
}

impl<F, E> Future for Converting<F>
where
    F: Future<Output = Result<reqwest::Response, E>>,
{
    type Output = Result<Response<Body>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().response.poll(cx).map_ok(|response| {
            let url = response.url().clone();
            let mut response = Response::from(response);
            response.extensions_mut().insert(url);
            response
        })
    }
}

pin_project_lite::pin_project! {
    /// The future of one request of a [`ClientService`] of reqwest. The call begins when it is first polled;
    /// dropping it gives the call up, and all that it holds.
    ///
    /// ```
    /// use breakerbox::http::ClientLayer;
    /// use tower::{Layer, Service, ServiceExt, service_fn};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// // This would be a `reqwest::Client`.
    /// let client = service_fn(async |_: reqwest::Request| {
    ///     Ok::<_, std::io::Error>(reqwest::Response::from(http::Response::new("a post")))
    /// });
    /// let mut posts = ClientLayer::standard("posts").layer(client);
    /// let request = reqwest::Request::new(reqwest::Method::GET, "http://posts.internal/1".parse()?);
    /// let response = ServiceExt::<reqwest::Request>::ready(&mut posts).await?.call(request).await?;
    /// assert_eq!(response.text().await?, "a post");
    /// # Ok(()) }
    /// ```
    #[must_use = "futures do nothing unless polled"]
    pub struct ReqwestFuture<S, C, K, H>
    where
        S: Service<reqwest::Request, Response = reqwest::Response>,
        S: Clone,
        C: Clock,
    {
        #[pin]
        running: PipelineFuture<Arc<crate::inner::Inner<C>>, C, Sending<S>, ByBody<C, K, H>>,
    }
}

impl<S, C, K, H> Future for ReqwestFuture<S, C, K, H>
where
    S: Service<reqwest::Request, Response = reqwest::Response> + Clone,
    C: Clock<Sleep: Send + Sync> + Send + Sync + 'static,
    K: Classify<Response<Body>, S::Error>,
    H: Hints<Response<Body>, S::Error>,
{
    type Output = Result<reqwest::Response, Error<S::Error>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        use reqwest::ResponseBuilderExt as _;
        let response = ready!(self.project().running.poll(cx))?;
        let (mut head, body) = response.map(Body::wrap).into_parts();
        let url = head.extensions.remove::<reqwest::Url>();
        // Only a builder can be told where a response came from.
        let built = url.and_then(|url| Response::builder().url(url).body(()).ok());
        if let Some(built) = built {
            head.extensions.extend(built.into_parts().0.extensions);
        }
        Poll::Ready(Ok(Response::from_parts(head, body).into()))
    }
}

impl<S, C: Clock, K, H> std::fmt::Debug for ReqwestFuture<S, C, K, H>
where
    S: Service<reqwest::Request, Response = reqwest::Response> + Clone,
{
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReqwestFuture").finish_non_exhaustive()
    }
}
