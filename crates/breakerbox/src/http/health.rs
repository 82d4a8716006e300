//! Whether all is well, for a load balancer and for people.

use crate::Registry;
use crate::clock::Clock;
use breakerbox_core::breaker::State;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};
use serde_json::{Map, Value, json};

/// The answer of a health route: 200 while no breaker of the registry is open or isolated, else 503, with the
/// state of each as JSON either way.
///
/// ```
/// use breakerbox::http::health;
/// use breakerbox::{Control, Registry};
///
/// let registry = Registry::new();
/// let posts = registry.or_insert_with("posts", |builder| builder.build())?;
/// assert_eq!(health(&registry).status(), 200);
/// posts.control(Control::Isolate);
/// let response = health(&registry);
/// assert_eq!(response.status(), 503);
/// assert_eq!(response.body(), r#"{"healthy":false,"breakers":{"posts":{"state":"isolated"}}}"#);
/// # Ok::<(), breakerbox::RegistryError>(())
/// ```
pub fn health<C: Clock>(registry: &Registry<C>) -> Response<Bytes> {
    let (mut healthy, mut breakers) = (true, Map::new());
    for breaker in registry.iter() {
        let snapshot = breaker.stats();
        healthy &= !matches!(snapshot.state, State::Open | State::Isolated);
        let mut shown = Map::new();
        shown.insert("state".to_owned(), Value::from(snapshot.state.name()));
        if let Some(wait) = snapshot.retry_after.filter(|wait| !wait.is_zero()) {
            let millis = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
            shown.insert("retry_after_ms".to_owned(), Value::from(millis));
        }
        breakers.insert(breaker.name().to_string(), Value::Object(shown));
    }
    let body = json!({ "healthy": healthy, "breakers": breakers });
    let mut response = Response::new(Bytes::from(body.to_string()));
    if !healthy {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
