//! What headers say of a call, and how it is said in them.

use breakerbox_core::shed;
use http::{HeaderMap, HeaderName, HeaderValue};
use std::time::{Duration, SystemTime};

/// Why an answer is a policy's and not the upstream's: `breaker_open`, `rate_limited`, `deadline`...
///
/// ```
/// use breakerbox::TimeoutKind;
/// use breakerbox::http::{BREAKERBOX_REASON, Explanation};
///
/// let response = Explanation::of_timeout(TimeoutKind::Deadline).to_response();
/// assert_eq!(response.headers()[BREAKERBOX_REASON], "deadline");
/// ```
pub const BREAKERBOX_REASON: HeaderName = HeaderName::from_static("breakerbox-reason");

/// Set on answers that a fallback gave.
///
/// ```
/// use breakerbox::Pipeline;
/// use breakerbox::http::BREAKERBOX_FALLBACK;
/// use http::{HeaderValue, Response};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let posts = Pipeline::builder("posts").build()?;
/// let call = posts.protect().fallback(|_| "no posts at the moment");
/// let answer = call.call(async || Err("down")).await.unwrap();
/// let mut response = Response::new(*answer);
/// if answer.is_fallback() {
///     response.headers_mut().insert(BREAKERBOX_FALLBACK, HeaderValue::from_static("static"));
/// }
/// assert!(response.headers().contains_key("breakerbox-fallback"));
/// # Ok(()) }
/// ```
pub const BREAKERBOX_FALLBACK: HeaderName = HeaderName::from_static("breakerbox-fallback");

/// Milliseconds that are left of the caller's deadline.
///
/// ```
/// use breakerbox::http::{BREAKERBOX_DEADLINE_MS, time_left};
/// use http::HeaderMap;
/// use std::time::Duration;
///
/// let mut headers = HeaderMap::new();
/// headers.insert(BREAKERBOX_DEADLINE_MS, 250.into());
/// assert_eq!(time_left(&headers), Some(Duration::from_millis(250)));
/// ```
pub const BREAKERBOX_DEADLINE_MS: HeaderName = HeaderName::from_static("breakerbox-deadline-ms");

/// Number of the attempt, counted from 1.
///
/// A [`ClientLayer`](super::ClientLayer) sets it from the second attempt on:
///
/// ```
/// use breakerbox::http::{BREAKERBOX_ATTEMPT, ClientLayer};
/// use http::{Request, Response};
/// use tower::{Layer, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// // It fails unless it is asked again.
/// let client = service_fn(async |request: Request<_>| {
///     let again = request.headers().contains_key(BREAKERBOX_ATTEMPT);
///     Response::builder().status(if again { 200 } else { 503 }).body(String::new())
/// });
/// let posts = ClientLayer::standard("posts").layer(client);
/// let request = Request::get("http://posts.internal/1").body(String::new())?;
/// assert_eq!(posts.oneshot(request).await?.status(), 200);
/// # Ok(()) }
/// ```
pub const BREAKERBOX_ATTEMPT: HeaderName = HeaderName::from_static("breakerbox-attempt");

/// How much time a gRPC call has left.
///
/// ```
/// use breakerbox::http::{GRPC_TIMEOUT, grpc_timeout};
/// use http::{HeaderMap, HeaderValue};
/// use std::time::Duration;
///
/// let mut headers = HeaderMap::new();
/// headers.insert(GRPC_TIMEOUT, HeaderValue::from_static("250m"));
/// assert_eq!(grpc_timeout(&headers), Some(Duration::from_millis(250)));
/// ```
pub const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// Says how important a request is (RFC 9218).
const PRIORITY: HeaderName = HeaderName::from_static("priority");

/// How much time the caller has left, as `breakerbox-deadline-ms` or `grpc-timeout` say it; what is no
/// number is as good as nothing. Ask it only of callers that are trusted.
///
/// ```
/// use breakerbox::http::time_left;
/// use http::HeaderMap;
/// use std::time::Duration;
///
/// let headers = HeaderMap::from_iter([("breakerbox-deadline-ms".parse().unwrap(), "250".parse().unwrap())]);
/// assert_eq!(time_left(&headers), Some(Duration::from_millis(250)));
/// ```
pub fn time_left(headers: &HeaderMap) -> Option<Duration> {
    [deadline_ms(headers), grpc_timeout(headers)].into_iter().flatten().min()
}

