//! A pipeline in front of a service that answers requests.

use super::explanation::Explanation;
use super::headers::{time_left, urgency};
use super::judge::ByStatus;
use super::outcome;
use super::plan::ByBody;
use super::response_body::ResponseBody;
use crate::clock::{Clock, SystemClock};
use crate::inner::Inner;
use crate::pipeline::PipelineFuture;
use crate::tower::{About, Anonymous, Describe, Never, Requesting, take_ready};
use crate::{Classify, Error, Pipeline};
use http::{Request, Response};
use http_body::Body;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::Instant;
use tower_layer::Layer;
use tower_service::Service;

/// Puts a [`Pipeline`] in front of a service that answers HTTP requests: an axum router, a tonic server, a
/// hyper service. What its policies reject gets an answer: see [`Explanation`].
///
/// ```
/// use breakerbox::http::ServerLayer;
/// use breakerbox::{Pipeline, rate_limit};
/// use http::{Request, Response};
/// use http_body_util::Full;
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// // One request in a second for each tenant.
/// let limit = rate_limit::Settings { burst: Some(1), ..rate_limit::Settings::new(1.0) };
/// let api = Pipeline::builder("api").rate_limit(limit).build()?;
/// let layer = ServerLayer::new(api).about(|request: &Request<()>, about| {
///     about.key(request.headers().get("x-tenant"))
/// });
/// let service = ServiceBuilder::new().layer(layer).service(service_fn(async |_: Request<()>| {
///     Ok::<_, std::convert::Infallible>(Response::new(Full::<bytes::Bytes>::from("a post")))
/// }));
/// let of = |tenant| Request::get("/posts/1").header("x-tenant", tenant).body(());
/// assert_eq!(service.clone().oneshot(of("a")?).await?.status(), 200);
/// assert_eq!(service.clone().oneshot(of("b")?).await?.status(), 200);
/// assert_eq!(service.oneshot(of("a")?).await?.status(), 429);
/// # Ok(()) }
/// ```
///
/// A request is passed on once, whatever the pipeline says of retries and hedges.
#[derive(Clone)]
pub struct ServerLayer<C: Clock = SystemClock, D = Anonymous, K = ByStatus> {
    pipeline: Pipeline<C>,
    describe: D,
    classify: K,
    trust: bool,
    idle: Option<Duration>,
    until_head: bool,
}

