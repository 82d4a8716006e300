//! Headers: values that say something of time, and whole heads on their way through the gateway.

use std::time::{Duration, SystemTime};

use breakerbox::config::{MAX_DURATION, parse_duration};
use breakerbox_core::shed;
use breakerbox_proxy::headers::{
    BREAKERBOX_ATTEMPT, BREAKERBOX_DEADLINE_MS, BREAKERBOX_FALLBACK, BREAKERBOX_REASON, Peer,
    check, grpc_timeout, prepare_request, prepare_response, retry_after_of, time_left,
    to_grpc_timeout, urgency,
};
use http::header::{HOST, HeaderName, TE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Uri, Version};

/// Takes the bytes as the value of each header in turn, and then as a head.
pub fn run(input: &[u8]) {
    if let Ok(value) = HeaderValue::from_bytes(input) {
        value_of_time(&value);
        value_of_urgency(&value);
    }
    if let Ok(text) = std::str::from_utf8(input) {
        duration(text);
        retry_after(text);
        if let Some(parts) = head(text) {
            request(parts.clone(), true);
            request(parts, false);
        }
    }
}

fn one(name: &'static str, value: &HeaderValue) -> HeaderMap {
    HeaderMap::from_iter([(HeaderName::from_static(name), value.clone())])
}

fn value_of_time(value: &HeaderValue) {
    let grpc = grpc_timeout(&one("grpc-timeout", value));
    if let Some(timeout) = grpc {
        assert!(timeout <= Duration::from_secs(99_999_999 * 3600), "{timeout:?}");
        let sent = to_grpc_timeout(timeout);
        let read = HeaderValue::try_from(&sent).expect("digits and a unit");
        let read = grpc_timeout(&one("grpc-timeout", &read)).expect("ours can be read");
        // Milliseconds are rounded up, coarser units down; then it stays as it is.
        let off = if sent.ends_with('m') { (read, timeout, 1) } else { (timeout, read, 3_600_000) };
        let (more, less, unit) = off;
        assert!(less <= more && more - less < Duration::from_millis(unit), "{sent}");
        assert_eq!(to_grpc_timeout(read), sent);
    }
    let ours = time_left(&one("breakerbox-deadline-ms", value));
    if let Some(left) = ours {
        let millis = u64::try_from(left.as_millis()).expect("it was read as such");
        assert_eq!(time_left(&one("breakerbox-deadline-ms", &millis.into())), Some(left));
    }
    let mut both = one("grpc-timeout", value);
    both.append(BREAKERBOX_DEADLINE_MS, value.clone());
    assert_eq!(time_left(&both), [grpc, ours].into_iter().flatten().min());
}

fn value_of_urgency(value: &HeaderValue) {
    let headers = one("priority", value);
    for classes in [None, Some(&shed::Settings::default())] {
        let Some(found) = urgency(&headers, classes) else { continue };
        assert!(found <= 7, "{found}");
        let said = HeaderValue::try_from(format!("u={found}")).expect("a digit");
        assert_eq!(urgency(&one("priority", &said), classes), Some(found));
    }
}

fn duration(text: &str) {
    let Ok(read) = parse_duration(text) else { return };
    assert!(read <= MAX_DURATION, "{read:?}");
    assert_eq!(parse_duration(&format!("{}ns", read.as_nanos())).ok(), Some(read));
}

fn retry_after(text: &str) {
    // The start of the year 2026.
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600);
    let Some(after) = retry_after_of(text, now) else { return };
    assert_eq!(after.subsec_nanos(), 0, "it has whole seconds only");
    assert_eq!(retry_after_of(&after.as_secs().to_string(), now), Some(after));
    // What is a time to wait does not depend on the time; what is a date is never further away later.
    let later = retry_after_of(text, now + Duration::from_secs(10)).expect("as before");
    assert!(later == after || later == after.saturating_sub(Duration::from_secs(10)));
}

/// A head as it would come over the wire: its version, method and target, then its headers.
fn head(text: &str) -> Option<Parts> {
    let mut lines = text.lines();
    let mut words = lines.next()?.split(' ');
    let method = Method::from_bytes(words.next()?.as_bytes()).ok()?;
    let target: Uri = words.next()?.parse().ok()?;
    let version = match words.next()? {
        "HTTP/1.0" => Version::HTTP_10,
        "HTTP/1.1" => Version::HTTP_11,
        "HTTP/2" => Version::HTTP_2,
        _ => return None,
    };
    let mut request = Request::builder().method(method).uri(target).version(version);
    for line in lines {
        let (name, value) = line.split_once(':')?;
        request = request.header(name, HeaderValue::from_str(value.trim()).ok()?);
    }
    Some(request.body(()).ok()?.into_parts().0)
}

/// What passes is for one host, says nothing of this hop, and has us at the end of its way.
fn request(mut parts: Parts, trusted: bool) {
    if check(&parts, false).is_err() {
        return;
    }
    assert_ne!(parts.method, Method::CONNECT);
    assert!(check(&parts, true).is_err(), "two lengths are refused whatever else there is");
    let hosts = parts.headers.get_all(HOST).iter().count();
    assert!(hosts <= 1);
    if let Some(host) = parts.headers.get(HOST) {
        assert!(!host.as_bytes().iter().any(|byte| b" \t/?#@,\\".contains(byte)), "{host:?}");
    }
    let before = parts.headers.clone();
    prepare_request(&mut parts, &Peer::new(([192, 0, 2, 7], 80).into(), trusted));
    let after = &parts.headers;
    of_this_hop_is_nothing_left(&before, after);
    let all = |name: &str| {
        after.get_all(name).iter().map(|it| it.as_bytes().to_vec()).collect::<Vec<_>>()
    };
    let way = all("x-forwarded-for");
    assert!(way.len() == 1 && way[0].ends_with(b"192.0.2.7"), "{way:?}");
    if !trusted {
        assert_eq!(all("x-forwarded-proto"), [b"http"]);
    }
    assert!(all("via").last().is_some_and(|via| via.ends_with(b" breakerbox")));
    let ours = [BREAKERBOX_ATTEMPT, BREAKERBOX_DEADLINE_MS, BREAKERBOX_FALLBACK, BREAKERBOX_REASON];
    if !trusted {
        assert!(ours.iter().all(|name| !after.contains_key(name)), "{after:?}");
    }
    // The same headers on the way back.
    let mut response = before.clone();
    prepare_response(&mut response, Version::HTTP_11);
    of_this_hop_is_nothing_left(&before, &response);
    assert!(!response.contains_key(BREAKERBOX_REASON), "only ours to say");
    assert!(!response.contains_key(BREAKERBOX_FALLBACK), "only ours to say");
}

fn of_this_hop_is_nothing_left(before: &HeaderMap, after: &HeaderMap) {
    for name in [
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "transfer-encoding",
        "upgrade",
    ] {
        assert!(!after.contains_key(name), "{name}");
    }
    if let Some(te) = after.get(TE) {
        assert_eq!(te, "trailers");
        assert_eq!(after.get_all(TE).iter().count(), 1);
    }
    // What we set ourselves may have a name that was given up.
    let set = ["te", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "via"];
    let named = before.get_all("connection").iter().filter_map(|it| it.to_str().ok());
    for name in named.flat_map(|it| it.split(',')).map(str::trim) {
        let Ok(name) = name.parse::<HeaderName>() else { continue };
        assert!(set.contains(&name.as_str()) || !after.contains_key(&name), "{name}");
    }
}
