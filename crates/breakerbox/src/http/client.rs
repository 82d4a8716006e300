//! A pipeline around a service that sends requests.

use super::headers::time_left;
use super::hosts::ByHost;
use super::judge::ByProtocol;
use super::plan::ByBody;
use super::repeats::{Methods, Repeats};
use super::response_body::ResponseBody;
use super::sending::{AsItIs, SendBody, Sending};
use crate::clock::{Clock, SystemClock};
use crate::inner::Inner;
use crate::pipeline::{PipelineFuture, Told};
use crate::tower::{About, Describe, OverLayers, take_ready};
use crate::{Classify, Error, Hints, Pipeline, breaker, retry};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method, Request, Response};
use http_body::Body;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tower_layer::Layer;
use tower_service::Service;

/// Puts a [`Pipeline`] around a service that sends HTTP requests: a hyper client, a connection pool,
/// anything that takes an [`http::Request`].
///
/// It knows what HTTP means: which responses are failures, which methods may be repeated, `Retry-After`,
/// how to send a body again, how to pass the deadline on; and a response counts when its body has ended.
///
/// ```
/// use breakerbox::http::ClientLayer;
/// use http::{Request, Response, StatusCode};
/// use http_body_util::Empty;
/// use std::sync::atomic::{AtomicU32, Ordering};
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// static SENT: AtomicU32 = AtomicU32::new(0);
/// // This would be a client that sends them.
/// let flaky = service_fn(async |_: Request<_>| {
///     let status = match SENT.fetch_add(1, Ordering::Relaxed) {
///         0 => StatusCode::SERVICE_UNAVAILABLE,
///         _ => StatusCode::OK,
///     };
///     let mut response = Response::new(Empty::<bytes::Bytes>::new());
///     *response.status_mut() = status;
///     Ok::<_, std::io::Error>(response)
/// });
/// let client = ServiceBuilder::new().layer(ClientLayer::standard("posts")).service(flaky);
/// let request = Request::get("http://posts.internal/1").body(Empty::<bytes::Bytes>::new())?;
/// assert_eq!(client.oneshot(request).await?.status(), 200);
/// assert_eq!(SENT.load(Ordering::Relaxed), 2);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct ClientLayer<
    C: Clock = SystemClock,
    W = AsItIs,
    D = ByHost,
    K = ByProtocol,
    H = ByProtocol,
> {
    pub(super) pipeline: Pipeline<C>,
    pub(super) with: With<W, D, K, H>,
}

/// What a layer was told besides its pipeline.
#[derive(Clone)]
pub(super) struct With<W, D, K, H> {
    pub(super) send: W,
    pub(super) describe: D,
    pub(super) classify: K,
    pub(super) hints: H,
    pub(super) max_body: usize,
    pub(super) idle: Option<Duration>,
    pub(super) repeats: Repeats,
    pub(super) tells: bool,
}

impl<W, D, K: Clone, H: Clone> With<W, D, K, H> {
    /// What a request says of its call. It has no more time than its own headers give it.
    pub(super) fn told<R, C: Clock>(
        &self,
        request: &R,
        headers: &HeaderMap,
        inner: &Inner<C>,
    ) -> Told
    where
        D: Describe<R>,
    {
        let told = self.describe.describe(request, About::new(inner.seed)).told();
        told.within(time_left(headers))
    }

    /// How a response is judged.
    pub(super) fn plan<C: Clock>(&self, inner: &Arc<Inner<C>>) -> ByBody<C, K, H> {
        let (classify, hints) = (self.classify.clone(), self.hints.clone());
        ByBody {
            inner: Arc::clone(inner),
            classify,
            hints,
            idle: self.idle,
            until_head: false,
            call: None,
        }
    }
}

impl<C: Clock> ClientLayer<C> {
    /// A layer of this pipeline.
    ///
    /// Requests with an idempotent method are sent again as the pipeline says, bodies up to 64 KiB
    /// included; all others only where they cannot have been received. The key of a call is its host.
    pub fn new(pipeline: Pipeline<C>) -> Self {
        let with = With {
            send: AsItIs,
            describe: ByHost,
            classify: ByProtocol,
            hints: ByProtocol,
            max_body: retry::DEFAULT_KEPT_BODY,
            idle: None,
            repeats: Repeats { methods: Methods::Idempotent, paths: None, header: None },
            tells: true,
        };
        Self { pipeline, with }
    }
}

