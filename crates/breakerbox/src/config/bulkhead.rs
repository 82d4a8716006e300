//! The table `bulkhead`.

use std::time::Duration;

use breakerbox_core::bulkhead::{MAX_CONCURRENT, MAX_QUEUE, Order, Settings};

use super::kind::Kind;
use super::node::Node;
use super::reader::Reader;
use super::table::table;
use super::{duration, integer, one_of};

config_table! {
    /// So many calls at once, and a short queue for those that come when all slots are in use.
    struct BulkheadTable {
        /// How many calls are admitted at once.
        concurrent: u32 = integer(1..=MAX_CONCURRENT),
            required "add how many calls may run at once, such as `concurrent = 64`";
        /// How many calls may wait for a slot.
        queue: u32 = integer(0..=MAX_QUEUE), default 0;
        /// How long a call waits at most.
        queue_timeout: Duration = duration().above_zero(), default "100ms";
        /// Who goes on when a slot becomes free: whoever came first, or in an overload that lasts
        /// whoever came last.
        order: Order = one_of(&[
            ("fifo", Order::Fifo),
            ("adaptive_lifo", Order::AdaptiveLifo),
        ]), default "fifo";
    }
}

/// The table of a bulkhead, judged by the rules of [`Settings::check`].
pub fn bulkhead() -> impl Kind<Value = Settings> {
    table::<BulkheadTable>().then(settings)
}

fn settings(table: BulkheadTable, node: Node<'_>, reader: &mut Reader) -> Option<Settings> {
    if table.queue.value() == Some(&0) {
        let keys = [("queue_timeout", table.queue_timeout.span()), ("order", table.order.span())];
        for (key, span) in keys {
            // The place of a default is that of the table.
            if let Some(span) = span.filter(|span| *span != node.span()) {
                let message = format!("`{key}` has no effect: there is no queue");
                reader.warning(
                    span,
                    message,
                    "add a `queue`, such as `queue = 64`, or leave it out",
                );
            }
        }
    }
    let settings = Settings {
        queue: table.queue.required()?,
        queue_timeout: table.queue_timeout.required()?,
        order: table.order.required()?,
        ..Settings::new(table.concurrent.required()?)
    };
    reader.checked(node, settings.check())
}
