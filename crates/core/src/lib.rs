//! The rules of breakerbox.

pub mod breaker;
mod outcome;
mod random;
mod slot;
mod sync;
mod time;

pub use outcome::Outcome;
pub use random::SplitMix64;
pub use time::Timestamp;
