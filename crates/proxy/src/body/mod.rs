//! Bodies on their way through: streamed frame by frame, never collected, bounded in time.
//!
//! [`RequestBody`] carries what the client sends to an upstream, [`ResponseBody`] what comes back.
//! Both give up when no frame has come for the idle timeout of the upstream; a response may have a
//! deadline as well and says, exactly once, how it ended.

mod client;
mod idle;
mod request;
mod response;
mod upload;

pub(crate) use client::discard_upload;
pub use request::{Kept, RequestBody, RequestBodyError, Waited};
pub use response::{BodyEnd, ResponseBody, ResponseBodyError};
pub use upload::Upload;