impl ClientLayer {
    /// The stack that most clients want: a deadline of 10 s, up to three attempts of 3 s each under the
    /// usual budget, repeated for what may go away by itself (connections refused or reset, timeouts,
    /// 429, 502, 503, 504), a circuit breaker for each of up to 1,024 hosts, and bodies that are given up
    /// when they are silent for 10 s.
    pub fn standard(name: &str) -> Self {
        let on = retry::When::http();
        let pipeline = Pipeline::builder(name)
            .deadline(Duration::from_secs(10))
            .retry(retry::Settings { on, ..retry::Settings::default() })
            .breaker(breaker::Settings::default())
            .breaker_keys(1024)
            .attempt_timeout(Duration::from_secs(3))
            .build()
            .expect("these settings are in range");
        Self::new(pipeline).idle_timeout(Duration::from_secs(10))
    }
}

impl<C: Clock, W, D, K, H> ClientLayer<C, W, D, K, H> {
    /// How much of a body is kept so that it can be sent again. Default: 64 KiB. A longer one is sent once.
    pub fn max_body(mut self, bytes: usize) -> Self {
        self.with.max_body = bytes;
        self
    }

    /// Gives a response up whose body is silent for so long. Default: only the deadline ends it.
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.with.idle = Some(timeout);
        self
    }

    /// Which methods may be sent again, though they may have been received. Default: GET, HEAD, OPTIONS,
    /// TRACE, PUT and DELETE.
    ///
    /// ```
    /// use breakerbox::http::ClientLayer;
    /// use http::{Method, Request, Response};
    /// use tower::{Layer, ServiceExt, service_fn};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let client = service_fn(async |_: Request<_>| Response::builder().status(503).body(String::new()));
    /// // A service that knows what it has done already.
    /// let layer = ClientLayer::standard("posts").repeat_methods([Method::GET, Method::POST]);
    /// let request = Request::post("http://posts.internal/").body(String::from("a post"))?;
    /// assert_eq!(layer.layer(client).oneshot(request).await?.status(), 503);
    /// assert_eq!(layer.pipeline().stats().retries, 2);
    /// # Ok(()) }
    /// ```
    pub fn repeat_methods(mut self, methods: impl IntoIterator<Item = Method>) -> Self {
        self.with.repeats.methods = Methods::These(methods.into_iter().collect());
        self
    }

    /// Which requests else may be sent again, by their path. Default: none.
    pub fn repeat_paths(mut self, may: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        self.with.repeats.paths = Some(Arc::new(may));
        self
    }

    /// Requests that have this header may be sent again as well: `Idempotency-Key`, for other sides that
    /// know by it what they have done already. Default: none.
    ///
    /// ```
    /// use breakerbox::http::ClientLayer;
    /// use http::{HeaderName, Request, Response};
    /// use tower::{Layer, ServiceExt, service_fn};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let client = service_fn(async |_: Request<_>| Response::builder().status(503).body(String::new()));
    /// let key = HeaderName::from_static("idempotency-key");
    /// let layer = ClientLayer::standard("payments").repeat_with_header(key);
    /// let request = Request::post("http://payments.internal/").header("idempotency-key", "7");
    /// layer.layer(client).oneshot(request.body(String::from("9.99"))?).await?;
    /// assert_eq!(layer.pipeline().stats().retries, 2);
    /// # Ok(()) }
    /// ```
    pub fn repeat_with_header(mut self, name: HeaderName) -> Self {
        self.with.repeats.header = Some(name);
        self
    }

    /// Whether the other side is told how much time is left, with `breakerbox-deadline-ms` or
    /// `grpc-timeout`, and which attempt it is, with `breakerbox-attempt`. Default: it is.
    pub fn propagate(mut self, tells: bool) -> Self {
        self.with.tells = tells;
        self
    }

    /// What a request says of its call: its key, its priority, the time its caller has. Default: its host
    /// is the key. (The time that a request's own `grpc-timeout` or `breakerbox-deadline-ms` leaves is
    /// known without that, and bounds all its attempts together.)
    ///
    /// ```
    /// use breakerbox::http::ClientLayer;
    /// use breakerbox::{Pipeline, rate_limit};
    /// use http::{Request, Response};
    /// use tower::{Layer, ServiceExt, service_fn};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let limit = rate_limit::Settings { burst: Some(1), ..rate_limit::Settings::new(0.1) };
    /// let web = Pipeline::builder("web").rate_limit(limit).build()?;
    /// let client = service_fn(async |_: Request<_>| {
    ///     Ok::<_, std::io::Error>(Response::new(String::new()))
    /// });
    /// // One in ten seconds of each path.
    /// let client = ClientLayer::new(web)
    ///     .about(|request: &Request<String>, about| about.key(request.uri().path()))
    ///     .layer(client);
    /// let of = |path| Request::get(path).body(String::new());
    /// assert!(client.clone().oneshot(of("/posts")?).await.is_ok());
    /// assert!(client.clone().oneshot(of("/users")?).await.is_ok());
    /// assert!(client.oneshot(of("/posts")?).await.is_err());
    /// # Ok(()) }
    /// ```
    pub fn about<B, F>(self, describe: F) -> ClientLayer<C, W, F, K, H>
    where
        F: Fn(&Request<B>, About) -> About,
    {
        self.describe(describe)
    }

    /// The same by a type that [describes](Describe) requests: [`ByHost`], or one of your own.
    pub fn describe<Other>(self, describe: Other) -> ClientLayer<C, W, Other, K, H> {
        let With { send, classify, hints, max_body, idle, repeats, tells, .. } = self.with;
        let with = With { send, describe, classify, hints, max_body, idle, repeats, tells };
        ClientLayer { pipeline: self.pipeline, with }
    }

    /// Judges responses and errors. Default: [`ByProtocol`].
    pub fn classify<Other>(self, classify: Other) -> ClientLayer<C, W, D, Other, H> {
        let With { send, describe, hints, max_body, idle, repeats, tells, .. } = self.with;
        let with = With { send, describe, classify, hints, max_body, idle, repeats, tells };
        ClientLayer { pipeline: self.pipeline, with }
    }

    /// What else is known of a response or an error that is not a success. Default: [`ByProtocol`].
    pub fn hints<Other>(self, hints: Other) -> ClientLayer<C, W, D, K, Other> {
        let With { send, describe, classify, max_body, idle, repeats, tells, .. } = self.with;
        let with = With { send, describe, classify, hints, max_body, idle, repeats, tells };
        ClientLayer { pipeline: self.pipeline, with }
    }

    /// Judges what other layers below have come to: their rejections are no failures of the other side. See
    /// [`OverLayers`].
    pub fn over_layers(
        self,
    ) -> ClientLayer<C, W, D, OverLayers<ByProtocol>, OverLayers<ByProtocol>> {
        self.classify(OverLayers::new(ByProtocol)).hints(OverLayers::new(ByProtocol))
    }

    /// What bodies are made into for the service behind. Default: they are sent [as they are](AsItIs).
    pub fn send_body<Other>(self, send: Other) -> ClientLayer<C, Other, D, K, H> {
        let With { describe, classify, hints, max_body, idle, repeats, tells, .. } = self.with;
        let with = With { send, describe, classify, hints, max_body, idle, repeats, tells };
        ClientLayer { pipeline: self.pipeline, with }
    }

    /// The pipeline, for its statistics and events.
    pub fn pipeline(&self) -> &Pipeline<C> {
        &self.pipeline
    }
}

