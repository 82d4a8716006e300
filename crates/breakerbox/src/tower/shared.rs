//! A layer of calls that share their answers.

use super::operation::{Requesting, take_ready};
use super::repeat::{Clones, Repeat};
use crate::clock::{Clock, SystemClock};
use crate::inner::Inner;
use crate::pipeline::{Alone, PipelineFuture, Shared, Told};
use crate::{Answer, ByResult, Error, NoFallback, NoHints, SharedCalls};
use std::fmt;
use std::hash::Hash;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tower_layer::Layer;
use tower_service::Service;

/// Requests of one key share their answers, as the pipeline was told: kept ones (`cache`), those of equal
/// requests under way (`coalesce`), the last good one where a request comes to nothing (`stale`). Its other
/// policies stand around them as always.
///
/// Responses and errors are cloned: `map_response(Arc::new)` and `map_err(Arc::new)` below make both cheap.
///
/// ```
/// # #[cfg(feature = "cache")]
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// use breakerbox::Pipeline;
/// use breakerbox::tower::SharedLayer;
/// use std::sync::atomic::{AtomicU32, Ordering};
/// use std::time::Duration;
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
///
/// static ASKED: AtomicU32 = AtomicU32::new(0);
/// let posts = Pipeline::builder("posts").cache(Duration::from_secs(60), 1000).build().unwrap();
/// // Requests without a key share nothing.
/// let layer = SharedLayer::new(posts.shared(), |number: &u32| (*number < 100).then_some(*number));
/// let service = ServiceBuilder::new().layer(layer).service(service_fn(async |number: u32| {
///     Ok::<_, ()>(number + ASKED.fetch_add(1, Ordering::Relaxed))
/// }));
/// assert_eq!(*service.clone().oneshot(7).await.unwrap(), 7);
/// // The answer is fresh: nobody is asked.
/// let again = service.oneshot(7).await.unwrap();
/// assert_eq!((*again, again.age().is_some()), (7, true));
/// # }
/// # #[cfg(not(feature = "cache"))] fn main() {}
/// ```
pub struct SharedLayer<Key, T, E, F, C: Clock = SystemClock> {
    calls: SharedCalls<Key, T, E, C>,
    key: F,
}

impl<Key, T, E, F, C: Clock> SharedLayer<Key, T, E, F, C> {
    /// A layer of these calls. `key` says which requests are equal; one without a key shares nothing.
    pub fn new<Request>(calls: SharedCalls<Key, T, E, C>, key: F) -> Self
    where
        F: Fn(&Request) -> Option<Key>,
    {
        Self { calls, key }
    }

    /// The calls, for their statistics, and to forget answers.
    pub fn calls(&self) -> &SharedCalls<Key, T, E, C> {
        &self.calls
    }
}

impl<Key, T, E, F: Clone, C: Clock> Clone for SharedLayer<Key, T, E, F, C> {
    fn clone(&self) -> Self {
        Self { calls: self.calls.clone(), key: self.key.clone() }
    }
}

impl<S, Key, T, E, F: Clone, C: Clock> Layer<S> for SharedLayer<Key, T, E, F, C> {
    type Service = SharedService<S, Key, T, E, F, C>;

    fn layer(&self, service: S) -> Self::Service {
        SharedService { service, layer: self.clone() }
    }
}

/// A service whose answers are shared. Made by [`SharedLayer`].
///
/// ```
/// use breakerbox::tower::{SharedLayer, SharedService};
/// use breakerbox::{Pipeline, coalesce};
/// use tower::{Layer, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let posts = Pipeline::builder("posts").coalesce(coalesce::Settings::default()).build().unwrap();
/// let layer = SharedLayer::new(posts.shared(), |number: &u32| Some(*number));
/// let client: SharedService<_, _, _, _, _> =
///     layer.layer(service_fn(async |number: u32| Ok::<_, ()>(number + 1)));
/// assert_eq!(*client.oneshot(1).await.unwrap(), 2);
/// # }
/// ```
pub struct SharedService<S, Key, T, E, F, C: Clock = SystemClock> {
    service: S,
    layer: SharedLayer<Key, T, E, F, C>,
}

