//! The table `cache`.

use std::time::Duration;

use super::kind::Kind;
use super::table::table;
use super::{duration, integer};

/// Which answers are kept, and for how long.
///
/// ```
/// use breakerbox::config::{Cache, Policy};
/// use std::time::Duration;
///
/// let (policy, _) = Policy::parse("policy.toml", "cache = { ttl = '1m', entries = 500 }").unwrap();
/// let cache = Cache { ttl: Duration::from_secs(60), entries: 500, max_body: 64 * 1024 };
/// assert_eq!(policy.cache, Some(cache));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cache {
    /// For so long an answer is given instead of a call.
    pub ttl: Duration,
    /// So many answers are kept at most. Default: 10,000.
    pub entries: u64,
    /// Of HTTP responses, those with bodies up to so many bytes. Default: 64 KiB.
    pub max_body: usize,
}

/// The most answers of one cache.
const MAX_ENTRIES: u64 = 10_000_000;
/// The largest body that is kept.
const MAX_BODY: u32 = 16 * 1024 * 1024;

config_table! {
    /// Keeps good answers, and gives them again instead of calling.
    struct CacheTable {
        /// For so long an answer is given instead of a call.
        ttl: Duration = duration().above_zero().required(), required;
        /// So many answers are kept at most; of more, those that are used least go.
        entries: u64 = integer(1..=MAX_ENTRIES), default 10000;
        /// HTTP responses with bodies up to so many bytes are kept.
        max_body: u32 = integer(0..=MAX_BODY), default 65536;
    }
}

/// The table of a cache.
///
/// ```
/// use breakerbox::config::{cache, read_file};
///
/// let (settings, _) = read_file("cache.toml", "ttl = '30s'", &cache()).unwrap();
/// assert_eq!(settings.entries, 10_000);
/// // How long answers are good for nobody else can know.
/// let errors = read_file("cache.toml", "entries = 500", &cache()).unwrap_err();
/// assert_eq!(errors[0].message, "missing key `ttl` at the top of the file");
/// ```
pub fn cache() -> impl Kind<Value = Cache> {
    table::<CacheTable>().then(|table, _, _| {
        Some(Cache {
            ttl: table.ttl.required()?,
            entries: table.entries.required()?,
            max_body: table.max_body.required()? as usize,
        })
    })
}
