//! The name that was meant.

/// Of `known`, the name most like `wanted`, where one is alike enough to be what was meant.
///
/// ```
/// use breakerbox::config::closest;
///
/// assert_eq!(closest("failure-rte", ["window", "failure_rate"]), Some("failure_rate"));
/// assert_eq!(closest("retry", ["window", "failure_rate"]), None);
/// ```
pub fn closest<'k>(wanted: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let plain = |name: &str| name.to_lowercase().replace('-', "_");
    let wanted = plain(wanted);
    let scored = known.into_iter().filter_map(|name| {
        let tolerance = (wanted.len().min(name.len()) / 3).max(1);
        // Comparing takes the product of the lengths: hopeless pairs are not worth it.
        if wanted.len().abs_diff(name.len()) > tolerance {
            return None;
        }
        let distance = strsim::osa_distance(&wanted, &plain(name));
        (distance <= tolerance).then_some((distance, name))
    });
    scored.min_by_key(|(distance, _)| *distance).map(|(_, name)| name)
}
