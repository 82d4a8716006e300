//! Which requests may be sent again.

use breakerbox_core::retry;
use http::{HeaderMap, HeaderName, Method};
use std::sync::Arc;

/// Whether requests of this path may be sent again.
type MayRepeat = dyn Fn(&str) -> bool + Send + Sync;

/// Which requests may be sent again, though they may have been received.
#[derive(Clone)]
pub(super) struct Repeats {
    pub(super) methods: Methods,
    pub(super) paths: Option<Arc<MayRepeat>>,
    pub(super) header: Option<HeaderName>,
}

#[derive(Clone)]
pub(super) enum Methods {
    /// Those that are idempotent.
    Idempotent,
    These(Arc<[Method]>),
}

impl Methods {
    fn contain(&self, method: &Method) -> bool {
        match self {
            Self::Idempotent => retry::IDEMPOTENT.contains(&method.as_str()),
            Self::These(methods) => methods.contains(method),
        }
    }
}

impl Repeats {
    pub(super) fn may(&self, method: &Method, path: &str, headers: &HeaderMap) -> bool {
        self.methods.contain(method)
            || self.paths.as_ref().is_some_and(|may| may(path))
            || self.header.as_ref().is_some_and(|name| headers.contains_key(name))
    }
}