impl<S: Clone, Key, T, E, F: Clone, C: Clock> Clone for SharedService<S, Key, T, E, F, C> {
    fn clone(&self) -> Self {
        Self { service: self.service.clone(), layer: self.layer.clone() }
    }
}

impl<S, Request, Key, F, C> Service<Request> for SharedService<S, Key, S::Response, S::Error, F, C>
where
    S: Service<Request, Response: Clone + Send + Sync + 'static, Error: Clone + 'static> + Clone,
    Request: Clone,
    Key: Clone + Ord + Hash + Send + Sync + 'static,
    F: Fn(&Request) -> Option<Key>,
    C: Clock,
{
    type Response = Answer<S::Response>;
    type Error = Error<S::Error>;
    type Future = SharedFuture<S, Request, Key, C>;

    /// The inner service's, and nothing else.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.service.poll_ready(cx).map_err(Error::Inner)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let service = take_ready(&mut self.service);
        let inner = Arc::clone(self.layer.calls.pipeline().inner());
        let key = (self.layer.key)(&request);
        let told = Told { lookup: key.is_some(), ..Told::default() };
        let repeats = inner.pipeline.repeats_at_all();
        let operation = Requesting::new(service, request, repeats, Clones);
        let alone = Alone { classify: ByResult, hints: NoHints, fallback: Some(NoFallback) };
        let plan = self.layer.calls.plan(alone, key);
        SharedFuture { running: PipelineFuture::new(inner, operation, plan, told) }
    }
}

/// The plan of one request.
type Sharing<Key, T, E> = Shared<'static, Key, T, E, Alone<ByResult, NoHints, NoFallback>>;

pin_project_lite::pin_project! {
    /// The future of one call of a [`SharedService`]. The call begins when it is first polled; dropping it
    /// gives the call up, and another of its key takes over.
    ///
    /// ```
    /// use breakerbox::tower::SharedLayer;
    /// use breakerbox::{Pipeline, coalesce};
    /// use std::sync::atomic::{AtomicU32, Ordering};
    /// use tower::{Layer, Service, service_fn};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// static ASKED: AtomicU32 = AtomicU32::new(0);
    /// let posts = Pipeline::builder("posts").coalesce(coalesce::Settings::default()).build().unwrap();
    /// let layer = SharedLayer::new(posts.shared(), |number: &u32| Some(*number));
    /// let mut client = layer.layer(service_fn(async |_: u32| {
    ///     tokio::task::yield_now().await;
    ///     Ok::<_, ()>(ASKED.fetch_add(1, Ordering::Relaxed))
    /// }));
    /// // Of two that ask for the same one is sent.
    /// let (first, second) = tokio::join!(client.call(7), client.call(7));
    /// assert_eq!((*first.unwrap(), *second.unwrap()), (0, 0));
    /// # }
    /// ```
    #[must_use = "futures do nothing unless polled"]
    pub struct SharedFuture<S, Request, Key, C>
    where
        S: Service<Request>,
        S: Clone,
        S::Response: Clone,
        S::Response: 'static,
        S::Error: Clone,
        S::Error: 'static,
        Request: Clone,
        Key: 'static,
        Key: Clone,
        Key: Ord,
        Key: Hash,
        C: Clock,
    {
        #[pin]
        running: PipelineFuture<
            Arc<Inner<C>>,
            C,
            Requesting<S, Request, Clones>,
            Sharing<Key, S::Response, S::Error>,
        >,
    }
}

impl<S, Request, Key, C> Future for SharedFuture<S, Request, Key, C>
where
    S: Service<Request, Response: Clone + Send + Sync + 'static, Error: Clone + 'static> + Clone,
    Request: Clone,
    Clones: Repeat<Request>,
    Key: Clone + Ord + Hash + Send + Sync + 'static,
    C: Clock,
{
    type Output = Result<Answer<S::Response>, Error<S::Error>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().running.poll(cx)
    }
}

impl<Key, T, E, F, C: Clock> fmt::Debug for SharedLayer<Key, T, E, F, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedLayer").field("calls", &self.calls).finish_non_exhaustive()
    }
}

impl<S: fmt::Debug, Key, T, E, F, C: Clock> fmt::Debug for SharedService<S, Key, T, E, F, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("SharedService");
        shown.field("service", &self.service).field("calls", &self.layer.calls).finish()
    }
}
