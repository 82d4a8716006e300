//! What happens when.

use super::upstream::Health;
use std::time::Duration;

/// A part of the demo.
#[derive(Debug)]
pub(super) struct Scene {
    /// What is going to be seen.
    pub(super) title: &'static str,
    /// What there is to be learned from it.
    pub(super) meaning: &'static str,
    /// What happens to the service at its beginning.
    pub(super) event: &'static str,
    /// When it begins.
    pub(super) begins: Duration,
    /// How the service does in it.
    pub(super) service: Health,
}

/// All scenes, in their order. The first one begins at once.
pub(super) const SCENES: [Scene; 3] = [
    Scene {
        title: "Before: normal operation",
        meaning: "Two equal clients call one service, one through a circuit breaker.",
        event: "both clients begin, with 20 calls a second each",
        begins: Duration::ZERO,
        service: Health::Healthy,
    },
    Scene {
        title: "Scene 1, service down: the circuit opens, rejects, tests, stays open",
        meaning: "With the breaker, callers stop waiting and the service is left in peace.",
        event: "the service goes down: every answer takes 500 ms and is a 503",
        begins: Duration::from_secs(4),
        service: Health::Failing,
    },
    Scene {
        title: "Scene 2, service recovers: half-open, closes, normal operation",
        meaning: "The next probe finds out that the service is back, and calls pass again.",
        event: "the service recovers, but the circuit does not know yet",
        begins: Duration::from_secs(16),
        service: Health::Healthy,
    },
];

/// When it is all over.
pub(super) const LENGTH: Duration = Duration::from_secs(25);

/// The scene of a moment.
pub(super) fn scene_at(at: Duration) -> &'static Scene {
    SCENES.iter().rfind(|scene| scene.begins <= at).unwrap_or(&SCENES[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scenes_follow_one_another_and_end_in_time() {
        assert_eq!(SCENES[0].begins, Duration::ZERO);
        assert!(SCENES.is_sorted_by(|one, next| one.begins < next.begins));
        assert!(SCENES[2].begins < LENGTH && LENGTH < Duration::from_secs(35));
    }

    #[test]
    fn a_scene_begins_exactly_when_it_says() {
        let nearly = SCENES[1].begins - Duration::from_nanos(1);
        assert_eq!(scene_at(nearly).title, SCENES[0].title);
        assert_eq!(scene_at(SCENES[1].begins).title, SCENES[1].title);
        assert_eq!(scene_at(Duration::MAX).title, SCENES[2].title);
    }
}