/// The shortest one that is said.
fn deadline_ms(headers: &HeaderMap) -> Option<Duration> {
    let all = headers.get_all(BREAKERBOX_DEADLINE_MS).iter();
    all.filter_map(|value| whole(value.to_str().ok()?.trim())).map(Duration::from_millis).min()
}

/// A number of nothing but digits; one that is too large is as large as can be.
fn whole(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

/// Tells the next hop how much time is left: `breakerbox-deadline-ms`, and no more in a `grpc-timeout` that is
/// there already. Where the headers say less than that, that stays.
///
/// ```
/// use breakerbox::http::tell_time_left;
/// use http::HeaderMap;
/// use std::time::Duration;
///
/// let mut headers = HeaderMap::from_iter([("grpc-timeout".parse().unwrap(), "5S".parse().unwrap())]);
/// tell_time_left(&mut headers, Duration::from_millis(250));
/// assert_eq!((&headers["breakerbox-deadline-ms"], &headers["grpc-timeout"]), (&"250".parse().unwrap(), &"250m".parse().unwrap()));
/// ```
pub fn tell_time_left(headers: &mut HeaderMap, left: Duration) {
    let ours = left.min(deadline_ms(headers).unwrap_or(Duration::MAX));
    let millis = u64::try_from(ours.as_millis()).unwrap_or(u64::MAX);
    headers.insert(BREAKERBOX_DEADLINE_MS, HeaderValue::from(millis));
    if let Some(theirs) = grpc_timeout(headers)
        && let Ok(value) = HeaderValue::try_from(to_grpc_timeout(left.min(theirs)))
    {
        headers.insert(GRPC_TIMEOUT, value);
    }
}

/// `Retry-After` in seconds or as a date (RFC 9110, section 10.2.3); a date that has passed is now.
///
/// ```
/// use breakerbox::http::retry_after_of;
/// use std::time::{Duration, SystemTime};
///
/// assert_eq!(retry_after_of("120", SystemTime::now()), Some(Duration::from_secs(120)));
/// ```
pub fn retry_after_of(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    if let Some(seconds) = whole(value) {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

/// The urgency of a `Priority` header: the parameter `u` of a list of parameters, 0 to 7, or else the
/// name of a class.
///
/// ```
/// use breakerbox::http::urgency;
/// use http::HeaderMap;
///
/// let headers = HeaderMap::from_iter([("priority".parse().unwrap(), "u=1, i".parse().unwrap())]);
/// assert_eq!(urgency(&headers, None), Some(1));
/// ```
pub fn urgency(headers: &HeaderMap, shed: Option<&shed::Settings>) -> Option<u8> {
    let value = headers.get(PRIORITY)?.to_str().ok()?;
    let parameters = value.split(',').map(str::trim);
    // As in every dictionary of structured fields the last one counts.
    let urgency = parameters.clone().filter_map(|it| it.strip_prefix("u=")).next_back();
    if let Some(urgency) = urgency {
        return urgency.split(';').next()?.trim().parse().ok().filter(|urgency| *urgency <= 7);
    }
    let mut classes = parameters.filter_map(|it| shed?.urgency(it.split(';').next()?.trim()));
    classes.next_back()
}

/// The deadline of a gRPC call: up to eight digits and a unit.
///
/// ```
/// use breakerbox::http::grpc_timeout;
/// use http::HeaderMap;
/// use std::time::Duration;
///
/// let headers = HeaderMap::from_iter([("grpc-timeout".parse().unwrap(), "250m".parse().unwrap())]);
/// assert_eq!(grpc_timeout(&headers), Some(Duration::from_millis(250)));
/// ```
pub fn grpc_timeout(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(GRPC_TIMEOUT)?.to_str().ok()?.trim();
    let (digits, unit) = value.split_at_checked(value.len().checked_sub(1)?)?;
    let count = whole(digits).filter(|_| digits.len() <= 8)?;
    Some(match unit {
        "H" => Duration::from_secs(count * 3600),
        "M" => Duration::from_secs(count * 60),
        "S" => Duration::from_secs(count),
        "m" => Duration::from_millis(count),
        "u" => Duration::from_micros(count),
        "n" => Duration::from_nanos(count),
        _ => return None,
    })
}

/// The same, to be sent: in milliseconds, rounded up, or in a coarser unit where those do not fit.
///
/// ```
/// use breakerbox::http::to_grpc_timeout;
/// use std::time::Duration;
///
/// assert_eq!(to_grpc_timeout(Duration::from_millis(1500)), "1500m");
/// ```
pub fn to_grpc_timeout(left: Duration) -> String {
    const MOST: u128 = 99_999_999;
    let millis = left.as_nanos().div_ceil(1_000_000);
    if millis <= MOST {
        format!("{millis}m")
    } else if u128::from(left.as_secs()) <= MOST {
        format!("{}S", left.as_secs())
    } else {
        format!("{}H", (left.as_secs() / 3600).min(99_999_999))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(HeaderName::from_static(name), value.parse().unwrap())])
    }

    #[test]
    fn the_urgency_of_a_priority() {
        let of = |value| urgency(&headers("priority", value), None);
        assert_eq!(of("u=1"), Some(1));
        assert_eq!(of("i, u=7"), Some(7));
        assert_eq!(of("u=2;x=1, i"), Some(2));
        assert_eq!(of("u=0, u=5"), Some(5));
        for none in ["u=8", "u=-1", "u", "i", "", "urgent"] {
            assert_eq!(of(none), None, "{none}");
        }
    }

    #[test]
    fn a_class_stands_for_its_urgency() {
        let mut settings = shed::Settings::default();
        settings.classes.insert("checkout".to_owned(), 1);
        let of = |value| urgency(&headers("priority", value), Some(&settings));
        assert_eq!(of("checkout"), Some(1));
        assert_eq!(of("i, sheddable"), Some(7));
        assert_eq!(of("checkout, u=4"), Some(4));
        assert_eq!(of("unheard-of"), None);
    }

    #[test]
    fn a_timeout_of_grpc_in_every_unit_and_back() {
        let of = |value| grpc_timeout(&headers("grpc-timeout", value));
        assert_eq!(of("1H"), Some(Duration::from_secs(3600)));
        assert_eq!(of("2M"), Some(Duration::from_secs(120)));
        assert_eq!(of("3S"), Some(Duration::from_secs(3)));
        assert_eq!(of("250m"), Some(Duration::from_millis(250)));
        assert_eq!(of("7u"), Some(Duration::from_micros(7)));
        assert_eq!(of("99999999n"), Some(Duration::from_nanos(99_999_999)));
        for none in ["", "S", "5", "-1S", "1s", "123456789S", "1.5S", "+1S"] {
            assert_eq!(of(none), None, "{none}");
        }
        assert_eq!(to_grpc_timeout(Duration::from_millis(1500)), "1500m");
        assert_eq!(to_grpc_timeout(Duration::from_nanos(1_500_001)), "2m");
        assert_eq!(to_grpc_timeout(Duration::from_secs(100_000)), "100000S");
        assert_eq!(to_grpc_timeout(Duration::MAX), "99999999H");
    }

    #[test]
    fn of_several_deadlines_the_shortest_counts() {
        let mut headers = headers("breakerbox-deadline-ms", "5000");
        headers.append(BREAKERBOX_DEADLINE_MS, 200.into());
        assert_eq!(time_left(&headers), Some(Duration::from_millis(200)));
        // Nor does it grow on the way.
        tell_time_left(&mut headers, Duration::from_secs(10));
        assert_eq!(headers[BREAKERBOX_DEADLINE_MS], "200");
        tell_time_left(&mut headers, Duration::from_millis(70));
        assert_eq!(headers[BREAKERBOX_DEADLINE_MS], "70");
        for none in ["+200", "-1", "", "1.5", "soon"] {
            headers.insert(BREAKERBOX_DEADLINE_MS, none.parse().unwrap());
            assert_eq!(time_left(&headers), None, "{none}");
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let of = |value| retry_after_of(value, now);
        assert_eq!(of("120"), Some(Duration::from_secs(120)));
        assert_eq!(of(" 0 "), Some(Duration::ZERO));
        assert_eq!(of("Sun, 06 Nov 1994 08:50:37 GMT"), Some(Duration::from_secs(60)));
        assert_eq!(of("Sun, 06 Nov 1994 08:48:37 GMT"), Some(Duration::ZERO));
        assert_eq!(of("99999999999999999999"), Some(Duration::from_secs(u64::MAX)));
        assert_eq!(of("soon"), None);
        assert_eq!(of("-1"), None);
        assert_eq!(of("+1"), None);
        assert_eq!(of("1.5"), None);
    }
}
