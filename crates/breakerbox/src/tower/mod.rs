//! Tower layers: a whole [`Pipeline`](crate::Pipeline), or one policy, around any Tower service.
//!
//! ```
//! use breakerbox::tower::{BulkheadLayer, PipelineLayer};
//! use breakerbox::{Pipeline, breaker, bulkhead, retry};
//! use std::time::Duration;
//! use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let posts = Pipeline::builder("posts")
//!     .deadline(Duration::from_secs(5))
//!     .retry(retry::Settings::default())
//!     .breaker(breaker::Settings::default())
//!     .build()?;
//! let mut service = ServiceBuilder::new()
//!     .layer(PipelineLayer::new(posts.clone()))
//!     .layer(BulkheadLayer::new("connections", bulkhead::Settings::new(64))?)
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
//! - A call that is repeated takes a clone of the service, and waits until that is ready.
//! - The error is [`breakerbox::Error<E>`](crate::Error) with the inner service's `E`. Layers one around
//!   the other nest it; one [`PipelineLayer`] with all policies does not.

mod about;
mod layer;
mod operation;
mod policies;
mod repeat;
mod service;

pub use about::{About, Anonymous, Describe};
pub use layer::PipelineLayer;
pub use policies::{
    AdaptiveLimitLayer, AttemptTimeoutLayer, BreakerLayer, BulkheadLayer, ChaosLayer,
    DeadlineLayer, HedgeLayer, RateLimitLayer, RetryLayer, ShedLayer, ThrottleLayer,
};
pub use repeat::{Clones, Never, Repeat};
pub use service::{PipelineService, ResponseFuture};
