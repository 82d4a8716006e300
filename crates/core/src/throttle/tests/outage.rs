//! What the throttle does to an upstream that is down, overloaded, or fails a part of its requests.

use crate::throttle::{Settings, Throttle};
use crate::{SplitMix64, Timestamp};
use std::time::Duration;

/// Requests at a fixed rate; the upstream accepts what `accepts` says, with the requests of this
/// second so far. Returns per second: how many were sent, how many accepted, and the probability at
/// the second's end.
fn run(
    per_second: u64,
    seconds: u64,
    mut accepts: impl FnMut(u64, u64, &mut SplitMix64) -> bool,
) -> Vec<(u64, u64, f64)> {
    let throttle = Throttle::new(Settings::default());
    let mut random = SplitMix64::new(7);
    let mut all = Vec::new();
    for second in 0..seconds {
        let (mut sent, mut good) = (0, 0);
        let mut now = Timestamp::ZERO;
        for request in 0..per_second {
            let nanos = second * 1_000_000_000 + request * 1_000_000_000 / per_second;
            now = Timestamp::from_nanos(nanos);
            if throttle.admit(now, random.next_u64()).is_ok() {
                if accepts(second, sent, &mut random) {
                    throttle.accepted(now + Duration::from_millis(1));
                    good += 1;
                }
                sent += 1;
            }
        }
        all.push((sent, good, throttle.probability(now)));
    }
    all
}

#[test]
#[cfg_attr(miri, ignore = "minutes of a service")]
fn after_an_outage_of_a_minute_it_has_recovered_within_five_seconds() {
    for (rate, at_most) in [(20, 5), (100, 5), (1000, 5), (10_000, 5)] {
        let seconds = run(rate, 100, |second, _, _| !(10..70).contains(&second));
        let (during, after) = (&seconds[30..70], &seconds[70..]);
        // A tenth of the requests, or five per second and what it takes to notice that.
        let most = (rate / 10).max(6) * 3 / 2 + 10;
        assert!(during.iter().all(|second| second.0 <= most), "{rate}: {during:?}");
        let recovered = after.iter().position(|second| second.2 < 0.05).unwrap() + 1;
        println!("{rate}/s: p < 0.05 after {recovered} s");
        assert!(recovered <= at_most, "{rate}: {after:?}");
        // And it stays so.
        assert!(after[at_most..].iter().all(|second| second.2 < 0.05), "{rate}: {after:?}");
    }
}

#[test]
#[cfg_attr(miri, ignore = "minutes of a service")]
fn an_overloaded_upstream_goes_on_working_at_its_capacity() {
    // 1,000 offered, 100 can be done.
    let seconds = run(1000, 120, |_, sent, _| sent < 100);
    let later = &seconds[30..];
    let mean = |value: fn(&(u64, u64, f64)) -> u64| {
        later.iter().map(value).sum::<u64>() as f64 / later.len() as f64
    };
    let (sent, good) = (mean(|second| second.0), mean(|second| second.1));
    println!("sent {sent}/s, accepted {good}/s");
    assert!(good > 99.0, "{good}");
    // Without the highest probability the fixed point is sqrt(k x 100 x 1000) = 447.
    assert!((350.0..550.0).contains(&sent), "{sent}");
}

#[test]
#[cfg_attr(miri, ignore = "minutes of a service")]
fn an_upstream_that_fails_a_part_of_its_requests_is_not_cut_off() {
    // 60 % fail. The fixed point is k x 0.4 = 0.8 of what is offered.
    let seconds = run(1000, 60, |_, _, random| random.next_unit() < 0.4);
    let sent: u64 = seconds[20..].iter().map(|second| second.0).sum();
    let share = sent as f64 / 40_000.0;
    assert!((0.75..0.85).contains(&share), "{share}");
}