impl<S, C: Clock, W: Clone, D: Clone, K: Clone, H: Clone> Layer<S> for ClientLayer<C, W, D, K, H> {
    type Service = ClientService<S, C, W, D, K, H>;

    fn layer(&self, service: S) -> Self::Service {
        ClientService { service, layer: self.clone() }
    }
}

/// A service that sends HTTP requests, behind a [`Pipeline`]. Made by [`ClientLayer`].
///
/// ```
/// use breakerbox::http::{ClientLayer, ClientService};
/// use http::{Request, Response};
/// use tower::{Layer, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// // This would be a client that sends them.
/// let client = service_fn(async |_: Request<_>| {
///     Ok::<_, std::io::Error>(Response::new(String::from("a post")))
/// });
/// let posts: ClientService<_> = ClientLayer::standard("posts").layer(client);
/// let request = Request::get("http://posts.internal/1").body(String::new())?;
/// assert_eq!(posts.clone().oneshot(request).await?.status(), 200);
/// assert_eq!(posts.pipeline().stats().retries, 0);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct ClientService<
    S,
    C: Clock = SystemClock,
    W = AsItIs,
    D = ByHost,
    K = ByProtocol,
    H = ByProtocol,
> {
    pub(super) service: S,
    pub(super) layer: ClientLayer<C, W, D, K, H>,
}

