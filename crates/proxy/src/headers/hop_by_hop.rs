//! Headers that speak to the next hop only (RFC 9110, section 7.6.1).

use http::header::{
    CONNECTION, HeaderMap, HeaderName, HeaderValue, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE,
    TRANSFER_ENCODING, UPGRADE,
};

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

/// All that are removed, whatever they say. `Trailer` stays, for trailers are passed on.
const HOP_BY_HOP: [HeaderName; 8] = [
    CONNECTION,
    TE,
    TRANSFER_ENCODING,
    UPGRADE,
    KEEP_ALIVE,
    PROXY_CONNECTION,
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
];

/// Which headers of this hop a message has, by their places in [`HOP_BY_HOP`].
///
/// Most messages have one of them or none, and looking a header up costs more than looking at all
/// names once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Found(u8);

impl Found {
    /// Looks at one of the names.
    pub(super) fn note(&mut self, name: &HeaderName) {
        self.0 |= match *name {
            CONNECTION => 1,
            TE => 1 << 1,
            TRANSFER_ENCODING => 1 << 2,
            UPGRADE => 1 << 3,
            PROXY_AUTHENTICATE => 1 << 6,
            PROXY_AUTHORIZATION => 1 << 7,
            _ => match name.as_str() {
                "keep-alive" => 1 << 4,
                "proxy-connection" => 1 << 5,
                _ => 0,
            },
        };
    }

    fn has(self, place: usize) -> bool {
        self.0 & (1 << place) != 0
    }

    /// Removes what was found and what `Connection` names. Of `TE` nothing stays but `trailers`.
    pub(super) fn remove(self, headers: &mut HeaderMap) {
        if self == Self::default() {
            return;
        }
        if headers.get_all(CONNECTION).iter().any(|value| !is_plain(value)) {
            remove_named(headers);
        }
        let trailers = self.has(1) && headers.get_all(TE).iter().any(accepts_trailers);
        for (place, name) in HOP_BY_HOP.iter().enumerate() {
            if self.has(place) {
                headers.remove(name);
            }
        }
        if trailers {
            headers.insert(TE, HeaderValue::from_static("trailers"));
        }
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
        let mut found = Found::default();
        map.keys().for_each(|name| found.note(name));
        found.remove(&mut map);
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
    fn every_place_is_noted() {
        for (place, name) in HOP_BY_HOP.iter().enumerate() {
            let mut found = Found::default();
            found.note(name);
            assert_eq!(found, Found(1 << place), "{name}");
        }
    }

    #[test]
    fn nonsense_in_connection_is_harmless() {
        assert!(left(&[("connection", "\t,;= x, \"y\"")]).is_empty());
    }
}
