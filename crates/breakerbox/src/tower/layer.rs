//! The layer.

use super::about::{About, Anonymous};
use super::over::OverLayers;
use super::repeat::{Clones, Never};
use super::service::PipelineService;
use crate::clock::{Clock, SystemClock};
use crate::{ByResult, Error, NoFallback, NoHints, Pipeline};
use std::fmt;
use tower_layer::Layer;

/// Puts a [`Pipeline`] around services. All of them, and their clones, share its state.
///
/// ```
/// use breakerbox::tower::PipelineLayer;
/// use breakerbox::{Error, Outcome, Pipeline, breaker};
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let settings = breaker::Settings { consecutive_failures: Some(1), ..Default::default() };
/// let posts = Pipeline::builder("posts").breaker(settings).build()?;
/// let layer = PipelineLayer::new(posts).once().classify(|result: &Result<u16, String>| match result {
///     Ok(500..) | Err(_) => Outcome::Failure,
///     Ok(_) => Outcome::Success,
/// });
/// let service = ServiceBuilder::new().layer(layer).service(service_fn(async |_: ()| Ok(503)));
/// // The answer is given, and counts as a failure.
/// assert_eq!(service.clone().oneshot(()).await, Ok(503));
/// assert!(matches!(service.oneshot(()).await, Err(Error::Rejected(_))));
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct PipelineLayer<
    C: Clock = SystemClock,
    R = Clones,
    D = Anonymous,
    K = ByResult,
    H = NoHints,
    F = NoFallback,
> {
    pub(super) pipeline: Pipeline<C>,
    pub(super) with: With<R, D, K, H, F>,
}

/// What a layer was told besides its pipeline.
#[derive(Clone, Debug)]
pub(super) struct With<R, D, K, H, F> {
    pub(super) repeat: R,
    pub(super) describe: D,
    pub(super) classify: K,
    pub(super) hints: H,
    pub(super) fallback: F,
}

impl<C: Clock> PipelineLayer<C> {
    /// A layer of this pipeline. Requests are cloned where it may have to send them again: where they
    /// cannot be cloned tell it [`once`](Self::once).
    pub fn new(pipeline: Pipeline<C>) -> Self {
        let (repeat, describe) = (Clones, Anonymous);
        let (classify, hints) = (ByResult, NoHints);
        let fallback = NoFallback;
        Self { pipeline, with: With { repeat, describe, classify, hints, fallback } }
    }
}

impl<C: Clock, R, D, K, H, F> PipelineLayer<C, R, D, K, H, F> {
    /// Sends each request once at most, whatever the retry settings say.
    pub fn once(self) -> PipelineLayer<C, Never, D, K, H, F> {
        self.repeat(Never)
    }

    /// How a request is made that can be sent again: see [`Repeat`](super::Repeat). Default: it is cloned.
    pub fn repeat<Other>(self, repeat: Other) -> PipelineLayer<C, Other, D, K, H, F> {
        let With { describe, classify, hints, fallback, .. } = self.with;
        let with = With { repeat, describe, classify, hints, fallback };
        PipelineLayer { pipeline: self.pipeline, with }
    }

    /// What a request says of its call: a key, a priority, the time its caller has. Default: nothing.
    pub fn about<Request, A>(self, describe: A) -> PipelineLayer<C, R, A, K, H, F>
    where
        A: Fn(&Request, About) -> About,
    {
        self.describe(describe)
    }

    /// The same by a type that [describes](super::Describe) requests.
    pub fn describe<Other>(self, describe: Other) -> PipelineLayer<C, R, Other, K, H, F> {
        let With { repeat, classify, hints, fallback, .. } = self.with;
        let with = With { repeat, describe, classify, hints, fallback };
        PipelineLayer { pipeline: self.pipeline, with }
    }

    /// Judges results. Default: `Ok` is a success, `Err` a failure.
    pub fn classify<Other>(self, classify: Other) -> PipelineLayer<C, R, D, Other, H, F> {
        let With { repeat, describe, hints, fallback, .. } = self.with;
        let with = With { repeat, describe, classify, hints, fallback };
        PipelineLayer { pipeline: self.pipeline, with }
    }

    /// What else is known of a result that is not a success: see [`Hints`](crate::Hints).
    pub fn hints<Other>(self, hints: Other) -> PipelineLayer<C, R, D, K, Other, F> {
        let With { repeat, describe, classify, fallback, .. } = self.with;
        let with = With { repeat, describe, classify, hints, fallback };
        PipelineLayer { pipeline: self.pipeline, with }
    }

    /// Judges what other layers of this kind below have come to: see [`OverLayers`]. Without it their
    /// rejections count as failures of the service.
    pub fn over_layers(self) -> PipelineLayer<C, R, D, OverLayers, OverLayers<NoHints>, F> {
        self.classify(OverLayers::new(ByResult)).hints(OverLayers::new(NoHints))
    }

    /// Answers with `fallback` where a call would fail, time out or be rejected. It is told what the call
    /// came to; the answer is marked.
    ///
    /// ```
    /// use breakerbox::tower::PipelineLayer;
    /// use breakerbox::{Error, Pipeline};
    /// use tower::{ServiceBuilder, ServiceExt, service_fn};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let instead = |_: Result<&str, Error<std::io::Error>>| "no posts today";
    /// let layer = PipelineLayer::new(Pipeline::builder("posts").build()?).fallback(instead);
    /// let down = service_fn(async |_: ()| Err(std::io::Error::other("down")));
    /// let answer = ServiceBuilder::new().layer(layer).service(down).oneshot(()).await?;
    /// assert_eq!((*answer, answer.is_fallback()), ("no posts today", true));
    /// # Ok(()) }
    /// ```
    pub fn fallback<T, E, G>(self, fallback: G) -> PipelineLayer<C, R, D, K, H, G>
    where
        G: Fn(Result<T, Error<E>>) -> T,
    {
        let With { repeat, describe, classify, hints, .. } = self.with;
        let with = With { repeat, describe, classify, hints, fallback };
        PipelineLayer { pipeline: self.pipeline, with }
    }

    /// The pipeline, for its statistics and events.
    pub fn pipeline(&self) -> &Pipeline<C> {
        &self.pipeline
    }
}

impl<S, C: Clock, R: Clone, D: Clone, K: Clone, H: Clone, F: Clone> Layer<S>
    for PipelineLayer<C, R, D, K, H, F>
{
    type Service = PipelineService<S, C, R, D, K, H, F>;

    fn layer(&self, service: S) -> Self::Service {
        PipelineService { service, layer: self.clone() }
    }
}

impl<C: Clock, R, D, K, H, F> fmt::Debug for PipelineLayer<C, R, D, K, H, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PipelineLayer").field("pipeline", &self.pipeline).finish_non_exhaustive()
    }
}
