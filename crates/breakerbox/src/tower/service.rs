//! The service, and the future of one of its calls.

use super::about::{About, Anonymous, Describe};
use super::layer::{PipelineLayer, With};
use super::operation::{Requesting, take_ready};
use super::repeat::{Clones, Repeat};
use crate::clock::{Clock, SystemClock};
use crate::inner::Inner;
use crate::pipeline::{Alone, PipelineFuture};
use crate::{ByResult, Classify, Error, Hints, NoFallback, NoHints, Recover};
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tower_service::Service;

/// A service behind a [`Pipeline`](crate::Pipeline). Made by [`PipelineLayer`].
///
/// ```
/// use breakerbox::Pipeline;
/// use breakerbox::tower::{PipelineLayer, PipelineService};
/// use tower::{Layer, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let client = service_fn(async |number: u32| Ok::<_, std::io::Error>(number + 1));
/// let layer = PipelineLayer::new(Pipeline::builder("posts").build()?);
/// let posts: PipelineService<_> = layer.layer(client);
/// assert_eq!(posts.clone().oneshot(1).await?, 2);
/// // The same past the pipeline.
/// assert_eq!(posts.into_inner().oneshot(1).await?, 2);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct PipelineService<
    S,
    C: Clock = SystemClock,
    R = Clones,
    D = Anonymous,
    K = ByResult,
    H = NoHints,
    F = NoFallback,
> {
    pub(super) service: S,
    pub(super) layer: PipelineLayer<C, R, D, K, H, F>,
}

impl<S, C: Clock, R, D, K, H, F> PipelineService<S, C, R, D, K, H, F> {
    /// The service behind the pipeline.
    pub fn get_ref(&self) -> &S {
        &self.service
    }

    /// The service behind the pipeline, alone.
    pub fn into_inner(self) -> S {
        self.service
    }
}

impl<S, Request, C, R, D, K, H, F> Service<Request> for PipelineService<S, C, R, D, K, H, F>
where
    S: Service<Request> + Clone,
    C: Clock,
    R: Repeat<Request> + Clone,
    D: Describe<Request>,
    K: Classify<S::Response, S::Error> + Clone,
    H: Hints<S::Response, S::Error> + Clone,
    F: Recover<S::Response, S::Error> + Clone,
{
    type Response = F::Answer;
    type Error = Error<S::Error>;
    type Future = ResponseFuture<S, Request, C, R, K, H, F>;

    /// The inner service's, and nothing else.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.service.poll_ready(cx).map_err(Error::Inner)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let service = take_ready(&mut self.service);
        let inner = Arc::clone(self.layer.pipeline.inner());
        let With { repeat, describe, classify, hints, fallback } = &self.layer.with;
        let told = describe.describe(&request, About::new(inner.seed)).told();
        let repeats = inner.pipeline.repeats_at_all();
        let operation = Requesting::new(service, request, repeats, repeat.clone());
        let (classify, hints) = (classify.clone(), hints.clone());
        let plan = Alone { classify, hints, fallback: Some(fallback.clone()) };
        ResponseFuture { running: PipelineFuture::new(inner, operation, plan, told) }
    }
}

impl<S: fmt::Debug, C: Clock, R, D, K, H, F> fmt::Debug for PipelineService<S, C, R, D, K, H, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("PipelineService");
        shown.field("service", &self.service).field("pipeline", self.layer.pipeline()).finish()
    }
}

pin_project_lite::pin_project! {
    /// The future of one call of a [`PipelineService`]. The call begins when it is first polled; dropping
    /// it gives the call up, and all that it holds.
    ///
    /// ```
    /// use breakerbox::Pipeline;
    /// use breakerbox::tower::PipelineLayer;
    /// use tower::{Layer, Service, ServiceExt, service_fn};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let posts = Pipeline::builder("posts").build()?;
    /// let client = service_fn(async |_: ()| std::future::pending::<std::io::Result<()>>().await);
    /// let mut client = PipelineLayer::new(posts.clone()).layer(client);
    /// let response = client.ready().await?.call(());
    /// // It begins, and its caller gives it up.
    /// assert!(tokio::time::timeout(std::time::Duration::from_millis(1), response).await.is_err());
    /// assert_eq!(posts.stats().cancelled, 1);
    /// # Ok(()) }
    /// ```
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<S, Request, C, R, K, H, F>
    where
        S: Service<Request>,
        S: Clone,
        C: Clock,
        R: Repeat<Request>,
    {
        #[pin]
        running: PipelineFuture<Arc<Inner<C>>, C, Requesting<S, Request, R>, Alone<K, H, F>>,
    }
}

impl<S, Request, C, R, K, H, F> Future for ResponseFuture<S, Request, C, R, K, H, F>
where
    S: Service<Request> + Clone,
    C: Clock,
    R: Repeat<Request>,
    K: Classify<S::Response, S::Error>,
    H: Hints<S::Response, S::Error>,
    F: Recover<S::Response, S::Error>,
{
    type Output = Result<F::Answer, Error<S::Error>>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().running.poll(cx)
    }
}

impl<S, Request, C, R, K, H, F> fmt::Debug for ResponseFuture<S, Request, C, R, K, H, F>
where
    S: Service<Request> + Clone,
    C: Clock,
    R: Repeat<Request>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
