//! Tower layers: a whole [`Pipeline`](crate::Pipeline), or one policy, around any Tower service.
//!
//! ```
//! use breakerbox::tower::PipelineLayer;
//! use breakerbox::{Pipeline, breaker, bulkhead, retry};
//! use std::time::Duration;
//! use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let posts = Pipeline::builder("posts")
//!     .deadline(Duration::from_secs(5))
//!     .retry(retry::Settings::default())
//!     .breaker(breaker::Settings::default())
//!     .bulkhead(bulkhead::Settings::new(64))
//!     .build()?;
//! let mut service = ServiceBuilder::new()
//!     .layer(PipelineLayer::new(posts.clone()))
//!     .service(service_fn(async |number: u32| Ok::<_, std::io::Error>(number + 1)));
//!
//! assert_eq!(service.ready().await?.call(1).await?, 2);
//! assert_eq!(posts.stats().breaker.unwrap().successes, 1);
//! # Ok(()) }
//! ```
//!
//! - Clones of a service, and all services of one layer, share its state: one breaker, one bulkhead.
//! - `poll_ready` only asks the inner service. Whether a call is admitted is decided when its future is
//!   polled, so a service that is ready and idle holds no capacity, and a call that waits for its turn
//!   waits in its future.
//! - A call that has to wait, for its turn or for its repetition, gives the readiness back that it has of
//!   the service; when its time has come it takes a clone, and waits until that is ready. Its attempt
//!   timeout and its latency begin then. An error of `poll_ready` goes to whoever asked; that of a
//!   repetition counts as its failure.
//! - The error is [`breakerbox::Error<E>`](crate::Error) with the inner service's `E`.
//!
//! **Layers above layers.** One [`PipelineLayer`] with all policies is the simplest: it has the order that
//! makes sense, one timer and one error. Of a layer below, another one knows only that it brought an
//! error: tell the outer one [`over_layers`](PipelineLayer::over_layers), or rejections by the layer below
//! open its breaker and are repeated by its retries.

mod about;
mod layer;
mod operation;
mod over;
mod policies;
mod repeat;
mod service;
mod shared;

pub use about::{About, Anonymous, Describe};
pub use layer::PipelineLayer;
pub use over::OverLayers;
pub use policies::{
    AdaptiveLimitLayer, AttemptTimeoutLayer, BreakerLayer, BulkheadLayer, ChaosLayer,
    DeadlineLayer, HedgeLayer, RateLimitLayer, RetryLayer, ShedLayer, ThrottleLayer,
};
pub use repeat::{Clones, Never, Repeat};
pub use service::{PipelineService, ResponseFuture};
pub use shared::{SharedFuture, SharedLayer, SharedService};
#[cfg(feature = "http")]
pub(crate) use {
    operation::{Attempt, Requesting, release, take_ready},
    over::{hint_of_layer, outcome_of_layer},
};
