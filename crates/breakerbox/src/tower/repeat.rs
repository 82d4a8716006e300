//! Which requests can be sent again.

/// Makes another request like one that is about to be sent, so that it can be sent again.
///
/// ```
/// use breakerbox::tower::Repeat;
///
/// #[derive(Clone)]
/// struct SafeOnly;
///
/// #[derive(Clone)]
/// struct Request {
///     method: &'static str,
/// }
///
/// impl Repeat<Request> for SafeOnly {
///     fn repeat(&self, request: &Request) -> Option<Request> {
///         matches!(request.method, "GET" | "HEAD").then(|| request.clone())
///     }
/// }
/// assert!(SafeOnly.repeat(&Request { method: "POST" }).is_none());
/// ```
#[diagnostic::on_unimplemented(
    message = "requests of type `{Request}` cannot be sent again",
    note = "implement `Clone` for them, or tell the layer with `.once()` to send each once, \
            or with `.repeat(..)` how to make another one"
)]
pub trait Repeat<Request> {
    /// Another one; `None` if this request must not be sent again.
    fn repeat(&self, request: &Request) -> Option<Request>;
}

/// All requests may be sent again: they are cloned.
///
/// ```
/// use breakerbox::tower::{Clones, Repeat};
///
/// assert_eq!(Clones.repeat(&"GET /posts/1"), Some("GET /posts/1"));
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Clones;

impl<Request: Clone> Repeat<Request> for Clones {
    fn repeat(&self, request: &Request) -> Option<Request> {
        Some(request.clone())
    }
}

/// No request may be sent again.
///
/// ```
/// use breakerbox::tower::{Never, Repeat};
///
/// assert_eq!(Never.repeat(&"POST /payments"), None);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Never;

impl<Request> Repeat<Request> for Never {
    fn repeat(&self, _: &Request) -> Option<Request> {
        None
    }
}
