//! Numbers as people read them.

use std::time::Duration;

/// Time since the beginning: `00:07.2`.
pub(super) fn clock(at: Duration) -> String {
    let tenths = at.as_millis() / 100;
    format!("{:02}:{:02}.{}", tenths / 600, tenths / 10 % 60, tenths % 10)
}

/// How long something took: `184 µs`, `2.9 ms`, `503 ms`, `11.5 s`.
pub(super) fn span(duration: Duration) -> String {
    let (seconds, millis) = (duration.as_secs_f64(), duration.as_secs_f64() * 1e3);
    match duration.as_micros() {
        0..1_000 => format!("{} µs", duration.as_micros()),
        1_000..10_000 => format!("{millis:.1} ms"),
        10_000..1_000_000 => format!("{millis:.0} ms"),
        1_000_000..100_000_000 => format!("{seconds:.1} s"),
        _ => format!("{seconds:.0} s"),
    }
}

/// The same where there may be nothing to tell.
pub(super) fn span_or_dash(duration: Option<Duration>) -> String {
    duration.map_or_else(|| "-".to_owned(), span)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_the_unit_that_suits_them() {
        let micros = |micros| span(Duration::from_micros(micros));
        assert_eq!(micros(0), "0 µs");
        assert_eq!(micros(999), "999 µs");
        assert_eq!(micros(2_940), "2.9 ms");
        assert_eq!(micros(503_400), "503 ms");
        assert_eq!(micros(11_512_000), "11.5 s");
        assert_eq!(micros(121_400_000), "121 s");
        assert_eq!(span_or_dash(None), "-");
    }

    #[test]
    fn the_clock_is_cut_to_tenths() {
        assert_eq!(clock(Duration::from_millis(7_299)), "00:07.2");
        assert_eq!(clock(Duration::from_secs(61)), "01:01.0");
    }
}
