//! The table `throttle`.

use std::time::Duration;

use breakerbox_core::throttle::{MAX_K, Settings};

use super::kind::Kind;
use super::node::Node;
use super::reader::Reader;
use super::table::table;
use super::{duration, number, rate};

config_table! {
    /// Sends less to an upstream that accepts less, by rejecting some requests with a probability.
    struct ThrottleTable {
        /// How many requests are made for each that is accepted, before any is rejected.
        k: f64 = number(1.0..=MAX_K), default 2.0;
        /// Over how long requests are counted: 1s to 1h.
        window: Duration = duration(), default "10s";
        /// The highest probability.
        max: f64 = rate(), default 0.9;
    }
}

/// The table of a throttle, judged by the rules of [`Settings::check`].
///
/// ```
/// use breakerbox::config::{read_file, throttle};
///
/// let (settings, _) = read_file("throttle.toml", "k = 1.5", &throttle()).unwrap();
/// assert_eq!((settings.k, settings.max), (1.5, 0.9));
/// ```
pub fn throttle() -> impl Kind<Value = Settings> {
    table::<ThrottleTable>().then(settings)
}

fn settings(table: ThrottleTable, node: Node<'_>, reader: &mut Reader) -> Option<Settings> {
    let settings = Settings {
        k: table.k.required()?,
        window: table.window.required()?,
        max: table.max.required()?,
    };
    reader.checked(node, settings.check())
}
