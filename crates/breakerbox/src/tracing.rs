//! Events of breakers and pipelines as events of `tracing`.
//!
//! Nothing is logged that was not asked for: see [`log`] and [`log_of`]. The target is `breakerbox`.
//!
//! | level | message | fields beside `name` |
//! |---|---|---|
//! | warn | `circuit breaker opened` | `from`, `to`, `cause` |
//! | info | `circuit breaker changed` | `from`, `to`, `cause` |
//! | info | `circuit breaker of one key opened` | `from`, `to`, `cause` |
//! | debug | `circuit breaker of one key changed` | `from`, `to`, `cause` |
//! | warn | `operation panicked` | |
//! | debug | `call rejected` | `policy`, `reason`, `retry_after` |
//! | debug | `call timed out` | `kind`, `after` |
//! | debug | `retrying` | `attempts`, `after` |
//! | debug | `hedged` | `attempt` |
//! | debug | `fallback`, `call cancelled` | |
//! | trace | `call succeeded`, `call failed` | `took` |
//! | trace | `call ignored` | |
//!
//! ```
//! use breakerbox::{Breaker, Control, tracing as told};
//! use std::io::Read;
//!
//! let (mut reader, writer) = std::io::pipe()?;
//! let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(std::sync::Arc::new(writer));
//! tracing::subscriber::with_default(subscriber.finish(), || {
//!     let posts = Breaker::new("posts");
//!     told::log(&posts);
//!     posts.control(Control::ForceOpen);
//! });
//! let mut line = String::new();
//! reader.read_to_string(&mut line)?;
//! assert!(line.contains("WARN breakerbox: circuit breaker opened name=posts"), "{line}");
//! # Ok::<(), std::io::Error>(())
//! ```

use crate::observable::Observable;
use crate::{Event, EventKind, Interest, ListenerId, State, TimeoutKind};
use ::tracing::{debug, info, trace, warn};
use std::sync::Arc;

const TARGET: &str = "breakerbox";

/// Logs everything that is rare: all but how each good or failed call ended ([`Interest::RARE`]).
///
/// A good call costs nothing more. `remove_listener` ends it.
///
/// ```
/// use breakerbox::{Breaker, tracing};
///
/// let posts = Breaker::new("posts");
/// let listener = tracing::log(&posts);
/// posts.control(breakerbox::Control::Isolate);
/// // INFO breakerbox: circuit breaker changed name=posts from=closed to=isolated cause=isolate by hand
/// assert!(posts.remove_listener(listener));
/// ```
pub fn log(observable: &impl Observable) -> ListenerId {
    log_of(observable, Interest::RARE)
}

/// Logs events of some kinds: [`Interest::TRANSITIONS`] where rejections are too many,
/// [`Interest::ALL`] to see every call.
///
/// An event that no subscriber wants at its level still costs what an event costs, at a rejected call
/// for instance: leave out what is never looked at.
///
/// ```
/// use breakerbox::{Interest, Pipeline, bulkhead, tracing};
///
/// let posts = Pipeline::builder("posts").bulkhead(bulkhead::Settings::new(8)).build()?;
/// let listener = tracing::log_of(&posts, Interest::TRANSITIONS | Interest::PANICS);
/// assert!(posts.remove_listener(listener));
/// # Ok::<(), breakerbox::BuildError>(())
/// ```
pub fn log_of(observable: &impl Observable, interest: Interest) -> ListenerId {
    observable.source().listen(interest, Arc::new(write))
}

fn write(event: &Event) {
    let name = &event.name;
    match &event.kind {
        EventKind::Transition(change) => {
            let (from, to, cause) = (change.from, change.to, change.cause);
            if to == State::Open {
                warn!(target: TARGET, %name, %from, %to, %cause, "circuit breaker opened");
            } else {
                info!(target: TARGET, %name, %from, %to, %cause, "circuit breaker changed");
            }
        }
        EventKind::KeyTransition(change) => {
            let (from, to, cause) = (change.from, change.to, change.cause);
            if to == State::Open {
                info!(target: TARGET, %name, %from, %to, %cause, "circuit breaker of one key opened");
            } else {
                debug!(target: TARGET, %name, %from, %to, %cause, "circuit breaker of one key changed");
            }
        }
        EventKind::Panicked => warn!(target: TARGET, %name, "operation panicked"),
        EventKind::Rejected(why) => {
            let (policy, reason) = (why.why().policy(), why.reason());
            match why.retry_after() {
                Some(retry_after) => {
                    debug!(target: TARGET, %name, policy, reason, ?retry_after, "call rejected");
                }
                None => debug!(target: TARGET, %name, policy, reason, "call rejected"),
            }
        }
        EventKind::Timeout { kind, after } => {
            let kind = match kind {
                TimeoutKind::Attempt => "attempt",
                TimeoutKind::Deadline => "deadline",
                TimeoutKind::Idle => "idle",
            };
            debug!(target: TARGET, %name, kind, ?after, "call timed out");
        }
        EventKind::Retrying { attempts, after } => {
            debug!(target: TARGET, %name, attempts, ?after, "retrying");
        }
        EventKind::Hedged { attempt } => debug!(target: TARGET, %name, attempt, "hedged"),
        EventKind::Fallback => debug!(target: TARGET, %name, "fallback"),
        EventKind::Cancelled => debug!(target: TARGET, %name, "call cancelled"),
        EventKind::Success { took } => trace!(target: TARGET, %name, ?took, "call succeeded"),
        EventKind::Failure { took } => trace!(target: TARGET, %name, ?took, "call failed"),
        EventKind::Ignored => trace!(target: TARGET, %name, "call ignored"),
    }
}
