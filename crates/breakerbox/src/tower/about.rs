//! What a request says of its call.

use crate::pipeline::{Told, hash_of};
use std::hash::Hash;
use std::time::Duration;

/// What a request says of its call: what it belongs to, how important it is, how long its caller waits.
///
/// ```
/// use breakerbox::tower::PipelineLayer;
/// use breakerbox::{Pipeline, rate_limit};
///
/// struct Request {
///     tenant: String,
/// }
///
/// let limit = Pipeline::builder("api").rate_limit(rate_limit::Settings::new(100.0)).build()?;
/// // 100 per second for each tenant.
/// let layer = PipelineLayer::new(limit).about(|request: &Request, about| about.key(&request.tenant));
/// assert_eq!(layer.pipeline().name().as_str(), "api");
/// # Ok::<(), breakerbox::BuildError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct About {
    seed: u64,
    told: Told,
}

impl About {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, told: Told::default() }
    }

    pub(crate) fn told(self) -> Told {
        self.told
    }

    /// What it belongs to: see [`PipelineCall::key`](crate::PipelineCall::key).
    pub fn key(mut self, key: impl Hash) -> Self {
        self.told.key = Some(hash_of(self.seed, key));
        self
    }

    /// How important it is, from 0, the most important, to 7. Default: 3.
    pub fn priority(mut self, urgency: u8) -> Self {
        self.told.urgency = urgency.min(7);
        self
    }

    /// How much of the rate limit it takes. Default: 1.
    pub fn weight(mut self, weight: u32) -> Self {
        self.told.weight = weight;
        self
    }

    /// How long its caller will wait: see [`PipelineCall::time_left`](crate::PipelineCall::time_left).
    pub fn time_left(mut self, left: Duration) -> Self {
        self.told.left = Some(left);
        self
    }
}

/// Says what there is to know of a request. Closures `Fn(&Request, About) -> About` do.
///
/// ```
/// use breakerbox::tower::{About, PipelineLayer};
/// use breakerbox::{Pipeline, rate_limit};
/// use tower::{Layer, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), breakerbox::BuildError> {
/// // One in ten seconds for each tenant.
/// let limit = rate_limit::Settings { burst: Some(1), ..rate_limit::Settings::new(0.1) };
/// let api = Pipeline::builder("api").rate_limit(limit).build()?;
/// let by_tenant = |tenant: &&str, about: About| about.key(tenant);
/// let service = service_fn(async |_: &'static str| Ok::<_, std::io::Error>(()));
/// let service = PipelineLayer::new(api).about(by_tenant).layer(service);
/// assert!(service.clone().oneshot("a").await.is_ok());
/// assert!(service.clone().oneshot("b").await.is_ok());
/// assert!(service.oneshot("a").await.is_err());
/// # Ok(()) }
/// ```
pub trait Describe<Request> {
    /// What there is to know.
    fn describe(&self, request: &Request, about: About) -> About;
}

/// Nothing is known of requests.
///
/// ```
/// use breakerbox::Pipeline;
/// use breakerbox::clock::SystemClock;
/// use breakerbox::tower::{Anonymous, Clones, PipelineLayer};
///
/// let api = Pipeline::builder("api").build()?;
/// // Until `about` says something else.
/// let layer: PipelineLayer<SystemClock, Clones, Anonymous> = PipelineLayer::new(api);
/// assert_eq!(layer.pipeline().name().as_str(), "api");
/// # Ok::<(), breakerbox::BuildError>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Anonymous;

impl<Request> Describe<Request> for Anonymous {
    #[inline]
    fn describe(&self, _: &Request, about: About) -> About {
        about
    }
}

impl<Request, F: Fn(&Request, About) -> About> Describe<Request> for F {
    #[inline]
    fn describe(&self, request: &Request, about: About) -> About {
        self(request, about)
    }
}