/// When a request must be answered, for whoever works on it: [`ServerLayer`] puts it into the extensions
/// of requests that have a deadline.
///
/// ```
/// use breakerbox::http::{Deadline, ServerLayer};
/// use breakerbox::{Error, Pipeline};
/// use http::{Request, Response};
/// use std::time::Duration;
/// use tower::{Layer, ServiceExt, service_fn};
///
/// async fn handle(request: Request<()>, posts: Pipeline) -> Result<Response<String>, Error<()>> {
///     let mut call = posts.protect();
///     if let Some(deadline) = request.extensions().get::<Deadline>() {
///         // What is asked of others must not take longer than whoever asked will wait.
///         assert!(deadline.left() <= Duration::from_secs(5));
///         call = call.time_left(deadline.left());
///     }
///     call.call(async || Ok(Response::new(String::from("a post")))).await
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), breakerbox::BuildError> {
/// let posts = Pipeline::builder("posts").build()?;
/// let api = Pipeline::builder("api").deadline(Duration::from_secs(5)).build()?;
/// let service = service_fn(move |request| handle(request, posts.clone()));
/// let response = ServerLayer::new(api).layer(service).oneshot(Request::new(())).await;
/// assert_eq!(response.unwrap().status(), 200);
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(Instant);

impl Deadline {
    /// When that is.
    pub fn at(&self) -> Instant {
        self.0
    }

    /// How much time is left.
    pub fn left(&self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }
}

impl<C: Clock> ServerLayer<C> {
    /// A layer of this pipeline. All requests belong together, and nothing that they say of themselves is
    /// believed.
    pub fn new(pipeline: Pipeline<C>) -> Self {
        let (describe, classify) = (Anonymous, ByStatus);
        Self { pipeline, describe, classify, trust: false, idle: None, until_head: false }
    }
}

impl<C: Clock, D, K> ServerLayer<C, D, K> {
    /// Whether clients are believed what they say of their deadline, with `breakerbox-deadline-ms` or
    /// `grpc-timeout`, and of their priority, with `Priority`: only where all of them are known. Default: no.
    pub fn trust(mut self, trust: bool) -> Self {
        self.trust = trust;
        self
    }

    /// Gives a response up whose body is silent for so long. Default: only the deadline ends it.
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.idle = Some(timeout);
        self
    }

    /// Ends the call of a request with the head of its response, as far as the policies go: its place is
    /// given back while the body is still being sent. Default: it has its place until the end of the body.
    ///
    /// A client that does not read what it has asked for keeps the body, and with it the place, for as
    /// long as its connection lasts: neither deadline nor idle timeout ends what nobody polls. Where
    /// clients may be such, and no proxy stands before them that reads for them, this leaves them nothing
    /// to hold. Then neither deadline nor idle timeout bounds the body.
    ///
    /// ```
    /// use breakerbox::http::ServerLayer;
    /// use breakerbox::{Pipeline, bulkhead};
    /// use http::{Request, Response};
    /// use tower::{Layer, ServiceExt, service_fn};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let api = Pipeline::builder("api").bulkhead(bulkhead::Settings::new(1)).build()?;
    /// let service = ServerLayer::new(api).until_head().layer(service_fn(async |_: Request<()>| {
    ///     Ok::<_, std::io::Error>(Response::new(String::from("a post")))
    /// }));
    /// let unread = service.clone().oneshot(Request::new(())).await?;
    /// assert_eq!(service.oneshot(Request::new(())).await?.status(), 200);
    /// # drop(unread);
    /// # Ok(()) }
    /// ```
    pub fn until_head(mut self) -> Self {
        self.until_head = true;
        self
    }

    /// What a request says of its call: a client's address, a tenant, a user, as its key; its priority.
    /// What is said here goes before what headers say.
    pub fn about<B, F>(self, describe: F) -> ServerLayer<C, F, K>
    where
        F: Fn(&Request<B>, About) -> About,
    {
        self.describe(describe)
    }

    /// The same by a type that [describes](Describe) requests: [`ByHost`](super::ByHost), or one of your own.
    pub fn describe<Other>(self, describe: Other) -> ServerLayer<C, Other, K> {
        let Self { pipeline, classify, trust, idle, until_head, .. } = self;
        ServerLayer { pipeline, describe, classify, trust, idle, until_head }
    }

    /// Judges responses and errors, for the breaker, the throttle and the adaptive limit. Default:
    /// [`ByStatus`].
    pub fn classify<Other>(self, classify: Other) -> ServerLayer<C, D, Other> {
        let Self { pipeline, describe, trust, idle, until_head, .. } = self;
        ServerLayer { pipeline, describe, classify, trust, idle, until_head }
    }

    /// The pipeline, for its statistics and events.
    pub fn pipeline(&self) -> &Pipeline<C> {
        &self.pipeline
    }
}

impl<S, C: Clock, D: Clone, K: Clone> Layer<S> for ServerLayer<C, D, K> {
    type Service = ServerService<S, C, D, K>;

    fn layer(&self, service: S) -> Self::Service {
        ServerService { service, layer: self.clone() }
    }
}

/// A service that answers HTTP requests, behind a [`Pipeline`]. Made by [`ServerLayer`].
///
/// ```
/// use breakerbox::Pipeline;
/// use breakerbox::http::{ServerLayer, ServerService};
/// use http::{Request, Response};
/// use tower::{Layer, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let router = service_fn(async |_: Request<()>| {
///     Ok::<_, std::io::Error>(Response::new(String::from("a post")))
/// });
/// let api: ServerService<_> = ServerLayer::new(Pipeline::builder("api").build()?).layer(router);
/// assert_eq!(api.oneshot(Request::new(())).await?.status(), 200);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct ServerService<S, C: Clock = SystemClock, D = Anonymous, K = ByStatus> {
    service: S,
    layer: ServerLayer<C, D, K>,
}

impl<S, C: Clock, D, K> ServerService<S, C, D, K> {
    /// What is to be known of a request, and when it must be answered.
    fn about<B>(&self, request: &Request<B>) -> (About, Option<Duration>)
    where
        D: Describe<Request<B>>,
    {
        let inner = self.layer.pipeline.inner();
        let mut about = About::new(inner.seed);
        if self.layer.trust {
            let (left, urgency) = (time_left(request.headers()), urgency(request.headers(), None));
            about = left.map_or(about, |left| about.time_left(left));
            about = urgency.map_or(about, |urgency| about.priority(urgency));
        }
        let about = self.layer.describe.describe(request, about);
        let left = [about.told().left, inner.pipeline.deadline()].into_iter().flatten().min();
        (about, left)
    }
}

