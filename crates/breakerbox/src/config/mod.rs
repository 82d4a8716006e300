//! Reading configuration files: TOML in, plain values or *all* errors out.
//!
//! A file is walked by [`read_file`] along a [`Kind`], which says what a value must look like. The
//! kind of a table comes from a description in the macro [`table!`], which names its keys once;
//! the JSON Schema comes from the same description. What is wrong becomes [`Diagnostic`]s, each
//! with its line, its place in it, and a fix:
//!
//! ```
//! use breakerbox::config::Policy;
//!
//! let file = "attempt_timeout = '3s'\n\n[breaker]\nfailure_rte = 0.5\n";
//! let errors = Policy::parse("breakerbox.toml", file).unwrap_err();
//! assert_eq!(
//!     errors[0].to_string(),
//!     "\
//! error: unknown key `failure_rte` in `[breaker]`
//!  --> breakerbox.toml:4:1
//!   |
//! 4 | failure_rte = 0.5
//!   | ^^^^^^^^^^^
//!   = fix: did you mean `failure_rate`? known keys here: failure_rate, window, min_calls, \
//! consecutive_failures, slow_call, slow_call_rate, only_on_failure, open_for, probes, \
//! successes_to_close, key, keys"
//! );
//! ```
//!
//! A table of another crate is described in the same way; see [`table!`].

#[macro_use]
mod macros;

mod adaptive_limit;
mod address;
mod attempts;
mod breaker;
mod bulkhead;
mod cache;
mod chaos;
mod coalesce;
mod diagnostic;
mod document;
mod duration;
mod fallback;
mod field;
mod hedge;
mod http;
mod json;
mod key_of;
mod kind;
mod list;
mod nesting;
mod node;
mod number;
mod policy;
mod rate_limit;
mod reader;
mod retry;
mod shed;
mod source;
mod span;
mod suggest;
mod syntax;
mod table;
mod text;
mod throttle;
mod warnings;

#[cfg(test)]
mod tests;

pub use self::adaptive_limit::adaptive_limit;
pub use self::address::{HttpUrl, host_name, http_path, http_url, socket_address};
pub use self::breaker::{BreakerKey, breaker};
pub use self::bulkhead::bulkhead;
pub use self::cache::{Cache, cache};
pub use self::chaos::{Chaos, chaos};
pub use self::coalesce::coalesce;
pub use self::diagnostic::{Diagnostic, Severity, quoted};
pub use self::document::{file_schema, read_file};
pub use self::duration::{DurationKind, MAX_DURATION, duration, parse_duration};
pub use self::fallback::{Fallback, FallbackAnswer, FallbackBody, fallback};
pub use self::field::Field;
pub use self::hedge::hedge;
pub use self::http::{HeaderMapKind, header_map, http_status};
pub use self::json::{JsonKind, any_json};
pub use self::key_of::{KeyOf, key_of};
pub use self::kind::{Check, Either, Kind, Map, Refusal, Then, either};
pub use self::list::{ListKind, NamedKind, list, named};
pub use self::macros::key_name;
pub use self::node::{Node, Type};
pub use self::number::{
    BooleanKind, IntegerKind, NumberKind, RateKind, boolean, integer, number, rate,
};
pub use self::policy::{Policy, policy};
pub use self::rate_limit::{RateLimit, rate_limit};
pub use self::reader::Reader;
pub use self::retry::{Retry, retry};
pub use self::shed::shed;
pub use self::span::{Located, Span};
pub use self::suggest::closest;
pub use self::table::{Entries, Key, Presence, Table, TableKind, table};
pub use self::text::{OneOfKind, TextKind, one_of, text};
pub use self::throttle::throttle;

#[doc(inline)]
pub use crate::config_table as table;
