//! tonic: clients behind a pipeline, and errors as statuses.

use super::client::{ClientFuture, ClientLayer, ClientService};
use super::hosts::ByHost;
use super::judge::ByGrpc;
use super::response_body::ResponseBody;
use super::sending::SendBody;
use super::{BREAKERBOX_REASON, BodyError, ReplayBody};
use crate::clock::{Clock, SystemClock};
use crate::tower::{About, Describe};
use crate::{Classify, Error, Hints, Pipeline};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tonic::body::Body;
use tonic::{Code, Status};
use tower_layer::Layer;
use tower_service::Service;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// `RESOURCE_EXHAUSTED` for a rate limit, `UNAVAILABLE` for other rejections, `DEADLINE_EXCEEDED` where time
/// ran out; else what the error itself is. The metadata has `breakerbox-reason`, and
/// `grpc-retry-pushback-ms` where that can be told.
impl<E: Into<BoxError>> From<Error<E>> for Status {
    fn from(error: Error<E>) -> Self {
        let told = error.explain();
        let mut status = Self::new(Code::from_i32(i32::from(told.grpc)), told.message);
        // A layer above this one is to know whose word it is.
        match error {
            Error::Inner(inner) => return Self::from_error(inner.into()),
            Error::Rejected(rejection) => status.set_source(Arc::new(rejection)),
            Error::Timeout(timeout) => status.set_source(Arc::new(timeout)),
        };
        let metadata = status.metadata_mut().as_mut();
        metadata.insert(BREAKERBOX_REASON, HeaderValue::from_static(told.reason));
        if let Some(wait) = told.retry_after {
            let millis = u32::try_from(wait.as_millis()).unwrap_or(u32::MAX);
            metadata.insert("grpc-retry-pushback-ms", HeaderValue::from(millis));
        }
        status
    }
}

/// Bodies as tonic sends them.
///
/// ```
/// use breakerbox::http::{AsTonics, Replay, SendBody};
/// use http_body_util::{BodyExt, Full};
/// use tonic::body::Body;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let replay = Replay::new(Body::new(Full::<bytes::Bytes>::from("a message")), 1024);
/// let body: Body = AsTonics.send(replay.body());
/// assert_eq!(body.collect().await.unwrap().to_bytes(), "a message");
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct AsTonics;

impl SendBody<Body> for AsTonics {
    type Body = Body;

    fn send(&self, body: ReplayBody<Body>) -> Body {
        Body::new(body)
    }
}

/// Puts a [`Pipeline`] around the channel of a gRPC client.
///
/// It is a [`ClientLayer`] whose errors are [`Status`]es, which a generated client hands on as they are.
/// The status in the trailers counts, streams count when they end, `grpc-timeout` says what is left of the
/// deadline, and `grpc-retry-pushback-ms` is honoured. Every call of gRPC is a POST, so only those are
/// repeated that cannot have been received, until it is told of [others](Self::repeat_paths).
///
/// ```
/// use breakerbox::http::GrpcLayer;
/// use breakerbox::{Pipeline, breaker, retry};
/// use tonic::transport::Endpoint;
/// use tower::ServiceBuilder;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let posts = Pipeline::builder("posts")
///     .retry(retry::Settings { on: retry::When::http(), ..retry::Settings::default() })
///     .breaker(breaker::Settings::default())
///     .build()?;
/// let channel = Endpoint::from_static("http://posts.internal:50051").connect_lazy();
/// let layer = GrpcLayer::new(posts).repeat_paths(|path| path.starts_with("/posts.Posts/Get"));
/// assert_eq!(layer.pipeline().name().as_str(), "posts");
/// let channel = ServiceBuilder::new().layer(layer).service(channel);
/// // let client = PostsClient::new(channel);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct GrpcLayer<C: Clock = SystemClock, D = ByHost, K = ByGrpc, H = ByGrpc> {
    layer: ClientLayer<C, AsTonics, D, K, H>,
}

fn for_grpc<C: Clock>(layer: ClientLayer<C>) -> ClientLayer<C, AsTonics, ByHost, ByGrpc, ByGrpc> {
    layer.send_body(AsTonics).repeat_methods([]).classify(ByGrpc).hints(ByGrpc)
}

impl<C: Clock> GrpcLayer<C> {
    /// A layer of this pipeline.
    pub fn new(pipeline: Pipeline<C>) -> Self {
        Self { layer: for_grpc(ClientLayer::new(pipeline)) }
    }
}

impl GrpcLayer {
    /// The stack that most clients want: see [`ClientLayer::standard`].
    pub fn standard(name: &str) -> Self {
        Self { layer: for_grpc(ClientLayer::standard(name)) }
    }
}

impl<C: Clock, D, K, H> GrpcLayer<C, D, K, H> {
    /// Repeats any call: for services where doing twice what was asked once does no harm.
    pub fn repeat_all(self) -> Self {
        Self { layer: self.layer.repeat_methods([Method::POST]) }
    }

    /// Which calls may be repeated, by their path: `/package.Service/Method`.
    pub fn repeat_paths(self, may: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        Self { layer: self.layer.repeat_paths(may) }
    }

    /// Changes the layer for HTTP that it is.
    ///
    /// ```
    /// use breakerbox::http::GrpcLayer;
    /// use std::time::Duration;
    ///
    /// // A stream that is silent for longer than that has ended.
    /// let layer = GrpcLayer::standard("posts").with(|layer| layer.idle_timeout(Duration::from_secs(30)));
    /// assert_eq!(layer.pipeline().name().as_str(), "posts");
    /// ```
    pub fn with<E, L, I>(
        self,
        change: impl FnOnce(ClientLayer<C, AsTonics, D, K, H>) -> ClientLayer<C, AsTonics, E, L, I>,
    ) -> GrpcLayer<C, E, L, I> {
        GrpcLayer { layer: change(self.layer) }
    }

