//! What the machine is to know of a request before it begins.

use std::time::Duration;

use breakerbox::config::{Chaos, KeyOf};
use breakerbox::core::pipeline::{DEFAULT_URGENCY, Keys, Start};
use breakerbox::core::shed;
use http::request::Parts;
use http::{HeaderMap, HeaderName, Method, Uri};

use crate::headers::{self, Peer};
use crate::policies::Policies;

/// Says how important a request is (RFC 9218).
const PRIORITY: HeaderName = HeaderName::from_static("priority");

/// What the machine is to know of a request with this head. `has_body`: it is more than a head.
///
/// What a client says of its own time and importance counts only where it is trusted.
pub(crate) fn start_of(parts: &Parts, peer: &Peer, has_body: bool, policies: &Policies) -> Start {
    let host = headers::host(parts);
    start(&parts.method, &parts.uri, &parts.headers, host, peer, has_body, policies)
}

/// The same of a request in pieces.
pub(crate) fn start(
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    host: &str,
    peer: &Peer,
    has_body: bool,
    policies: &Policies,
) -> Start {
    let policy = policies.policy();
    let repeatable = match &policy.retry {
        Some(retry) => retry.may_repeat(method.as_str()),
        None => method.is_safe(),
    };
    let key = |key: &Option<KeyOf>| {
        let key = key.as_ref()?;
        Some(policies.hash(value_of(key, uri, headers, host, peer)))
    };
    let keys = Keys {
        rate_limit: policy.rate_limit.as_ref().and_then(|limit| key(&limit.key)),
        breaker: policy.breaker_key.as_ref().and_then(|breaker| key(&Some(breaker.key.clone()))),
        // All requests of one client are shed together.
        shed: policy.shed.is_some().then(|| policies.hash(peer.client(headers))),
        chaos: policy.chaos.as_ref().and_then(|chaos| key(&chaos.key)),
        spared: policy.chaos.as_ref().is_some_and(|chaos| !meets(chaos, headers)),
    };
    Start {
        left: if peer.trusted { crate::headers::time_left(headers) } else { None },
        repeatable,
        // A body is read once, so two attempts at a time cannot both have it.
        hedgeable: method.is_safe() && !has_body,
        urgency: urgency(headers, policy.shed.as_ref())
            .filter(|_| peer.trusted)
            .unwrap_or(DEFAULT_URGENCY),
        weight: 1,
        lookup: policies.shares_answers() && !has_body && may_be_shared(method, headers),
        keys,
    }
}

/// Whether the answer to a request may be given to others: nobody has said who asks, all of it is asked
/// for, and it does not depend on what the client has already.
fn may_be_shared(method: &Method, headers: &HeaderMap) -> bool {
    use http::header::{
        AUTHORIZATION, COOKIE, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE,
        IF_UNMODIFIED_SINCE, RANGE,
    };
    const OWN: [HeaderName; 8] = [
        AUTHORIZATION,
        COOKIE,
        RANGE,
        IF_MATCH,
        IF_NONE_MATCH,
        IF_MODIFIED_SINCE,
        IF_UNMODIFIED_SINCE,
        IF_RANGE,
    ];
    matches!(*method, Method::GET | Method::HEAD)
        && !OWN.iter().any(|name| headers.contains_key(name))
}

/// What a key is for this request. What is missing is a key too, the same for all.
fn value_of(key: &KeyOf, uri: &Uri, headers: &HeaderMap, host: &str, peer: &Peer) -> Vec<u8> {
    match key {
        KeyOf::ClientIp => peer.client(headers),
        KeyOf::Header(name) => {
            headers.get(name.as_str()).map_or(Vec::new(), |value| value.as_bytes().to_vec())
        }
        KeyOf::Host => host.to_ascii_lowercase().into_bytes(),
        KeyOf::Path => uri.path().as_bytes().to_vec(),
    }
}

/// Whether chaos is for a request with these headers.
fn meets(chaos: &Chaos, headers: &HeaderMap) -> bool {
    let Some((name, wanted)) = &chaos.header else { return true };
    let mut values = headers.get_all(name.as_str()).iter();
    values.any(|value| wanted.as_ref().is_none_or(|wanted| value.as_bytes() == wanted.as_bytes()))
}

/// The urgency of a `Priority` header: the parameter `u` of a list of parameters, 0 to 7, or else the
/// name of a class.
///
/// ```
/// use breakerbox_proxy::headers::urgency;
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
/// use breakerbox_proxy::headers::grpc_timeout;
/// use http::HeaderMap;
/// use std::time::Duration;
///
/// let headers = HeaderMap::from_iter([("grpc-timeout".parse().unwrap(), "250m".parse().unwrap())]);
/// assert_eq!(grpc_timeout(&headers), Some(Duration::from_millis(250)));
/// ```
pub fn grpc_timeout(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get("grpc-timeout")?.to_str().ok()?.trim();
    let (digits, unit) = value.split_at_checked(value.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let count: u64 = digits.parse().ok()?;
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

/// The same, to be sent: in milliseconds, or in a coarser unit where those do not fit.
///
/// ```
/// use breakerbox_proxy::headers::to_grpc_timeout;
/// use std::time::Duration;
///
/// assert_eq!(to_grpc_timeout(Duration::from_millis(1500)), "1500m");
/// ```
pub fn to_grpc_timeout(left: Duration) -> String {
    const MOST: u128 = 99_999_999;
    let millis = left.as_millis();
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
        assert_eq!(to_grpc_timeout(Duration::from_secs(100_000)), "100000S");
        assert_eq!(to_grpc_timeout(Duration::MAX), "99999999H");
    }
}
