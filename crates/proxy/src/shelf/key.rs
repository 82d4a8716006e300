//! What a request asks for, as far as equal ones are told by it.

use std::fmt::Write as _;
use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, Method};

/// What a request asks for.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Method, host, path and query.
    pub(super) base: Arc<str>,
    headers: HeaderMap,
}

impl Asked {
    /// A request that asks for this.
    pub fn new(method: &Method, host: &str, path_and_query: &str, headers: &HeaderMap) -> Self {
        let host = host.to_ascii_lowercase();
        let base = format!("{method} {host} {path_and_query}").into();
        Self { base, headers: headers.clone() }
    }

    /// What it asks for, and the values of these headers.
    pub(super) fn key(&self, names: &[HeaderName]) -> Arc<str> {
        if names.is_empty() {
            return Arc::clone(&self.base);
        }
        let mut key = self.base.to_string();
        for name in names {
            // Escaped, so that no value can pretend to be two.
            let _ = write!(key, "\n{name}");
            for value in self.values(name) {
                let _ = write!(key, " {:?}", value.as_bytes().escape_ascii().to_string());
            }
        }
        key.into()
    }

    pub(super) fn values(&self, name: &HeaderName) -> impl Iterator<Item = &HeaderValue> {
        self.headers.get_all(name).iter()
    }
}
