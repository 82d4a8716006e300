//! One policy as a layer.

use super::about::Anonymous;
use super::layer::PipelineLayer;
use super::over::OverLayers;
use super::repeat::{Clones, Never};
use super::service::PipelineService;
use crate::breaker::{BuildError, ChooseClock, WithTimer};
use crate::clock::SystemClock;
use crate::pipeline::PipelineBuilder;
use crate::{
    NoHints, Pipeline, adaptive_limit, breaker, bulkhead, chaos, hedge, rate_limit, retry, shed,
    throttle,
};
use std::time::Duration;
use tower_layer::Layer;

type Builder = PipelineBuilder<ChooseClock, WithTimer>;

fn once(name: &str, with: impl FnOnce(Builder) -> Builder) -> Result<Once, BuildError> {
    Ok(PipelineLayer::new(with(Pipeline::builder(name).with_timer()).build()?).once())
}

fn repeated(name: &str, with: impl FnOnce(Builder) -> Builder) -> Result<Repeated, BuildError> {
    Ok(PipelineLayer::new(with(Pipeline::builder(name).with_timer()).build()?))
}

type Once = PipelineLayer<SystemClock, Never>;
type Repeated = PipelineLayer<SystemClock, Clones>;

/// A layer of one policy.
macro_rules! layers {
    ($(
        $(#[doc = $doc:literal])*
        $layer:ident($($setting:ident: $settings:ty),+) = $make:ident, $repeat:ty, |$builder:ident| $made:expr;
    )*) => {$(
        $(#[doc = $doc])*
        #[derive(Clone, Debug)]
        pub struct $layer {
            layer: PipelineLayer<SystemClock, $repeat>,
        }

        impl $layer {
            /// A layer with these settings. All services of it share its state.
            ///
            /// # Errors
            /// Settings that are out of range.
            pub fn new(name: &str, $($setting: $settings),+) -> Result<Self, BuildError> {
                Ok(Self { layer: $make(name, |$builder| $made)? })
            }

            /// The same as a layer that can be told more: what is a failure, what requests belong to, how
            /// important they are.
            pub fn into_layer(self) -> PipelineLayer<SystemClock, $repeat> {
                self.layer
            }

            /// The same above other layers of this kind, whose rejections then are no failures of the
            /// service: see [`OverLayers`].
            pub fn over_layers(self) -> PipelineLayer<SystemClock, $repeat, Anonymous, OverLayers, OverLayers<NoHints>> {
                self.layer.over_layers()
            }

            /// The pipeline of this policy alone, for its statistics and events.
            pub fn pipeline(&self) -> &Pipeline {
                self.layer.pipeline()
            }
        }

        impl<S> Layer<S> for $layer {
            type Service = PipelineService<S, SystemClock, $repeat>;

            fn layer(&self, service: S) -> Self::Service {
                self.layer.layer(service)
            }
        }
    )*};
}

layers! {
    /// A circuit breaker: rejects requests while the service fails too often.
    ///
    /// ```
    /// use breakerbox::tower::BreakerLayer;
    /// use breakerbox::{State, breaker};
    /// use tower::{ServiceBuilder, ServiceExt, service_fn};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let settings = breaker::Settings { consecutive_failures: Some(2), ..Default::default() };
    /// let layer = BreakerLayer::new("posts", settings)?;
    /// let service =
    ///     ServiceBuilder::new().layer(layer.clone()).service(service_fn(async |_: ()| Err::<(), _>("down")));
    /// for _ in 0..2 {
    ///     assert!(!service.clone().oneshot(()).await.unwrap_err().is_rejected());
    /// }
    /// assert_eq!(layer.pipeline().breaker_state(), Some(State::Open));
    /// assert!(service.oneshot(()).await.unwrap_err().is_rejected());
    /// # Ok(()) }
    /// ```
    BreakerLayer(settings: breaker::Settings) = once, Never, |builder| builder.breaker(settings);

    /// Sends requests that failed again, within a budget. It clones them, whatever they are: where some
    /// must not be sent twice tell [`into_layer`](Self::into_layer) which may, with
    /// [`repeat`](PipelineLayer::repeat).
    ///
    /// ```
    /// use breakerbox::retry;
    /// use breakerbox::tower::RetryLayer;
    /// use std::sync::atomic::{AtomicU32, Ordering};
    /// use tower::{ServiceBuilder, ServiceExt, service_fn};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// static SENT: AtomicU32 = AtomicU32::new(0);
    /// let flaky = service_fn(async |_: ()| match SENT.fetch_add(1, Ordering::Relaxed) {
    ///     0 => Err("try again"),
    ///     _ => Ok("a post"),
    /// });
    /// let layer = RetryLayer::new("posts", retry::Settings::default())?;
    /// assert_eq!(ServiceBuilder::new().layer(layer).service(flaky).oneshot(()).await, Ok("a post"));
    /// # Ok(()) }
    /// ```
    RetryLayer(settings: retry::Settings) = repeated, Clones, |builder| builder.retry(settings);

    /// Sends a request again beside one that takes long, and takes the first success. It clones requests,
    /// whatever they are: see [`RetryLayer`].
    ///
    /// ```
    /// use breakerbox::hedge;
    /// use breakerbox::tower::HedgeLayer;
    ///
    /// let layer = HedgeLayer::new("search", hedge::Settings::new(hedge::Delay::Percentile(0.95)))?;
    /// assert_eq!(layer.pipeline().stats().hedges, 0);
    /// # Ok::<(), breakerbox::BuildError>(())
    /// ```
    HedgeLayer(settings: hedge::Settings) = repeated, Clones, |builder| builder.hedge(settings);

    /// Ends a request that takes too long, as a failure.
    ///
    /// ```
    /// use breakerbox::TimeoutKind;
    /// use breakerbox::tower::AttemptTimeoutLayer;
    /// use std::time::Duration;
    /// use tower::{ServiceBuilder, ServiceExt, service_fn};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let layer = AttemptTimeoutLayer::new("posts", Duration::from_millis(10))?;
    /// let hangs = service_fn(|_: ()| std::future::pending::<Result<(), ()>>());
    /// let error = ServiceBuilder::new().layer(layer).service(hangs).oneshot(()).await.unwrap_err();
    /// assert!(error.is_timeout());
    /// # Ok(()) }
    /// ```
    AttemptTimeoutLayer(after: Duration) = once, Never, |builder| builder.attempt_timeout(after);

    /// Ends a request that takes too long, whatever its future does: retries and waiting included, but not
    /// the wait for the readiness of the service, which comes before.
    ///
    /// ```
    /// use breakerbox::tower::DeadlineLayer;
    /// use std::time::Duration;
    ///
    /// let layer = DeadlineLayer::new("posts", Duration::from_secs(5))?;
    /// assert_eq!(layer.pipeline().to_string(), "posts: a deadline of 5s, then the call");
    /// # Ok::<(), breakerbox::BuildError>(())
    /// ```
    DeadlineLayer(after: Duration) = once, Never, |builder| builder.deadline(after);

    /// How many requests may be under way at once, and how many may wait for their turn.
    ///
    /// ```
    /// use breakerbox::bulkhead;
    /// use breakerbox::tower::BulkheadLayer;
    ///
    /// let layer = BulkheadLayer::new("connections", bulkhead::Settings::new(64))?;
    /// assert_eq!(layer.pipeline().stats().bulkhead.unwrap().limit, 64);
    /// # Ok::<(), breakerbox::BuildError>(())
    /// ```
    BulkheadLayer(settings: bulkhead::Settings) = once, Never, |builder| builder.bulkhead(settings);

    /// The same, found out from how long requests take.
    ///
    /// ```
    /// use breakerbox::adaptive_limit;
    /// use breakerbox::tower::AdaptiveLimitLayer;
    ///
    /// let layer = AdaptiveLimitLayer::new("posts", adaptive_limit::Settings::default())?;
    /// assert_eq!(layer.pipeline().stats().adaptive_limit.unwrap().limit, 20);
    /// # Ok::<(), breakerbox::BuildError>(())
    /// ```
    AdaptiveLimitLayer(settings: adaptive_limit::Settings) = once, Never,
        |builder| builder.adaptive_limit(settings);

    /// How many requests may begin per time.
    ///
    /// ```
    /// use breakerbox::rate_limit;
    /// use breakerbox::tower::RateLimitLayer;
    /// use tower::{ServiceBuilder, ServiceExt, service_fn};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let settings = rate_limit::Settings { burst: Some(1), ..rate_limit::Settings::new(1.0) };
    /// let layer = RateLimitLayer::new("posts", settings)?;
    /// let service = ServiceBuilder::new().layer(layer).service(service_fn(async |_: ()| Ok::<_, ()>(1)));
    /// assert_eq!(service.clone().oneshot(()).await, Ok(1));
    /// assert!(service.oneshot(()).await.unwrap_err().retry_after().is_some());
    /// # Ok(()) }
    /// ```
    RateLimitLayer(settings: rate_limit::Settings) = once, Never, |builder| builder.rate_limit(settings);

    /// Sheds requests by their priority when they wait too long in the queue of its bulkhead.
    ///
    /// ```
    /// use breakerbox::tower::ShedLayer;
    /// use breakerbox::{bulkhead, shed};
    ///
    /// let bulkhead = bulkhead::Settings { queue: 128, ..bulkhead::Settings::new(64) };
    /// let layer = ShedLayer::new("api", shed::Settings::default(), bulkhead)?.into_layer();
    /// let layer = layer.about(|path: &&str, about| match *path {
    ///     "/checkout" => about.priority(0),
    ///     _ => about,
    /// });
    /// assert_eq!(layer.pipeline().stats().rejected("shed"), 0);
    /// # Ok::<(), breakerbox::BuildError>(())
    /// ```
    ShedLayer(settings: shed::Settings, bulkhead: bulkhead::Settings) = once, Never,
        |builder| builder.shed(settings).bulkhead(bulkhead);

    /// Holds requests back from a service that accepts too few.
    ///
    /// ```
    /// use breakerbox::throttle;
    /// use breakerbox::tower::ThrottleLayer;
    ///
    /// let layer = ThrottleLayer::new("posts", throttle::Settings::default())?;
    /// assert_eq!(layer.pipeline().stats().throttle.unwrap().probability, 0.0);
    /// # Ok::<(), breakerbox::BuildError>(())
    /// ```
    ThrottleLayer(settings: throttle::Settings) = once, Never, |builder| builder.throttle(settings);

    /// Does harm to requests on purpose, to see what becomes of them.
    ///
    /// ```
    /// use breakerbox::chaos;
    /// use breakerbox::tower::ChaosLayer;
    /// use tower::{ServiceBuilder, ServiceExt, service_fn};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let layer = ChaosLayer::new("posts", chaos::Settings { error: Some(503), ..Default::default() })?;
    /// let service = ServiceBuilder::new().layer(layer).service(service_fn(async |_: ()| Ok::<_, ()>(1)));
    /// assert!(service.oneshot(()).await.unwrap_err().is_rejected());
    /// # Ok(()) }
    /// ```
    ChaosLayer(settings: chaos::Settings) = once, Never, |builder| builder.chaos(settings);
}