impl<S, B, RB, C, D, K> Service<Request<B>> for ServerService<S, C, D, K>
where
    S: Service<Request<B>, Response = Response<RB>> + Clone,
    RB: Body,
    C: Clock,
    D: Describe<Request<B>>,
    K: Classify<Response<RB>, S::Error> + Clone,
{
    type Response = Response<ResponseBody<RB, C>>;
    type Error = S::Error;
    type Future = ServerFuture<S, B, C, K>;

    /// The inner service's, and nothing else.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.service.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let service = take_ready(&mut self.service);
        let (about, left) = self.about(&request);
        if let Some(at) = left.and_then(|left| Instant::now().checked_add(left)) {
            request.extensions_mut().insert(Deadline(at));
        }
        let grpc = outcome::is_grpc(request.headers());
        let inner = Arc::clone(self.layer.pipeline.inner());
        let operation = Requesting::new(service, request, false, Never);
        let ServerLayer { idle, until_head, .. } = self.layer;
        let classify = self.layer.classify.clone();
        let plan = ByBody {
            inner: Arc::clone(&inner),
            classify,
            hints: ByStatus,
            idle,
            until_head,
            call: None,
        };
        ServerFuture { running: PipelineFuture::new(inner, operation, plan, about.told()), grpc }
    }
}

impl<C: Clock, D, K> fmt::Debug for ServerLayer<C, D, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerLayer").field("pipeline", &self.pipeline).finish_non_exhaustive()
    }
}

impl<S: fmt::Debug, C: Clock, D, K> fmt::Debug for ServerService<S, C, D, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("ServerService");
        shown.field("service", &self.service).field("pipeline", &self.layer.pipeline).finish()
    }
}

pin_project_lite::pin_project! {
    /// The future of one request to a [`ServerService`].
    ///
    /// It has a response where a policy has rejected the request, and fails only with the service:
    ///
    /// ```
    /// use breakerbox::http::ServerLayer;
    /// use breakerbox::{Control, Pipeline, breaker};
    /// use http::{Request, Response};
    /// use tower::{Layer, Service, ServiceExt, service_fn};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let api = Pipeline::builder("api").breaker(breaker::Settings::default()).build()?;
    /// api.control(Control::Isolate);
    /// let router = service_fn(async |_: Request<()>| {
    ///     Ok::<_, std::io::Error>(Response::new(String::from("a post")))
    /// });
    /// let response = ServerLayer::new(api).layer(router).ready().await?.call(Request::new(())).await?;
    /// assert_eq!(response.headers()["breakerbox-reason"], "breaker_open");
    /// # Ok(()) }
    /// ```
    #[must_use = "futures do nothing unless polled"]
    pub struct ServerFuture<S, B, C, K>
    where
        S: Service<Request<B>>,
        S: Clone,
        C: Clock,
    {
        #[pin]
        running: PipelineFuture<Arc<Inner<C>>, C, Requesting<S, Request<B>, Never>, ByBody<C, K, ByStatus>>,
        grpc: bool,
    }
}

impl<S, B, RB, C, K> Future for ServerFuture<S, B, C, K>
where
    S: Service<Request<B>, Response = Response<RB>> + Clone,
    RB: Body,
    C: Clock,
    K: Classify<Response<RB>, S::Error>,
{
    type Output = Result<Response<ResponseBody<RB, C>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let error: Error<S::Error> = match ready!(this.running.poll(cx)) {
            Ok(response) => return Poll::Ready(Ok(response)),
            Err(Error::Inner(error)) => return Poll::Ready(Err(error)),
            Err(stopped) => stopped,
        };
        let told: Explanation = error.explain();
        let response = if *this.grpc { told.to_grpc_response() } else { told.to_response() };
        Poll::Ready(Ok(response.map(ResponseBody::own)))
    }
}

impl<S, B, C, K> fmt::Debug for ServerFuture<S, B, C, K>
where
    S: Service<Request<B>> + Clone,
    C: Clock,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerFuture").finish_non_exhaustive()
    }
}
