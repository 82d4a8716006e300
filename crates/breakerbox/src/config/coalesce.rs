//! The key `coalesce`.

use breakerbox_core::coalesce::Settings;

use super::boolean;
use super::kind::Kind;

/// Whether equal calls in flight share one result; with the settings, where they do.
///
/// ```
/// use breakerbox::config::{coalesce, named, read_file};
///
/// let file = "posts = true\nusers = false";
/// let (shared, _) = read_file("coalesce.toml", file, &named(coalesce())).unwrap();
/// assert!(shared["posts"].value.is_some());
/// assert!(shared["users"].value.is_none());
/// ```
pub fn coalesce() -> impl Kind<Value = Option<Settings>> {
    boolean().map(|on| on.then(Settings::default))
}
