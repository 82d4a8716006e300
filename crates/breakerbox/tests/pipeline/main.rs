//! What callers see of a pipeline, and how often their operations run, on virtual time.

mod blocking;
mod busy;
mod cancellation;
mod chaos;
mod hedges;
mod lag;
mod limits;
mod order;
mod retries;
#[cfg(feature = "cache")]
mod sharing;
mod support;
mod texts;
