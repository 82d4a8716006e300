//! Circuit breaker, retry, timeouts, bulkhead, rate limit, hedging, cache, fallback and the other policies
//! that keep calls between programs alive, for async and blocking calls.
//!
//! A service that is down should not take its callers with it. A circuit breaker watches the
//! outcomes of calls. When too many fail it *opens*: calls are rejected at once, without waiting for
//! a timeout, and the service is left alone. After a while it is *half-open*: a few probes find out
//! whether the service works again, and if it does the circuit *closes*.
//!
//! Make one breaker for each service that can be down, keep it as long as the program runs (clones share
//! it), and let every call go through it:
//!
//! ```
//! use breakerbox::{Breaker, Error};
//! use std::time::Duration;
//!
//! # async fn fetch(_: u32) -> Result<String, std::io::Error> { Ok(String::new()) }
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), breakerbox::BuildError> {
//! let posts = Breaker::builder("posts")
//!     .attempt_timeout(Duration::from_secs(3))
//!     .open_for(Duration::from_secs(30))
//!     .build()?;
//!
//! // `fetch` is yours: whatever gives a future of a `Result`.
//! match posts.call(|| fetch(1)).await {
//!     Ok(post) => println!("{post}"),
//!     Err(Error::Rejected(why)) => println!("not tried: {why}"),
//!     Err(Error::Timeout(timeout)) => println!("{timeout}"),
//!     Err(Error::Inner(error)) => println!("tried and failed: {error}"),
//! }
//! assert_eq!(posts.stats().successes, 1);
//! # Ok(()) }
//! ```
//!
//! What is not set has a default: the circuit opens when half of the calls of the last 10 s failed, and
//! there were at least 20. The name is for errors, events and metrics.
//!
//! All policies together are a [`Pipeline`]: the builder takes them in any order and puts them into the
//! one that makes sense.
//!
//! ```
//! use breakerbox::{Pipeline, breaker, bulkhead, retry};
//! use std::time::Duration;
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), breakerbox::BuildError> {
//! let posts = Pipeline::builder("posts")
//!     .deadline(Duration::from_secs(5)) // for the whole call
//!     .retry(retry::Settings::default()) // up to three attempts
//!     .breaker(breaker::Settings::default())
//!     .bulkhead(bulkhead::Settings::new(64)) // so many attempts at once
//!     .attempt_timeout(Duration::from_secs(1)) // for each attempt
//!     .build()?;
//! let post = posts.call(async || Ok::<_, std::io::Error>("a post")).await;
//! assert_eq!(post.unwrap(), "a post");
//! # Ok(()) }
//! ```
//!
//! With retries an operation may run several times: what must not be done twice goes through
//! [`call_once`](Pipeline::call_once). `println!("{posts}")` says in words what the pipeline does.
//!
//! An `Err` is a failure and an `Ok` is none, unless you say otherwise. A fallback answers whatever went
//! wrong, and what it gives is marked. Programs without async do the same with `build_blocking`:
//!
//! ```
//! use breakerbox::{Outcome, Pipeline, breaker};
//!
//! let pages = Pipeline::builder("pages").breaker(breaker::Settings::default()).build_blocking()?;
//! let status = pages
//!     .protect()
//!     .classify(|result: &Result<u16, std::io::Error>| match result {
//!         Ok(500..) | Err(_) => Outcome::Failure,
//!         Ok(_) => Outcome::Success,
//!     })
//!     .fallback(|_| 200) // the page of yesterday, say
//!     .call(|| Ok(503))
//!     .unwrap();
//! assert_eq!((*status, status.is_fallback()), (200, true));
//! assert_eq!(pages.stats().breaker.unwrap().failures, 1);
//! # Ok::<(), breakerbox::BuildError>(())
//! ```
//!
//! A good call takes no lock, allocates nothing and makes no timer unless its operation is pending.
//!
//! # Where to look
//!
//! - [`Pipeline`] for all policies around async operations, [`BlockingPipeline`] for others,
//!   [`SharedCalls`] for calls that share their answers;
//! - [`Breaker`] for the breaker alone around async operations, [`BlockingBreaker`] for others,
//!   [`Breaker::permit`] for code that cannot be wrapped;
//! - [`Breaker::classify`] says what is a failure, [`Breaker::fallback`] what to answer instead;
//! - [`Breaker::on_event`] and [`Breaker::events`] tell what happens, [`Interest`] which of it,
//!   [`Breaker::stats`] what has;
//! - [`Registry`] finds breakers by name;
//! - [`clock`] lets tests decide what time it is.
//!
//! # Features
//!
//! - `tokio` (default): attempt timeout and deadline, by tokio's timer.
//! - `test-util`: a clock that follows tokio's paused time.
//! - `cache`: [`SharedCalls`] that keep answers.
//! - `tower`: [`tower`] layers.
//! - `http`: [`http`] layers, for clients and servers of HTTP and gRPC.
//! - `hyper`: what hyper and HTTP/2 say of their errors, for clients of hyper.
//! - `reqwest`, `reqwest-middleware`: the same for clients of reqwest.
//! - `axum`: errors as responses of axum. `tonic`: clients of tonic, and errors as its statuses.
//! - `config`: reading configuration files.
//! - `metrics`: [`metrics`], what has been counted, for the crate of that name.
//! - `tracing`: [`tracing`], what happens, for the crate of that name.

pub mod breaker;
pub mod clock;
#[cfg(feature = "config")]
pub mod config;
mod error;
mod events;
#[cfg(feature = "http")]
pub mod http;
mod inner;
mod lock;
#[cfg(feature = "metrics")]
pub mod metrics;
mod name;
#[cfg(any(feature = "metrics", feature = "tracing"))]
mod observable;
mod pipeline;
mod registry;
#[cfg(feature = "tower")]
pub mod tower;
#[cfg(feature = "tracing")]
pub mod tracing;

#[doc(inline)]
pub use breaker::{
    Answer, BlockingBreaker, BlockingProtection, Breaker, BuildError, Builder, ByResult,
    CallResult, Calling, Cause, ChooseClock, Classify, Control, Memory, NoFallback, NoTimer,
    OpenFor, OwnedPermit, Permit, Protection, Recover, Settings, State, Stats, Transition, Window,
    WithTimer,
};
pub use breakerbox_core::{Durations, Outcome, Timestamp};
pub use error::{Error, Rejection, Timeout, TimeoutKind};
pub use events::{Event, EventKind, Events, Interest, ListenerId, STREAM_CAPACITY};
pub use name::Name;
#[cfg(any(feature = "metrics", feature = "tracing"))]
pub use observable::Observable;
pub use pipeline::{
    Alone, Async, Blocking, BlockingPipeline, FailureKind, Hints, NoHints, Once, Pipeline,
    PipelineBuilder, PipelineCall, PipelineCalling, PipelineStats, Repeatable, RetryAfter, RetryIf,
    Shared, SharedCalling, SharedCalls,
};
#[cfg(feature = "config")]
pub use pipeline::{FileError, Given, PipelineWithFallback};
pub use registry::{DEFAULT_CAPACITY, Registry, RegistryError};

/// The settings of each policy.
pub use breakerbox_core::{
    adaptive_limit, bulkhead, chaos, coalesce, hedge, rate_limit, retry, shed, throttle,
};

/// The rules themselves, for those who drive the machines on their own.
pub use breakerbox_core as core;
