//! Settings that are refused.

use super::*;
use crate::bulkhead::Order;

#[test]
fn what_makes_no_sense_is_refused() {
    let adaptive = Settings { order: Order::AdaptiveLifo, queue: 1, ..Settings::new(1) };
    for (settings, message) in [
        (Settings::new(0), "`concurrent` is 0, so no call is ever admitted; give 1 to 1000000"),
        (Settings::new(1_000_001), "`concurrent` is 1000001; give 1 to 1000000"),
        (
            Settings { queue: 1_000_001, ..Settings::new(1) },
            "`queue` is 1000001; give 0 to 1000000",
        ),
        (
            Settings { queue: 1, queue_timeout: Duration::ZERO, ..Settings::new(1) },
            "`queue_timeout` is zero; give a duration, or set `queue` to 0 so that nobody waits",
        ),
        (
            Settings { target: Duration::ZERO, ..adaptive },
            "`target` is zero; give a duration, such as 5ms",
        ),
        (
            Settings { target: ms(101), ..adaptive },
            "`target` of 101ms is longer than the interval 100ms; make `target` shorter than \
             `interval`",
        ),
    ] {
        assert_eq!(settings.check().unwrap_err().to_string(), message, "{settings:?}");
    }
    for good in [
        Settings::new(1),
        Settings { queue: 1_000_000, ..Settings::new(1_000_000) },
        Settings { queue_timeout: Duration::ZERO, ..Settings::new(1) },
        Settings { target: ms(100), ..adaptive },
        Settings { target: ms(101), order: Order::Fifo, ..adaptive },
    ] {
        assert_eq!(good.check(), Ok(good));
    }
}

#[test]
fn settings_that_were_not_checked_do_no_harm() {
    let bulkhead = Bulkhead::new(Settings { queue: u32::MAX, ..Settings::new(0) });
    assert_eq!(bulkhead.snapshot().limit, 1);
    assert!(is_admitted(&bulkhead, at(0)));
    bulkhead.set(Settings { queue: u32::MAX, ..Settings::new(u32::MAX) }, at(0));
    assert_eq!(bulkhead.snapshot().limit, 1_000_000);
    assert_eq!(bulkhead.snapshot().in_flight, 1);
}

#[test]
fn nobody_waits_longer_than_the_timeout_nor_in_adaptive_order_than_the_interval() {
    let fifo = Settings { queue: 1, queue_timeout: ms(300), ..Settings::new(1) };
    assert_eq!(fifo.longest_wait(), ms(300));
    let adaptive = Settings { order: Order::AdaptiveLifo, interval: ms(100), ..fifo };
    assert_eq!(adaptive.longest_wait(), ms(100));
    assert_eq!(Settings { queue_timeout: ms(99), ..adaptive }.longest_wait(), ms(99));
    assert_eq!(Settings { queue: 0, ..fifo }.longest_wait(), ms(0));
}
