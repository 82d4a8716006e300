//! The key `coalesce`.

use breakerbox_core::coalesce::Settings;

use super::boolean;
use super::kind::Kind;

/// Whether equal calls in flight share one result; with the settings, where they do.
pub fn coalesce() -> impl Kind<Value = Option<Settings>> {
    boolean().map(|on| on.then(Settings::default))
}
