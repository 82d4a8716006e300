//! Numbers as people read them.

use std::time::Duration;

/// Three digits, never more than it is: `21.3`, `0.5`, `1234`.
pub(super) fn number(number: f64) -> String {
    // 21.3 x 10 must not come out as 212.99999.
    let floor = |scale: f64| (number * scale * (1.0 + f64::EPSILON)).floor() / scale;
    match number {
        _ if number >= 100.0 => format!("{}", floor(1.0)),
        _ if number >= 10.0 => format!("{}", floor(10.0)),
        _ if number >= 1.0 => format!("{}", floor(100.0)),
        _ => format!("{}", floor(1000.0)),
    }
}

/// Three digits of a duration that was worked out, never more than it is: `581ms`.
pub(super) fn about(duration: Duration) -> Duration {
    let nanos = duration.as_nanos();
    let rest = nanos.checked_ilog10().map_or(0, |digits| digits.saturating_sub(2));
    let rounded = nanos / 10_u128.pow(rest) * 10_u128.pow(rest);
    let (seconds, nanos) = (rounded / 1_000_000_000, rounded % 1_000_000_000);
    Duration::new(seconds as u64, nanos as u32)
}

/// A share as a percentage: `91 %`.
pub(super) fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

/// `a`, `a and b`, `a, b and c`.
pub(super) fn list<T: AsRef<str>>(words: &[T]) -> String {
    let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
    match words.as_slice() {
        [first @ .., last] if !first.is_empty() => format!("{} and {last}", first.join(", ")),
        words => words.concat(),
    }
}

/// `1 attempt`, `3 attempts`.
pub(super) fn count(number: u32, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}