impl<S, C: Clock, W, D, K, H> ClientService<S, C, W, D, K, H> {
    /// The pipeline, for its statistics and events.
    pub fn pipeline(&self) -> &Pipeline<C> {
        &self.layer.pipeline
    }

    /// The service behind the pipeline.
    pub fn get_ref(&self) -> &S {
        &self.service
    }
}

impl<S, B, RB, C, W, D, K, H> Service<Request<B>> for ClientService<S, C, W, D, K, H>
where
    B: Body<Data = Bytes> + Unpin,
    RB: Body,
    W: SendBody<B> + Clone,
    S: Service<Request<W::Body>, Response = Response<RB>> + Clone,
    C: Clock,
    D: Describe<Request<B>>,
    K: Classify<Response<RB>, S::Error> + Clone,
    H: Hints<Response<RB>, S::Error> + Clone,
{
    type Response = Response<ResponseBody<RB, C>>;
    type Error = Error<S::Error>;
    type Future = ClientFuture<S, B, C, W, K, H>;

    /// The inner service's, and nothing else.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.service.poll_ready(cx).map_err(Error::Inner)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let service = take_ready(&mut self.service);
        let inner = Arc::clone(self.layer.pipeline.inner());
        let with = &self.layer.with;
        let told = with.told(&request, request.headers(), &inner);
        let repeats = inner.pipeline.repeats_at_all();
        let keep = repeats.then_some(with.max_body);
        let repeatable =
            with.repeats.may(request.method(), request.uri().path(), request.headers());
        let operation =
            Sending::new(service, request, with.send.clone(), keep, repeatable, with.tells);
        let plan = with.plan(&inner);
        ClientFuture { running: PipelineFuture::new(inner, operation, plan, told) }
    }
}

impl<C: Clock, W, D, K, H> fmt::Debug for ClientLayer<C, W, D, K, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientLayer").field("pipeline", &self.pipeline).finish_non_exhaustive()
    }
}

impl<S: fmt::Debug, C: Clock, W, D, K, H> fmt::Debug for ClientService<S, C, W, D, K, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("ClientService");
        shown.field("service", &self.service).field("pipeline", self.pipeline()).finish()
    }
}

pin_project_lite::pin_project! {
    /// The future of one request of a [`ClientService`]. The call begins when it is first polled; dropping
    /// it gives the call up, and all that it holds.
    ///
    /// ```
    /// use breakerbox::http::ClientLayer;
    /// use http::{Request, Response};
    /// use tower::{Layer, Service, ServiceExt, service_fn};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let client = service_fn(async |_: Request<_>| {
    ///     std::future::pending::<Result<Response<String>, std::io::Error>>().await
    /// });
    /// let mut posts = ClientLayer::standard("posts").layer(client);
    /// let request = Request::get("http://posts.internal/1").body(String::new())?;
    /// let response = ServiceExt::<Request<String>>::ready(&mut posts).await?.call(request);
    /// assert!(tokio::time::timeout(std::time::Duration::from_millis(1), response).await.is_err());
    /// assert_eq!(posts.pipeline().stats().cancelled, 1);
    /// # Ok(()) }
    /// ```
    #[must_use = "futures do nothing unless polled"]
    pub struct ClientFuture<S, B, C, W, K, H>
    where
        S: Service<Request<W::Body>>,
        S: Clone,
        B: Body<Data = Bytes>,
        B: Unpin,
        W: SendBody<B>,
        C: Clock,
    {
        #[pin]
        running: PipelineFuture<Arc<Inner<C>>, C, Sending<S, B, W>, ByBody<C, K, H>>,
    }
}

impl<S, B, RB, C, W, K, H> Future for ClientFuture<S, B, C, W, K, H>
where
    B: Body<Data = Bytes> + Unpin,
    RB: Body,
    W: SendBody<B>,
    S: Service<Request<W::Body>, Response = Response<RB>> + Clone,
    C: Clock,
    K: Classify<Response<RB>, S::Error>,
    H: Hints<Response<RB>, S::Error>,
{
    type Output = Result<Response<ResponseBody<RB, C>>, Error<S::Error>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().running.poll(cx)
    }
}

impl<S, B, C, W, K, H> fmt::Debug for ClientFuture<S, B, C, W, K, H>
where
    B: Body<Data = Bytes> + Unpin,
    W: SendBody<B>,
    S: Service<Request<W::Body>> + Clone,
    C: Clock,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientFuture").finish_non_exhaustive()
    }
}
