//! What the machine is to know of a request before it begins.

use breakerbox::config::{Chaos, KeyOf};
use breakerbox::core::pipeline::{DEFAULT_URGENCY, Keys, Start};
use http::request::Parts;
use http::{HeaderMap, HeaderName, Method, Uri};

use crate::headers::{self, Peer};
use crate::policies::Policies;

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
        left: if peer.trusted { headers::time_left(headers) } else { None },
        repeatable,
        // A body is read once, so two attempts at a time cannot both have it.
        hedgeable: method.is_safe() && !has_body,
        urgency: headers::urgency(headers, policy.shed.as_ref())
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
