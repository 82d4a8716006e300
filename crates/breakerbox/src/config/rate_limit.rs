//! The table `rate_limit`.

use std::time::Duration;

use breakerbox_core::keyed::{DEFAULT_KEYS, MAX_KEYS};
use breakerbox_core::rate_limit::{MAX_BURST, Settings};

use super::key_of::{KeyOf, key_of};
use super::kind::Kind;
use super::node::Node;
use super::reader::Reader;
use super::table::table;
use super::{duration, integer, number};

/// How many calls may begin per time, and whose calls those are.
///
/// ```
/// use breakerbox::config::{KeyOf, Policy};
///
/// let text = "rate_limit = { rate = 100, burst = 20, key = 'client_ip' }";
/// let limit = Policy::parse("policy.toml", text).unwrap().0.rate_limit.unwrap();
/// assert_eq!((limit.settings.rate, limit.settings.burst), (100.0, Some(20)));
/// assert_eq!(limit.key, Some(KeyOf::ClientIp));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct RateLimit {
    /// How many: settings that pass [`Settings::check`].
    pub settings: Settings,
    /// Each value of this has a limit of its own. Default: there is one limit for all.
    pub key: Option<KeyOf>,
}

config_table! {
    /// So many calls per time; the others wait for their turn, or are rejected.
    struct RateLimitTable {
        /// So many calls per `per`.
        rate: f64 = number(0.0..=1e15), required "add for instance `rate = 100`";
        /// The time that the rate is over.
        per: Duration = duration().above_zero(), default "1s";
        /// So many may go at once after a pause.
        burst: u32 = integer(1..=MAX_BURST), optional "the rate, rounded up";
        /// The longest wait for a turn.
        wait: Duration = duration(), optional "nobody waits: what is too much is rejected";
        /// Each value of this has a limit of its own: `client_ip`, `header:NAME`, `host` or `path`.
        key: KeyOf = key_of(), optional "there is one limit for all";
        /// For so many keys at most; those that owe nothing give way first.
        keys: usize = integer(1..=MAX_KEYS), optional "10000";
    }
}

/// The table of a rate limit, judged by the rules of [`Settings::check`].
///
/// ```
/// use breakerbox::config::{rate_limit, read_file};
/// use std::time::Duration;
///
/// let file = "rate = 600\nper = '1m'\nwait = '2s'";
/// let (limit, _) = read_file("limit.toml", file, &rate_limit()).unwrap();
/// assert_eq!(limit.settings.per, Duration::from_secs(60));
/// assert_eq!(limit.settings.wait, Some(Duration::from_secs(2)));
/// ```
pub fn rate_limit() -> impl Kind<Value = RateLimit> {
    table::<RateLimitTable>().then(settings)
}

fn settings(table: RateLimitTable, node: Node<'_>, reader: &mut Reader) -> Option<RateLimit> {
    let key = table.key.optional()?;
    let keys = table.keys.optional()?;
    if key.is_none() && keys.is_some() {
        let fix = "add `key`, for instance `key = \"client_ip\"`, or leave `keys` out";
        reader.error(node.find("keys"), "`keys` is for limits with a `key`", fix);
        return None;
    }
    let settings = Settings {
        rate: table.rate.required()?,
        per: table.per.required()?,
        burst: table.burst.optional()?,
        wait: table.wait.optional()?,
        keys: keys.unwrap_or(DEFAULT_KEYS),
    };
    let settings = reader.checked(node, settings.check())?;
    Some(RateLimit { settings, key })
}
