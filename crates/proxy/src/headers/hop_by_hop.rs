//! Headers that speak to the next hop only (RFC 9110, section 7.6.1).

use http::header::{
    CONNECTION, HeaderMap, HeaderName, HeaderValue, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE,
    TRANSFER_ENCODING, UPGRADE,
};

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

/// All that are removed, whatever they say. `Trailer` stays, for trailers are passed on.
const HOP_BY_HOP: [HeaderName; 7] = [
    CONNECTION,
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TRANSFER_ENCODING,
    UPGRADE,
    KEEP_ALIVE,
    PROXY_CONNECTION,
];

/// Removes the headers of this hop and those that `Connection` names. Of `TE` nothing stays but
/// `trailers`.
///
/// Most messages have none of them: one look at the names decides.
pub(super) fn remove(headers: &mut HeaderMap) {
    if !headers.keys().any(is_hop_by_hop) {
        return;
    }
    let named = headers.get_all(CONNECTION).iter().any(|value| !is_plain(value));
    if named {
        remove_named(headers);
    }
    let trailers = headers.get_all(TE).iter().any(accepts_trailers);
    headers.remove(TE);
    for name in &HOP_BY_HOP {
        headers.remove(name);
    }
    if trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
}

fn is_hop_by_hop(name: &HeaderName) -> bool {
    match *name {
        CONNECTION | PROXY_AUTHENTICATE | PROXY_AUTHORIZATION | TE | TRANSFER_ENCODING
        | UPGRADE => true,
        _ => matches!(name.as_str(), "keep-alive" | "proxy-connection"),
    }
}

/// `Connection` values that name no header.
fn is_plain(value: &HeaderValue) -> bool {
    value.as_bytes().eq_ignore_ascii_case(b"keep-alive")
        || value.as_bytes().eq_ignore_ascii_case(b"close")
}

fn remove_named(headers: &mut HeaderMap) {
    let connections: Vec<HeaderValue> = headers.get_all(CONNECTION).iter().cloned().collect();
    for name in connections.iter().flat_map(tokens) {
        // TE is handled by what it says.
        if !name.eq_ignore_ascii_case("te") {
            headers.remove(name);
        }
    }
}

fn accepts_trailers(value: &HeaderValue) -> bool {
    tokens(value).any(|token| token.eq_ignore_ascii_case("trailers"))
}

fn tokens(value: &HeaderValue) -> impl Iterator<Item = &str> {
    value.to_str().unwrap_or("").split(',').map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(headers: &[(&'static str, &'static str)]) -> Vec<(String, String)> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_static(value));
        }
        remove(&mut map);
        map.iter()
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect()
    }

    #[test]
    fn all_of_them_go_and_the_rest_stays() {
        let headers = [
            ("accept", "*/*"),
            ("connection", "close"),
            ("keep-alive", "timeout=5"),
            ("proxy-authenticate", "x"),
            ("proxy-authorization", "x"),
            ("proxy-connection", "x"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("te", "gzip"),
            ("trailer", "digest"),
        ];
        let expected =
            [("accept", "*/*"), ("trailer", "digest")].map(|(n, v)| (n.to_owned(), v.to_owned()));
        assert_eq!(left(&headers), expected);
    }

    #[test]
    fn what_connection_names_goes_too() {
        let headers = [
            ("connection", "close, X-One"),
            ("connection", " x-two ,,"),
            ("x-one", "1"),
            ("x-two", "2"),
        ];
        assert!(left(&headers).is_empty());
    }

    #[test]
    fn of_te_only_trailers_stays() {
        let trailers = [("te".to_owned(), "trailers".to_owned())];
        assert_eq!(left(&[("te", "gzip, Trailers"), ("connection", "te")]), trailers);
        assert_eq!(left(&[("te", "trailers")]), trailers);
    }

    #[test]
    fn nonsense_in_connection_is_harmless() {
        assert!(left(&[("connection", "\t,;= x, \"y\"")]).is_empty());
    }
}
