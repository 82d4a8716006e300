//! The table `adaptive_limit`.

use std::time::Duration;

use breakerbox_core::adaptive_limit::{Algorithm, MAX_LIMIT, Settings};

use super::kind::Kind;
use super::node::Node;
use super::reader::Reader;
use super::table::table;
use super::{duration, integer, number, one_of};

config_table! {
    /// A limit of calls in flight that follows what the upstream can do.
    struct AdaptiveLimitTable {
        /// How the limit is found.
        algorithm: Algorithm = one_of(&[
            ("vegas", Algorithm::Vegas),
            ("aimd", Algorithm::Aimd),
            ("gradient2", Algorithm::Gradient2),
        ]), default "vegas";
        /// The limit at the start.
        initial: u32 = integer(1..=MAX_LIMIT), optional "20, but within `min` and `max`";
        /// The limit is never below this.
        min: u32 = integer(1..=MAX_LIMIT), default 1;
        /// The limit is never above this.
        max: u32 = integer(1..=MAX_LIMIT), optional "1000, or `min` if that is more";
        /// A call that takes longer counts as dropped, like one that ran into the attempt timeout or
        /// that the upstream rejected because it has too much to do.
        timeout: Duration = duration().above_zero(), optional "none";
        /// What remains of the limit after a window with drops. Not for `vegas`.
        backoff: f64 = number(0.5..=0.99), optional "0.9";
    }
}

/// The table of an adaptive limit, judged by the rules of [`Settings::check`].
///
/// ```
/// use breakerbox::config::{adaptive_limit, read_file};
///
/// let (settings, _) = read_file("limit.toml", "max = 10", &adaptive_limit()).unwrap();
/// assert_eq!((settings.initial, settings.max), (10, 10));
/// ```
pub fn adaptive_limit() -> impl Kind<Value = Settings> {
    table::<AdaptiveLimitTable>().then(settings)
}

fn settings(table: AdaptiveLimitTable, node: Node<'_>, reader: &mut Reader) -> Option<Settings> {
    let usual = Settings::default();
    let min = table.min.required()?;
    let max = table.max.optional()?.unwrap_or(usual.max.max(min));
    let initial = table.initial.optional()?;
    let settings = Settings {
        algorithm: table.algorithm.required()?,
        // Where `max` is below `min` that is what is wrong, whatever this comes to.
        initial: initial.unwrap_or(usual.initial.min(max).max(min)),
        min,
        max,
        timeout: table.timeout.optional()?,
        backoff: table.backoff.optional()?,
    };
    reader.checked(node, settings.check())
}
