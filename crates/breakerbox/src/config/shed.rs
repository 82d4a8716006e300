//! The table `shed`.

use std::collections::BTreeMap;
use std::time::Duration;

use breakerbox_core::shed::{LEAST_URGENT, Settings};

use super::kind::Kind;
use super::node::Node;
use super::reader::Reader;
use super::span::Located;
use super::table::table;
use super::{duration, integer, named};

config_table! {
    /// Rejects the least important calls when calls wait too long.
    struct ShedTable {
        /// Calls wait too long when even the shortest wait of an interval is longer. At most 1m.
        target: Duration = duration().above_zero(), default "5ms";
        /// How often that is judged: 1ms to 1m.
        interval: Duration = duration(), default "100ms";
        /// Names for urgencies, 0 (never shed) to 7 (shed first). `critical_plus` (0), `critical` (3),
        /// `sheddable_plus` (5) and `sheddable` (7) are there already.
        classes: BTreeMap<String, Located<u8>> = named(integer(0..=LEAST_URGENT)),
            optional "those four";
    }
}

/// The table of load shedding, judged by the rules of [`Settings::check`].
///
/// ```
/// use breakerbox::config::{read_file, shed};
///
/// let (settings, _) = read_file("shed.toml", "classes = { batch = 7 }", &shed()).unwrap();
/// assert_eq!(settings.urgency("batch"), Some(7));
/// assert_eq!(settings.urgency("critical"), Some(3));
/// ```
pub fn shed() -> impl Kind<Value = Settings> {
    table::<ShedTable>().then(settings)
}

fn settings(table: ShedTable, node: Node<'_>, reader: &mut Reader) -> Option<Settings> {
    let mut settings = Settings {
        target: table.target.required()?,
        interval: table.interval.required()?,
        ..Settings::default()
    };
    let given = table.classes.optional()?.unwrap_or_default();
    settings.classes.extend(given.into_iter().map(|(name, urgency)| (name, urgency.value)));
    reader.checked(node, settings.check())
}