    /// What a request says of its call: see [`ClientLayer::about`].
    pub fn about<F>(self, describe: F) -> GrpcLayer<C, F, K, H>
    where
        F: Fn(&Request<Body>, About) -> About,
    {
        GrpcLayer { layer: self.layer.about(describe) }
    }

    /// The pipeline, for its statistics and events.
    pub fn pipeline(&self) -> &Pipeline<C> {
        self.layer.pipeline()
    }
}

impl<S, C: Clock, D: Clone, K: Clone, H: Clone> Layer<S> for GrpcLayer<C, D, K, H> {
    type Service = GrpcService<S, C, D, K, H>;

    fn layer(&self, service: S) -> Self::Service {
        GrpcService { service: self.layer.layer(service) }
    }
}

/// The channel of a gRPC client behind a [`Pipeline`]. Made by [`GrpcLayer`].
///
/// ```
/// use breakerbox::http::{GrpcLayer, GrpcService};
/// use tonic::transport::{Channel, Endpoint};
/// use tower::Layer;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// /// The client that tonic generates takes it where it takes a `Channel`.
/// struct Posts {
///     channel: GrpcService<Channel>,
/// }
/// let layer = GrpcLayer::standard("posts");
/// let channel = Endpoint::from_static("http://posts.internal:50051").connect_lazy();
/// let posts = Posts { channel: layer.layer(channel) };
/// assert_eq!(layer.pipeline().stats().breaker.unwrap().started, 0);
/// # }
/// ```
#[derive(Clone)]
pub struct GrpcService<S, C: Clock = SystemClock, D = ByHost, K = ByGrpc, H = ByGrpc> {
    service: ClientService<S, C, AsTonics, D, K, H>,
}

impl<S, RB, C, D, K, H> Service<Request<Body>> for GrpcService<S, C, D, K, H>
where
    RB: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    S: Service<Request<Body>, Response = Response<RB>, Error: Into<BoxError>> + Clone,
    C: Clock<Sleep: Send> + Send + Sync + 'static,
    D: Describe<Request<Body>>,
    K: Classify<Response<RB>, S::Error> + Clone,
    H: Hints<Response<RB>, S::Error> + Clone,
{
    type Response = Response<Body>;
    type Error = Status;
    type Future = GrpcFuture<S, C, K, H>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Service::<Request<Body>>::poll_ready(&mut self.service, cx).map_err(Status::from)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        GrpcFuture { running: self.service.call(request) }
    }
}

pin_project_lite::pin_project! {
    /// The future of one call of a [`GrpcService`]. The call begins when it is first polled; dropping it
    /// gives the call up, and all that it holds.
    ///
    /// ```
    /// use breakerbox::http::GrpcLayer;
    /// use breakerbox::{Control, Pipeline, breaker};
    /// use http::{Request, Response};
    /// use tonic::body::Body;
    /// use tower::{Layer, Service, ServiceExt, service_fn};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let posts = Pipeline::builder("posts").breaker(breaker::Settings::default()).build()?;
    /// posts.control(Control::Isolate);
    /// // This would be a `Channel`.
    /// let channel = service_fn(async |_: Request<Body>| {
    ///     Ok::<_, std::io::Error>(Response::new(Body::empty()))
    /// });
    /// let mut channel = GrpcLayer::new(posts).layer(channel);
    /// let status = channel.ready().await?.call(Request::new(Body::empty())).await.unwrap_err();
    /// assert_eq!(status.code(), tonic::Code::Unavailable);
    /// # Ok(()) }
    /// ```
    #[must_use = "futures do nothing unless polled"]
    pub struct GrpcFuture<S, C, K, H>
    where
        S: Service<Request<Body>>,
        S: Clone,
        C: Clock,
    {
        #[pin]
        running: ClientFuture<S, Body, C, AsTonics, K, H>,
    }
}

impl<S, RB, C, K, H> Future for GrpcFuture<S, C, K, H>
where
    RB: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    S: Service<Request<Body>, Response = Response<RB>, Error: Into<BoxError>> + Clone,
    C: Clock<Sleep: Send> + Send + Sync + 'static,
    K: Classify<Response<RB>, S::Error>,
    H: Hints<Response<RB>, S::Error>,
{
    type Output = Result<Response<Body>, Status>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let polled = self.project().running.poll(cx);
        polled.map_ok(|response| response.map(as_tonics)).map_err(Status::from)
    }
}

fn as_tonics<RB, C>(body: ResponseBody<RB, C>) -> Body
where
    RB: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    C: Clock<Sleep: Send> + Send + Sync + 'static,
{
    if body.is_end_stream() {
        return Body::empty();
    }
    Body::new(body.map_err(|error| Status::from(error.map_inner(BodyError::into_inner))))
}

impl<C: Clock, D, K, H> fmt::Debug for GrpcLayer<C, D, K, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GrpcLayer").field("pipeline", self.pipeline()).finish_non_exhaustive()
    }
}

impl<S: fmt::Debug, C: Clock, D, K, H> fmt::Debug for GrpcService<S, C, D, K, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GrpcService").field("service", &self.service).finish()
    }
}

impl<S, C, K, H> fmt::Debug for GrpcFuture<S, C, K, H>
where
    S: Service<Request<Body>> + Clone,
    C: Clock,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GrpcFuture").finish_non_exhaustive()
    }
}
