//! The table `bulkhead`.

use std::time::Duration;

use breakerbox_core::bulkhead::{MAX_CONCURRENT, MAX_QUEUE, Order, Settings};

use super::kind::Kind;
use super::node::Node;
use super::reader::Reader;
use super::table::table;
use super::warnings::FASTEST;
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
///
/// ```
/// use breakerbox::config::{bulkhead, read_file};
/// use std::time::Duration;
///
/// let file = "concurrent = 64\nqueue = 16";
/// let (settings, _) = read_file("bulkhead.toml", file, &bulkhead()).unwrap();
/// assert_eq!((settings.concurrent, settings.queue), (64, 16));
/// assert_eq!(settings.queue_timeout, Duration::from_millis(100));
/// ```
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
    let settings = reader.checked(node, settings.check())?;
    warn_of_a_long_queue(&settings, node, reader);
    Some(settings)
}

/// The last one in a full queue waits until all before it have gone on: `queue / concurrent` times as
/// long as a call takes. How long that is the file does not say, so only a queue is told of that would
/// need calls that hardly exist.
fn warn_of_a_long_queue(settings: &Settings, node: Node<'_>, reader: &mut Reader) {
    let Settings { concurrent, queue, .. } = *settings;
    let patience = settings.longest_wait();
    let served =
        |time: Duration| patience.as_secs_f64() / time.as_secs_f64() * f64::from(concurrent);
    let useful = served(FASTEST);
    if f64::from(queue) <= useful {
        return;
    }
    let longest = patience.mul_f64(f64::from(concurrent) / f64::from(queue));
    reader.warning(
        node.find("queue"),
        format!(
            "`queue` is longer than can be served in time: the last of {queue} has its turn within \
             {patience:?} only if no call takes longer than {longest:?}"
        ),
        format!(
            "make it shorter: {concurrent} slots serve {useful:.0} calls of {FASTEST:?} within {patience:?}, \
             and fewer that take longer"
        ),
    );
}
